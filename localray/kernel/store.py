"""A node's object store: who gets which room, in which order, and what gives way for it.

An object in the arena that nobody looks at may give way: at once when it has a copy on disk, else once it has been
spilled (`localray.kernel.spilling`). Requests for room are granted in the order they came. One that nothing can make
room for waits for a grace period, then gets a file of its own, or a refusal. Must not live here: what happens on disk,
references (`objects`).
"""

from __future__ import annotations

from localray.kernel import arenas, cooling, garbage, leases, news, nodes, spilling
from localray.kernel.effects import ReleaseBuffer
from localray.kernel.holders import describe_store, describe_waiting
from localray.kernel.records import ClientKind, ClientRecord, ObjectRecord
from localray.kernel.store_records import Reservation, SpillFile, StoreRecord
from localray.kernel.tables import Tables
from localray.protocol import NODE_SHIFT, OFFSET_MASK, ON_DISK, DiskPlace, DropViews, Notice, Reply, Status
from localray.shm.allocator import rounded

TOLD_AFTER_S = 0.5


def store_of(tables: Tables, location: int) -> StoreRecord:
    """The store that a location in an arena is in."""
    return tables.nodes[location >> NODE_SHIFT].store


# ---------------------------------------------------------------- asking for room


def reserve(tables: Tables, client: ClientRecord, request: int, size_bytes: int) -> None:
    """A client wants room for an object."""
    node = nodes.home(tables, client)
    store = node.store
    if not store.waiting:
        offset = find_room(tables, store, size_bytes)
        if offset is not None:
            grant(tables, store, client, request, offset, size_bytes)
            return
    reservation = Reservation(client.number, request, size_bytes)
    if rounded(size_bytes) > store.allocator.capacity_bytes:
        if store.settings.directories:
            news.larger_than_the_store(tables, client.job, size_bytes, store.allocator.capacity_bytes)
        go_without(tables, store, reservation)
        return
    store.waiting.append(reservation)
    garbage.wanted(tables, store)
    tables.crowded[store.node] = None


def find_room(tables: Tables, store: StoreRecord, size_bytes: int) -> int | None:
    """A free range, made by evicting what has a copy on disk if need be."""
    allocator = store.allocator
    offset = allocator.allocate(size_bytes)
    if offset is None and rounded(size_bytes) <= allocator.free_bytes + store.evictable_bytes:
        while offset is None and store.evictable:
            evict(tables, store, next(iter(store.evictable.values())))
            offset = allocator.allocate(size_bytes)
    return offset


def grant(tables: Tables, store: StoreRecord, client: ClientRecord, request: int, offset: int, size_bytes: int) -> None:
    """A range is a client's, to write an object into."""
    location = leases.hold(tables, store, client, offset, size_bytes)
    store.starving_since_s = None
    tables.send(client.number, Reply(request, location))
    if garbage.nearly_full(store):
        garbage.wanted(tables, store)
    spilling.ahead_of_need(tables, store)


def serve(tables: Tables, store: StoreRecord) -> None:
    """Give room to those that wait, in their order, as far as there is any; then see that there will be."""
    waiting = store.waiting
    while waiting:
        first = waiting[0]
        client = tables.clients.get(first.client)
        if client is None:
            waiting.popleft()
            continue
        offset = find_room(tables, store, first.size_bytes)
        if offset is not None:
            waiting.popleft()
            grant(tables, store, client, first.request, offset, first.size_bytes)
        elif store.batch is not None or spilling.for_need(tables, store):
            store.starving_since_s = None
            ask_for_views(tables)
            return
        elif starved_long_enough(tables, store):
            waiting.popleft()
            go_without(tables, store, first)
        else:
            return


def starved_long_enough(tables: Tables, store: StoreRecord) -> bool:
    """Nothing can be spilled: whether that has been so for the grace period. The drivers are told when it lasts."""
    if store.starving_since_s is None:
        store.starving_since_s = tables.now_s
        tables.timed_stores[store.node] = None
        store.told_of_starving = False
        ask_for_views(tables)
    if not store.told_of_starving and tables.now_s >= store.starving_since_s + tells_after_s(store):
        store.told_of_starving = True
        tell_drivers(tables, describe_waiting(tables, store, store.waiting[0]))
    return tables.now_s >= store.starving_since_s + store.settings.oom_grace_period_s


def tells_after_s(store: StoreRecord) -> float:
    """How long room is wanting before the drivers hear of it: most often somebody lets go within milliseconds."""
    return min(TOLD_AFTER_S, store.settings.oom_grace_period_s)


def go_without(tables: Tables, store: StoreRecord, reservation: Reservation) -> None:
    """There will be no room in the arena: a file of its own, with spilling switched off too, as in Ray; or, where no
    directory can be written, a refusal that says who has it all."""
    if store.settings.directories:
        spilling.create_file(tables, store, reservation)
    else:
        text = describe_store(tables, store, reservation.size_bytes)
        tables.send(reservation.client, Reply(reservation.request, (Status.STORE_FULL.value, text)))


