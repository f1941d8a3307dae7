"""How objects lie in a spill file: one entry after the other, each a header and the object's bytes as they were in the
arena. Pure: offsets and headers, no file.

Entries start at multiples of 4 KiB, because they are mapped one by one; the header is as long as the strictest
alignment within an object, so that arrays in a mapped entry are aligned as they were in the arena. Must not live here:
reading and writing (`localray.shm.spill_files`), which objects are spilled (the kernel).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

ENTRY_ALIGNMENT_BYTES = 4096
HEADER_BYTES = 64
_HEADER = struct.Struct("<8s28sxxxxQ16x")
_MAGIC = b"LRSPILL1"
_UNNAMED = bytes(28)


class DamagedEntryError(Exception):
    """What should be in a spill file is not there; the text goes on after "the object is lost:"."""


def lay_out(sizes_bytes: Iterable[int]) -> tuple[tuple[int, ...], int]:
    """Where entries for objects of these sizes start, and how long the file is.

    Example:
        >>> lay_out([100, 5000, 1])
        ((0, 4096, 12288), 12353)
    """
    offsets: list[int] = []
    end = 0
    for size_bytes in sizes_bytes:
        start = -(-end // ENTRY_ALIGNMENT_BYTES) * ENTRY_ALIGNMENT_BYTES
        offsets.append(start)
        end = start + HEADER_BYTES + size_bytes
    return tuple(offsets), end


def header(object_id: bytes, size_bytes: int) -> bytes:
    """An entry's header. A writer that does not know its object's id yet leaves it empty."""
    return _HEADER.pack(_MAGIC, object_id, size_bytes)


def complaint(found: bytes, object_id: bytes, size_bytes: int) -> str | None:
    """What is wrong with a header that was found where this object should be; None when nothing is."""
    if len(found) < HEADER_BYTES:
        return "it is cut off"
    magic, named, size = _HEADER.unpack(found)
    if magic != _MAGIC:
        return "its header is damaged"
    if named not in (object_id, _UNNAMED) or size != size_bytes:
        return f"it holds {size} bytes of object {named.hex()} there"
    return None
