"""What becomes of objects whose values are lost, with a node or a file: read from another copy, made again by the tasks
that made them, or an error that says why not.

Whoever needs such an object waits for it as if it had never been there. A task that is run again uses one of its
retries, and what it needs is made again first, if that is gone as well. Must not live here: which tasks are kept for
that (`lineage`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from localray.exceptions import UnreconstructableReason
from localray.kernel import deliveries, inventory, lineage, news, objects, queues, store, streams, tasks, workers
from localray.kernel.records import ActorState, NodeRecord, ObjectRecord, ObjectState, TaskRecord, TaskState
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import INLINE, NODE_SHIFT, ObjectDamaged, Status, TaskKind, text_payload

PUT_INDEX = (0x40000000).to_bytes(4, "little")
"""How the ids of objects end that were put, and are nobody's return."""

# ---------------------------------------------------------------- values are lost


def damaged(tables: Tables, message: ObjectDamaged) -> None:
    """A reader found that an object's place does not hold it. By now it may be in another."""
    record = tables.objects.get(message.object_id)
    if record is None or (record.location, record.payload) != (message.location, message.payload):
        return
    if record.location != INLINE and not store.fall_back_to_disk(tables, record):
        lose(tables, [record], message.reason)


def node_died(tables: Tables, node: NodeRecord, cause: str) -> None:
    """What was in a node's store is lost. What was spilled, or read by a living node, is not: of a node of several
    machines that one would have a copy. Here the bytes stay where they are."""
    gone = [
        record
        for record in tables.objects.values()
        if record.location >= 0
        and record.location >> NODE_SHIFT == node.number
        and not any(tables.nodes[other].alive for other in record.copied_to)
        and not store.fall_back_to_disk(tables, record)
    ]
    lose(tables, gone, f"node {node.node_id.hex()} died: {cause}")


def lose(tables: Tables, records: Iterable[ObjectRecord], why: str) -> None:
    """The values of these objects are gone. Those that anybody refers to are needed again, and whoever needs them
    waits; see `recover`."""
    tables.lost_values = True
    awaited: set[bytes] = set()
    for record in records:
        # What one of them contained may have gone with it, another of them too.
        if tables.objects.get(record.object_id) is not record:
            continue
        tables.log.note(record.object_id, record.state, f"lost: {why}")
        text = f"It was lost {tables.now_s - tables.began_s:.1f} s after the session began: {why}."
        if record.references:
            move(tables.log, record.object_id, record, ObjectState.PENDING, "its value is lost")
            tables.lost[record] = text
            awaited.add(record.object_id)
            deliveries.take_back(tables, record)
        elif record.state is ObjectState.READY and record.maker is not None:
            move(tables.log, record.object_id, record, ObjectState.DROPPED, "its value is lost")
        else:
            # It is only being looked at, or kept for lineage that cannot make it.
            objects.replace_value(tables, record, *failure(tables, record, text))
            continue
        contained = record.contained
        objects.take_value(tables, record)
        objects.release(tables, contained)
    if awaited:
        wait_again(tables, awaited)


def wait_again(tables: Tables, object_ids: set[bytes]) -> None:
    """Tasks that wait to be sent, and need any of these, wait for them. What has been sent has its values, or will ask
    for them."""
    queued: list[TaskRecord] = []
    for task in tables.tasks.values():
        if task.state not in (TaskState.WAITING, TaskState.QUEUED) or object_ids.isdisjoint(task.dependencies):
            continue
        for object_id in task.dependencies:
            if object_id in object_ids:
                objects.wait_for(task, tables.objects[object_id])
        if task.state is TaskState.WAITING:
            continue
        if task.template.kind is TaskKind.ACTOR_CALL:
            # It keeps its place among the calls of its caller.
            move(tables.log, task.task_id, task, TaskState.WAITING, "an argument is lost")
        else:
            queued.append(task)
    queues.take_out(tables, queued, "an argument is lost")


# ---------------------------------------------------------------- and made again


def recover(tables: Tables) -> None:
    """Have what is lost and needed made again, or fail it."""
    lost, tables.lost = tables.lost, {}
    for record, why in lost.items():
        # It may have gone meanwhile; or the task that makes several of these was started for another.
        if record.state is not ObjectState.PENDING:
            continue
        task = record.maker
        if task is None:
            objects.fail(tables, record, *failure(tables, record, why))
        elif task.task_id not in tables.tasks:
            run_again(tables, task, record, why)
        elif streams.has_passed(task, record) and task.worker is not None and not task.worker.killed:
            start_over(tables, task, record, why)


def start_over(tables: Tables, task: TaskRecord, record: ObjectRecord, why: str) -> None:
    """An item is lost that a generator has yielded, which runs on and will not yield it again. A task is not waited
    for, as it may wait for the very reader that waits for this: its worker ends, and it is tried again. A call is, as
    an actor cannot be ended for one: it is made again when it is over."""
    if task.worker is not None and task.actor is None and tasks.may_retry(tables, task):
        reason = f"its generator starts over, to make {record.object_id.hex()} again. {why}"
        workers.kill(tables, task.worker, reason.rstrip("."))
    elif task.actor is None or not lineage.may_run_again(task):
        lineage.disown_one(task, record)
        objects.fail(tables, record, *failure(tables, record, f"{why} Its generator had gone on."))


def failure(tables: Tables, record: ObjectRecord, why: str) -> tuple[Status, bytes]:
    """The error of an object that is lost and cannot be made again."""
    reason = record.unmakeable
    if reason is UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_PUT and record.object_id[24:] != PUT_INDEX:
        # What a generator yields is not kept track of.
        reason = UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_LINEAGE_DISABLED
    elif reason is UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_PUT and not is_owner_alive(tables, record):
        return Status.OWNER_DIED, text_payload(f"The process that made it has ended. {why}")
    return Status.UNRECONSTRUCTABLE, text_payload(f"{reason.name}\n{why}")


def is_owner_alive(tables: Tables, record: ObjectRecord) -> bool:
    """Whether the process that made an object still runs."""
    owner = inventory.owner_of(tables, record.object_id)
    return owner is not None and (owner.worker is None or owner.worker.node.alive)


def run_again(tables: Tables, task: TaskRecord, record: ObjectRecord, why: str) -> None:
    """A finished task starts over for the sake of a lost object: with its arguments, which may have to be made again
    themselves, and one retry less."""
    refusal = tasks.refusal(tables, task)
    if refusal is not None and refusal[0] is Status.WORKER_CRASHED:
        refusal = Status.OWNER_DIED, text_payload(f"The driver that had it made has ended. {why}")
    if refusal is not None:
        lineage.discard(tables, task, lineage.why_not(task))
        objects.fail(tables, record, *refusal)
        return
    lineage.take_out(tables, task)
    again = tasks.run_again(
        tables, task, tasks.one_fewer(task.retries_left), f"to make {record.object_id.hex()} again. {why}"
    )
    lineage.pass_on(tables, task, again)
    news.made_again(tables, again, why)
    if again.template.kind is TaskKind.ACTOR_CALL:
        call_again(tables, again)


def call_again(tables: Tables, task: TaskRecord) -> None:
    """A finished call is to be made again: behind what its caller has called since."""
    actor = task.actor
    if actor is None:
        raise tables.broken("a call of no actor is kept", task.task_id)
    if actor.state is ActorState.DEAD:
        tasks.fail(tables, task, actor.death_status, actor.death_told, "the actor is dead")
    else:
        actor.queues.setdefault(task.submitter, deque()).append(task)
