"""Memory that has not been used for a while goes back to the system, a piece at a time.

What was in use at any moment of the last ten seconds stays warm; of gaps beyond that the highest are given up. Must not
live here: which range is free (`localray.shm.allocator`).
"""

from __future__ import annotations

from localray.kernel.effects import CoolArena
from localray.kernel.store_records import StoreRecord
from localray.kernel.tables import Tables

IDLE_AFTER_S = 10.0
LEAST_BYTES = 32 << 20
LEAST_GAP_BYTES = 1 << 20
AT_ONCE_BYTES = 64 << 20
"""Giving pages back takes the driver some milliseconds for so many; it answers nobody meanwhile."""
PAUSE_S = 0.05


def watch(tables: Tables, store: StoreRecord) -> None:
    """Bytes were released: look again when they have had time to be used again."""
    if store.look_at_s is None and store.allocator.warm_bytes >= LEAST_BYTES:
        store.peak_bytes = store.allocator.used_bytes
        store.look_at_s = tables.now_s + IDLE_AFTER_S
        tables.timed_stores[store.node] = None


def look(tables: Tables, store: StoreRecord) -> None:
    """Give back what was not needed since the last look, or the next piece of it."""
    if store.look_at_s is None or tables.now_s < store.look_at_s:
        return
    if not store.cooling:
        kept = store.peak_bytes - store.allocator.used_bytes
        spare = store.allocator.warm_bytes - kept
        store.peak_bytes = store.allocator.used_bytes
        if spare >= LEAST_BYTES:
            for offset, size_bytes in store.allocator.cool(spare, LEAST_GAP_BYTES):
                for start in range(offset, offset + size_bytes, AT_ONCE_BYTES):
                    store.cooling.append((start, min(AT_ONCE_BYTES, offset + size_bytes - start)))
    while store.cooling:
        offset, size_bytes = store.cooling.popleft()
        # It may have been used again since the gap was chosen.
        if store.allocator.is_free(offset, size_bytes):
            tables.effects.append(CoolArena(store.node, offset, size_bytes))
            break
    if store.cooling:
        store.look_at_s = tables.now_s + PAUSE_S
    elif store.allocator.warm_bytes >= LEAST_BYTES:
        store.look_at_s = tables.now_s + IDLE_AFTER_S
    else:
        store.look_at_s = None
