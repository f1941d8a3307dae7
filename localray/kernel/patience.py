"""When a CPU that a waiting task lends may start one more worker for the same kind of task, and when that is not yet
worth a process.

A task that waits for a deeper one lends its CPU to it at once: that is how nested programs go on. But one that asks an
actor something, or waits for a task that is running already, is most often answered within milliseconds; a neighbour of
its own class and depth, started on its CPU meanwhile, costs a worker, and then there are more tasks than CPUs. So such
a neighbour waits until the wait has lasted a while, the longer the more workers there are beyond one for each CPU. (Ray
counts in the same way, and starts with a second.) What a stalled task waits for and has not begun is never held back:
no program depends on patience to end.

Must not live here: lending itself (`scheduling.stall`), which task comes next (`queues`).
"""

from __future__ import annotations

from itertools import islice

from localray.kernel.records import NodeRecord, SchedulingClass, TaskRecord, TaskState, WorkerRecord
from localray.kernel.tables import Tables
from localray.sched.resources import CPU, amount

PATIENCE_S = 0.01
PATIENCE_LIMIT_S = 1.0
LOOKED_AT = 32
"""Of what a stalled task waits for, so many objects are looked at: it may be thousands, and this only saves time."""


def holds_back(tables: Tables, node: NodeRecord, group: SchedulingClass, task: TaskRecord) -> bool:
    """Whether a task is not to be placed yet although there is room; notes when to look again."""
    if group.is_actor:
        return False
    cpu_units = amount(group.to_hold, CPU)
    if cpu_units == 0:
        return False
    usual = max(1, node.total.get(CPU, 0) // cpu_units)
    if len(group.leased) < usual:
        return False
    peers = [
        worker for worker in node.workers.values() if worker.leased_to is group and running_depth(worker) == task.depth
    ]
    beyond = len(peers) - usual
    if beyond < 0:
        return False
    stalled = [worker for worker in peers if worker.stalled]
    if any(waits_for_what_has_not_begun(tables, group, worker) for worker in stalled):
        return False
    patience_s = min(PATIENCE_S * 2 ** min(beyond, 16), PATIENCE_LIMIT_S)
    over_at_s = sorted(worker.stalled_at_s + patience_s for worker in stalled)
    if len(over_at_s) > beyond:
        # Each worker beyond the usual number stands in for one that has waited for long.
        at_s = over_at_s[beyond]
        if at_s <= tables.now_s:
            return False
        if tables.patience_at_s is None or at_s < tables.patience_at_s:
            tables.patience_at_s = at_s
    tables.patient[group] = task.depth
    return True


def running_depth(worker: WorkerRecord) -> int:
    """The nesting depth of what a leased worker runs."""
    return next(iter(worker.assigned.values())).depth


def waits_for_what_has_not_begun(tables: Tables, group: SchedulingClass, worker: WorkerRecord) -> bool:
    """Whether a stalled task waits for one that is still in this class's queue, or for its arguments: then one more
    worker is what it waits for."""
    for wait in tables.clients[worker.number].waits.values():
        if wait.stalled_worker is not worker:
            continue
        for object_id in islice(wait.object_ids, LOOKED_AT):
            awaited = tables.tasks.get(object_id[:24])
            if awaited is None:
                continue
            if awaited.state is TaskState.WAITING:
                return True
            if awaited.state is TaskState.QUEUED and awaited.template.scheduling_class is group:
                return True
    return False


def is_over(tables: Tables) -> bool:
    """Whether the moment has come that `holds_back` noted."""
    return tables.patience_at_s is not None and tables.patience_at_s <= tables.now_s
