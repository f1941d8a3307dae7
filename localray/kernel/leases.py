"""Room that a client holds and that is no object yet: one buffer for one object, or a lease that it cuts objects from.

A request for room is a round trip, as long as copying a megabyte takes; a lease saves it. It is granted only while
there is plenty, so that leased room that stays empty keeps nobody waiting, and asked back when room grows short
(`store.ask_for_views`). Must not live here: requests that wait (`store`).
"""

from __future__ import annotations

from localray.kernel import arenas, nodes
from localray.kernel.records import ClientRecord
from localray.kernel.store_records import StoreRecord
from localray.kernel.tables import Tables
from localray.protocol import NODE_SHIFT, Reply
from localray.shm.allocator import ALIGNMENT_BYTES, rounded

LEASE_BYTES = 64 << 20
SHARE_OF_ONE = 32
"""A lease is at most this part of the store."""
SHARE_OF_ALL = 8
"""All that is held and is no object yet is at most this part of the store; beyond that nobody gets a lease."""
LEAST_OBJECTS = 4


def lease(tables: Tables, client: ClientRecord, request: int, size_bytes: int) -> None:
    """Grant a client room for several objects of about this size, if there is plenty."""
    node = nodes.home(tables, client)
    store = node.store
    allocator = store.allocator
    wanted = min(LEASE_BYTES, allocator.capacity_bytes // SHARE_OF_ONE) // ALIGNMENT_BYTES * ALIGNMENT_BYTES
    plenty = (
        wanted >= LEAST_OBJECTS * rounded(size_bytes)
        and store.held_bytes + wanted <= allocator.capacity_bytes // SHARE_OF_ALL
        and allocator.used_bytes + wanted <= allocator.capacity_bytes // 2
        and not store.waiting
    )
    offset = allocator.allocate(wanted) if plenty else None
    if offset is None:
        tables.send(client.number, Reply(request, None))
        return
    client.has_lease = True
    client.asked_to_drop_views = False
    tables.send(client.number, Reply(request, (hold(tables, store, client, offset, wanted), wanted)))


def hold(tables: Tables, store: StoreRecord, client: ClientRecord, offset: int, size_bytes: int) -> int:
    """An allocated range is a client's to write into; returns its location."""
    location = (store.node << NODE_SHIFT) + offset
    arenas.show(tables, client, location)
    client.buffers[location] = size_bytes
    store.held_bytes += rounded(size_bytes)
    store.peak_bytes = max(store.peak_bytes, store.allocator.used_bytes)
    return location


def cut(tables: Tables, client: ClientRecord, location: int, size_bytes: int) -> bool:
    """Take a range out of what a client holds; returns whether it held it."""
    buffers = client.buffers
    start = location if location in buffers else _containing(buffers, location)
    if start is None or start + rounded(buffers[start]) < location + rounded(size_bytes):
        return False
    tables.nodes[location >> NODE_SHIFT].store.held_bytes -= rounded(size_bytes)
    end = start + rounded(buffers.pop(start))
    if location > start:
        buffers[start] = location - start
    if end > location + rounded(size_bytes):
        buffers[location + rounded(size_bytes)] = end - location - rounded(size_bytes)
    return True


def _containing(buffers: dict[int, int], location: int) -> int | None:
    """The start of the range that a location is in. A client holds a few."""
    for start, size_bytes in buffers.items():
        if start <= location < start + size_bytes:
            return start
    return None
