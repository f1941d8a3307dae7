"""What one client holds: references, pins, room to write into; told by it, and let go of when it is gone.

Must not live here: what follows when nobody holds an object any more (`objects`).
"""

from __future__ import annotations

from collections.abc import Iterable

from localray.kernel import leases, objects, spilled, store
from localray.kernel.records import ClientRecord
from localray.kernel.tables import Tables
from localray.protocol import ON_DISK, AbandonBuffer, DiskPlace


def add_references(tables: Tables, holder: ClientRecord, object_ids: Iterable[bytes]) -> None:
    """A client has come to refer to these."""
    for object_id in object_ids:
        if object_id not in holder.held:
            holder.held.add(object_id)
            objects.acquire(tables, (object_id,))


def drop_references(tables: Tables, holder: ClientRecord, object_ids: Iterable[bytes]) -> None:
    """A client refers to these no longer."""
    held = holder.held
    for object_id in object_ids:
        if object_id in held:
            held.remove(object_id)
            objects.release(tables, (object_id,))


def abandon_buffer(tables: Tables, writer: ClientRecord, message: AbandonBuffer) -> None:
    """Reserved or leased room will not become an object."""
    location, size_bytes, payload = message
    if location == ON_DISK:
        spilled.abandon_file(tables, writer, DiskPlace.decode(payload).path)
    elif leases.cut(tables, writer, location, size_bytes):
        store.release_bytes(tables, location, size_bytes)


def drop_client(tables: Tables, client: ClientRecord) -> None:
    """Let go of all that a vanished client held: references, pins, half-written buffers, requests."""
    for wait in list(client.waits.values()):
        wait.stalled_worker = None
        objects.end_wait(tables, wait)
    pins = [object_id for object_id, count in client.pins.items() for _ in range(count)]
    objects.unpin(tables, client, pins)
    drop_references(tables, client, sorted(client.held))
    for location, size_bytes in list(client.buffers.items()):
        leases.cut(tables, client, location, size_bytes)
        store.release_bytes(tables, location, size_bytes)
    for path in list(client.files):
        spilled.abandon_file(tables, client, path)
    store.forget_client(tables, client.number)
