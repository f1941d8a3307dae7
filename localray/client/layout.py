"""How a value that was taken apart lies in one piece of memory: its pickle, and the buffers beside it.

A value without buffers is its pickle. One with buffers starts with a byte that no pickle starts with, then their number
and lengths, the pickle, and each buffer aligned to 64 bytes, so that numpy can use it in place. Must not live here:
pickling (`localray.client.serialization`), where the memory is.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from localray.client.copying import SHARED_FROM_BYTES, copy_shared

WITH_BUFFERS = 1
_HEADER = struct.Struct("<BxxxIQ")
_LENGTH = struct.Struct("<Q")
_ALIGNMENT_BYTES = 64


class Serialized:
    """A value taken apart: the pieces that follow each other in memory, their size together, and the ids of the objects
    it refers to. Buffers and long bytes are pieces themselves, so that storing them copies them once."""

    __slots__ = ("contained", "pieces", "size_bytes")

    def __init__(
        self, pieces: Sequence[bytes | bytearray | memoryview], size_bytes: int, contained: tuple[bytes, ...]
    ) -> None:
        self.pieces = pieces
        self.size_bytes = size_bytes
        self.contained = contained

    def to_bytes(self) -> bytes:
        """All of it as one piece of bytes."""
        return b"".join(self.pieces)

    def write_into(self, target: memoryview) -> None:
        """Lay the value out in memory of `size_bytes` bytes."""
        start = 0
        for piece in self.pieces:
            end = start + len(piece)
            if end - start < SHARED_FROM_BYTES:
                target[start:end] = piece
            else:
                copy_shared(target[start:end], piece)
            start = end


def lay_out(
    pickled: Sequence[bytes | bytearray], buffers: Sequence[memoryview], contained: tuple[bytes, ...]
) -> Serialized:
    """Put a pickle, in one piece or several, and its buffers in the order in which they lie in memory.

    Args:
        pickled: what the pickler wrote.
        buffers: what it left out, each flat.
        contained: the ids of the objects that the value refers to.
    """
    end = sum(map(len, pickled))
    if not buffers:
        return Serialized(pickled, end, contained)
    lengths = b"".join([_LENGTH.pack(buffer.nbytes) for buffer in buffers])
    pieces: list[bytes | bytearray | memoryview] = [_HEADER.pack(WITH_BUFFERS, len(buffers), end) + lengths, *pickled]
    end += len(pieces[0])
    for buffer in buffers:
        start = _aligned(end)
        pieces += (bytes(start - end), buffer)
        end = start + buffer.nbytes
    return Serialized(pieces, end, contained)


def read_layout(view: memoryview) -> tuple[memoryview, list[memoryview]]:
    """The pickle and the buffers of a value that has some; views of the memory it lies in."""
    _, count, pickled_bytes = _HEADER.unpack_from(view, 0)
    lengths_end = _HEADER.size + _LENGTH.size * count
    end = lengths_end + pickled_bytes
    pickled = view[lengths_end:end]
    buffers = []
    for (length,) in _LENGTH.iter_unpack(view[_HEADER.size : lengths_end]):
        start = _aligned(end)
        end = start + length
        buffers.append(view[start:end])
    return pickled, buffers


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
