"""The life of a stream: opened with a generator's submission, fed by its worker, asked for and taken by its owner,
ended with the task, dropped.

A stream belongs to the client that submitted the generator, and so does every item from the moment it is there: the
owner knows their ids (the task's returns after the first), takes them in order without telling anybody, and says so
only where the producer waits for it. So an item costs one message on its way in and one on its way out. When the owner
lets go of the generator it says how far it came, and what it has not taken is released.

A generator that runs again yields from the start: what was delivered before is not delivered again, unless it has been
lost since. It may do so for that very reason, when its stream has long ended or been dropped (`recovery`). Must not
live here: the task's own end (`tasks`), which is what ends a stream.
"""

from __future__ import annotations

from localray.exceptions import UnreconstructableReason
from localray.kernel import holdings, lineage, objects
from localray.kernel.records import ClientRecord, ObjectRecord, ObjectState, TaskRecord, TaskState
from localray.kernel.stream_records import StreamRecord
from localray.kernel.tables import Tables
from localray.protocol import (
    INLINE,
    AwaitTaken,
    DropStream,
    ItemsTaken,
    ObjectYielded,
    Outcome,
    Status,
    TakeItems,
    text_payload,
)

FIRST_ITEM_INDEX = 2
NOBODY_TAKES = -1


def item_id(task_id: bytes, position: int) -> bytes:
    """The id of the item at a position counted from 0."""
    return task_id + (position + FIRST_ITEM_INDEX).to_bytes(4, "little")


def open_stream(tables: Tables, owner: ClientRecord, task_id: bytes) -> None:
    """A generator was submitted."""
    tables.streams[task_id] = StreamRecord(task_id, owner.number)


def take_in(tables: Tables, client: ClientRecord, message: ObjectYielded) -> None:
    """A worker's generator has yielded an object: deliver it, unless it is known already or nobody wants it."""
    task_id, position, outcome = message
    if outcome[2] != INLINE:
        objects.claim_buffer(tables, client, outcome[2], outcome[3], outcome[1])
    task = tables.tasks.get(task_id)
    if task is None or task.worker is None or task.worker is not client.worker:
        objects.discard(tables, outcome)
        return
    if task.is_replayed:
        objects.discard(tables, outcome)
    elif task.template.is_stream:
        task.position = position + 1
        task.items = max(task.items, task.position)
        stream = living(tables, task)
        if stream is not None and position > stream.yielded:
            raise tables.broken(f"item {position} of a stream comes after {stream.yielded}", task_id)
        if stream is not None and position == stream.yielded:
            append(tables, task, stream, outcome)
        else:
            _deliver_if_due(tables, task, item_id(task_id, position), outcome)
    else:
        task.yielded = position + 1
        _deliver_if_due(tables, task, task_id + task.yielded.to_bytes(4, "little"), outcome)


def living(tables: Tables, task: TaskRecord) -> StreamRecord | None:
    """The stream that a generator feeds; None of one that runs again although its stream has ended, or is dropped."""
    stream = tables.streams.get(task.task_id)
    return None if stream is None or stream.ended or task.is_replayed else stream


def append(tables: Tables, task: TaskRecord, stream: StreamRecord, outcome: Outcome) -> None:
    """A new item; it has a record already if its owner has asked for it."""
    if stream.yielded == stream.declared:
        _declare_next(tables, stream)
    stream.yielded += 1
    _deliver_if_due(tables, task, item_id(task.task_id, stream.yielded - 1), outcome)


def raised(tables: Tables, task: TaskRecord, outcome: Outcome) -> None:
    """The generator raised: as in Ray that is its last item. One that only ran again has nothing to say but to those
    that it was to make again."""
    stream = living(tables, task)
    if stream is not None:
        append(tables, task, stream, outcome)
        return
    for record in lineage.lost_of(tables, task):
        lineage.disown_one(task, record)
        objects.deliver(tables, record, outcome)


def _deliver_if_due(tables: Tables, task: TaskRecord, object_id: bytes, outcome: Outcome) -> None:
    record = tables.objects.get(object_id)
    if record is None or record.state is not ObjectState.PENDING:
        objects.discard(tables, outcome)
        return
    objects.deliver(tables, record, outcome)
    if task.template.is_stream and outcome[2] != INLINE:
        lineage.credit(task, record)
    if record.references == 0:
        # Only the lineage of another may need it.
        objects.release(tables, objects.unreferenced(tables, record))


