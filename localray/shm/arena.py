"""One node's shared memory: a file without a name that every process of the node maps, and read-only views that tell
when they die.

The file is a `memfd` (or, where there are none, a temporary file that is unlinked at once) and reaches other processes
as a file descriptor: there is nothing in a file system that a crash could leave behind, and it is not bound by the size
of `/dev/shm`. Pages are taken when first written.
Must not live here: who may use which range (`localray.shm.allocator`, run by the head), what the bytes mean.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes


def create_file(capacity_bytes: int) -> int:
    """A new nameless file of that size, sparse; returns its descriptor, which the caller owns."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("localray-arena", os.MFD_CLOEXEC)
    else:
        import tempfile

        descriptor, path = tempfile.mkstemp(prefix="localray-arena-")
        Path(path).unlink()
    os.ftruncate(descriptor, capacity_bytes)
    return descriptor


class Arena:
    """A process's mapping of a node's shared memory. It goes away with the last view on it.

    Args:
        descriptor: of the file made by `create_file`; stays the caller's, and is not needed any more.
        capacity_bytes: its size.
    """

    def __init__(self, descriptor: int, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self._mapping = mmap.mmap(descriptor, capacity_bytes)
        self._memory = memoryview(self._mapping)
        self._owners: dict[int, weakref.ref[ctypes.Array[ctypes.c_ubyte]]] = {}

    def writable(self, location: int, size_bytes: int) -> memoryview:
        """A range to write into; the caller has reserved it."""
        return self._memory[location : location + size_bytes]

    def readable(self, location: int, size_bytes: int, on_gone: Callable[[], None]) -> memoryview:
        """A read-only view of a range.

        Args:
            location: offset of the range.
            size_bytes: its length.
            on_gone: called once when the view, and all that was made from it (arrays, slices), is gone. It runs
                wherever the last one dies,
                the garbage collector included: it must not lock or block.

        Returns:
            The view. Arrays made over it keep it alive, and so the bytes pinned.
        """
        import ctypes

        # A ctypes array is an exporter of the buffer protocol that can be weakly referenced; a memoryview can't be.
        owner = (ctypes.c_ubyte * size_bytes).from_buffer(self._mapping, location)
        key = id(owner)
        owners = self._owners

        def gone(_: object) -> None:
            # The weak reference is kept here until it has fired; the key is free for reuse only afterwards.
            owners.pop(key, None)
            on_gone()

        owners[key] = weakref.ref(owner, gone)
        return memoryview(owner).cast("B").toreadonly()

    def cool(self, offset: int, size_bytes: int) -> None:
        """Give the whole pages of a range that nobody uses back to the system; they are zero when next used."""
        start = -(-offset // mmap.PAGESIZE) * mmap.PAGESIZE
        length = (offset + size_bytes) // mmap.PAGESIZE * mmap.PAGESIZE - start
        if length > 0 and hasattr(mmap, "MADV_REMOVE"):
            self._mapping.madvise(mmap.MADV_REMOVE, start, length)
