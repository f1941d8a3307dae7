"""Functions, templates and scheduling classes of programs that have ended are forgotten, where a session outlives them.

Each client makes its own, and names no other's. So what nobody is there to name any more is needed only as far as some
task that it was made for may still be run. Must not live here: when a job ends (`jobs`).
"""

from __future__ import annotations

from collections.abc import Iterator

from localray.kernel import objects
from localray.kernel.tables import Tables

_CLIENT_SHIFT = 24
"""A template's number is its client's shifted by so much, and a counter."""
_CLIENT_BYTES = 4
"""A function's id begins with its client's number."""


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
