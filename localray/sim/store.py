"""The virtual store: the bytes of large objects, one piece of memory for each, and views that tell when they die.

Must not live here: who may use which location (`localray.shm.allocator`), when bytes are given back (the kernel).
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterable

from localray.shm.allocator import ALIGNMENT_BYTES
from localray.sim.disk import VirtualDisk


def _aligned(size_bytes: int) -> memoryview:
    """New memory, where a real arena would have it as far as processors can tell."""
    memory = bytearray(size_bytes + ALIGNMENT_BYTES)
    start = -ctypes.addressof(ctypes.c_ubyte.from_buffer(memory)) % ALIGNMENT_BYTES
    return memoryview(memory)[start : start + size_bytes]


class VirtualStore:
    """What all virtual nodes keep their objects in. A view keeps its bytes alive even when the location is used
    again."""

    def __init__(self) -> None:
        self.disk = VirtualDisk()
        self._bytes: dict[int, memoryview] = {}
        # Places of hollow values (`localray.sim.modelled`), and what is read there.
        self._hollow: dict[int, bytes] = {}
        self._owners: dict[int, weakref.ref[ctypes.Array[ctypes.c_ubyte]]] = {}

    def map_arena(self, node: int, capacity_bytes: int, descriptor: int) -> None:
        """Nothing to do: everything is in one process."""

    def forget_arena(self, node: int) -> None:
        """Nothing to do: what is empty takes no memory."""

    def writable(self, location: int, size_bytes: int) -> memoryview:
        """A reserved range, to write into."""
        self._hollow.pop(location, None)
        memory = self._bytes.get(location)
        if memory is None or len(memory) != size_bytes:
            memory = self._bytes[location] = _aligned(size_bytes)
        return memory

    def hollow(self, location: int, read: bytes) -> None:
        """What is at this location takes no memory; this is read instead."""
        self._bytes.pop(location, None)
        self._hollow[location] = read

    def readable(self, location: int, size_bytes: int, on_gone: Callable[[], None]) -> memoryview:
        """A read-only view; see `localray.shm.arena.Arena.readable`, whose contract this has."""
        instead = self._hollow.get(location)
        if instead is None:
            owner = (ctypes.c_ubyte * size_bytes).from_buffer(self._bytes[location])
        else:
            owner = (ctypes.c_ubyte * len(instead)).from_buffer_copy(instead)
        key = id(owner)
        owners = self._owners

        def gone(_: object) -> None:
            owners.pop(key, None)
            on_gone()

        owners[key] = weakref.ref(owner, gone)
        return memoryview(owner).cast("B").toreadonly()

    def readable_on_disk(self, path: str, offset: int, object_id: bytes, size_bytes: int) -> memoryview:
        """An object on the virtual disk; raises `DamagedEntryError` when it is not there."""
        return self.disk.readable(path, offset, size_bytes)

    def writable_on_disk(self, path: str, size_bytes: int) -> memoryview:
        """A file for one object, to write it into."""
        return self.disk.writable(path, size_bytes)

    def spill(self, path: str, entries: Iterable[tuple[bytes, int, int, int]]) -> None:
        """Copy objects to the disk, as far as they have bodies."""
        for _, location, size_bytes, offset in entries:
            instead = self._hollow.get(location)
            if instead is None:
                self.disk.write(path, offset, self._bytes.get(location) or bytearray(size_bytes))
            else:
                self.disk.write_hollow(path, offset, instead)

    def content(self, location: int, size_bytes: int) -> bytes:
        """What is at this location."""
        instead = self._hollow.get(location)
        return bytes(self._bytes.get(location) or bytearray(size_bytes) if instead is None else instead)

    def release(self, location: int) -> None:
        """Forget what is at this location."""
        self._bytes.pop(location, None)
        self._hollow.pop(location, None)

    @property
    def used_locations(self) -> int:
        """How many objects are in it."""
        return len(self._bytes) + len(self._hollow)
