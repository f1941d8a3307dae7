"""Which queued task goes to which worker, and when: queues by scheduling class, leases, dispatch ahead, recall.

A *lease* is a worker together with resources for one scheduling class; it lasts while that class has something for it.
Tasks are short more often than not, so a leased worker is sent several at once, about `AHEAD_WINDOW_S` of work by its
class's measured mean, which saves a round trip for each; what a longer one then holds up is recalled. Deeper tasks go
first: a worker that waits in `get` waits for a deeper one, so the number of stalled workers stays near depth times
CPUs, not the width of the program.

Must not live here: policies (`localray.sched`), processes (`workers`).
"""

from __future__ import annotations

from collections import deque

from localray.kernel import devices, objects, patience, tasks, workers
from localray.kernel.records import GroupState, SchedulingClass, TaskRecord, TaskState, WorkerRecord, WorkerState
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import Notice, RecallTasks, RunTask, TaskKind
from localray.sched import placement
from localray.sched.bundle_names import plain
from localray.sched.resources import GPU, amount, fits, give_back, missing, overdrawn, take

AHEAD_WINDOW_S = 0.002
AHEAD_LIMIT = 64
HELD_UP_AFTER_S = 0.005
MEAN_WEIGHT = 0.2
NO_DEVICES: tuple[list[int], tuple[int, ...]] = ([], ())
SHALLOW_EVERY = 8
"""While no worker is stalled, one task in so many is the shallowest instead of the deepest."""


def class_of(tables: Tables, task: TaskRecord) -> SchedulingClass:
    """The scheduling class of a task; looked up once for each template."""
    template = task.template
    if template.scheduling_class is None:
        is_actor = template.kind is TaskKind.ACTOR_CREATION
        key = (template.job, template.to_place, template.to_hold, is_actor)
        known = tables.classes.get(key)
        if known is None:
            known = SchedulingClass(key, template.job, template.to_place, template.to_hold, is_actor)
            known.gpu_units = amount(plain(template.to_hold), GPU)
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
        tables.hungry[group] = None


def requeue(tables: Tables, task: TaskRecord, reason: str) -> None:
    """Put a task that was sent, and did not end, back to the front of its queue."""
    task.worker = None
    group = class_of(tables, task)
    move(tables.log, task.task_id, task, TaskState.QUEUED, reason)
    group.queues.setdefault(task.depth, deque()).appendleft(task)
    group.queued += 1
    # What is back in front may be what a stalled task waits for: then patience is over.
    if group not in tables.starved or group in tables.patient:
        tables.hungry[group] = None


def take_back(tables: Tables, task: TaskRecord, reason: str) -> None:
    """A task that was sent and has not started is queued again, unless it is not wanted any more."""
    refusal = tasks.refusal(tables, task)
    if refusal is None:
        requeue(tables, task, reason)
    else:
        task.worker = None
        tasks.fail(tables, task, *refusal, "nobody wants it any more")


def withdraw(tables: Tables, task: TaskRecord) -> None:
    """A queued task is not to run; its place in the queue is skipped when its turn comes."""
    task.cancelled = True
    class_of(tables, task).queued -= 1


def next_task(group: SchedulingClass) -> TaskRecord | None:
    """The task whose turn it is, left where it is: the oldest of one depth."""
    while group.queues:
        depth = next_depth(group) if len(group.queues) > 1 else next(iter(group.queues))
        queue = group.queues[depth]
        while queue:
            if not queue[0].cancelled:
                return queue[0]
            queue.popleft()
        del group.queues[depth]
    return None


def next_depth(group: SchedulingClass) -> int:
    """The deepest; now and then the shallowest, or tasks that go on submitting deeper ones would keep it out for ever.

    Not while a worker is stalled: it waits for a deeper one, and a shallower one might only stall beside it.
    """
    is_shallow_turn = group.taken % SHALLOW_EVERY == SHALLOW_EVERY - 1
    if is_shallow_turn and not any(worker.stalled for worker in group.leased.values()):
        return min(group.queues)
    return max(group.queues)


def take_next(group: SchedulingClass, task: TaskRecord) -> None:
    """Remove the task that `next_task` gave."""
    group.queues[task.depth].popleft()
    group.queued -= 1
    group.taken += 1


def capacity_freed(tables: Tables) -> None:
    """Something was given back, or waited for long enough: classes that failed to place are worth another try."""
    tables.patience_at_s = None
    if tables.pending_groups:
        tables.groups_hungry = True
    if tables.starved:
        tables.hungry.update(tables.starved)
        tables.starved.clear()
        tables.patient.clear()


def dispatch(tables: Tables) -> None:
    """Place what can be placed, a task of each class in turn."""
    hungry = tables.hungry
    while hungry:
        group = next(iter(hungry))
        del hungry[group]
        tables.starved.pop(group, None)
        tables.patient.pop(group, None)
        task = next_task(group)
        if task is None:
            continue
        if place(tables, group, task):
            if group.queued:
                hungry[group] = None
        else:
            tables.starved[group] = None


