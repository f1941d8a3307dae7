"""The life of a task: submitted, waiting for arguments, handed on to whoever places it, finished, failed, run again.

The same life is a constructor's and a method call's; only who takes it once its arguments are there differs
(`scheduling` or `actors`). Must not
live here: which worker runs it, and in which order an actor's calls run.
"""

from __future__ import annotations

from collections.abc import Sequence

from localray.kernel import lineage, news, objects, streams
from localray.kernel.records import ClientRecord, ObjectRecord, ObjectState, TaskRecord, TaskState, Template
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import INLINE, ON_DISK, FailedArgument, Outcome, Status, TaskKind, text_payload

TOLD_DEPTH = 50
"""How many tasks that failed by their arguments, one by the other, an error tells of."""

INDEX_BYTES = tuple(index.to_bytes(4, "little") for index in range(1, 257))
"""The suffix of a task's first, second, … return id."""


def return_id(task_id: bytes, position: int) -> bytes:
    """The id of a task's return at a position counted from 0."""
    return task_id + (INDEX_BYTES[position] if position < 256 else (position + 1).to_bytes(4, "little"))


def return_ids(task: TaskRecord) -> list[bytes]:
    """The ids of all that a task returns."""
    return [return_id(task.task_id, position) for position in range(task.template.num_returns)]


def create(
    tables: Tables,
    submitter: ClientRecord,
    template: Template,
    task_id: bytes,
    payload: bytes,
    dependencies: tuple[bytes, ...],
    borrowed: tuple[bytes, ...],
    parent_id: bytes = b"",
) -> TaskRecord:
    """Take a task in: its returns exist from now on, its arguments are held until it ends. Its parent is given where
    its submitter runs several tasks at once."""
    parent_id, depth, root = place_in_tree(submitter, parent_id)
    task = TaskRecord(
        task_id,
        template,
        payload,
        dependencies,
        borrowed,
        submitter.number,
        parent_id,
        depth,
        template.max_retries,
        root,
    )
    task.created_at_s = tables.now_s
    tables.tasks[task_id] = task
    if template.is_stream:
        streams.open_stream(tables, submitter, task_id)
    if template.num_returns == 1:
        objects.declare(tables, task_id + INDEX_BYTES[0], submitter)
    else:
        for object_id in return_ids(task):
            objects.declare(tables, object_id, submitter)
    if dependencies:
        objects.need(tables, task)
    if borrowed:
        objects.acquire(tables, borrowed)
    tables.log.note(task_id, TaskState.WAITING, template.label)
    if task.missing == 0:
        tables.woken.append(task)
    return task


def run_again(tables: Tables, ended: TaskRecord, retries_left: int, reason: str) -> TaskRecord:
    """A task that has ended is to run once more, as its next attempt. What it returned stays as it is.

    Whoever asks for this has held, all along, what the task needs: its arguments and what it borrows.
    """
    task = TaskRecord(
        ended.task_id,
        ended.template,
        ended.payload,
        ended.dependencies,
        ended.borrowed,
        ended.submitter,
        ended.parent_id,
        ended.depth,
        retries_left,
        ended.root,
        attempt=ended.attempt + 1,
        actor=ended.actor,
    )
    tables.tasks[task.task_id] = task
    objects.need(tables, task)
    objects.acquire(tables, task.borrowed)
    tables.log.note(task.task_id, TaskState.WAITING, reason)
    if task.missing == 0:
        tables.woken.append(task)
    return task


def place_in_tree(submitter: ClientRecord, given_id: bytes) -> tuple[bytes, int, bytes]:
    """Which task submits what this client submits now, empty if none or unknown; the nesting depth, 0 from a driver;
    and the detached actor that it hangs from, if one.

    A worker runs its tasks in the order of its line and tells of each end before it submits for the next, so the first
    in its line it is; only a threaded or asyncio actor runs several at once, and says for which it submits.
    """
    worker = submitter.worker
    if worker is None:
        return b"", 0, b""
    actor = worker.actor
    for task in worker.assigned.values():
        parent_id = task.task_id if actor is None or actor.keeps_order else given_id
        return parent_id, task.depth + 1, task.root if actor is None else actor.creation.root
    return (b"", 1, b"") if actor is None else (b"", actor.creation.depth + 1, actor.creation.root)


def failed_dependency(tables: Tables, task: TaskRecord) -> tuple[Status, bytes] | None:
    """With what the task fails, unrun, because an argument is an error; None if none is.

    Whatever it is, it happened to the argument and not to this task: it is told as that, through the tasks of a chain
    up to a depth beyond which the text would only grow.
    """
    for object_id in task.dependencies:
        record = tables.objects[object_id]
        status = Status(record.status)
        if status is Status.VALUE:
            continue
        record.heard = True
        depth = FailedArgument.unpack(record.payload).depth if status is Status.ARGUMENT_FAILED else 0
        if depth == TOLD_DEPTH:
            return status, record.payload
        failed = FailedArgument(task.template.name, object_id, status.value, record.payload, depth + 1)
        return Status.ARGUMENT_FAILED, failed.pack()
    return None


