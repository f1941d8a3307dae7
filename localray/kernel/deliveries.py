"""What a client is sent of an object that is ready: its value, its place in the store, which is pinned meanwhile, or
only that it is there.

Must not live here: who is to be told, and when; what becomes of an object whose last pin goes (`objects`).
"""

from __future__ import annotations

from localray.kernel import arenas, nodes, store
from localray.kernel.records import ClientRecord, ObjectRecord, ObjectState
from localray.kernel.tables import Tables
from localray.protocol import INLINE, ObjectAbsent, ObjectPresent, ObjectReady, Value

AHEAD_LIMIT_BYTES = 256 * 1024
"""So much is sent unasked at most: what nobody asks for after all was sent for nothing."""


def send_object(tables: Tables, client: int, record: ObjectRecord) -> None:
    """Deliver a ready object to a client; a place in the store is pinned until the client lets go of it."""
    record.heard = True
    if record.location >= 0:
        pin(tables, client, record)
    tables.send(
        client, ObjectReady(record.object_id, record.status, record.payload, record.location, record.size_bytes)
    )


def tell(tables: Tables, client: ClientRecord, record: ObjectRecord, *, fetches: bool) -> None:
    """A client learns that an object is ready: by its value, unless that is on another node and not to be fetched."""
    if not fetches and nodes.is_elsewhere(tables, client, record):
        tables.send(client.number, ObjectPresent(record.object_id))
    else:
        send_object(tables, client.number, record)


def take_back(tables: Tables, record: ObjectRecord) -> None:
    """The value of an object is lost: whoever may have heard that it is there, and has not fetched it, hears that it is
    not."""
    if len(tables.nodes) == 1:
        return
    for client in tables.clients.values():
        if record.object_id in client.held and record.object_id not in client.pins:
            tables.send(client.number, ObjectAbsent(record.object_id))


def value_for(tables: Tables, client: int, object_id: bytes) -> Value:
    """A ready object as an argument for a task on a worker, pinned like any delivery."""
    record = tables.objects[object_id]
    if record.location >= 0:
        pin(tables, client, record)
    return (record.status, record.payload, record.location, record.size_bytes)


def pin(tables: Tables, client: int, record: ObjectRecord) -> None:
    """Count one delivery of the object's place in the store."""
    holder = tables.clients.get(client)
    if holder is None:
        return
    if record.pins == 0:
        store.unsettle(tables, record)
    arenas.show(tables, holder, record.location)
    if len(tables.nodes) > 1:
        nodes.count_transfer(tables, holder, record)
    record.pins += 1
    holder.asked_to_drop_views = False
    holder.pins[record.object_id] = holder.pins.get(record.object_id, 0) + 1


def send_ahead(tables: Tables, client: ClientRecord, object_ids: tuple[bytes, ...]) -> None:
    """Send small values that are there to a client that is likely to ask for them; nothing is remembered of the others.
    Errors are not heard before they are asked for."""
    left_bytes = AHEAD_LIMIT_BYTES
    for object_id in object_ids:
        record = tables.objects.get(object_id)
        if record is None or record.state is not ObjectState.READY or record.location != INLINE or record.status:
            continue
        left_bytes -= record.size_bytes
        if left_bytes < 0:
            return
        send_object(tables, client.number, record)
