"""A node kept free for a class that others keep overtaking.

A task that asks for several CPUs at once is met by what others give back one by one, and each single CPU is enough for
somebody who asks for less: with small tasks that come without end it would never run. So once it has waited
`AFTER_S`, the next that would overtake it on a node that could serve it is refused instead, and so is everybody else
there, until what runs has ended and the waiting task fits. (Ray has no such rule; its large tasks wait.)

What runs may itself need something that is refused, and never end: so a node is kept free for a limited time, then
nobody is refused for as long, and the next time is twice as long. Whatever the small tasks take, one of these times is
long enough, and whatever is refused has at least every other. There is one such node at a time; classes that want one
take turns. Nothing begins by a clock: where nobody overtakes, there is nothing to keep.

Must not live here: which node a task goes to (`placing`), which class is asked next (`queues`).
"""

from __future__ import annotations

from localray.kernel import queues
from localray.kernel.records import NEVER_S, NodeRecord, Reservation, SchedulingClass
from localray.kernel.tables import Tables
from localray.sched import placement
from localray.sched.resources import fits, give_back, take

AFTER_S = 1.0
"""So long a class waits, with none of its tasks placed, before anything is kept free for it; also the first time that
it is kept."""


def refused(tables: Tables, group: SchedulingClass) -> None:
    """There was no room for a class."""
    if group.refused_at_s == NEVER_S:
        group.refused_at_s = tables.now_s
        tables.overtaken_at_s = min(tables.overtaken_at_s, _due_at_s(group))


def placed(tables: Tables, group: SchedulingClass) -> None:
    """A task of a class has found its place: if a node was kept free for it, others may have the rest."""
    group.refused_at_s = NEVER_S
    if tables.reservation is not None and tables.reservation.group is group:
        _end(tables)


def keeps_out(tables: Tables, node: NodeRecord, group: SchedulingClass) -> bool:
    """Whether a class is not to have what is free on a node, because it is kept for another."""
    if tables.reservation is None and tables.now_s >= tables.overtaken_at_s:
        _reserve(tables, node, group)
    kept = tables.reservation
    return kept is not None and kept.node is node and kept.group is not group


def deadline_s(tables: Tables) -> float | None:
    """When a node stops to be kept free: at once, if there is nobody any more whom it could serve."""
    kept = tables.reservation
    if kept is None:
        return None
    is_of_use = kept.group.queued and kept.node.alive and not kept.node.draining
    return kept.until_s if is_of_use else tables.now_s


def check(tables: Tables) -> None:
    """A node was kept free for long enough: others may have it, and next time it is kept for longer."""
    kept, until_s = tables.reservation, deadline_s(tables)
    if kept is None or until_s is None or until_s > tables.now_s:
        return
    kept.group.kept_for_s = 2 * max(kept.group.kept_for_s, AFTER_S)
    kept.group.refused_at_s = tables.now_s
    tables.overtaken_at_s = min(tables.overtaken_at_s, _due_at_s(kept.group))
    _end(tables)


def _due_at_s(group: SchedulingClass) -> float:
    return group.refused_at_s + max(AFTER_S, group.kept_for_s)


def _reserve(tables: Tables, node: NodeRecord, overtaking: SchedulingClass) -> None:
    """Keep the node for the first of the starved that has waited long enough, and that it could serve when what
    runs has ended."""
    earliest_s = float("inf")
    for group in tables.starved:
        if not group.queued or group is overtaking or group.refused_at_s == NEVER_S:
            continue
        due_at_s = _due_at_s(group)
        if due_at_s <= tables.now_s and could_serve(node, group):
            tables.reservation = Reservation(group, node, tables.now_s + max(AFTER_S, group.kept_for_s))
            return
        # One that is due, but not here, is looked at again before long.
        earliest_s = min(earliest_s, max(due_at_s, tables.now_s + AFTER_S))
    tables.overtaken_at_s = earliest_s


def could_serve(node: NodeRecord, group: SchedulingClass) -> bool:
    """Whether the node has no room now, and will have when its tasks have ended: what actors hold may never be given
    back."""
    if fits(node.available, group.to_place) or not placement.is_feasible((node,), group.to_place, group.rule):
        return False
    in_time = dict(node.available)
    for worker in node.workers.values():
        if worker.leased_to is not None:
            give_back(in_time, worker.resources)
            take(in_time, worker.lent)
    return fits(in_time, group.to_place)


def _end(tables: Tables) -> None:
    tables.reservation = None
    queues.capacity_freed(tables)
