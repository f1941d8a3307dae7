"""Which queued task comes next: one queue for each scheduling class and depth of nesting.

Deeper tasks go first: a worker that waits in `get` waits for a deeper one, so the number of stalled workers stays near
depth times CPUs, not the width of the program. One task in eight is of another depth, each in turn, so that tasks that
go on submitting deeper ones keep none out for ever. Must not live here: where a task goes (`placing`), what a worker
has in its line (`scheduling`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from localray.kernel import objects, tasks
from localray.kernel.patience import running_depth
from localray.kernel.records import NodeRecord, ObjectState, SchedulingClass, TaskRecord, TaskState
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import Status, TaskKind
from localray.sched.bundle_names import plain
from localray.sched.placement import rooms_for
from localray.sched.resources import CPU, GPU, amount, fits

TURN_EVERY = 8
"""One task in so many is of another depth than the deepest, each of these in turn."""
RAREST_TURN = 16
"""At most so often are turns made half as frequent."""


def class_of(tables: Tables, task: TaskRecord) -> SchedulingClass:
    """The scheduling class of a task; looked up once for each template."""
    template = task.template
    if template.scheduling_class is None:
        is_actor = template.kind is TaskKind.ACTOR_CREATION
        rule = template.rule
        key = (template.job, template.to_place, template.to_hold, is_actor, rule, template.runtime_env)
        known = tables.classes.get(key)
        if known is None:
            rooms = rooms_for(template.to_place, rule)
            known = SchedulingClass(key, template.job, template.to_place, template.to_hold, is_actor, rule, rooms)
            known.gpu_units = amount(plain(template.to_hold), GPU)
            known.runtime_env = template.runtime_env
            if template.group:
                known.placement_group = tables.groups[template.group]
                known.placement_group.classes.append(known)
                known.bundle = template.bundle
            tables.classes[key] = known
        template.scheduling_class = known
    return template.scheduling_class


def enqueue(tables: Tables, task: TaskRecord, reason: str) -> None:
    """Put a task whose arguments are ready into its class's queue."""
    group = class_of(tables, task)
    move(tables.log, task.task_id, task, TaskState.QUEUED, reason)
    queue = group.queues.get(task.depth)
    if queue is None:
        queue = group.queues[task.depth] = deque()
    queue.append(task)
    group.queued += 1
    if group not in tables.starved or task.depth > tables.patient.get(group, task.depth):
        become_hungry(tables, group)


def requeue(tables: Tables, task: TaskRecord, reason: str) -> None:
    """Put a task that was sent, and did not end, back to the front of its queue. What it needs may have been lost since
    it was sent."""
    task.worker = None
    if awaits_lost(tables, task, reason):
        return
    group = class_of(tables, task)
    move(tables.log, task.task_id, task, TaskState.QUEUED, reason)
    group.queues.setdefault(task.depth, deque()).appendleft(task)
    group.queued += 1
    # What is back in front may be what a stalled task waits for: then patience is over.
    if group not in tables.starved or group in tables.patient:
        become_hungry(tables, group)


def try_again(tables: Tables, task: TaskRecord, reason: str) -> None:
    """Put a task whose last try has failed back: at once, or when the delay that the user asked for is over."""
    delay_s = tables.survival.retry_delay_s
    if not delay_s:
        requeue(tables, task, reason)
        return
    task.worker = None
    tables.postponed[task] = tables.now_s + delay_s
    if not awaits_lost(tables, task, reason):
        move(tables.log, task.task_id, task, TaskState.WAITING, reason)


def awaits_lost(tables: Tables, task: TaskRecord, reason: str) -> bool:
    """Whether something that a task needs was lost since it was sent: it then waits, or fails before the step ends."""
    if not tables.lost_values or not task.dependencies or objects.are_there(tables, task):
        return False
    move(tables.log, task.task_id, task, TaskState.WAITING, reason)
    for record in map(tables.objects.__getitem__, task.dependencies):
        if record.state is ObjectState.PENDING:
            objects.wait_for(task, record)
    if task.missing == 0:
        tables.woken.append(task)
    return True


def become_hungry(tables: Tables, group: SchedulingClass) -> None:
    """The class is worth a try, unless no node could ever take what it asks for."""
    if group not in tables.infeasible:
        tables.hungry[group] = None


def withdraw(tables: Tables, task: TaskRecord) -> None:
    """A queued task is not to run; its place in the queue is skipped when its turn comes."""
    task.cancelled = True
    class_of(tables, task).queued -= 1


def take_out(tables: Tables, taken: Iterable[TaskRecord], reason: str) -> None:
    """Queued tasks have to wait once more."""
    shortened: dict[SchedulingClass, None] = {}
    for task in taken:
        move(tables.log, task.task_id, task, TaskState.WAITING, reason)
        group = class_of(tables, task)
        group.queued -= 1
        shortened[group] = None
    for group in shortened:
        for depth, queue in group.queues.items():
            group.queues[depth] = deque([task for task in queue if task.state is TaskState.QUEUED])


