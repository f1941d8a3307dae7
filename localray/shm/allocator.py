"""A best-fit allocator over a range of bytes, with coalescing. Pure: it hands out offsets and never sees a byte.

Gaps between used ranges are kept by size, so that the smallest that fits is found by bisection; of equal ones the
lowest. What was never handed out, or has been given back to the system, is *cold*: the tail of the range that nobody
has touched is used last, so that warm pages are used again. Any part of an allocated range may be freed by itself: only
gaps are kept. Must not live here: memory, who holds a range.
"""

from __future__ import annotations

from bisect import bisect_left, insort

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

    __slots__ = ("_by_size", "_cold", "_sizes", "_starts", "_touched_end", "capacity_bytes", "used_bytes", "warm_bytes")

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self.warm_bytes = 0
        """Bytes in gaps of which some have been used since they were last given back to the system."""
        self._touched_end = 0
        # The gaps below `_touched_end`: their starts in order, their sizes, and the same as pairs in order of size.
        self._starts: list[int] = []
        self._sizes: dict[int, int] = {}
        self._by_size: list[tuple[int, int]] = []
        self._cold: set[int] = set()

    @property
    def free_bytes(self) -> int:
        """All that is in no used range."""
        return self.capacity_bytes - self.used_bytes

    @property
    def touched_bytes(self) -> int:
        """How far the range has ever been used since its tail was last given back."""
        return self._touched_end

    def allocate(self, size_bytes: int) -> int | None:
        """The offset of a free range, aligned to 64 bytes, or None when no gap is large enough."""
        size = rounded(size_bytes)
        index = bisect_left(self._by_size, (size, 0))
        if index < len(self._by_size):
            gap, start = self._by_size[index]
            cold = start in self._cold
            self._remove(start)
            if gap > size:
                self._insert(start + size, gap - size, cold=cold)
            self.used_bytes += size
            return start
        return self._from_the_tail(size)

    def _from_the_tail(self, size: int) -> int | None:
        """Take from what nobody has touched, together with a gap that ends there."""
        start = self._touched_end
        if self._starts:
            last = self._starts[-1]
            if last + self._sizes[last] == start:
                start = last
        if start + size > self.capacity_bytes:
            return None
        if start != self._touched_end:
            self._remove(start)
        self._touched_end = start + size
        self.used_bytes += size
        return start

    def free(self, offset: int, size_bytes: int) -> None:
        """Give a range back.

        Args:
            offset: what `allocate` returned, or a later aligned place in that range.
            size_bytes: what it was asked for, or the part of it that is given back.

        Raises:
            ValueError: the range overlaps one that is free already.
        """
        size = rounded(size_bytes)
        if not self._is_used(offset, size):
            raise ValueError(f"range at {offset} of {size} bytes is freed twice")
        self.used_bytes -= size
        starts = self._starts
        index = bisect_left(starts, offset)
        after = starts[index] if index < len(starts) and starts[index] == offset + size else None
        before = starts[index - 1] if index and starts[index - 1] + self._sizes[starts[index - 1]] == offset else None
        if after is not None:
            size += self._remove(after)
        if before is not None:
            size += self._remove(before)
            offset = before
        self._insert(offset, size, cold=False)

    def _is_used(self, offset: int, size: int) -> bool:
        """Whether no byte of a range is in a gap."""
        index = bisect_left(self._starts, offset)
        if offset + size > self._touched_end or (index < len(self._starts) and offset + size > self._starts[index]):
            return False
        before = self._starts[index - 1] if index else None
        return before is None or before + self._sizes[before] <= offset

    def is_free(self, offset: int, size_bytes: int) -> bool:
        """Whether every byte of a range is in one gap."""
        if offset >= self._touched_end:
            return True
        index = bisect_left(self._starts, offset + 1) - 1
        if index < 0:
            return False
        start = self._starts[index]
        end = start + self._sizes[start]
        return offset + size_bytes <= (self.capacity_bytes if end == self._touched_end else end)

    def cool(self, enough_bytes: int, least_bytes: int) -> list[tuple[int, int]]:
        """Give warm gaps back to the system, the highest first.

        Args:
            enough_bytes: stop when this much has been given back.
            least_bytes: gaps smaller than this are not worth it.

        Returns:
            Pairs of offset and size; their bytes are to be forgotten by whoever keeps them.
        """
        cooled: list[tuple[int, int]] = []
        for start in reversed(self._starts):
            if enough_bytes <= 0:
                break
            size = self._sizes[start]
            if start not in self._cold and size >= least_bytes:
                cooled.append((start, size))
                enough_bytes -= size
        for start, size in cooled:
            self._remove(start)
            if start + size == self._touched_end:
                self._touched_end = start
            else:
                self._insert(start, size, cold=True)
        return cooled

    def gaps(self) -> list[tuple[int, int]]:
        """The free ranges, as pairs of offset and size, in order."""
        found = [(start, self._sizes[start]) for start in self._starts]
        tail = self.capacity_bytes - self._touched_end
        if tail and found and sum(found[-1]) == self._touched_end:
            found[-1] = (found[-1][0], found[-1][1] + tail)
        elif tail:
            found.append((self._touched_end, tail))
        return found

    def _insert(self, start: int, size: int, *, cold: bool) -> None:
        insort(self._starts, start)
        self._sizes[start] = size
        insort(self._by_size, (size, start))
        if cold:
            self._cold.add(start)
        else:
            self.warm_bytes += size

    def _remove(self, start: int) -> int:
        size = self._sizes.pop(start)
        del self._starts[bisect_left(self._starts, start)]
        del self._by_size[bisect_left(self._by_size, (size, start))]
        if start in self._cold:
            self._cold.remove(start)
        else:
            self.warm_bytes -= size
        return size


def rounded(size_bytes: int) -> int:
    """What an allocation of so many bytes really takes."""
    return -(-max(1, size_bytes) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
