"""Who has the store's memory, in words for users: the text of a store that is full.

Must not live here: anything that changes a record.
"""

from __future__ import annotations

from heapq import nlargest

from localray.kernel.inventory import site_of
from localray.kernel.records import ClientKind, ClientRecord, ObjectRecord
from localray.kernel.store_records import Reservation, StoreRecord
from localray.kernel.tables import Tables
from localray.protocol import NODE_SHIFT

_SHOWN = 3
_MIB = 1 << 20


def describe_waiting(tables: Tables, store: StoreRecord, reservation: Reservation) -> str:
    """Who waits for room that nothing can make."""
    client = tables.clients.get(reservation.client)
    who = "somebody who is gone" if client is None else name_of(client)
    return (
        f"{who} waits for room for an object of {size(reservation.size_bytes)}: the object store is full and "
        f"nothing in it can be spilled. {usage(tables, store)}"
    )


def describe_store(tables: Tables, store: StoreRecord, wanted_bytes: int) -> str:
    """Why an object finds no room."""
    return (
        f"The object store is full: {wanted_bytes} bytes wanted, {store.allocator.used_bytes} of "
        f"{store.allocator.capacity_bytes} in use. {usage(tables, store)}"
    )


def usage(tables: Tables, store: StoreRecord) -> str:
    """The largest objects in the arena, and who keeps each there."""
    here = [
        record
        for record in tables.objects.values()
        if record.location >= 0 and record.location >> NODE_SHIFT == store.node
    ]
    parts = [
        f"object {record.object_id.hex()}, {size(record.size_bytes)}, {keepers(tables, record)}"
        for record in nlargest(_SHOWN, here, key=lambda record: record.size_bytes)
    ]
    text = "The largest: " + "; ".join(parts) if parts else "There is no finished object in it"
    return text + (f"; being written: {size(store.held_bytes)}." if store.held_bytes else ".")


def keepers(tables: Tables, record: ObjectRecord) -> str:
    """Who refers to an object and who looks at it."""
    clients = tables.clients.values()
    holding = [name_of(client) for client in clients if record.object_id in client.held]
    viewing = [name_of(client) for client in clients if record.object_id in client.pins]
    others = record.references - len(holding)
    if others:
        holding.append(f"{others} task{'s' if others > 1 else ''} or object{'s' if others > 1 else ''}")
    text = f"held by {_list(holding)}" if holding else "held by nobody"
    if viewing:
        text += f", viewed by {_list(viewing)}"
    site = site_of(tables, record.object_id)
    return text + (f", made by {site}" if site else "")


def name_of(client: ClientRecord) -> str:
    """A client in words: what it is, and what it does."""
    if client.kind is ClientKind.DRIVER:
        return f"driver {client.number}"
    worker = client.worker
    if worker is not None and worker.actor is not None:
        return f"actor {worker.actor.creation.template.name.partition('.')[0]} (worker {client.number})"
    task = None if worker is None else next(iter(worker.assigned.values()), None)
    return f"worker {client.number}" if task is None else f"task {task.template.name} (worker {client.number})"


def _list(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def size(size_bytes: int) -> str:
    """A size for people."""
    return f"{size_bytes / _MIB:.1f} MiB" if size_bytes >= _MIB else f"{size_bytes} bytes"
