"""What is asked of the disk: which objects are spilled together and into which file, files of their own for objects
that find no room, files deleted; and how full a file system may be for any of this.

Objects are spilled least recently used first, many into one file, so that the disk writes long stretches; one batch at
a time for each node. Must not live here: what follows when the disk has answered (`spilled`), who gets the room
(`store`).
"""

from __future__ import annotations

from localray.kernel.effects import CreateSpillFile, DeleteSpillFile, SpillObjects
from localray.kernel.records import ObjectRecord
from localray.kernel.store_records import Reservation, SpillBatch, SpillFile, StoreRecord
from localray.kernel.tables import Tables
from localray.protocol import Reply, Status
from localray.shm.allocator import rounded
from localray.shm.spill_layout import lay_out

LEAST_SHARE = 8
"""A batch is at least this part of the store, or Ray's ``min_spilling_size`` where that is less."""


def can_spill(store: StoreRecord) -> bool:
    """Whether anything may go to disk at all."""
    return store.settings.spills and bool(store.settings.directories)


def least_batch_bytes(store: StoreRecord) -> int:
    """What is worth a file."""
    return min(store.settings.min_spilling_size, store.allocator.capacity_bytes // LEAST_SHARE)


def for_need(tables: Tables, store: StoreRecord) -> bool:
    """Spill because somebody waits for room; returns whether there was something to spill and somewhere to."""
    wanted = sum(rounded(reservation.size_bytes) for reservation in store.waiting)
    return start_batch(tables, store, wanted - store.allocator.free_bytes - store.evictable_bytes)


def ahead_of_need(tables: Tables, store: StoreRecord) -> None:
    """Spill when the store is nearly full, so that who comes next need not wait. Both copies are kept until then."""
    settings = store.settings
    only_copies = store.allocator.used_bytes - store.evictable_bytes
    excess = only_copies - int(settings.object_spilling_threshold * store.allocator.capacity_bytes)
    if excess > 0 and store.batch is None and store.spillable_bytes >= least_batch_bytes(store) and can_spill(store):
        start_batch(tables, store, excess)


def start_batch(tables: Tables, store: StoreRecord, wanted_bytes: int) -> bool:
    """Spill so much, or what is worth a file if that is more, or all there is if that is less."""
    if not store.spillable or not can_spill(store):
        return False
    directory = next_directory(tables, store)
    if directory is None:
        return False
    enough = max(wanted_bytes, least_batch_bytes(store))
    chosen: list[ObjectRecord] = []
    chosen_bytes = 0
    for record in store.spillable.values():
        chosen.append(record)
        chosen_bytes += rounded(record.size_bytes)
        if chosen_bytes >= enough or len(chosen) >= store.settings.max_fused_object_count:
            break
    for record in chosen:
        del store.spillable[record.object_id]
    store.spillable_bytes -= chosen_bytes
    offsets, length = lay_out(record.size_bytes for record in chosen)
    file = new_file(tables, store, directory, length)
    size_bytes = sum(record.size_bytes for record in chosen)
    batch = SpillBatch(file.number, file, directory, tuple(chosen), offsets, size_bytes)
    entries = []
    for record, offset in zip(chosen, offsets, strict=True):
        record.batch = batch
        entries.append((record.object_id, record.location, record.size_bytes, offset))
    store.batch = batch
    tables.effects.append(SpillObjects(store.node, batch.number, file.path, length, tuple(entries)))
    return True


def why_too_full(threshold: float, available_bytes: int, capacity_bytes: int) -> str:
    """Why nothing may be written to a file system now, in words; empty if something may.

    Args:
        threshold: ``local_fs_capacity_threshold`` of the settings: where that part is taken, by whomever, it is too
            full; from 1 on there is no limit.
        available_bytes: what is left of it for us.
        capacity_bytes: how large it is.
    """
    if threshold >= 1:
        return ""
    taken = 1 - available_bytes / capacity_bytes if capacity_bytes > 0 else 1.0
    if taken < threshold:
        return ""
    return f"the file system is {taken:.1%} full, which local_fs_capacity_threshold={threshold:g} forbids to write to"


def next_directory(tables: Tables, store: StoreRecord) -> int | None:
    """The directories take turns; one that has just refused is left out for a while."""
    count = len(store.settings.directories)
    for step in range(count):
        directory = (store.next_directory + step) % count
        if tables.now_s >= store.refused_until_s.get(directory, 0.0):
            store.next_directory = directory + 1
            return directory
    return None


def new_file(tables: Tables, store: StoreRecord, directory: int, length: int) -> SpillFile:
    """Make the record of a file in one of the directories."""
    number = store.next_file
    store.next_file += 1
    file = SpillFile(number, store.node, f"{store.settings.directories[directory]}/{store.node}-{number}", length)
    tables.spill_files[file.path] = file
    return file


def delete_file(tables: Tables, file: SpillFile) -> None:
    """Nothing in a file is anybody's any more."""
    del tables.spill_files[file.path]
    tables.effects.append(DeleteSpillFile(file.node, file.path))


def create_file(tables: Tables, store: StoreRecord, reservation: Reservation) -> None:
    """A file of its own for an object that finds no room, in a directory that has not refused it; the writer is told
    when none is left."""
    directories = store.settings.directories
    for step in range(len(directories)):
        directory = (store.next_directory + step) % len(directories)
        if directory not in reservation.tried:
            break
    else:
        reasons = "; ".join(f"{directories[each]}: {reason}" for each, reason in reservation.tried.items())
        text = f"{reservation.size_bytes} bytes fit neither into the store nor on disk ({reasons})."
        tables.send(reservation.client, Reply(reservation.request, (Status.OUT_OF_DISK.value, text)))
        return
    store.next_directory = directory + 1
    (_,), length = lay_out((reservation.size_bytes,))
    file = new_file(tables, store, directory, length)
    file.writer, file.own_bytes = reservation.client, reservation.size_bytes
    store.creating[file.number] = (reservation, file, directory)
    tables.effects.append(CreateSpillFile(store.node, file.number, file.path, length))
