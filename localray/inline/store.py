"""The bytes of large objects where everything is one process: a piece of memory for each, and views that tell when they
die. Implements `localray.client.channel.Store`."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable

from localray.shm.spill_layout import DamagedEntryError


class InlineStore:
    """What clients of this process read and write."""

    def __init__(self) -> None:
        self._bytes: dict[int, bytearray] = {}
        self._owners: dict[int, weakref.ref[ctypes.Array[ctypes.c_ubyte]]] = {}

    def map_arena(self, node: int, capacity_bytes: int, descriptor: int) -> None:
        """Nothing to do: everything is in one process."""

    def forget_arena(self, node: int) -> None:
        """Nothing to do: what is empty takes no memory."""

    def writable(self, location: int, size_bytes: int) -> memoryview:
        """A reserved range, to write into."""
        memory = self._bytes[location] = bytearray(size_bytes)
        return memoryview(memory)

    def readable(self, location: int, size_bytes: int, on_gone: Callable[[], None]) -> memoryview:
        """A read-only view, which keeps its bytes alive even when the location is used again."""
        owner = (ctypes.c_ubyte * size_bytes).from_buffer(self._bytes[location])
        key = id(owner)

        def gone(_: object) -> None:
            self._owners.pop(key, None)
            on_gone()

        self._owners[key] = weakref.ref(owner, gone)
        return memoryview(owner).cast("B").toreadonly()

    def readable_on_disk(self, path: str, offset: int, object_id: bytes, size_bytes: int) -> memoryview:
        """Nothing is spilled here."""
        raise DamagedEntryError("nothing is on disk in local mode")

    def writable_on_disk(self, path: str, size_bytes: int) -> memoryview:
        """Nothing is spilled here."""
        raise OSError("nothing is written to disk in local mode")

    def release(self, location: int) -> None:
        """Forget what is at this location."""
        self._bytes.pop(location, None)
