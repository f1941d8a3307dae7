"""`ray.util.state`: list, get and summarize what there is in the session, from the kernel's own records.

In Ray this needs the dashboard; here it is a question to the head. Must not live here: shapes (`common`), columns
(`conversion`), filters (`filters`).
"""

from __future__ import annotations

import os
import warnings
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

from localray.absent.catalogue import missing_in
from localray.client import creation_sites
from localray.client.client import Client
from localray.client.current import current_client
from localray.ids import BaseID
from localray.listings import ActorRow, GroupRow, JobRow, NodeRow, RuntimeEnvRow, TaskRow, WorkerRow
from localray.object_ref import ObjectRef
from localray.protocol import HeldObject, Query
from localray.session import connect
from localray.util.state import conversion
from localray.util.state.common import (
    DEFAULT_LIMIT,
    DEFAULT_RPC_TIMEOUT,
    RAY_MAX_LIMIT_FROM_API_SERVER,
    ActorState,
    ClusterEventState,
    Filter,
    GetApiOptions,
    JobState,
    ListApiOptions,
    NodeState,
    ObjectState,
    PlacementGroupState,
    RuntimeEnvState,
    StateResource,
    StateSchema,
    SummaryApiOptions,
    SummaryResource,
    TaskState,
    WorkerState,
    resource_to_schema,
)
from localray.util.state.common import (
    summarize_actors as count_actors,
)
from localray.util.state.common import (
    summarize_objects as count_objects,
)
from localray.util.state.common import (
    summarize_tasks as count_tasks,
)
from localray.util.state.exception import RayStateApiException, ServerUnavailable
from localray.util.state.filters import BadRequestError, check, fits
from localray.util.state.task_lines import log_info, with_ends
from localray.version import RAY_VERSION

Rows: TypeAlias = "list[conversion.Columns]"
States: TypeAlias = "list[Any]"
State = TypeVar("State", bound=StateSchema)


class _Source(NamedTuple):
    """Where a kind of state comes from: the question, the shape of its rows, their columns, the one that is the id, if
    one is."""

    query: Query
    row: Any
    convert: conversion.Converter
    identity: str


_SOURCES = {
    StateResource.TASKS: _Source(Query.LIST_TASKS, TaskRow, conversion.task, "task_id"),
    StateResource.ACTORS: _Source(Query.LIST_ACTORS, ActorRow, conversion.actor, "actor_id"),
    StateResource.WORKERS: _Source(Query.LIST_WORKERS, WorkerRow, conversion.worker, "worker_id"),
    StateResource.NODES: _Source(Query.LIST_NODES, NodeRow, conversion.node, "node_id"),
    StateResource.JOBS: _Source(Query.LIST_JOBS, JobRow, conversion.job, "job_id"),
    StateResource.PLACEMENT_GROUPS: _Source(
        Query.LIST_GROUPS, GroupRow, conversion.placement_group, "placement_group_id"
    ),
    StateResource.RUNTIME_ENVS: _Source(Query.LIST_RUNTIME_ENVS, RuntimeEnvRow, conversion.runtime_env, ""),
    StateResource.OBJECTS: _Source(Query.OBJECTS, HeldObject, conversion.held_object, "object_id"),
}
_clocks: WeakKeyDictionary[Client, conversion.Clock] = WeakKeyDictionary()


def session_clock(client: Client | None, now_s: float) -> conversion.Clock:
    """What tells times of a session; of this process's own the same ones each time."""
    if client is None:
        return conversion.Clock(now_s)
    clock = _clocks[client] = conversion.Clock(now_s, _clocks.get(client))
    return clock
_ASKED_BY_ID = (StateResource.TASKS, StateResource.ACTORS, StateResource.NODES, StateResource.PLACEMENT_GROUPS)


