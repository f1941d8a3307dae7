"""What clients define: templates are made of it; and of programs that have ended functions, templates and scheduling
classes are forgotten, where a session outlives them.

Each client makes its own, and names no other's. So what nobody is there to name any more is needed only as far as some
task that it was made for may still be run. Must not live here: when a job ends (`jobs`).
"""

from __future__ import annotations

from collections.abc import Iterator

from localray.kernel import objects
from localray.kernel.records import Template
from localray.kernel.tables import Tables
from localray.protocol import DEFAULT_STRATEGY, CallMode, DefineTemplate, ReturnMode, TaskKind
from localray.sched.placement import DEFAULT_RULE, Rule

_CLIENT_SHIFT = 24
"""A template's number is its client's shifted by so much, and a counter."""
_CLIENT_BYTES = 4
"""A function's id begins with its client's number."""


def define_template(tables: Tables, job: int, message: DefineTemplate) -> None:
    """A client of this job has defined a template."""
    tables.template_messages[message.template] = message
    tables.templates[message.template] = Template(
        message.template,
        TaskKind(message.kind),
        message.function_id,
        message.name,
        message.method,
        message.num_returns,
        message.to_place,
        message.to_hold,
        message.max_retries,
        message.retry_exceptions,
        CallMode(message.call_mode),
        message.max_concurrency,
        message.max_calls,
        job,
        f"submitted: {message.name}",
        DEFAULT_RULE if message.strategy == DEFAULT_STRATEGY else Rule(*message.strategy),
        message.group,
        message.bundle,
        message.runtime_env,
        message.return_mode == ReturnMode.STREAM,
        message.is_listed,
    )


def listed(tables: Tables, actor_id: bytes) -> tuple[tuple[bytes, int, int, str, str], ...]:
    """The functions and classes that something may be run by: the id, the job, whether it is a class, its name, and a
    class's name in its module. Of an actor only its class."""
    actor = tables.actors.get(actor_id)
    found: dict[tuple[bytes, int, int, str, str], None] = {}
    for template in tables.templates.values() if actor is None else (actor.creation.template,):
        function = tables.functions.get(template.function_id)
        if function is not None:
            is_class = int(template.kind is TaskKind.ACTOR_CREATION)
            found[template.function_id, template.job, is_class, function.name, function.qualname] = None
    return tuple(found)


def forget_unneeded(tables: Tables) -> None:
    """Forget what belongs to clients that are gone, unless something may still be run by it."""
    used = set(_templates_in_use(tables))
    for number in [number for number in tables.templates if number >> _CLIENT_SHIFT not in tables.clients]:
        if number not in used:
            del tables.templates[number], tables.template_messages[number]
    named = {template.function_id for template in tables.templates.values()}
    named.update(environment.hook for environment in tables.runtime_envs.values())
    for function_id in [each for each in tables.functions if _client_of(each) not in tables.clients]:
        if function_id not in named:
            objects.release(tables, tables.functions.pop(function_id).contained)
    for key, group in list(tables.classes.items()):
        waits = group in tables.hungry or group in tables.starved or group in tables.infeasible
        if group.job not in tables.jobs and not (group.queued or group.leased or waits):
            del tables.classes[key]


def _templates_in_use(tables: Tables) -> Iterator[int]:
    """The numbers of the templates of all that may run, or run again."""
    for task in tables.tasks.values():
        yield task.template.number
    for task in tables.lineage.values():
        yield task.template.number
    for actor in tables.actors.values():
        yield actor.creation.template.number


def _client_of(function_id: bytes) -> int:
    return int.from_bytes(function_id[:_CLIENT_BYTES], "little")
