"""Spill files on a real disk: written by the head, mapped by readers, and by who writes an object that found no room.

A reader maps a whole file, once for all of its objects that this process looks at: every mapping holds a descriptor for
as long as it lives. What is mapped stays readable whatever becomes of the file's name. Must not live here: the layout
(`localray.shm.spill_layout`), which objects go where (the kernel).
"""

from __future__ import annotations

import errno
import mmap
import os
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path

from localray.shm.spill_layout import HEADER_BYTES, DamagedEntryError, complaint, header

_CHUNK_BYTES = 8 << 20
"""Written at once: between two chunks a writer looks whether it is still wanted."""

_mapped: weakref.WeakValueDictionary[str, mmap.mmap] = weakref.WeakValueDictionary()
"""By path; the kernel never uses a path twice."""


class NotWantedError(Exception):
    """The session ends; what is half written is of no use."""


def map_entry(path: str, offset: int, object_id: bytes, size_bytes: int) -> memoryview:
    """A read-only view of an object in a spill file.

    Raises:
        DamagedEntryError: the file is missing, cut off, or holds something else there; the text says which.
    """
    end = offset + HEADER_BYTES + size_bytes
    mapping = _mapped.get(path)
    try:
        # Looked at each time: to read beyond the end of a mapped file kills the process.
        if mapping is None:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                length = os.fstat(descriptor).st_size
                if length >= end:
                    mapping = _mapped[path] = mmap.mmap(descriptor, length, access=mmap.ACCESS_READ)
            finally:
                os.close(descriptor)
        else:
            length = Path(path).stat().st_size
    except FileNotFoundError:
        if mapping is None:
            raise DamagedEntryError(f"its file {path} is missing") from None
        length = len(mapping)
    except OSError as error:
        raise DamagedEntryError(f"its file {path} cannot be read: {error.strerror}") from error
    if mapping is None or length < end:
        raise DamagedEntryError(f"its file {path} is cut off: {length} bytes, at least {end} expected")
    view = memoryview(mapping)
    problem = complaint(bytes(view[offset : offset + HEADER_BYTES]), object_id, size_bytes)
    if problem is not None:
        raise DamagedEntryError(f"its file {path} is damaged at {offset}: {problem}")
    return view[offset + HEADER_BYTES : end]


def write_entry(path: str, size_bytes: int) -> memoryview:
    """Memory to write an object into that has a file of its own, which exists; its header is written.

    Raises:
        OSError: the file is gone or cannot be mapped.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        mapping = mmap.mmap(descriptor, HEADER_BYTES + size_bytes)
    finally:
        os.close(descriptor)
    mapping[:HEADER_BYTES] = header(b"", size_bytes)
    return memoryview(mapping)[HEADER_BYTES:]


def create_file(path: str, length: int) -> int:
    """A new file whose blocks are allocated, so that writing into it cannot fail for want of room; returns its
    descriptor.

    Raises:
        OSError: there is no room, or no such directory; no file is left.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.posix_fallocate(descriptor, 0, length)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            os.ftruncate(descriptor, length)
    except BaseException:
        os.close(descriptor)
        Path(path).unlink()
        raise
    return descriptor


def write_file(
    path: str,
    length: int,
    entries: Iterable[tuple[bytes, int, int, int]],
    arena: memoryview,
    is_wanted: Callable[[], bool],
) -> None:
    """Copy objects from the arena into one new file.

    Args:
        path: of the file.
        length: of the file.
        entries: for each object its id, its offset in the arena, its size, and its entry's offset in the file.
        arena: the node's memory.
        is_wanted: asked now and then; the copying ends when it says no.

    Raises:
        OSError: it could not be written.
        NotWantedError: ``is_wanted`` said no. In both cases no file is left.
    """
    descriptor = create_file(path, length)
    try:
        for object_id, location, size_bytes, offset in entries:
            os.pwrite(descriptor, header(object_id, size_bytes), offset)
            end = location + size_bytes
            offset += HEADER_BYTES - location
            while location < end:
                if not is_wanted():
                    raise NotWantedError
                location += os.pwrite(
                    descriptor, arena[location : min(end, location + _CHUNK_BYTES)], location + offset
                )
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