class StateApiClient:
    """Asks the session for its state.

    Args:
        address: of a session on this machine; by default this process's, else the one that runs.
        cookies, headers: accepted; nothing goes over HTTP.
    """

    def __init__(
        self, address: str | None = None, cookies: dict[str, Any] | None = None, headers: dict[str, Any] | None = None
    ) -> None:
        self.address = address

    def get_address(self) -> str | None:
        """The address it was made with."""
        return self.address

    def get_version(self) -> str:
        """The version of Ray whose behaviour this follows."""
        return RAY_VERSION

    def list(
        self, resource: StateResource, options: ListApiOptions, raise_on_missing_output: bool, _explain: bool = False
    ) -> States:
        """What fits, in the order of the ids, up to the limit; see `list_tasks` and its kin.

        Raises:
            RayStateApiException: something that does not exist was asked for, or there is more than can be told.
            ServerUnavailable: there is no session.
        """
        if options.has_conflicting_filters():
            return []
        if not 0 <= options.limit <= RAY_MAX_LIMIT_FROM_API_SERVER:
            raise BadRequestError(
                f"Given limit {options.limit} exceeds the supported limit {RAY_MAX_LIMIT_FROM_API_SERVER}. Use a lower "
                "limit, or set the `RAY_MAX_LIMIT_FROM_API_SERVER` environment variable to a larger value."
            )
        schema = resource_to_schema(resource)
        filters = check(options.filters or [], schema)
        source = _SOURCES.get(resource)
        if source is None:
            return []
        total, rows = self._rows(source, options.detail, "")
        if total > len(rows) and raise_on_missing_output:
            raise RayStateApiException(
                f"Failed to retrieve all {total} {resource.value} from the cluster because they are not reachable due "
                f"to data truncation. It happens when the returned data is too large (> {len(rows)}) To avoid raising "
                "an exception and allow having missing output, set `raise_on_missing_output=False`. "
            )
        if resource is StateResource.TASKS and not options.exclude_driver:
            rows = rows + self._driver_tasks()
        fitting = [row for row in rows if fits(row, filters)]
        if source.identity:
            fitting.sort(key=lambda row: str(row[source.identity]))
        if _explain and len(fitting) > options.limit:
            warnings.warn(
                f"Limit last {options.limit} entries (Total {len(fitting)}). Use `--filter` to reduce the amount of "
                "data to return or setting a higher limit with `--limit` to see all data. ",
                stacklevel=3,
            )
        if _explain and resource is StateResource.OBJECTS and not creation_sites.wanted(os.environ):
            warnings.warn(
                "Callsite is not being recorded. To record callsite information for each ObjectRef created, set env "
                f"variable {creation_sites.VARIABLE}=1 when the program starts.",
                stacklevel=3,
            )
        return [_made(schema, row, options.detail) for row in fitting[: options.limit]]

    def get(self, resource: StateResource, id: str, options: GetApiOptions | None, _explain: bool = False) -> Any:
        """One thing with all its details, or None; of a task that was tried again a list of its attempts, of an object
        a list of those who hold it.

        Raises:
            ValueError: such things can't be looked up by an id.
            ServerUnavailable: there is no session.
        """
        source = _SOURCES.get(resource)
        if source is None or not source.identity:
            raise ValueError(f"Can't get {resource.name} by id.")
        _, rows = self._rows(source, True, id if resource in _ASKED_BY_ID else "")
        key = "submission_id" if resource is StateResource.JOBS else source.identity
        found = [_made(resource_to_schema(resource), row, True) for row in rows if row[key] == id]
        if resource is StateResource.OBJECTS and found:
            return found
        if resource is StateResource.TASKS and len(found) > 1:
            return sorted(found, key=lambda task: -task.attempt_number)
        return found[0] if found else None

    def summary(
        self,
        resource: SummaryResource,
        *,
        options: SummaryApiOptions,
        raise_on_missing_output: bool,
        _explain: bool = False,
    ) -> dict[str, Any]:
        """How many there are of which kind in which state, under the key "cluster"."""
        counters: dict[SummaryResource, Any] = {
            SummaryResource.TASKS: count_tasks,
            SummaryResource.ACTORS: count_actors,
            SummaryResource.OBJECTS: count_objects,
        }
        everything = ListApiOptions(limit=RAY_MAX_LIMIT_FROM_API_SERVER, filters=options.filters)
        states = self.list(StateResource(resource.value), everything, raise_on_missing_output)
        return {"cluster": counters[resource](states)}

    def _rows(self, source: _Source, detail: bool, identity: str) -> tuple[int, Rows]:
        """How many rows there are, and the columns of those that were told."""
        answer = cast("tuple[Any, ...]", self._ask(source.query, identity))
        if source.query is Query.OBJECTS:
            total, rows, clock = len(answer), answer, conversion.Clock(0.0)
        else:
            now_s, total, rows = answer
            clock = self._clock(now_s)
        columns = [source.convert(source.row(*row), clock, detail) for row in rows]
        if detail and source.query is Query.LIST_TASKS:
            self._tell_of_lines(columns)
        return total, columns

    def _tell_of_lines(self, tasks: Rows) -> None:
        """Which lines of which log files are a task's, of the tasks of this process's own session."""
        client = self._own()
        known = {} if client is None else log_info(client.directory / "logs")
        for columns in tasks:
            info = known.get((columns["task_id"], columns["attempt_number"]))
            if info is not None:
                is_over = columns["state"] in ("FINISHED", "FAILED")
                columns["task_log_info"] = with_ends(info) if is_over else info

    def _driver_tasks(self) -> Rows:
        now_s, _, rows = cast("tuple[Any, ...]", self._ask(Query.LIST_JOBS, ""))
        return [conversion.driver_task(JobRow(*row), self._clock(now_s)) for row in rows]

    def _own(self) -> Client | None:
        """This process's session, if it is the one that is asked."""
        return current_client() if self.address in (None, "auto", "local") else None

    def _clock(self, now_s: float) -> conversion.Clock:
        return session_clock(self._own(), now_s)

    def _ask(self, query: Query, identity: str) -> object:
        """Of this process's session; without one, or where an address is given, of one that runs on this machine."""
        client = self._own()
        if client is not None:
            return client.ask(query, identity)
        try:
            with connect(self.address) as session:
                return session.ask(query, identity)
        except (ConnectionError, ValueError) as error:
            raise ServerUnavailable(f"{error} In a program, call ray.init() first.") from error


