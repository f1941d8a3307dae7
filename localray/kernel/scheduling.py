"""What a leased worker gets to do: its line of tasks, dispatch ahead, recall, and the end of the lease.

A *lease* is a worker together with resources for one scheduling class; it lasts while that class has something for it.
Tasks are short more often than not, so a leased worker is sent several at once, about `AHEAD_WINDOW_S` of work by its
class's measured mean, which saves a round trip for each; what a longer one then holds up is recalled.

Must not live here: which task comes next (`queues`), which worker gets a lease (`placing`), processes (`workers`).
"""

from __future__ import annotations

from itertools import islice

from localray.kernel import deliveries, devices, news, nodes, objects, tasks, workers
from localray.kernel.queues import capacity_freed, next_task, requeue, take_next, wanting
from localray.kernel.records import SchedulingClass, TaskRecord, TaskState, WorkerRecord
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import RecallTasks, RunTask, StrategyKind
from localray.sched import placement
from localray.sched.resources import fits, overdrawn

AHEAD_WINDOW_S = 0.002
AHEAD_LIMIT = 64
HELD_UP_AFTER_S = 0.005
MEAN_WEIGHT = 0.2
LOOKED_AT = 32
"""The first of those with tasks in line have had them for longest: when to look at all is decided by these."""


def send_task(tables: Tables, worker: WorkerRecord, task: TaskRecord) -> None:
    """Send a task to a worker that will run it after what it already has."""
    move(tables.log, task.task_id, task, TaskState.SENT, worker.label)
    task.worker = worker
    task.sent_at_s = tables.now_s
    number = worker.number
    if not worker.assigned:
        worker.progress_at_s = tables.now_s
    elif worker.actor is None:
        tables.backlogged[worker] = None
    worker.assigned[task.task_id] = task
    template = task.template
    if template.number not in worker.known:
        workers.teach(tables, worker, template)
    values = tuple([deliveries.value_for(tables, number, object_id) for object_id in task.dependencies])
    if values:
        pairs = zip(task.dependencies, values, strict=True)
        task.pinned = tuple([object_id for object_id, value in pairs if value[2] >= 0])
    actor = task.actor
    tables.send(
        number,
        RunTask(
            task.task_id,
            template.number,
            task.payload,
            values,
            task.dependencies,
            b"" if actor is None else actor.actor_id,
            "" if actor is None else actor.name,
            task.attempt,
            worker.units,
        ),
    )


def task_ended(tables: Tables, worker: WorkerRecord, task: TaskRecord, duration_s: float) -> None:
    """A leased worker finished a task: keep the mean, then fill its line, or give the lease back."""
    group = worker.leased_to
    if group is None:
        return
    mean = group.mean_duration_s
    group.mean_duration_s = duration_s if mean < 0 else mean + MEAN_WEIGHT * (duration_s - mean)
    worker.progress_at_s = tables.now_s
    left = len(worker.assigned)
    if left <= 1:
        tables.backlogged.pop(worker, None)
    may_have_more = not (worker.stalled or worker.stopping or worker.recalled or worker.node.draining)
    # A lease on an overdrawn node ends with its task: else what a nested wait borrowed would never be paid back.
    if group.queued and may_have_more and not overdrawn(worker.node.available, worker.resources):
        limit = ahead_limit(group)
        if left <= limit // 2 and not others_starve(tables, worker, group):
            if group.mean_duration_s < news.SHORT_TASK_S and tables.survival.hints:
                news.short_tasks(tables, group, task, limit - left)
            fill(tables, worker, group, limit)
    if not worker.assigned:
        end_lease(tables, worker)


