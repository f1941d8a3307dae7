"""The life of an object: created pending or finished, watched, delivered, referred to, pinned, freed.

An object lives while somebody refers to it: a client, a task that needs it, an object that contains it. It is freed the
moment the last reference goes, but its bytes in the store only when the last view on them is gone too; and what lineage
still needs is kept, by its value or as something that can be made again (`lineage`). Must not live here: what tasks do
once their arguments are there (`tasks`), values that are lost (`recovery`), where bytes are (the driver of the kernel).
"""

from __future__ import annotations

from collections.abc import Iterable

from localray.kernel import deliveries, leases, news, spilled, store
from localray.kernel.records import ClientRecord, ObjectRecord, ObjectState, TaskRecord, WaitRecord
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import (
    INLINE,
    ON_DISK,
    FailedArgument,
    ObjectReady,
    Outcome,
    PutObject,
    Status,
    text_payload,
)


def declare(tables: Tables, object_id: bytes, holder: ClientRecord) -> ObjectRecord:
    """Make the record of an object that a task will deliver; its submitter holds the first reference."""
    record = ObjectRecord(object_id, references=1)
    tables.objects[object_id] = record
    holder.held.add(object_id)
    return record


def put(tables: Tables, holder: ClientRecord, message: PutObject) -> None:
    """Take in a finished object from its creator."""
    record = declare(tables, message.object_id, holder)
    claim_buffer(tables, holder, message.location, message.size_bytes, message.payload)
    deliver(tables, record, message[1:])


def claim_buffer(tables: Tables, writer: ClientRecord, location: int, size_bytes: int, payload: bytes) -> None:
    """Reserved or leased room becomes an object: its writer's death no longer frees it."""
    if location >= 0:
        if not leases.cut(tables, writer, location, size_bytes):
            raise tables.broken(
                f"client {writer.number} delivers a buffer at {location} that it did not reserve", writer.number
            )
    elif location == ON_DISK:
        spilled.claim_file(tables, writer, payload)


def discard(tables: Tables, outcome: Outcome) -> None:
    """A delivered outcome that nobody waits for: its bytes go back."""
    if outcome[2] >= 0:
        store.release_bytes(tables, outcome[2], outcome[3])
    elif outcome[2] == ON_DISK:
        spilled.discard_file(tables, outcome)


def deliver(tables: Tables, record: ObjectRecord, outcome: Outcome) -> None:
    """The object is ready: keep its value or error, tell those who watch it, wake the tasks that wait for it."""
    move(tables.log, record.object_id, record, ObjectState.READY, "delivered")
    keep_value(tables, record, outcome)
    announce(tables, record)
    if record.location >= 0 and record.pins == 0:
        store.settle(tables, record)


def keep_value(tables: Tables, record: ObjectRecord, outcome: Outcome) -> None:
    """An object has this value or error from now on."""
    record.status, record.payload, record.location, record.size_bytes, contained = outcome
    if contained:
        record.contained = contained
        acquire(tables, contained)
    if record.location == ON_DISK:
        spilled.adopt_file(tables, record, record.payload)


def renew(tables: Tables, record: ObjectRecord, outcome: Outcome) -> None:
    """What is on disk has been made again beside something that was lost: the disk that lost the one may have lost the
    other as well."""
    contained = record.contained
    take_value(tables, record)
    keep_value(tables, record, outcome)
    release(tables, contained)
    if record.location >= 0 and record.pins == 0:
        store.settle(tables, record)


def fail(tables: Tables, record: ObjectRecord, status: Status, payload: bytes) -> None:
    """The object will never have a value: it is ready with an error instead."""
    deliver(tables, record, (status.value, payload, INLINE, 0, ()))


def announce(tables: Tables, record: ObjectRecord) -> None:
    """Tell the watchers and wake the tasks of an object that has just become ready."""
    if record.watchers is not None:
        watchers, record.watchers = record.watchers, None
        for client, waits in watchers.items():
            holder = tables.clients.get(client)
            if holder is not None:
                # Who merely wants to know, as who iterates over a generator, has no wait.
                deliveries.tell(tables, holder, record, fetches=any(wait.fetches for wait in waits))
                for wait in waits:
                    wait.watched -= 1
                    count_down(tables, wait)
    if record.waiting_tasks is not None:
        for task in record.waiting_tasks:
            task.missing -= 1
            if task.missing == 0:
                tables.woken.append(task)
        record.waiting_tasks = None


def count_down(tables: Tables, wait: WaitRecord) -> None:
    """One object fewer to wait for; at none the stalled worker goes on (see `scheduling.resume`)."""
    wait.missing -= 1
    if wait.missing == 0:
        end_wait(tables, wait)