def _made(schema: type[StateSchema], columns: conversion.Columns, detail: bool) -> StateSchema:
    return schema(**{name: columns.get(name) for name in schema.list_columns(detail)})


def _get(resource: StateResource, id: str, address: str | None, timeout: int, explain: bool) -> Any:
    return StateApiClient(address).get(resource, id, GetApiOptions(timeout=timeout), explain)


def get_actor(
    id: str, address: str | None = None, timeout: int = DEFAULT_RPC_TIMEOUT, _explain: bool = False
) -> ActorState | None:
    """An actor by its hexadecimal id; None if there is none. Raises `ServerUnavailable` without a session, as do all
    here."""
    return cast("ActorState | None", _get(StateResource.ACTORS, id, address, timeout, _explain))


def get_job(
    id: str, address: str | None = None, timeout: int = DEFAULT_RPC_TIMEOUT, _explain: bool = False
) -> JobState | None:
    """A submitted job by its submission id; None if there is none."""
    return cast("JobState | None", _get(StateResource.JOBS, id, address, timeout, _explain))


def get_placement_group(
    id: str, address: str | None = None, timeout: int = DEFAULT_RPC_TIMEOUT, _explain: bool = False
) -> PlacementGroupState | None:
    """A placement group by its hexadecimal id; None if there is none."""
    return cast("PlacementGroupState | None", _get(StateResource.PLACEMENT_GROUPS, id, address, timeout, _explain))


def get_node(
    id: str, address: str | None = None, timeout: int = DEFAULT_RPC_TIMEOUT, _explain: bool = False
) -> NodeState | None:
    """A node by its hexadecimal id; None if there is none."""
    return cast("NodeState | None", _get(StateResource.NODES, id, address, timeout, _explain))


def get_worker(
    id: str, address: str | None = None, timeout: int = DEFAULT_RPC_TIMEOUT, _explain: bool = False
) -> WorkerState | None:
    """A worker or driver by its hexadecimal id; None if there is none."""
    return cast("WorkerState | None", _get(StateResource.WORKERS, id, address, timeout, _explain))


def get_task(
    id: str | ObjectRef[Any], address: str | None = None, timeout: int = DEFAULT_RPC_TIMEOUT, _explain: bool = False
) -> TaskState | list[TaskState] | None:
    """A task by its hexadecimal id, or by a reference to what it returns.

    Returns:
        The task; if it was tried several times a list of the attempts, the last first; None if there is none.
    """
    identity = id.task_id().hex() if isinstance(id, ObjectRef) else id.hex() if isinstance(id, BaseID) else id
    return cast("TaskState | list[TaskState] | None", _get(StateResource.TASKS, identity, address, timeout, _explain))


def get_objects(
    id: str, address: str | None = None, timeout: int = DEFAULT_RPC_TIMEOUT, _explain: bool = False
) -> list[ObjectState]:
    """An object by its hexadecimal id: an entry for each process that holds it."""
    return cast("list[ObjectState]", _get(StateResource.OBJECTS, id, address, timeout, _explain) or [])


class _Lists(Protocol[State]):
    """The signature of all that list a kind of state."""

    def __call__(
        self,
        address: str | None = None,
        filters: list[Filter] | None = None,
        limit: int = DEFAULT_LIMIT,
        timeout: int = DEFAULT_RPC_TIMEOUT,
        detail: bool = False,
        raise_on_missing_output: bool = True,
        _explain: bool = False,
    ) -> list[State]: ...


