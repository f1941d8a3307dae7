"""The arenas that one process has access to, by their nodes: where a location leads.

A process comes to each with the first object that it reads or writes there. Must not live here: who is given access
(the kernel), how a descriptor gets here (`localray.runtime.frames`).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from localray.protocol import NODE_SHIFT, OFFSET_MASK
from localray.shm import spill_files
from localray.shm.arena import Arena


class Arenas:
    """A client's store; see `localray.client.channel.Store`, whose contract this has."""

    def __init__(self) -> None:
        self._arenas: dict[int, Arena] = {}

    def map_arena(self, node: int, capacity_bytes: int, descriptor: int) -> None:
        """A node's arena is to be used here; the descriptor is taken over."""
        try:
            self._arenas[node] = Arena(descriptor, capacity_bytes)
        finally:
            os.close(descriptor)

    def forget_arena(self, node: int) -> None:
        """A dead node's arena is empty: nobody will name a place in it any more."""
        self._arenas.pop(node, None)

    def writable(self, location: int, size_bytes: int) -> memoryview:
        """A reserved range, to write into."""
        return self._arenas[location >> NODE_SHIFT].writable(location & OFFSET_MASK, size_bytes)

    def readable(self, location: int, size_bytes: int, on_gone: Callable[[], None]) -> memoryview:
        """A read-only view; see `localray.shm.arena.Arena.readable`."""
        return self._arenas[location >> NODE_SHIFT].readable(location & OFFSET_MASK, size_bytes, on_gone)

    def readable_on_disk(self, path: str, offset: int, object_id: bytes, size_bytes: int) -> memoryview:
        """See `localray.shm.spill_files.map_entry`."""
        return spill_files.map_entry(path, offset, object_id, size_bytes)

    def writable_on_disk(self, path: str, size_bytes: int) -> memoryview:
        """See `localray.shm.spill_files.write_entry`."""
        return spill_files.write_entry(path, size_bytes)

    def close(self) -> None:
        """Let go of all of them."""
        self._arenas.clear()
