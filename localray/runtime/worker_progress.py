"""The progress page: memory shared by head and workers in which each worker counts the tasks it has started, and the
lines it has printed.

A worker's death can lose messages it had not sent, but not these counts: by the one the kernel knows which tasks had
begun, by the other the head that there is something to read before the worker's next message.
"""

from __future__ import annotations

import mmap
import struct

_COUNT = struct.Struct("<Q")
PAGE_BYTES = 1 << 20


def create_page() -> mmap.mmap:
    """New memory that forked children share."""
    return mmap.mmap(-1, PAGE_BYTES)


def slot_of(number: int) -> int:
    """Where in the page the worker of this number counts; slots are reused after 65,536 workers."""
    return number * 2 * _COUNT.size % PAGE_BYTES


def write_progress(page: mmap.mmap, slot: int, count: int) -> None:
    """Set a slot's count."""
    _COUNT.pack_into(page, slot, count)


def write_printed(page: mmap.mmap, slot: int, count: int) -> None:
    """Set a slot's count of lines, or of whatever is at least one for each of them."""
    _COUNT.pack_into(page, slot + _COUNT.size, count)


def read_printed(number: int, page: mmap.mmap) -> int:
    """The count that the worker has set last."""
    return int(_COUNT.unpack_from(page, slot_of(number) + _COUNT.size)[0])


def read_progress(number: int, page: mmap.mmap) -> int:
    """How many tasks a worker has started, alive or dead."""
    return int(_COUNT.unpack_from(page, slot_of(number))[0])