def finish(tables: Tables, task: TaskRecord, outcomes: Sequence[Outcome]) -> None:
    """A worker answered: hand each return to whoever waits for it. A return that nobody refers to any more is dropped
    at once."""
    move(tables.log, task.task_id, task, TaskState.FINISHED, "answered")
    status, error = outcomes[-1][:2] if outcomes else (0, b"")
    tables.history.over(task, status, error, tables.now_s, sum([outcome[3] for outcome in outcomes]))
    if task.template.is_stream and len(outcomes) == 2:
        # The generator raised: the task itself has ended well.
        streams.raised(tables, task, outcomes[1])
        outcomes = outcomes[:1]
    if task.yielded + len(outcomes) != task.template.num_returns:
        raise tables.broken(
            f"a task of {task.template.num_returns} returns, {task.yielded} yielded, answered with {len(outcomes)}",
            task.task_id,
        )
    unwanted: list[ObjectRecord] = []
    for position, outcome in enumerate(outcomes, task.yielded):
        record = tables.objects.get(return_id(task.task_id, position))
        if record is None or record.state is not ObjectState.PENDING:
            if record is not None and record.location == ON_DISK and outcome[2] != INLINE:
                objects.renew(tables, record, outcome)
            else:
                objects.discard(tables, outcome)
                if record is None and outcome[0] == Status.TASK_ERROR:
                    news.unhandled(tables, return_id(task.task_id, position), outcome[1])
            continue
        objects.deliver(tables, record, outcome)
        if outcome[2] != INLINE:
            lineage.credit(task, record)
        if record.references == 0:
            unwanted.append(record)
    conclude(tables, task)
    for record in unwanted:
        # Only the lineage of another may need it.
        objects.release(tables, objects.unreferenced(tables, record))


def fail(tables: Tables, task: TaskRecord, status: Status, payload: bytes, reason: str) -> None:
    """The task will not run, or not again: each return becomes this error."""
    move(tables.log, task.task_id, task, TaskState.FAILED, reason)
    tables.history.over(task, status.value, payload, tables.now_s)
    for object_id in return_ids(task):
        record = tables.objects.get(object_id)
        if record is not None and record.state is ObjectState.PENDING:
            objects.fail(tables, record, status, payload)
    for record in list(lineage.lost_of(tables, task)):
        objects.fail(tables, record, status, payload)
    conclude(tables, task)


def conclude(tables: Tables, task: TaskRecord) -> None:
    """Forget an ended task and let go of what it held, unless what it made may have to be made again."""
    del tables.tasks[task.task_id]
    if task.template.is_stream:
        streams.end(tables, task)
    if tables.postponed:
        tables.postponed.pop(task, None)
    if task.makes:
        if task.state is TaskState.FINISHED and lineage.may_run_again(task):
            lineage.keep(tables, task)
            return
        lineage.disown(tables, task)
    if task.dependencies:
        objects.release(tables, task.dependencies)
    if task.borrowed:
        objects.release(tables, task.borrowed)


def discard_outcomes(tables: Tables, outcomes: Sequence[Outcome]) -> None:
    """An answer nobody waits for: stale, or of a task that was given up. Its bytes go back."""
    for outcome in outcomes:
        objects.discard(tables, outcome)


def refusal(tables: Tables, task: TaskRecord) -> tuple[Status, bytes] | None:
    """Why a task that is not running must not be run, if so: nobody wants it any more. It is to fail with this."""
    if task.cancelled:
        return Status.CANCELLED, text_payload(f"Task {task.template.name} was cancelled.")
    group = task.template.group
    if group and group not in tables.groups:
        if task.template.kind is TaskKind.ACTOR_CREATION:
            text = (
                "Could not create the actor because its associated placement group was removed.\n"
                f"Required placement group {group.hex()} is removed."
            )
            return Status.ACTOR_UNSCHEDULABLE, text_payload(text)
        return Status.GROUP_REMOVED, text_payload(f"The placement group {group.hex()} has been removed.")
    job = tables.jobs.get(task.template.job)
    if job is None or (job.driver == 0 and not task.root):
        text = f"Job finishes: the driver that submitted task {task.template.name} has ended."
        return Status.WORKER_CRASHED, text_payload(text)
    return None


def may_retry(tables: Tables, task: TaskRecord) -> bool:
    """Whether the task has a retry left, -1 is without end, and is still wanted."""
    return task.retries_left != 0 and refusal(tables, task) is None


def use_retry(task: TaskRecord) -> None:
    """Count one more attempt against the task's budget."""
    task.attempt += 1
    task.yielded = task.position = 0
    task.retries_left = one_fewer(task.retries_left)


def spare_retry(task: TaskRecord) -> None:
    """The next try is to cost nothing, if the task may be tried again at all."""
    if task.retries_left > 0 or (task.retries_left == 0 and task.attempt):
        task.retries_left += 1


def one_fewer(retries: int) -> int:
    """A budget of retries after one of them; -1 is without end."""
    return retries - 1 if retries > 0 else retries