def end_wait(tables: Tables, wait: WaitRecord) -> None:
    """A request is satisfied or withdrawn: nothing remembers it any more, and the worker it stalled goes on.

    Its client is still told of the objects it asked for, as they come: it asks once for each, however often it waits.
    (Who does not fetch asks anew each time.)
    """
    client = tables.clients.get(wait.client)
    if client is not None:
        client.waits.pop(wait.request, None)
    for object_id in wait.object_ids:
        record = tables.objects.get(object_id)
        if record is not None and record.watchers is not None:
            waits = record.watchers.get(wait.client)
            if waits is not None and wait in waits:
                waits.remove(wait)
                if not waits and not wait.fetches:
                    del record.watchers[wait.client]
    if wait.stalled_worker is not None:
        tables.resuming.append(wait.stalled_worker)
        wait.stalled_worker = None


def no_longer_watched(tables: Tables, watchers: dict[int, list[WaitRecord]]) -> None:
    """An object is gone before it came. Who asked for it refers to it no longer, and so waits for it no longer: it had
    enough with what it had asked for before. A request that is not satisfied by the others is over."""
    for waits in watchers.values():
        for wait in waits:
            wait.watched -= 1
            if wait.missing > wait.watched:
                end_wait(tables, wait)


def unpin(tables: Tables, holder: ClientRecord, object_ids: Iterable[bytes]) -> None:
    """Deliveries that the client has let go of."""
    for object_id in object_ids:
        left = holder.pins.get(object_id, 0) - 1
        if left < 0:
            raise tables.broken(f"client {holder.number} unpins what it has not pinned", object_id)
        if left:
            holder.pins[object_id] = left
        else:
            del holder.pins[object_id]
        record = tables.objects[object_id]
        record.pins -= 1
        if record.pins == 0:
            last_view_gone(tables, record)


def last_view_gone(tables: Tables, record: ObjectRecord) -> None:
    """Nobody looks at an object's bytes any more: they may give way to others, or go if the object has gone before."""
    lingering, record.lingering = record.lingering, ()
    for place in lingering:
        store.release_bytes(tables, *place)
    if record.state is ObjectState.READY and record.location >= 0:
        store.settle(tables, record)
    elif record.state is ObjectState.RELEASED:
        release(tables, let_go(tables, record, "last view gone"))


def watch(tables: Tables, client: ClientRecord, wait: WaitRecord) -> None:
    """Send what is ready of what the request is for, and remember to send the rest; `wait.missing` has been set to how
    many are needed."""
    number = client.number
    fetches = wait.fetches and wait.missing > 0
    for object_id in wait.object_ids:
        record = tables.objects.get(object_id)
        if record is None:
            text = f"Object {object_id.hex()} is not known to this session: it was freed, or made in an earlier one."
            tables.send(number, ObjectReady(object_id, Status.LOST.value, text_payload(text), INLINE, 0))
            count_down(tables, wait)
        elif record.state is not ObjectState.PENDING:
            deliveries.tell(tables, client, record, fetches=fetches)
            count_down(tables, wait)
        elif wait.missing > 0 or wait.fetches:
            if record.watchers is None:
                record.watchers = {}
            waits = record.watchers.setdefault(number, [])
            if wait.missing > 0:
                waits.append(wait)
                wait.watched += 1


def need(tables: Tables, task: TaskRecord) -> None:
    """Hold what a task depends on, and count what is not there yet in ``task.missing``."""
    objects = tables.objects
    for object_id in task.dependencies:
        record = objects.get(object_id) or lost(tables, object_id)
        refer(tables, record)
        if record.state is ObjectState.PENDING:
            wait_for(task, record)


def are_there(tables: Tables, task: TaskRecord) -> bool:
    """Whether all that a task depends on has a value, still or again."""
    return all(
        record.state is not ObjectState.PENDING and record.status == Status.VALUE
        for record in map(tables.objects.__getitem__, task.dependencies)
    )


def wait_for(task: TaskRecord, record: ObjectRecord) -> None:
    """A task waits for an argument that has no value, yet or any more."""
    task.missing += 1
    if record.waiting_tasks is None:
        record.waiting_tasks = [task]
    else:
        record.waiting_tasks.append(task)


def lost(tables: Tables, object_id: bytes) -> ObjectRecord:
    """A record for an id that this session knows nothing of, so that what needs it fails with words."""
    record = ObjectRecord(object_id)
    tables.objects[object_id] = record
    text = f"Object {object_id.hex()} is not known to this session: it was freed, or made in an earlier one."
    fail(tables, record, Status.LOST, text_payload(text))
    return record


def acquire(tables: Tables, object_ids: Iterable[bytes]) -> None:
    """One more reference to each."""
    for object_id in object_ids:
        record = tables.objects.get(object_id) or lost(tables, object_id)
        refer(tables, record)


