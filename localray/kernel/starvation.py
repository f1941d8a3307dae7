"""Drivers are told of tasks and actors that will find no place as long as actors keep what they hold, or that find none
because other programs of the session have it all. Programs that create an actor for each item stop like this, without
an error, for ever; Ray tells its users the same.

Must not live here: who is placed next (`placing`), what no node could ever take (`queues`), deciding anything.
"""

from __future__ import annotations

from typing import Final

from localray.kernel import news, reservations
from localray.kernel.records import NEVER_S, SchedulingClass, TaskRecord, WorkerRecord
from localray.kernel.tables import Tables
from localray.sched import placement
from localray.sched.resources import fits, missing

AFTER_S: Final = 10.0
"""Whoever has waited for so long is told of, as in Ray."""
SHOWN: Final = 3
"""So many programs, and so much that runs of each, are named."""


def watch(tables: Tables) -> None:
    """Something found no room: look in a while whether there can be any. Not where nobody wants hints."""
    if tables.starving_look_at_s is None and tables.survival.hints:
        tables.starving_look_at_s = tables.now_s + AFTER_S


def tick(tables: Tables) -> None:
    """Time has passed: tell of those that have waited for long, and look again while there are others."""
    at_s = tables.starving_look_at_s
    if at_s is None or at_s > tables.now_s:
        return
    again_s = tables.now_s + AFTER_S
    for group in tables.starved:
        first = next((task for queue in group.queues.values() for task in queue if not task.cancelled), None)
        if first is not None and group.refused_at_s != NEVER_S:
            since_s = max(group.refused_at_s, first.created_at_s)
            if since_s + AFTER_S <= tables.now_s:
                _tell(tables, group, first, tables.now_s - since_s)
            else:
                again_s = min(again_s, since_s + AFTER_S)
    tables.starving_look_at_s = again_s if tables.starved else None


def _tell(tables: Tables, group: SchedulingClass, first: TaskRecord, waited_s: float) -> None:
    """Tell of one that waits, if it may wait for ever, or for strangers; for its own program's tasks it just has to."""
    able = [node for node in tables.nodes.values() if placement.is_feasible((node,), group.to_place, group.rule)]
    if not able or any(fits(node.available, group.to_place) for node in able):
        return
    holders = [worker for node in able for worker in node.workers.values() if worker.resources and not worker.lent]
    if holders and all(worker.job != group.job for worker in holders):
        why = f"Other programs of this session hold the rest: {_whose(tables, holders)}. `localray status` shows more."
    elif not any(reservations.could_serve(node, group) for node in able):
        why = (
            "Actors hold the rest, and keep it while they live: create fewer, let those go that are done, or have each"
            " ask for less (num_cpus=0)."
        )
    else:
        return
    name = first.template.name
    what = f"Actor {name.removesuffix('.__init__')}" if group.is_actor else f"Task {name}"
    others = f" ({group.queued} such wait)" if group.queued > 1 else ""
    lacks = missing(able[0].available, group.to_place)
    text = f"{what} has waited for a place for {waited_s:.0f} s{others}: {lacks} free. {why}"
    news.tell(tables, group.job, f"claimed {name}", text)


def _whose(tables: Tables, holders: list[WorkerRecord]) -> str:
    """Which programs these workers serve, and what of each runs in them."""
    held: dict[int, dict[str, None]] = {}
    for worker in holders:
        first = next(iter(worker.assigned.values()), None)
        if worker.actor is not None:
            name = f"actor {worker.actor.creation.template.name.removesuffix('.__init__')}"
        else:
            name = f"task {first.template.name}" if first is not None else "a worker between two tasks"
        held.setdefault(worker.job, {})[name] = None
    parts = []
    for number, names in list(held.items())[:SHOWN]:
        job = tables.jobs.get(number)
        whose = "one that has left" if job is None else f"{job.entrypoint or 'a program'} (process {job.process_id})"
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        parts.append(f"{whose}: {', '.join(list(names)[:SHOWN])}{more}")
    return "; ".join(parts) + ("; and others" if len(held) > SHOWN else "")
