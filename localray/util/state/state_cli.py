"""`ray.util.state.state_cli`: the state API as commands of click, for programs and tests that call them by these names.
They are there where click and PyYAML are installed, which localray does not need for anything else; its own commands
are `localray list`, `get`, `summary` and `logs`.

Must not live here: layouts (`texts`), asking the session (`api`), log files (`logs`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

from localray.absent.catalogue import missing_in
from localray.node_description import NODE_ADDRESS
from localray.util.state.api import StateApiClient, summarize_actors, summarize_objects, summarize_tasks
from localray.util.state.common import (
    DEFAULT_LIMIT,
    DEFAULT_LOG_LIMIT,
    DEFAULT_RPC_TIMEOUT,
    Filter,
    GetApiOptions,
    ListApiOptions,
    StateResource,
    resource_to_schema,
)
from localray.util.state.exception import RayStateApiException
from localray.util.state.logs import get_log, list_logs
from localray.util.state.texts import (
    AvailableFormat,
    format_get_api_output,
    format_list_api_output,
    format_object_summary_output,
    format_summary_output,
    get_table_output,
    output_with_format,
)

try:
    import click
    import yaml  # noqa: F401 - whoever has the commands can show YAML
except ImportError as error:
    raise ImportError(
        "ray.util.state.state_cli is made of click and PyYAML: pip install click pyyaml. Without them use `localray "
        "list`, `localray get`, `localray summary` and `localray logs`, or the functions of ray.util.state."
    ) from error

__all__ = [
    "AvailableFormat",
    "format_get_api_output",
    "format_list_api_output",
    "format_object_summary_output",
    "format_summary_output",
    "get_table_output",
    "logs_state_cli_group",
    "output_with_format",
    "ray_get",
    "ray_list",
    "summary_state_cli_group",
]


def _parse_filter(filter: str) -> Filter:
    """A filter as it is typed: the key ends where the first ``=`` or ``!=`` begins.

    Raises:
        ValueError: it is none.
    """
    before, found, value = filter.partition("=")
    key = before.removesuffix("!")
    if not found or not key or not value:
        raise ValueError(f"{filter!r} is no filter; write key=value or key!=value.")
    # A "!" that no "=" follows belongs to the key.
    return key, "!=" if before.endswith("!") else "=", value


def _normalize_filter_keys(resource: StateResource, filters: list[Filter]) -> list[Filter]:
    """Filters whose keys are written as the columns are.

    Raises:
        click.BadParameter: there is no such column.
    """
    columns = resource_to_schema(resource).list_columns()
    spelt = {name.lower(): name for name in columns}
    for key, _, _ in filters:
        if key.lower() not in spelt:
            raise click.BadParameter(
                f"Invalid filter key {key!r} for resource {resource.value!r}. Available filter keys are: "
                f"{', '.join(columns)}"
            )
    return [(spelt[key.lower()], predicate, value) for key, predicate, value in filters]


def _get_available_formats() -> list[str]:
    return [each.value for each in AvailableFormat]


def _get_available_resources(excluded: list[StateResource] | None = None) -> list[str]:
    return [each.value.replace("_", "-") for each in StateResource if each not in (excluded or ())]


def _should_explain(format: AvailableFormat) -> bool:
    """Whether remarks may stand beside the answer: a program reads JSON and YAML."""
    return format in (AvailableFormat.DEFAULT, AvailableFormat.TABLE)


timeout_option = click.option("--timeout", default=DEFAULT_RPC_TIMEOUT, help="Accepted: a session answers at once.")
address_option = click.option("--address", default=None, help="Of the session; by default the youngest's.")


@click.command()
@click.argument(
    "resource", type=click.Choice(_get_available_resources([StateResource.JOBS, StateResource.RUNTIME_ENVS]))
)
@click.argument("id", type=str, required=False)
@address_option
@timeout_option
def ray_get(resource: str, id: str | None, address: str | None, timeout: int) -> None:
    """Show all that is known of one thing, by its id."""
    if not id:
        raise click.BadParameter(f"Missing argument 'ID'. Do you mean 'ray list {resource}'?")
    kind = StateResource(resource.replace("-", "_"))
    try:
        found = StateApiClient(address=address).get(kind, id, GetApiOptions(timeout=timeout))
    except RayStateApiException as error:
        raise click.UsageError(str(error)) from error
    print(format_get_api_output(found, id, schema=resource_to_schema(kind), format=AvailableFormat.YAML))


@click.command()
@click.argument("resource", type=click.Choice(_get_available_resources()))
@click.option("--format", default="default", type=click.Choice(_get_available_formats()))
@click.option("-f", "--filter", multiple=True, help="key=value or key!=value; all must fit.")
@click.option("--limit", default=DEFAULT_LIMIT, type=int, help="So many at most; 100 by default.")
@click.option("--detail", is_flag=True, default=False, help="All columns, by default as YAML.")
@timeout_option
@address_option
def ray_list(
    resource: str, format: str, filter: tuple[str, ...], limit: int, detail: bool, timeout: int, address: str | None
) -> None:
    """List what there is of a kind."""
    kind, shown_as = StateResource(resource.replace("-", "_")), AvailableFormat(format)
    filters = _normalize_filter_keys(kind, [_parse_filter(each) for each in filter])
    options = ListApiOptions(limit=limit, timeout=timeout, filters=filters, detail=detail)
    try:
        states = StateApiClient(address=address).list(
            kind, options=options, raise_on_missing_output=False, _explain=_should_explain(shown_as)
        )
    except RayStateApiException as error:
        raise click.UsageError(str(error)) from error
    if detail and shown_as is AvailableFormat.DEFAULT:
        shown_as = AvailableFormat.YAML
    print(format_list_api_output(states, schema=resource_to_schema(kind), format=shown_as, detail=detail))


@click.group("summary")
def summary_state_cli_group() -> None:
    """Count what there is of a kind."""


@summary_state_cli_group.command(name="tasks")
@timeout_option
@address_option
def task_summary(timeout: int, address: str | None) -> None:
    """Count tasks by name and state."""
    counted = summarize_tasks(address, timeout, raise_on_missing_output=False, _explain=True)
    print(format_summary_output(counted, resource=StateResource.TASKS))


@summary_state_cli_group.command(name="actors")
@timeout_option
@address_option
def actor_summary(timeout: int, address: str | None) -> None:
    """Count actors by class and state."""
    counted = summarize_actors(address, timeout, raise_on_missing_output=False, _explain=True)
    print(format_summary_output(counted, resource=StateResource.ACTORS))


@summary_state_cli_group.command(name="objects")
@timeout_option
@address_option
def object_summary(timeout: int, address: str | None) -> None:
    """Count objects by the line that made them, where RAY_record_ref_creation_sites=1 has it recorded."""
    counted = summarize_objects(address, timeout, raise_on_missing_output=False, _explain=True)
    print(format_object_summary_output(counted))


log_follow_option = click.option("--follow", "-f", is_flag=True, help="Go on with what is written later.")
log_tail_option = click.option(
    "--tail", type=int, default=DEFAULT_LOG_LIMIT, help="So many lines at the end; -1 for all."
)
log_interval_option = click.option("--interval", type=float, default=None, hidden=True)
log_timeout_option = click.option("--timeout", default=DEFAULT_RPC_TIMEOUT, help="Accepted: files are read at once.")
log_node_ip_option = click.option("-ip", "--node-ip", type=str, default=None, help="Of the node's address.")
log_node_id_option = click.option("--node-id", "-id", type=str, default=None, help="Of this node.")
log_suffix_option = click.option("--err", is_flag=True, default=False, help="Standard error instead of output.")
log_encoding_option = click.option("--encoding", default="utf-8", help="Of the text in the files.")
log_encoding_errors_option = click.option(
    "--encoding-errors", default="strict", help="What to do about bytes that are no text."
)
_ID_HELP = "As it is listed by the state API."

_OF_A_NODE = (log_node_id_option, log_node_ip_option)
_AS_READ = (log_follow_option, log_tail_option, log_interval_option, log_timeout_option)
_Body: TypeAlias = "Callable[..., None]"


def _takes(*options: Callable[[_Body], _Body]) -> Callable[[_Body], _Body]:
    """Several of the options above as one decorator; help shows them in this order."""
    return lambda body: reduce(lambda wrapped, option: option(wrapped), reversed(options), body)



def _get_head_node_ip(address: str | None = None) -> str:
    """All nodes are on this machine."""
    return NODE_ADDRESS


def _print_log(*, tail: int = DEFAULT_LOG_LIMIT, interval: float | None = None, **which: Any) -> None:
    if tail > 0:
        print(
            f"--- Log has been truncated to last {tail} lines. Use `--tail` flag to toggle. Set to -1 for getting the "
            "entire file. ---\n"
        )
    try:
        for piece in get_log(tail=tail, _interval=interval, **which):
            print(piece, end="", flush=True)
    except RayStateApiException as error:
        raise click.UsageError(str(error)) from error


class LogCommandGroup(click.Group):
    """Commands of which `cluster` need not be named."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """What is no command is a pattern for `cluster`."""
        words = args if args[:1] and args[0] in self.commands else ["cluster", *args]
        name, command, rest = super().resolve_command(ctx, words)
        return name, command, rest


LOG_CLI_HELP_MSG = """
Show the log files of a session: by name (cluster), or by what wrote them.