def refer(tables: Tables, record: ObjectRecord) -> None:
    """One more reference; to an object that was only looked at any more it is the first again."""
    record.references += 1
    if record.references == 1:
        if record.state is ObjectState.RELEASED:
            move(tables.log, record.object_id, record, ObjectState.READY, "referred to again")
        elif record.state is ObjectState.DROPPED:
            move(tables.log, record.object_id, record, ObjectState.PENDING, "referred to again")
            tables.lost[record] = "Its value had been given up, because nothing referred to it any more."


def release(tables: Tables, object_ids: Iterable[bytes]) -> None:
    """One reference fewer to each; what nothing refers to is freed, and then what it contained, without recursion."""
    pending: list[bytes] | None = None
    for object_id in object_ids:
        record = tables.objects[object_id]
        record.references -= 1
        if record.references == 0:
            contained = unreferenced(tables, record)
            if contained:
                pending = [*(pending or ()), *contained]
    while pending:
        record = tables.objects[pending.pop()]
        record.references -= 1
        if record.references == 0:
            pending.extend(unreferenced(tables, record))


def unreferenced(tables: Tables, record: ObjectRecord) -> tuple[bytes, ...]:
    """The last reference is gone; returns what the object referred to, if it goes too. One that is still looked at, or
    that lineage needs and nothing could make again, keeps what it contains."""
    if record.actor is not None:
        tables.unreferenced_actors.append(record.actor)
        record.actor = None
    if record.lineage_references and (record.maker is None or record.state is ObjectState.PENDING):
        return ()
    if record.pins:
        move(tables.log, record.object_id, record, ObjectState.RELEASED, "no references, still viewed")
        return ()
    return let_go(tables, record, "no references")


def let_go(tables: Tables, record: ObjectRecord, reason: str) -> tuple[bytes, ...]:
    """Nobody needs the value any more; returns what it referred to. The object itself goes too, unless lineage may want
    it made again."""
    if not record.lineage_references:
        forget(tables, record, reason)
        return record.contained
    move(tables.log, record.object_id, record, ObjectState.DROPPED, reason)
    contained = record.contained
    take_value(tables, record)
    return contained


def forget(tables: Tables, record: ObjectRecord, reason: str) -> None:
    """Remove an object for good and give its bytes back."""
    move(tables.log, record.object_id, record, ObjectState.GONE, reason)
    del tables.objects[record.object_id]
    if record.watchers is not None:
        no_longer_watched(tables, record.watchers)
    store.release_object(tables, record)
    if record.status in (Status.TASK_ERROR, Status.ARGUMENT_FAILED) and not record.heard:
        status, payload = FailedArgument.root(record.status, record.payload)
        if status is Status.TASK_ERROR:
            news.unhandled(tables, record.object_id, payload)
    maker = record.maker
    if maker is not None:
        maker.makes -= 1
        if maker.makes == 0:
            tables.unneeded_lineage.append(maker)


def release_lineage(tables: Tables, object_ids: Iterable[bytes]) -> None:
    """One kept task fewer would need each of these for being run again."""
    for object_id in object_ids:
        record = tables.objects[object_id]
        record.lineage_references -= 1
        if record.lineage_references or record.references:
            continue
        if record.state is ObjectState.DROPPED:
            forget(tables, record, "no lineage needs it")
        elif record.state in (ObjectState.READY, ObjectState.PENDING):
            release(tables, unreferenced(tables, record))


def free_values(tables: Tables, object_ids: Iterable[bytes]) -> None:
    """`ray.internal.free`: whoever reads these from now on gets an error. A value that is being looked at keeps its
    bytes until then."""
    for object_id in object_ids:
        record = tables.objects.get(object_id)
        if record is not None and record.state is ObjectState.READY and record.status != Status.FREED:
            text = f"Object {object_id.hex()} was freed with ray.internal.free()."
            replace_value(tables, record, Status.FREED, text_payload(text))


def replace_value(tables: Tables, record: ObjectRecord, status: Status, payload: bytes) -> None:
    """An object's value is gone; there is an error in its place, and what it contained is let go of."""
    tables.lost_values = True
    contained = record.contained
    take_value(tables, record)
    record.status = status.value
    record.payload = payload
    release(tables, contained)


def take_value(tables: Tables, record: ObjectRecord) -> None:
    """An object has no value any more. Bytes that are looked at stay until they are not."""
    if record.pins and record.location >= 0:
        record.lingering = (*record.lingering, (record.location, record.size_bytes))
        record.batch = None
        store.release_copy(tables, record)
    else:
        store.release_object(tables, record)
    record.status = Status.VALUE.value
    record.payload = b""
    record.location = INLINE
    record.size_bytes = 0
    record.contained = ()
    record.copied_to = ()