def _declare_next(tables: Tables, stream: StreamRecord) -> None:
    objects.declare(tables, item_id(stream.task_id, stream.declared), tables.clients[stream.owner])
    stream.declared += 1


def expect(tables: Tables, client: ClientRecord, object_ids: tuple[bytes, ...]) -> None:
    """A client asks for objects: those that are the next items of its streams will come, or the stream's end in their
    place."""
    for object_id in object_ids:
        if object_id in tables.objects:
            continue
        stream = tables.streams.get(object_id[:24])
        if (
            stream is not None
            and stream.owner == client.number
            and object_id == item_id(stream.task_id, stream.declared)
        ):
            _declare_next(tables, stream)
            if stream.ended:
                _end_item(tables, object_id)


def has_passed(task: TaskRecord, record: ObjectRecord) -> bool:
    """Whether a task is a generator that has yielded this item since it began to run."""
    index = int.from_bytes(record.object_id[24:], "little")
    return task.template.is_stream and index < task.position + FIRST_ITEM_INDEX


def end(tables: Tables, task: TaskRecord) -> None:
    """The generator has returned, or failed for good: there will be no more items."""
    for record in list(lineage.lost_of(tables, task)):
        if task.state is TaskState.FINISHED and has_passed(task, record) and lineage.may_run_again(task):
            tables.lost[record] = "It was lost while its generator ran."
            continue
        lineage.disown_one(task, record)
        reason = UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_MAX_ATTEMPTS_EXCEEDED
        text = f"{reason.name}\nIt was lost, and its generator has yielded fewer items when it ran again."
        objects.fail(tables, record, Status.UNRECONSTRUCTABLE, text_payload(text))
    stream = living(tables, task)
    if stream is None:
        return
    stream.ended = True
    for position in range(stream.yielded, stream.declared):
        _end_item(tables, item_id(stream.task_id, position))


def _end_item(tables: Tables, object_id: bytes) -> None:
    record = tables.objects.get(object_id)
    if record is not None:
        text = "The stream has ended: its generator yielded fewer items."
        objects.fail(tables, record, Status.END_OF_STREAM, text_payload(text))


def take(tables: Tables, client: ClientRecord, message: TakeItems) -> None:
    """The owner has come so far: a producer that waits for that goes on."""
    stream = tables.streams.get(message.task_id)
    if stream is not None and stream.owner == client.number:
        stream.taken = message.taken
        if stream.awaited and stream.taken >= stream.awaited:
            stream.awaited = 0
            _tell_producer(tables, message.task_id, stream.taken)


def await_taken(tables: Tables, client: ClientRecord, message: AwaitTaken) -> None:
    """A producer waits for its consumer."""
    task = tables.tasks.get(message.task_id)
    if task is None or task.worker is None or task.worker is not client.worker:
        return
    stream = tables.streams.get(message.task_id)
    if stream is None or stream.ended or task.is_replayed:
        _tell_producer(tables, message.task_id, NOBODY_TAKES)
    elif stream.taken >= message.taken:
        _tell_producer(tables, message.task_id, stream.taken)
    else:
        stream.awaited = message.taken


def _tell_producer(tables: Tables, task_id: bytes, taken: int) -> None:
    task = tables.tasks.get(task_id)
    if task is not None and task.worker is not None:
        tables.send(task.worker.number, ItemsTaken(task_id, taken))


def drop(tables: Tables, client: ClientRecord, message: DropStream) -> None:
    """The owner wants nothing more of a stream: release what it has not taken, and let the producer run on unheard."""
    stream = tables.streams.get(message.task_id)
    if stream is None or stream.owner != client.number:
        return
    del tables.streams[message.task_id]
    items = [item_id(stream.task_id, position) for position in range(message.taken, stream.declared)]
    holdings.drop_references(tables, client, items)
    if stream.awaited:
        _tell_producer(tables, message.task_id, NOBODY_TAKES)


def owner_left(tables: Tables, client: ClientRecord) -> None:
    """A client is gone, and with it all it held; its generators run on unheard."""
    for stream in [stream for stream in tables.streams.values() if stream.owner == client.number]:
        del tables.streams[stream.task_id]
        if stream.awaited:
            _tell_producer(tables, stream.task_id, NOBODY_TAKES)