def next_task(tables: Tables, group: SchedulingClass) -> TaskRecord | None:
    """The task whose turn it is, left where it is: the oldest of one depth. One whose arguments were freed by hand
    since it was queued is to fail."""
    while group.queues:
        if len(group.queues) == 1:
            depth = next(iter(group.queues))
        else:
            depth = next_depth(group) if tables.takes_turns else max(group.queues)
        task = first_of(tables, group, depth)
        if task is not None:
            return task
    return None


def deepest_task(tables: Tables, group: SchedulingClass) -> TaskRecord | None:
    """The task that would be next if there were no turns."""
    while group.queues:
        task = first_of(tables, group, max(group.queues))
        if task is not None:
            return task
    return None


def first_of(tables: Tables, group: SchedulingClass, depth: int) -> TaskRecord | None:
    """The oldest of one depth; the queue goes with its last."""
    queue = group.queues[depth]
    while queue:
        task = queue[0]
        if task.cancelled:
            queue.popleft()
            continue
        failure = tasks.failed_dependency(tables, task) if tables.lost_values and task.dependencies else None
        if failure is None:
            return task
        give_up(tables, group, task, *failure)
    del group.queues[depth]
    return None


def next_depth(group: SchedulingClass) -> int:
    """The deepest; now and then another, from the deeper to the shallower and round.

    The more workers are stalled at a depth beyond as many as run at all, the more rarely that is: these wait for what
    is deeper, and one more might only stall beside them. So of a million tasks no more than some twenty are stalled at
    a depth beyond the number of CPUs, and still each depth has its turns.
    """
    depths = sorted(group.queues)
    deepest = depths.pop()
    if group.taken % TURN_EVERY != TURN_EVERY - 1:
        return deepest
    stalled: dict[int, int] = {}
    for worker in group.leased.values():
        if worker.stalled and worker.assigned:
            depth = running_depth(worker)
            stalled[depth] = stalled.get(depth, 0) + 1
    running = len(group.leased) - sum(stalled.values())
    turn = group.taken // TURN_EVERY
    beyond = {depth: min(max(0, stalled.get(depth, 0) - running), RAREST_TURN) for depth in depths}
    allowed = [depth for depth in depths if turn % 2 ** beyond[depth] == 0]
    return max((depth for depth in allowed if depth < group.turn_depth), default=max(allowed, default=deepest))


def take_next(group: SchedulingClass, task: TaskRecord) -> None:
    """Remove the task that `next_task` gave."""
    if group.taken % TURN_EVERY == TURN_EVERY - 1 and len(group.queues) > 1:
        group.turn_depth = task.depth
    group.queues[task.depth].popleft()
    group.queued -= 1
    group.taken += 1


def give_up(tables: Tables, group: SchedulingClass, task: TaskRecord, status: Status, payload: bytes) -> None:
    """The task that `next_task` gave will never run; it fails before the step ends."""
    group.queues[task.depth].popleft()
    # A constructor is counted out with its actor.
    if task.actor is None:
        group.queued -= 1
    tables.unplaceable.append((task, status, payload))


def capacity_freed(tables: Tables, node: NodeRecord | None = None) -> None:
    """Something was given back, on one node if it is named, or waited for long enough: classes that failed to place
    are worth another try."""
    tables.patience_at_s = None
    if tables.pending_groups:
        tables.groups_hungry = True
    starved = tables.starved
    if not starved:
        return
    if node is None:
        tables.hungry.update(starved)
        starved.clear()
    else:
        tables.freed[node.number] = None
        for group in tables.patient:
            tables.hungry[group] = None
            starved.pop(group, None)
    tables.patient.clear()


def starve(tables: Tables, group: SchedulingClass) -> None:
    """There is no room for the class: it waits until something is freed."""
    cpu_units = amount(group.to_place, CPU)
    if not tables.starved or cpu_units < tables.least_cpu:
        tables.least_cpu = cpu_units
    tables.starved[group] = None


def wanting(tables: Tables, node: NodeRecord) -> SchedulingClass | None:
    """The first of the starved that a node's free resources would be enough for. Most often all ask for a CPU and none
    is left: then nobody need be asked."""
    if not node.alive or node.draining or node.available.get(CPU, 0) < tables.least_cpu:
        return None
    content: list[SchedulingClass] = []
    found = None
    for group in tables.starved:
        if fits(node.available, group.to_place):
            if group.queued:
                found = group
                break
            # All its tasks were sent ahead: when it has others, there is room to try.
            content.append(group)
    for group in content:
        del tables.starved[group]
    return found


def nodes_changed(tables: Tables) -> None:
    """Nodes came or went: what was feasible may not be any more, and the other way round."""
    tables.hungry.update(tables.infeasible)
    tables.infeasible.clear()
    capacity_freed(tables)