\b
    ray logs                          the names of all
    ray logs worker-1-17.out          one of them
    ray logs actor --id ACTOR_ID      of the process of an actor
    ray logs task --id TASK_ID --err  what a task has printed to standard error
"""

logs_state_cli_group = LogCommandGroup(help=LOG_CLI_HELP_MSG)


@logs_state_cli_group.command(name="cluster")
@click.argument("glob_filter", required=False, default="*")
@_takes(address_option, *_OF_A_NODE, *_AS_READ, log_encoding_option, log_encoding_errors_option)
def log_cluster(
    glob_filter: str,
    address: str | None,
    node_id: str | None,
    node_ip: str | None,
    timeout: int,
    encoding_errors: str,
    **how: Any,
) -> None:
    """List the files that match a pattern; show the file if there is only one."""
    if node_id is None and node_ip is None:
        node_ip = _get_head_node_ip(address)
    found = list_logs(address, node_id, node_ip, glob_filter, timeout)
    names = [name for group in found.values() for name in group]
    if len(names) != 1:
        print(f"Node ID: {node_id}" if node_id else f"Node IP: {node_ip}")
        print(output_with_format(found, schema=None, format=AvailableFormat.YAML))
        return
    _print_log(
        address=address,
        node_id=node_id,
        node_ip=node_ip,
        filename=names[0],
        timeout=timeout,
        errors=encoding_errors,
        **how,
    )


def _of_one(*, err: bool = False, **which: Any) -> None:
    """The log of an actor, a process or a task."""
    _print_log(suffix="err" if err else "out", **which)


@logs_state_cli_group.command(name="actor")
@click.option("--id", "-a", "actor_id", type=str, default=None, help=_ID_HELP)
@click.option("--pid", "-pid", type=int, default=None, help="Of the actor's process.")
@_takes(address_option, *_OF_A_NODE, *_AS_READ, log_suffix_option)
def log_actor(actor_id: str | None, pid: int | None, **options: Any) -> None:
    """Show what the process of an actor has printed."""
    if pid is None and actor_id is None:
        raise click.MissingParameter(
            message="At least one of `--pid` and `--id` has to be set", param_type="option", param_hint="--id"
        )
    _of_one(actor_id=actor_id, pid=pid, **options)


@logs_state_cli_group.command(name="worker")
@click.option("--pid", "-pid", required=True, type=int, help="Of the worker's process.")
@_takes(address_option, *_OF_A_NODE, *_AS_READ, log_suffix_option)
def log_worker(**options: Any) -> None:
    """Show what a worker has printed."""
    _of_one(**options)


@logs_state_cli_group.command(name="job")
@click.option("--id", "submission_id", required=True, type=str, help=_ID_HELP)
@_takes(address_option, *_AS_READ)
def log_job(**options: Any) -> None:
    """Show what a submitted job has printed."""
    _print_log(**options)


@logs_state_cli_group.command(name="task")
@click.option("--id", "task_id", required=True, type=str, help=_ID_HELP)
@click.option("--attempt-number", "-a", type=int, default=0, help="Which attempt; 0 is the first.")
@_takes(address_option, *_AS_READ, log_suffix_option)
def log_task(**options: Any) -> None:
    """Show what a task has printed."""
    _of_one(**options)


__getattr__ = missing_in(__name__)
