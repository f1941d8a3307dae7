"""What follows when the disk has answered: objects have a copy there, a file is there to be written, or neither; and
what follows when a reader finds a file damaged.

Must not live here: what is asked of the disk (`spilling`).
"""

from __future__ import annotations

from localray.kernel import spilling, store
from localray.kernel.effects import ObjectsSpilled, SpillFileCreated
from localray.kernel.records import ClientRecord, ObjectRecord
from localray.kernel.store_records import SpillBatch, StoreRecord
from localray.kernel.tables import Tables
from localray.protocol import DiskPlace, Outcome, Reply

REFUSED_FOR_S = 10.0
"""A directory that could not be written to is tried again after so long."""
_MIB = 1 << 20


def objects_spilled(tables: Tables, event: ObjectsSpilled) -> None:
    """A batch has been written, or not. What went meanwhile is garbage in the file."""
    record = tables.nodes[event.node].store
    batch = record.batch
    if batch is None or batch.number != event.batch:
        return
    record.batch = None
    if event.failure:
        batch_failed(tables, record, batch, event.failure)
    else:
        batch_written(tables, record, batch, event.duration_s)
    if record.waiting:
        tables.crowded[record.node] = None
    else:
        spilling.ahead_of_need(tables, record)


def batch_written(tables: Tables, record: StoreRecord, batch: SpillBatch, duration_s: float) -> None:
    """The objects of a batch have a copy on disk; those that nobody looks at may give way at once."""
    file = batch.file
    for each, offset in zip(batch.records, batch.offsets, strict=True):
        if each.batch is batch:
            each.batch = None
            each.file, each.offset = file, offset
            file.live += 1
            if each.pins == 0:
                store.settle(tables, each)
    if file.live == 0:
        spilling.delete_file(tables, file)
    record.spilled_bytes += batch.size_bytes
    record.spilled_objects += len(batch.records)
    record.spilling_took_s += duration_s
    report(tables, record)


def report(tables: Tables, record: StoreRecord) -> None:
    """Tell the drivers how fast spilling is, each time twice as much has been spilled as the last time."""
    first = record.settings.verbose_spill_logs
    if first <= 0:
        return
    threshold = record.tell_at_bytes or first
    if record.spilled_bytes < threshold:
        return
    rate = record.spilled_bytes / _MIB / max(record.spilling_took_s, 1e-9)
    text = (
        f"Spilled {record.spilled_bytes // _MIB} MiB, {record.spilled_objects} objects, "
        f"write throughput {rate:.0f} MiB/s."
    )
    if threshold == first:
        text += " Set RAY_verbose_spill_logs=0 to disable this message."
    while threshold <= record.spilled_bytes:
        threshold *= 2
    record.tell_at_bytes = threshold
    store.tell_drivers(tables, text)


def batch_failed(tables: Tables, record: StoreRecord, batch: SpillBatch, failure: str) -> None:
    """A directory could not be written to: nothing is lost, what was to be spilled is the first to be tried again."""
    del tables.spill_files[batch.file.path]
    refuse(tables, record, batch.directory, failure)
    later = record.spillable
    record.spillable = {}
    for each in batch.records:
        if each.batch is batch:
            each.batch = None
            if each.pins == 0:
                store.settle(tables, each)
    record.spillable.update(later)


def refuse(tables: Tables, record: StoreRecord, directory: int, failure: str) -> None:
    """A directory is left alone for a while; the drivers are told the first time."""
    if directory not in record.refused_until_s:
        path = record.settings.directories[directory]
        store.tell_drivers(tables, f"Objects cannot be spilled to {path}: {failure}.")
    record.refused_until_s[directory] = tables.now_s + REFUSED_FOR_S


def file_created(tables: Tables, event: SpillFileCreated) -> None:
    """A file for one object is there to be written, or this directory has no room either."""
    record = tables.nodes[event.node].store
    reservation, file, directory = record.creating.pop(event.file)
    client = tables.clients.get(reservation.client)
    if event.failure:
        del tables.spill_files[file.path]
        reservation.tried[directory] = event.failure
        if client is not None:
            spilling.create_file(tables, record, reservation)
    elif client is None:
        spilling.delete_file(tables, file)
    else:
        client.files[file.path] = reservation.size_bytes
        record.fallback_bytes += reservation.size_bytes
        tables.send(client.number, Reply(reservation.request, DiskPlace(file.path, 0, b"").encode()))


def claim_file(tables: Tables, client: ClientRecord, payload: bytes) -> None:
    """A file of its own becomes an object: its writer's death no longer deletes it."""
    path = DiskPlace.decode(payload).path
    if client.files.pop(path, None) is None:
        raise tables.broken(f"client {client.number} delivers a file that it was not given", client.number)
    tables.spill_files[path].writer = 0


def abandon_file(tables: Tables, client: ClientRecord, path: str) -> None:
    """A file of its own that will not become an object."""
    if client.files.pop(path, None) is not None:
        spilling.delete_file(tables, tables.spill_files[path])


def adopt_file(tables: Tables, record: ObjectRecord, payload: bytes) -> None:
    """An object that was written to disk straight away is delivered."""
    place = DiskPlace.decode(payload)
    record.file, record.offset = tables.spill_files[place.path], place.offset
    record.file.live += 1


def discard_file(tables: Tables, outcome: Outcome) -> None:
    """An object that was written to disk straight away, and that nobody waits for."""
    spilling.delete_file(tables, tables.spill_files[DiskPlace.decode(outcome[1]).path])
