"""Drivers are told of tasks and actors that will find no place as long as actors keep what they hold. Programs that
create an actor for each item stop like this, without an error, for ever; Ray tells its users the same.

Must not live here: who is placed next (`placing`), what no node could ever take (`queues`), deciding anything.
"""

from __future__ import annotations

from typing import Final

from localray.kernel import news, reservations
from localray.kernel.records import NEVER_S, NodeRecord, SchedulingClass, TaskRecord
from localray.kernel.tables import Tables
from localray.sched import placement
from localray.sched.resources import fits, missing

AFTER_S: Final = 10.0
"""Whoever has waited for so long is told of, as in Ray."""


def watch(tables: Tables) -> None:
    """Something found no room: look in a while whether there can be any. Not where nobody wants hints."""
    if tables.starving_look_at_s is None and tables.survival.hints:
        tables.starving_look_at_s = tables.now_s + AFTER_S


def tick(tables: Tables) -> None:
    """Time has passed: tell of those that have waited for long, and look again while there are others."""
    at_s = tables.starving_look_at_s
    if at_s is None or at_s > tables.now_s:
        return
    tables.starving_look_at_s = tables.now_s + AFTER_S if tables.starved else None
    for group in tables.starved:
        first = next((task for queue in group.queues.values() for task in queue if not task.cancelled), None)
        if first is not None and group.refused_at_s != NEVER_S:
            waited_s = tables.now_s - max(group.refused_at_s, first.created_at_s)
            if waited_s >= AFTER_S:
                _tell_if_claimed(tables, group, first, waited_s)


def _tell_if_claimed(tables: Tables, group: SchedulingClass, first: TaskRecord, waited_s: float) -> None:
    able = [node for node in tables.nodes.values() if placement.is_feasible((node,), group.to_place, group.rule)]
    if not able or any(_may_have_room(node, group) for node in able):
        return
    name = first.template.name
    what = f"Actor {name.removesuffix('.__init__')}" if group.is_actor else f"Task {name}"
    others = f" ({group.queued} such wait)" if group.queued > 1 else ""
    lacks = missing(able[0].available, group.to_place)
    text = (
        f"{what} has waited for a place for {waited_s:.0f} s{others}: {lacks} free."
        " Actors hold the rest, and keep it while they live: create fewer, let those go that are done, or have each ask"
        " for less (num_cpus=0)."
    )
    news.tell(tables, group.job, f"claimed by actors {name}", text)


def _may_have_room(node: NodeRecord, group: SchedulingClass) -> bool:
    return fits(node.available, group.to_place) or reservations.could_serve(node, group)
