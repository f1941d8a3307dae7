"""A first-fit allocator over a range of bytes, with coalescing. Pure: it hands out offsets and never sees a byte.

Free gaps are kept sorted by offset, so that freed neighbours grow together and low, warm pages are used again first.
Must not live here: memory.
"""

from __future__ import annotations

from bisect import bisect_left

ALIGNMENT_BYTES = 64


class Allocator:
    """Offsets in ``[0, capacity_bytes)``.

    Example:
        >>> allocator = Allocator(1024)
        >>> allocator.allocate(100), allocator.allocate(100)
        (0, 128)
        >>> allocator.free(0, 100)
        >>> allocator.allocate(64)
        0
    """

    __slots__ = ("_gap_sizes", "_gap_starts", "capacity_bytes", "used_bytes")

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self._gap_starts = [0]
        self._gap_sizes = [capacity_bytes]

    def allocate(self, size_bytes: int) -> int | None:
        """The offset of a free range, aligned to 64 bytes, or None when no gap is large enough."""
        size = rounded(size_bytes)
        for index, gap in enumerate(self._gap_sizes):
            if gap >= size:
                start = self._gap_starts[index]
                if gap == size:
                    del self._gap_starts[index], self._gap_sizes[index]
                else:
                    self._gap_starts[index] = start + size
                    self._gap_sizes[index] = gap - size
                self.used_bytes += size
                return start
        return None

    def free(self, offset: int, size_bytes: int) -> None:
        """Give a range back.

        Args:
            offset: what `allocate` returned.
            size_bytes: what it was asked for.

        Raises:
            ValueError: the range overlaps one that is free already.
        """
        size = rounded(size_bytes)
        index = bisect_left(self._gap_starts, offset)
        before = index - 1
        if index < len(self._gap_starts) and offset + size > self._gap_starts[index]:
            raise ValueError(f"range at {offset} of {size} bytes is freed twice")
        if before >= 0 and self._gap_starts[before] + self._gap_sizes[before] > offset:
            raise ValueError(f"range at {offset} of {size} bytes is freed twice")
        self.used_bytes -= size
        if index < len(self._gap_starts) and offset + size == self._gap_starts[index]:
            size += self._gap_sizes[index]
            del self._gap_starts[index], self._gap_sizes[index]
        if before >= 0 and self._gap_starts[before] + self._gap_sizes[before] == offset:
            self._gap_sizes[before] += size
        else:
            self._gap_starts.insert(index, offset)
            self._gap_sizes.insert(index, size)

    def gaps(self) -> list[tuple[int, int]]:
        """The free ranges, as pairs of offset and size, in order."""
        return list(zip(self._gap_starts, self._gap_sizes, strict=True))


def rounded(size_bytes: int) -> int:
    """What an allocation of so many bytes really takes."""
    return -(-max(1, size_bytes) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