def ahead_limit(group: SchedulingClass) -> int:
    """How many tasks of this class a worker may have at once: its share of the queue, at most the window's worth of
    work."""
    if group.mean_duration_s > AHEAD_WINDOW_S / 2:
        return 1
    by_time = int(AHEAD_WINDOW_S / max(group.mean_duration_s, 1e-6))
    share = -(-group.queued // max(1, len(group.leased)))
    return max(1, min(by_time, share, AHEAD_LIMIT))


def others_starve(tables: Tables, worker: WorkerRecord, group: SchedulingClass) -> bool:
    """Whether another class, or a placement group, waits for what this one holds on the worker's node."""
    if not tables.starved:
        return tables.groups_wait
    total = worker.node.total
    return tables.groups_wait or any(
        other is not group and other.queued and other not in tables.patient and fits(total, other.to_place)
        for other in tables.starved
    )


def fill(tables: Tables, worker: WorkerRecord, group: SchedulingClass, limit: int) -> None:
    """Send tasks to a leased worker until it has ``limit``; only what may share a worker joins others."""
    while len(worker.assigned) < limit:
        task = next_task(tables, group)
        if task is None:
            return
        if (worker.assigned and not task.may_share_a_worker) or belongs_elsewhere(tables, worker, task):
            return
        take_next(group, task)
        send_task(tables, worker, task)
        if not task.may_share_a_worker:
            return


def belongs_elsewhere(tables: Tables, worker: WorkerRecord, task: TaskRecord) -> bool:
    """Whether a task is to be placed by its policy, and not where a worker of its class happens to be free: it takes
    turns among nodes, or its large arguments are on another."""
    if len(tables.nodes) == 1:
        return False
    if task.template.rule.kind == StrategyKind.SPREAD:
        return True
    return bool(task.dependencies) and nodes.most_bytes_at(tables, task.dependencies) not in (
        None,
        worker.node.number,
    )


def end_lease(tables: Tables, worker: WorkerRecord) -> None:
    """Give a lease's resources back; the worker returns to the pool."""
    group = worker.leased_to
    if group is not None:
        del group.leased[worker.number]
        worker.leased_to = None
    worker.recalled = False
    if worker.stalled:
        forget_stalls(tables, worker)
    release_resources(tables, worker)
    workers.return_to_pool(tables, worker)


def forget_stalls(tables: Tables, worker: WorkerRecord) -> None:
    """A thread that a task left behind still waits: it stalls none of the tasks to come."""
    for wait in tables.clients[worker.number].waits.values():
        if wait.stalled_worker is worker:
            wait.stalled_worker = None
            worker.stalled -= 1


def release_resources(tables: Tables, worker: WorkerRecord) -> None:
    """What the worker holds goes back to its node."""
    node = worker.node
    if worker.lent:
        nodes.take_from(tables, node, worker.lent)
        worker.lent = ()
    nodes.give_to(tables, node, worker.resources)
    devices.give_back(worker)
    worker.resources = ()
    if worker.placement_group is not None:
        del worker.placement_group.workers[worker.number]
        worker.placement_group = None
    capacity_freed(tables, node)
    if tables.backlogged and not any(group.queued for group in tables.hungry) and wanting(tables, node) is None:
        check_backlogs(tables)


def stall(tables: Tables, worker: WorkerRecord) -> None:
    """The worker waits in `get`: lend its CPU out, and take back what waits behind the stalled task, which it may be
    waiting for.

    An actor that was given CPUs keeps them, as in Ray.
    """
    worker.stalled += 1
    if worker.stalled > 1 or worker.actor is not None:
        return
    worker.stalled_at_s = tables.now_s
    lent = placement.lendable(worker.resources)
    if lent:
        worker.lent = lent
        nodes.give_to(tables, worker.node, lent)
        capacity_freed(tables, worker.node)
    recall(tables, worker)


def resume(tables: Tables, worker: WorkerRecord) -> None:
    """The worker goes on: its CPU is its own again, at once, even where another task has it meanwhile (as in Ray)."""
    worker.stalled -= 1
    if worker.stalled == 0 and worker.lent:
        nodes.take_from(tables, worker.node, worker.lent)
        worker.lent = ()


def recall(tables: Tables, worker: WorkerRecord) -> None:
    """Ask for what the worker has not started. Nothing more is sent to it until it has answered."""
    behind = tuple(worker.assigned)[1:]
    if behind and not worker.recalled:
        worker.recalled = True
        tables.send(worker.number, RecallTasks(behind))


def take_back(tables: Tables, task: TaskRecord, reason: str) -> None:
    """A task that was sent and has not started is queued again, unless it is not wanted any more."""
    refusal = tasks.refusal(tables, task)
    if refusal is None:
        requeue(tables, task, reason)
    else:
        task.worker = None
        tasks.fail(tables, task, *refusal, "nobody wants it any more")


def tasks_returned(tables: Tables, worker: WorkerRecord, task_ids: tuple[bytes, ...]) -> None:
    """The answer to a recall: put these back in front, in their order."""
    worker.recalled = False
    for task_id in reversed(task_ids):
        task = worker.assigned.pop(task_id, None)
        if task is not None:
            # It was given back unopened: nobody will look at its arguments there.
            objects.unpin(tables, tables.clients[worker.number], task.pinned)
            take_back(tables, task, "recalled")
    tables.backlogged.pop(worker, None)
    if not worker.assigned and worker.leased_to is not None:
        end_lease(tables, worker)


def check_backlogs(tables: Tables) -> None:
    """Recall what a task that runs longer than its class led to expect holds up, where another worker could run it
    now."""
    for worker in list(tables.backlogged):
        group = worker.leased_to
        if group is None or worker.recalled or worker.stalled:
            continue
        if tables.now_s - worker.progress_at_s >= HELD_UP_AFTER_S and is_room(tables, group):
            recall(tables, worker)


def is_room(tables: Tables, group: SchedulingClass) -> bool:
    """Whether some node has room for a task of this class now."""
    for room in group.rooms:
        room.catch_up(tables.index)
        if room.ranked:
            return True
    return False


def backlog_deadline_s(tables: Tables) -> float | None:
    """When `check_backlogs` is next worth calling: soon, then less and less often while one and the same task runs
    on."""
    waits = [
        max(HELD_UP_AFTER_S, (tables.now_s - worker.progress_at_s) / 2)
        for worker in islice(tables.backlogged, LOOKED_AT)
        if not worker.recalled and not worker.stalled
    ]
    return tables.now_s + min(waits) if waits else None
