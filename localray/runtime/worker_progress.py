"""The progress page: memory shared by head and workers in which each worker counts the tasks it has started.

A worker's death can lose messages it had not sent, but not this count; by it the kernel knows which tasks had begun.
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
    """Where in the page the worker of this number counts; slots are reused after 131,072 workers."""
    return number * _COUNT.size % PAGE_BYTES


def write_progress(page: mmap.mmap, slot: int, count: int) -> None:
    """Set a slot's count."""
    _COUNT.pack_into(page, slot, count)


def read_progress(number: int, page: mmap.mmap) -> int:
    """How many tasks a worker has started, alive or dead."""
    return int(_COUNT.unpack_from(page, slot_of(number))[0])