def place(tables: Tables, group: SchedulingClass, task: TaskRecord) -> bool:
    """Lease a worker for a task and send the task to it; False when resources or workers lack."""
    node = placement.choose_node(tables.nodes.values(), group.to_place)
    if node is None:
        warn_if_infeasible(tables, group)
        return False
    if patience.holds_back(tables, node, group, task):
        return False
    found = devices.obtain(node, group) if group.gpu_units else NO_DEVICES
    if found is None:
        return False
    worker = workers.obtain(tables, node, group.job)
    if worker is None:
        devices.put_back(group, *found)
        return False
    take(node.available, group.to_hold)
    worker.resources = group.to_hold
    worker.devices, worker.units = found
    if group.placement_group is not None:
        worker.placement_group = group.placement_group
        group.placement_group.workers[worker.number] = worker
    worker.leased_at_s = tables.now_s
    if tables.measure_at_s is None and tables.memory.refresh_s:
        tables.measure_at_s = tables.now_s + tables.memory.refresh_s
    take_next(group, task)
    if group.is_actor:
        workers.become_actor(tables, worker, task)
    else:
        worker.leased_to = group
        group.leased[worker.number] = worker
        move(tables.log, worker.number, worker, WorkerState.LEASED, "leased")
    send_task(tables, worker, task)
    return True


def warn_if_infeasible(tables: Tables, group: SchedulingClass) -> None:
    """Tell the driver once that no node can ever meet this demand: Ray lets such tasks wait, and so do we, but not in
    silence."""
    placement_group = group.placement_group
    if placement_group is not None and placement_group.state is not GroupState.CREATED:
        return
    if group.warned or placement.is_feasible(tables.nodes.values(), group.to_place):
        return
    group.warned = True
    job = tables.jobs.get(group.job)
    if job is not None:
        lacks = " | ".join(missing(node.total, group.to_place) for node in tables.nodes.values()) or "there is no node"
        what = "An actor" if group.is_actor else "A task"
        tables.send(job.driver, Notice(f"{what} cannot be placed on any node and will wait for ever: {lacks}."))


def send_task(tables: Tables, worker: WorkerRecord, task: TaskRecord) -> None:
    """Send a task to a worker that will run it after what it already has."""
    move(tables.log, task.task_id, task, TaskState.SENT, worker.label)
    task.worker = worker
    number = worker.number
    if not worker.assigned:
        worker.progress_at_s = tables.now_s
    elif worker.actor is None:
        tables.backlogged[worker] = None
    worker.assigned[task.task_id] = task
    template = task.template
    if template.number not in worker.known:
        workers.teach(tables, worker, template)
    values = tuple([objects.value_for(tables, number, object_id) for object_id in task.dependencies])
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


def task_ended(tables: Tables, worker: WorkerRecord, duration_s: float) -> None:
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
    may_have_more = not (worker.stalled or worker.stopping or worker.recalled)
    # A lease on an overdrawn node ends with its task: else what a nested wait borrowed would never be paid back.
    if group.queued and may_have_more and not overdrawn(worker.node.available, worker.resources):
        limit = ahead_limit(group)
        if left <= limit // 2 and not others_starve(tables, group):
            fill(tables, worker, group, limit)
    if not worker.assigned:
        end_lease(tables, worker)


def ahead_limit(group: SchedulingClass) -> int:
    """How many tasks of this class a worker may have at once: its share of the queue, at most the window's worth of
    work."""
    by_time = int(AHEAD_WINDOW_S / max(group.mean_duration_s, 1e-6))
    share = -(-group.queued // max(1, len(group.leased)))
    return max(1, min(by_time, share, AHEAD_LIMIT))


def others_starve(tables: Tables, group: SchedulingClass) -> bool:
    """Whether another class, or a placement group, waits for what this one holds."""
    return tables.groups_wait or any(
        other is not group and other.queued and other not in tables.patient for other in tables.starved
    )


def fill(tables: Tables, worker: WorkerRecord, group: SchedulingClass, limit: int) -> None:
    """Send tasks to a leased worker until it has ``limit``; only what may share a worker joins others."""
    while len(worker.assigned) < limit:
        task = next_task(group)
        if task is None:
            return
        if worker.assigned and not task.may_share_a_worker:
            return
        take_next(group, task)
        send_task(tables, worker, task)
        if not task.may_share_a_worker:
            return


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
        take(node.available, worker.lent)
        worker.lent = ()
    give_back(node.available, worker.resources)
    devices.give_back(worker)
    worker.resources = ()
    if worker.placement_group is not None:
        del worker.placement_group.workers[worker.number]
        worker.placement_group = None
    capacity_freed(tables)
    if tables.backlogged and not any(group.queued for group in tables.hungry):
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
        give_back(worker.node.available, lent)
        capacity_freed(tables)
    recall(tables, worker)


def resume(tables: Tables, worker: WorkerRecord) -> None:
    """The worker goes on: its CPU is its own again, at once, even where another task has it meanwhile (as in Ray)."""
    worker.stalled -= 1
    if worker.stalled == 0 and worker.lent:
        take(worker.node.available, worker.lent)
        worker.lent = ()


def recall(tables: Tables, worker: WorkerRecord) -> None:
    """Ask for what the worker has not started. Nothing more is sent to it until it has answered."""
    behind = tuple(worker.assigned)[1:]
    if behind and not worker.recalled:
        worker.recalled = True
        tables.send(worker.number, RecallTasks(behind))


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
        if tables.now_s - worker.progress_at_s >= HELD_UP_AFTER_S and any(
            node.alive and fits(node.available, group.to_place) for node in tables.nodes.values()
        ):
            recall(tables, worker)


def backlog_deadline_s(tables: Tables) -> float | None:
    """When `check_backlogs` is next worth calling: soon, then less and less often while one and the same task runs
    on."""
    waits = [
        max(HELD_UP_AFTER_S, (tables.now_s - worker.progress_at_s) / 2)
        for worker in tables.backlogged
        if not worker.recalled and not worker.stalled
    ]
    return tables.now_s + min(waits) if waits else None
