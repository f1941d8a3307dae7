"""When processes are told to collect their garbage: what only references in a cycle keep takes room in a store, and
Python looks for cycles by the number of objects, not by their size.

All are told, for whoever keeps an object may be on any node: when somebody asks; when a store is nearly full, or has no
room for somebody, but not often, since a collection stops a process for milliseconds; and every so often, where the
session's settings want that (Ray's workers do it every ninety minutes; Python's own collector runs here in between).
Must not live here: what else gives way in a store that is full (`store`).
"""

from __future__ import annotations

from localray.kernel.records import ClientRecord
from localray.kernel.store_records import StoreRecord
from localray.kernel.tables import Tables
from localray.protocol import CollectEverywhere, CollectGarbage


def collect_everywhere(tables: Tables, client: ClientRecord, message: CollectEverywhere) -> None:
    """A client asks for it, and has done its part already."""
    _collect(tables, but=client.number)


def nearly_full(store: StoreRecord) -> bool:
    """Whether so much of a store is in use that garbage is worth looking for."""
    return store.allocator.used_bytes > store.settings.high_plasma_storage_usage * store.allocator.capacity_bytes


def wanted(tables: Tables, store: StoreRecord) -> None:
    """Room is scarce: collect, unless that was tried a moment ago for the same reason, or is switched off (a threshold
    of 1)."""
    settings = store.settings
    last_s = tables.collected_for_room_at_s
    if settings.high_plasma_storage_usage >= 1 or (
        last_s is not None and tables.now_s < last_s + settings.global_gc_min_interval_s
    ):
        return
    tables.collected_for_room_at_s = tables.now_s
    _collect(tables)


def begin(tables: Tables, store: StoreRecord) -> None:
    """A node has joined: its settings may ask for a collection every so often, as those of the first do."""
    if tables.collect_at_s is None and store.settings.local_gc_interval_s > 0:
        tables.collect_at_s = tables.now_s + store.settings.local_gc_interval_s


def tick(tables: Tables) -> None:
    """Time has passed: the next collection may be due."""
    if tables.collect_at_s is not None and tables.now_s >= tables.collect_at_s:
        settings = tables.nodes[0].store.settings
        tables.collect_at_s = tables.now_s + max(settings.local_gc_interval_s, settings.local_gc_min_interval_s)
        _collect(tables)


def _collect(tables: Tables, but: int | None = None) -> None:
    for number in tables.clients:
        if number != but:
            tables.send(number, CollectGarbage())
