"""Lineage: the finished tasks that are kept because what they made may have to be made again.

A value that travels in messages is never lost; one in a store is, with its node or its file. So a task that made one is
kept while anything refers to that, or while another kept task would need it for being run again: its record, and what
it needs. Of its arguments those that could be made again themselves are not kept, only how; the others are (Ray's
rule). All that is kept is bounded (Ray's ``RAY_max_lineage_bytes``), the oldest goes first. Must not live here: what
happens when something is lost (`recovery`).
"""

from __future__ import annotations

from collections.abc import Iterator

from localray.exceptions import UnreconstructableReason
from localray.kernel import objects
from localray.kernel.records import ObjectRecord, ObjectState, TaskRecord
from localray.kernel.tables import Tables
from localray.protocol import TaskKind

RECORD_BYTES = 600
"""About what a task's record takes, without its arguments."""


def credit(task: TaskRecord, record: ObjectRecord) -> None:
    """A task has put one of its returns into the store."""
    if record.maker is None:
        record.maker = task
        task.makes += 1


def may_run_again(task: TaskRecord) -> bool:
    """Whether a finished task could be run again: its retries are for that, too. An actor is not made by lineage, and
    what is in the state of one that checkpoints itself is not done twice."""
    if task.actor is not None and task.actor.checkpoints is not None:
        return False
    return task.retries_left != 0 and task.template.kind is not TaskKind.ACTOR_CREATION


def keep(tables: Tables, task: TaskRecord) -> None:
    """A task has finished and is kept. It still has its arguments' references, which become lineage's."""
    needs = (*task.dependencies, *task.borrowed)
    for object_id in needs:
        tables.objects[object_id].lineage_references += 1
    objects.release(tables, needs)
    tables.lineage[task.task_id] = task
    tables.lineage_bytes += size_bytes(task)
    while tables.lineage_bytes > tables.survival.max_lineage_bytes:
        oldest = next(iter(tables.lineage.values()))
        discard(tables, oldest, UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_LINEAGE_EVICTED)


def size_bytes(task: TaskRecord) -> int:
    """What keeping a task takes. Arguments that are kept for it are objects, and counted as such."""
    return RECORD_BYTES + len(task.payload)


def take_out(tables: Tables, task: TaskRecord) -> None:
    """A kept task is about to be run again, or is not kept any longer."""
    del tables.lineage[task.task_id]
    tables.lineage_bytes -= size_bytes(task)


def pass_on(tables: Tables, task: TaskRecord, again: TaskRecord) -> None:
    """A kept task is run again under another record, which has its arguments' references: that is the maker now."""
    for record in made_by(tables, task):
        record.maker = again
    again.makes, again.items = task.makes, task.items
    objects.release_lineage(tables, (*task.dependencies, *task.borrowed))


def discard(tables: Tables, task: TaskRecord, reason: UnreconstructableReason) -> None:
    """A task is not kept any longer: what it made cannot be made again."""
    take_out(tables, task)
    disown(tables, task, reason)
    objects.release_lineage(tables, (*task.dependencies, *task.borrowed))


def discard_unneeded(tables: Tables, task: TaskRecord) -> None:
    """Nothing that a task has made is left: it is not kept any longer, if it was."""
    if task.makes == 0 and tables.lineage.get(task.task_id) is task:
        discard(tables, task, UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_LINEAGE_EVICTED)


def disown(tables: Tables, task: TaskRecord, reason: UnreconstructableReason | None = None) -> None:
    """A task will not make again what it has made; by default because its retries do not allow it."""
    for record in made_by(tables, task):
        record.maker = None
        record.unmakeable = reason or why_not(task)
    task.makes = 0


def why_not(task: TaskRecord) -> UnreconstructableReason:
    """Why a task that has ended is not run again."""
    if task.cancelled:
        return UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_TASK_CANCELLED
    if task.retries_left == 0 and task.attempt == 0:
        return UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_RETRIES_DISABLED
    return UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_MAX_ATTEMPTS_EXCEEDED


def disown_one(task: TaskRecord, record: ObjectRecord) -> None:
    """A task will not make this one again, whatever becomes of the others."""
    record.maker = None
    record.unmakeable = why_not(task)
    task.makes -= 1


def lost_of(tables: Tables, task: TaskRecord) -> list[ObjectRecord]:
    """Items of a stream that are lost and that its generator, which runs, is to yield again."""
    if not task.items or not task.makes:
        return []
    return [record for record in made_by(tables, task) if record.state is ObjectState.PENDING]


def made_by(tables: Tables, task: TaskRecord) -> Iterator[ObjectRecord]:
    """The objects that a task is the maker of."""
    for number in range(1, task.template.num_returns + task.items + 1):
        record = tables.objects.get(task.task_id + number.to_bytes(4, "little"))
        if record is not None and record.maker is task:
            yield record