def ask_for_views(tables: Tables) -> None:
    """Clients keep the last views they made, in case somebody reads again, and leased room: they are to let go of them.
    Each is asked once, until it is given another."""
    for client in tables.clients.values():
        if (client.pins or client.has_lease) and not client.asked_to_drop_views:
            client.asked_to_drop_views = True
            client.has_lease = False
            tables.send(client.number, DropViews())


def tell_drivers(tables: Tables, text: str) -> None:
    """A notice for whoever runs programs here."""
    for client in tables.clients.values():
        if client.kind is ClientKind.DRIVER and client.job:
            tables.send(client.number, Notice(text))


def forget_client(tables: Tables, number: int) -> None:
    """A client is gone, and with it its requests for room."""
    for node in tables.nodes.values():
        waiting = node.store.waiting
        left = [reservation for reservation in waiting if reservation.client != number]
        if len(left) < len(waiting):
            waiting.clear()
            waiting.extend(left)
            tables.crowded[node.number] = None


# ---------------------------------------------------------------- objects come, are used, and go


def settle(tables: Tables, record: ObjectRecord) -> None:
    """An object in the arena that nobody looks at: from now on it may give way, after all that were used before."""
    store = store_of(tables, record.location)
    if record.batch is None:
        if record.file is None:
            store.spillable[record.object_id] = record
            store.spillable_bytes += rounded(record.size_bytes)
            spilling.ahead_of_need(tables, store)
        else:
            store.evictable[record.object_id] = record
            store.evictable_bytes += rounded(record.size_bytes)
    if store.waiting:
        tables.crowded[store.node] = None


def unsettle(tables: Tables, record: ObjectRecord) -> None:
    """An object in the arena is looked at, or goes: it is no longer there to give way."""
    store = store_of(tables, record.location)
    if store.spillable.pop(record.object_id, None) is not None:
        store.spillable_bytes -= rounded(record.size_bytes)
    elif store.evictable.pop(record.object_id, None) is not None:
        store.evictable_bytes -= rounded(record.size_bytes)


def evict(tables: Tables, store: StoreRecord, record: ObjectRecord) -> None:
    """An object's copy on disk is its only one from now on."""
    if record.file is None:
        raise tables.broken("an object without a copy on disk is evicted", record.object_id)
    unsettle(tables, record)
    release_bytes(tables, record.location, record.size_bytes)
    store.evicted_bytes += record.size_bytes
    move_to_disk(record, record.file)


def fall_back_to_disk(tables: Tables, record: ObjectRecord) -> bool:
    """What the arena had of an object is lost: its copy on disk is its only one from now on, if it has one."""
    if record.location < 0 or record.file is None:
        return False
    if record.pins:
        record.lingering = (*record.lingering, (record.location, record.size_bytes))
    else:
        unsettle(tables, record)
        release_bytes(tables, record.location, record.size_bytes)
    move_to_disk(record, record.file)
    return True


def move_to_disk(record: ObjectRecord, file: SpillFile) -> None:
    """Readers are given the copy on disk from now on."""
    record.payload = DiskPlace(file.path, record.offset, record.payload).encode()
    record.location = ON_DISK


def release_object(tables: Tables, record: ObjectRecord) -> None:
    """An object's value goes: its range in the arena, its place in a batch, its copy on disk."""
    record.batch = None
    if record.location >= 0:
        unsettle(tables, record)
        release_bytes(tables, record.location, record.size_bytes)
    release_copy(tables, record)


def release_copy(tables: Tables, record: ObjectRecord) -> None:
    """An object's copy on disk goes; the file with the last of those in it."""
    if record.file is not None:
        file, record.file = record.file, None
        file.live -= 1
        if file.live == 0:
            spilling.delete_file(tables, file)


def release_bytes(tables: Tables, location: int, size_bytes: int) -> None:
    """A range of an arena is no one's any more."""
    store = store_of(tables, location)
    offset = location & OFFSET_MASK
    store.allocator.free(offset, size_bytes)
    tables.effects.append(ReleaseBuffer(store.node, location, size_bytes))
    node = tables.nodes[store.node]
    if not node.alive:
        arenas.released(tables, node, offset, size_bytes)
        return
    node.used_at_s = tables.now_s
    if store.waiting:
        tables.crowded[store.node] = None
    else:
        store.starving_since_s = None
    cooling.watch(tables, store)


# ---------------------------------------------------------------- time


def deadline_s(tables: Tables) -> float | None:
    """When a store wants a `Tick` at the latest."""
    earliest: float | None = None
    for number in tables.timed_stores:
        store = tables.nodes[number].store
        if store.look_at_s is not None:
            earliest = store.look_at_s if earliest is None else min(earliest, store.look_at_s)
        if store.waiting and store.starving_since_s is not None:
            after_s = store.settings.oom_grace_period_s if store.told_of_starving else tells_after_s(store)
            end_s = store.starving_since_s + after_s
            earliest = end_s if earliest is None else min(earliest, end_s)
    return earliest


def tick(tables: Tables) -> None:
    """Time has passed: a grace period may be over, memory may have been idle for long."""
    for number in list(tables.timed_stores):
        store = tables.nodes[number].store
        if store.waiting:
            tables.crowded[number] = None
        cooling.look(tables, store)
        if store.look_at_s is None and not store.waiting:
            del tables.timed_stores[number]