def _lister(resource: StateResource, state: type[State], text: str) -> _Lists[State]:
    """The function that lists one kind of state.

    Args:
        resource: the kind; its function's name is made of it.
        state: the type of what is listed.
        text: its documentation.
    """

    def lister(
        address: str | None = None,
        filters: list[Filter] | None = None,
        limit: int = DEFAULT_LIMIT,
        timeout: int = DEFAULT_RPC_TIMEOUT,
        detail: bool = False,
        raise_on_missing_output: bool = True,
        _explain: bool = False,
    ) -> list[State]:
        options = ListApiOptions(limit=limit, timeout=timeout, detail=detail, filters=filters)
        return StateApiClient(address).list(resource, options, raise_on_missing_output, _explain)

    lister.__name__ = lister.__qualname__ = f"list_{resource.value}"
    lister.__doc__ = text
    lister.__annotations__["return"] = f"list[{state.__name__}]"
    return lister


list_actors = _lister(
    StateResource.ACTORS, ActorState, "The actors, and of the dead ones the last 1,000; arguments as of `list_tasks`."
)
list_placement_groups = _lister(
    StateResource.PLACEMENT_GROUPS,
    PlacementGroupState,
    "The placement groups, and of those removed the last 1,000; arguments as of `list_tasks`.",
)
list_nodes = _lister(StateResource.NODES, NodeState, "The nodes; arguments as of `list_tasks`.")
list_jobs = _lister(StateResource.JOBS, JobState, "The drivers; arguments as of `list_tasks`.")
list_workers = _lister(
    StateResource.WORKERS,
    WorkerState,
    "The workers and drivers, and of those that have ended the last 1,000; arguments as of `list_tasks`.",
)
list_tasks = _lister(
    StateResource.TASKS,
    TaskState,
    """The tasks, constructors and calls, an entry for each attempt; of those that are over the last 10,000.

    Args:
        address: of a session on this machine; by default this process's.
        filters: triples of a column, ``=`` or ``!=``, and a value; all must fit.
        limit: so many at most, 10,000 at most, in the order of their ids.
        timeout: accepted.
        detail: fill in all columns.
        raise_on_missing_output: raise when there are more than can be told.

    Raises:
        RayStateApiException: a column is unknown, a value is none of its column's, the limit is too large, or there is
            more than can be told.
        ValueError: a predicate is neither of the two.

    Example:
        >>> list_tasks(filters=[("state", "=", "RUNNING"), ("name", "!=", "train")])       # doctest: +SKIP
    """,
)
list_objects = _lister(
    StateResource.OBJECTS,
    ObjectState,
    "The objects, an entry for each process that holds one; arguments as of `list_tasks`.",
)
list_runtime_envs = _lister(
    StateResource.RUNTIME_ENVS,
    RuntimeEnvState,
    "The runtime environments: of those that could not be set up the last 100, then those that workers or drivers are "
    "in; arguments as of `list_tasks`.",
)
list_cluster_events = _lister(
    StateResource.CLUSTER_EVENTS, ClusterEventState, "Empty: there are no events of a cluster."
)


def summarize_tasks(
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    raise_on_missing_output: bool = True,
    _explain: bool = False,
) -> dict[str, Any]:
    """By name, how many tasks are in which state, under the key "cluster"."""
    return _summarize(SummaryResource.TASKS, address, timeout, raise_on_missing_output, _explain)


def summarize_actors(
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    raise_on_missing_output: bool = True,
    _explain: bool = False,
) -> dict[str, Any]:
    """By class, how many actors are in which state, under the key "cluster"."""
    return _summarize(SummaryResource.ACTORS, address, timeout, raise_on_missing_output, _explain)


def summarize_objects(
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    raise_on_missing_output: bool = True,
    _explain: bool = False,
) -> dict[str, Any]:
    """By the line that made them, how many objects there are of which kind, under the key "cluster"."""
    return _summarize(SummaryResource.OBJECTS, address, timeout, raise_on_missing_output, _explain)


def _summarize(
    resource: SummaryResource, address: str | None, timeout: int, raise_on_missing_output: bool, explain: bool
) -> dict[str, Any]:
    return StateApiClient(address).summary(
        resource,
        options=SummaryApiOptions(timeout=timeout),
        raise_on_missing_output=raise_on_missing_output,
        _explain=explain,
    )


__getattr__ = missing_in(__name__)
