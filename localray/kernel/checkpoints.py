"""Actors that checkpoint themselves: which calls are in a checkpoint, what is replayed after a restart, in which order.

A worker says all it has to say in one ordered stream, and takes checkpoints between calls. So a checkpoint contains
exactly the calls that were answered before it. Of those answered since, the kernel keeps what it takes to run them
again. After a restart the constructor has run and the state is restored; then the calls since are replayed in the order
of their answers, before anything new, and what they return is dropped, for their callers have been answered. A
concurrent actor replays them one by one. State and results are kept on the driver's node as well, so that the actor's
own node may die.

Must not live here: taking a checkpoint (`localray.client.checkpoints`), restarting (`restarts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from localray.kernel import deliveries, keeping, nodes, objects, tasks
from localray.kernel.records import (
    ActorRecord,
    ActorState,
    CheckpointRecord,
    ClientRecord,
    ObjectRecord,
    TaskRecord,
    TaskState,
    WorkerRecord,
)
from localray.kernel.scheduling import send_task
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import (
    INLINE,
    CheckpointFailed,
    FailedArgument,
    Notice,
    Outcome,
    Reply,
    RestoreActor,
    SaveCheckpoint,
    Status,
)

_NOT_REPEATED = (Status.CANCELLED, Status.INTERRUPTED, Status.ACTOR_UNAVAILABLE)


def kept(record: CheckpointRecord) -> Iterator[bytes]:
    """The objects that are held so that the actor can come back; one may occur several times."""
    if record.state:
        yield record.state
    for task in record.since.values():
        yield from task.dependencies
        yield from task.borrowed


# ---------------------------------------------------------------- while the actor lives


def remember(tables: Tables, actor: ActorRecord, task: TaskRecord, outcomes: Sequence[Outcome]) -> None:
    """A call is about to be answered: until it is in a checkpoint, what it takes to run it again is kept.

    One that was cancelled is not run again: how far it had come cannot be repeated. Nor is one that asked for the
    actor's end.
    """
    record = actor.checkpoints
    is_left_out = any(outcome[0] in _NOT_REPEATED for outcome in outcomes)
    if record is not None and task.task_id not in record.replaying and not is_left_out:
        record.since[task.task_id] = task
        objects.acquire(tables, (*task.dependencies, *task.borrowed))


def keep_results(tables: Tables, task: TaskRecord) -> None:
    """What a call has returned outlives its actor's node."""
    for object_id in tasks.return_ids(task):
        record = tables.objects.get(object_id)
        if record is not None:
            keep_copy(tables, record)


def keep_copy(tables: Tables, record: ObjectRecord) -> None:
    """A large object is read by the driver's node, so that it has it too."""
    if record.location != INLINE and len(tables.nodes) > 1:
        nodes.count_transfer(tables, None, record)


def save(tables: Tables, client: ClientRecord, message: SaveCheckpoint) -> None:
    """A checkpoint is whole: it takes the place of the one before, and of the calls that are in it."""
    request, object_id = message.request, message.object_id
    if message.location != INLINE:
        objects.claim_buffer(tables, client, message.location, message.size_bytes, message.payload)
    actor = None if client.worker is None else client.worker.actor
    record = None if actor is None or actor.state is ActorState.DEAD else actor.checkpoints
    if actor is None or record is None:
        objects.discard(tables, message[2:])
        if request:
            tables.send(client.number, Reply(request, None))
    else:
        state = tables.objects[object_id] = ObjectRecord(object_id, references=1)
        objects.deliver(tables, state, message[2:])
        keep_copy(tables, state)
        done = [task for task_id, task in record.since.items() if task_id not in record.replaying]
        tables.log.note(actor.actor_id, actor.state, f"checkpoint of {message.size_bytes} bytes, {len(done)} calls")
        released = [record.state] if record.state else []
        record.state = object_id
        record.told_of_failure = False
        for task in done:
            del record.since[task.task_id]
            released += (*task.dependencies, *task.borrowed)
        objects.release(tables, released)
        keeping.checkpointed(tables, actor, client.number, request)


def failed(tables: Tables, client: ClientRecord, message: CheckpointFailed) -> None:
    """A checkpoint could not be taken: its actor's driver is told, once until one can again."""
    actor = None if client.worker is None else client.worker.actor
    if actor is None or actor.checkpoints is None or actor.state is ActorState.DEAD:
        return
    tables.log.note(actor.actor_id, actor.state, f"checkpoint failed: {message.reason.splitlines()[-1]}")
    job = tables.jobs.get(actor.job)
    if job is not None and not actor.checkpoints.told_of_failure:
        actor.checkpoints.told_of_failure = True
        name = actor.creation.template.name.removesuffix(".__init__")
        last = "the last good checkpoint stays in force" if actor.checkpoints.state else "there is none yet"
        count = len(actor.checkpoints.since)
        text = (
            f"Actor {name} could not checkpoint itself; {last}, and {count} call{'' if count == 1 else 's'} answered "
            f"since would be replayed after a crash. {message.reason}"
        )
        tables.send(job.driver, Notice(text))


# ---------------------------------------------------------------- when it comes back


def send_state(tables: Tables, worker: WorkerRecord) -> None:
    """A worker is about to be sent a constructor: before it the state of the latest checkpoint, if there is one."""
    actor = worker.actor
    if actor is not None and actor.checkpoints is not None and actor.checkpoints.state:
        object_id = actor.checkpoints.state
        tables.send(
            worker.number, RestoreActor(object_id, *deliveries.value_for(tables, worker.number, object_id))
        )


def begin_replay(tables: Tables, actor: ActorRecord) -> None:
    """The actor has been constructed and restored: what was answered since the checkpoint is to run again."""
    record = actor.checkpoints
    if record is None:
        return
    for ended in list(record.since.values()):
        task = tasks.run_again(tables, ended, 0, "is to be replayed")
        if task.missing == 0:
            # Handled here: `run_again` has put it on the list of the woken.
            tables.woken.pop()
            move(tables.log, task.task_id, task, TaskState.QUEUED, "arguments ready")
        record.since[task.task_id] = record.replaying[task.task_id] = task
    record.holding = bool(record.replaying)


def go_on(tables: Tables, actor: ActorRecord) -> str:
    """Send what may be sent of the calls to be replayed; returns why one cannot be, if so."""
    record = actor.checkpoints
    if record is None or actor.worker is None:
        return ""
    for task in record.replaying.values():
        if task.state is TaskState.QUEUED:
            lost = tasks.failed_dependency(tables, task)
            if lost is not None:
                failed_again = FailedArgument.root(*lost)[0] is Status.TASK_ERROR
                cause = "what makes it failed" if failed_again else FailedArgument.unpack(lost[1]).text()
                return (
                    f"The actor could not be brought back to its state: {task.template.name} was answered after its "
                    f"last checkpoint and cannot be replayed, because an argument is lost: {cause}"
                )
            actor.sent[task.task_id] = task
            send_task(tables, actor.worker, task)
        if task.state is TaskState.WAITING or not actor.keeps_order:
            return ""
    record.holding = False
    return ""


def answered(tables: Tables, record: CheckpointRecord, task: TaskRecord) -> bool:
    """A call has been answered; returns whether others waited for that."""
    if record.replaying.pop(task.task_id, None) is None:
        return False
    held, record.holding = record.holding, record.holding and bool(record.replaying)
    if not record.replaying:
        tables.log.note(task.task_id, task.state, "the last to be replayed")
    return held


# ---------------------------------------------------------------- when it goes


def interrupt(tables: Tables, record: CheckpointRecord) -> None:
    """The actor's process died while calls were replayed: they will be again."""
    replaying, record.replaying = record.replaying, {}
    record.holding = False
    for task in replaying.values():
        task.worker = None
        tasks.fail(tables, task, Status.ACTOR_UNAVAILABLE, b"", "will be replayed after the next restart")


def forget(tables: Tables, actor: ActorRecord, record: CheckpointRecord) -> None:
    """The actor is dead for good."""
    for task_id, task in record.replaying.items():
        if actor.worker is not None:
            actor.worker.assigned.pop(task_id, None)
        actor.sent.pop(task_id, None)
        tasks.fail(tables, task, Status.ACTOR_DIED, b"", "its actor is dead")
    record.replaying.clear()
    record.holding = False
    released = list(kept(record))
    record.state = b""
    record.since.clear()
    objects.release(tables, released)
