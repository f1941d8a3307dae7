"""The allocator against a model: no overlap, no lost byte, freed neighbours one gap, misuse refused without a
change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localray.shm.allocator import ALIGNMENT_BYTES, Allocator, rounded

CAPACITY_BYTES = 64 * 40


def test_best_fit_and_alignment() -> None:
    allocator = Allocator(1024)
    assert [allocator.allocate(size) for size in (1, 64, 65, 0)] == [0, 64, 128, 256]
    assert allocator.used_bytes == 320
    allocator.free(64, 64)
    assert allocator.allocate(64) == 64
    assert allocator.allocate(1024) is None


@pytest.mark.parametrize(("size_bytes", "taken"), [(0, 64), (1, 64), (64, 64), (65, 128), (1000, 1024)])
def test_rounded(size_bytes: int, taken: int) -> None:
    assert rounded(size_bytes) == taken


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 0, 2)])
def test_freed_neighbours_become_one_gap(order: tuple[int, ...]) -> None:
    allocator = Allocator(192)
    places = [allocator.allocate(64) for _ in range(3)]
    assert allocator.gaps() == []
    for index in order:
        place = places[index]
        assert place is not None
        allocator.free(place, 64)
    assert allocator.gaps() == [(0, 192)]


@pytest.mark.parametrize(("offset", "size_bytes"), [(0, 64), (64, 64), (64, 128), (128, 64), (0, 192)])
def test_freeing_what_is_free_is_refused_and_changes_nothing(offset: int, size_bytes: int) -> None:
    allocator = Allocator(256)
    for _ in range(4):
        allocator.allocate(64)
    allocator.free(64, 64)
    allocator.free(128, 64)
    allocator.free(0, 64)
    before = allocator.gaps(), allocator.used_bytes
    with pytest.raises(ValueError, match="freed twice"):
        allocator.free(offset, size_bytes)
    assert (allocator.gaps(), allocator.used_bytes) == before


@given(st.lists(st.one_of(st.integers(-30, -1), st.integers(0, 700)), max_size=120))
def test_against_a_model(steps: list[int]) -> None:
    """A negative step frees one of the held ranges, any other allocates so many bytes."""
    allocator = Allocator(CAPACITY_BYTES)
    taken = [False] * (CAPACITY_BYTES // ALIGNMENT_BYTES)
    held: list[tuple[int, int]] = []
    touched = 0
    for step in steps:
        if step < 0:
            if held:
                offset, size_bytes = held.pop(step % len(held))
                allocator.free(offset, size_bytes)
                mark(taken, offset, size_bytes, False)
        else:
            offset_or_none = allocator.allocate(step)
            assert offset_or_none == best_fit(taken, touched, rounded(step))
            if offset_or_none is not None:
                mark(taken, offset_or_none, step, True)
                touched = max(touched, offset_or_none + rounded(step))
                held.append((offset_or_none, step))
        assert allocator.gaps() == runs(taken)
        assert allocator.used_bytes == sum(taken) * ALIGNMENT_BYTES
    for offset, size_bytes in held:
        allocator.free(offset, size_bytes)
    assert allocator.gaps() == [(0, CAPACITY_BYTES)]
    assert allocator.used_bytes == 0


def mark(taken: list[bool], offset: int, size_bytes: int, value: bool) -> None:
    first = offset // ALIGNMENT_BYTES
    for index in range(first, first + rounded(size_bytes) // ALIGNMENT_BYTES):
        assert taken[index] is not value
        taken[index] = value


def runs(taken: list[bool]) -> list[tuple[int, int]]:
    """The free ranges, found by looking at every block."""
    found: list[tuple[int, int]] = []
    start: int | None = None
    for index, used in enumerate([*taken, True]):
        if not used and start is None:
            start = index
        elif used and start is not None:
            found.append((start * ALIGNMENT_BYTES, (index - start) * ALIGNMENT_BYTES))
            start = None
    return found


def best_fit(taken: list[bool], touched: int, size: int) -> int | None:
    """The smallest gap of what has been used before, the lowest of equal ones; else the end of it and what follows."""
    gaps = [(min(gap, touched - offset), offset) for offset, gap in runs(taken) if offset < touched]
    fitting = [(gap, offset) for gap, offset in gaps if gap >= size]
    if fitting:
        return min(fitting)[1]
    return next((offset for offset, gap in runs(taken) if offset + gap == CAPACITY_BYTES and gap >= size), None)


@example([(0, 4), (3, 1), (3, 1), (5, 1), (0, 1), (3, 1), (0, 1), (5, 1)])
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 20)), max_size=80))
def test_cold_and_warm_gaps_against_a_model(steps: list[tuple[int, int]]) -> None:
    """Whole ranges, parts of ranges and cooling, block by block: a block is warm when it was used and is free, until it is
    given back; and so is the whole gap that it becomes part of."""
    allocator = Allocator(CAPACITY_BYTES)
    taken: set[int] = set()
    warm: set[int] = set()
    for kind, number in steps:
        if kind <= 2:
            offset = allocator.allocate(number * ALIGNMENT_BYTES)
            if offset is not None:
                blocks = set(range(offset // ALIGNMENT_BYTES, offset // ALIGNMENT_BYTES + number))
                assert not blocks & taken
                taken |= blocks
                warm -= blocks
        elif kind <= 4 and taken:
            block = sorted(taken)[number % len(taken)]
            allocator.free(block * ALIGNMENT_BYTES, 1)
            taken.remove(block)
            start = end = block
            while start > 0 and start - 1 not in taken:
                start -= 1
            while (end + 1) * ALIGNMENT_BYTES < allocator.touched_bytes and end + 1 not in taken:
                end += 1
            warm |= set(range(start, end + 1))
        elif kind == 5:
            before = allocator.gaps()
            for offset, size_bytes in allocator.cool(number * ALIGNMENT_BYTES, ALIGNMENT_BYTES):
                blocks = set(range(offset // ALIGNMENT_BYTES, (offset + size_bytes) // ALIGNMENT_BYTES))
                assert not blocks & taken and blocks <= warm
                warm -= blocks
                assert allocator.is_free(offset, size_bytes)
            assert allocator.gaps() == before
        assert allocator.used_bytes == len(taken) * ALIGNMENT_BYTES
        assert allocator.warm_bytes == len(warm) * ALIGNMENT_BYTES
        assert sum(gap for _, gap in allocator.gaps()) == allocator.free_bytes
    assert all(allocator.is_free(block * 64, 64) is (block not in taken) for block in range(CAPACITY_BYTES // 64))


def test_cooling_takes_the_highest_and_a_cold_end_is_used_last() -> None:
    allocator = Allocator(64 * 100)
    places = [allocator.allocate(64 * 10) for _ in range(5)]
    for index in (1, 3, 4):
        place = places[index]
        assert place is not None
        allocator.free(place, 64 * 10)
    assert allocator.warm_bytes == 64 * 30
    assert allocator.cool(64, 64) == [(64 * 30, 64 * 20)]
    assert (allocator.warm_bytes, allocator.touched_bytes) == (64 * 10, 64 * 30)
    assert allocator.allocate(64 * 5) == 64 * 10
    assert allocator.allocate(64 * 6) == 64 * 30


MIB = 1 << 20


def churn(random: Random) -> Iterator[int]:
    """Mixed sizes, each freed at a random moment: a positive number allocates so many bytes, -n frees the n-th last."""
    for _ in range(3000):
        yield (
            random.choice((1 << 17, MIB, 3 * MIB + 17, 10 * MIB)) if random.random() < 0.5 else -random.randrange(1, 60)
        )


def rounds(random: Random) -> Iterator[int]:
    """A loop that replaces a few large values by slightly different ones, as training loops do."""
    for _ in range(1000):
        yield 8 * MIB + random.randrange(MIB)
        yield -6


def shuffle(random: Random) -> Iterator[int]:
    """Many small parts made, then consumed in another order while large results are made."""
    for _ in range(20):
        yield from [random.randrange(1 << 17, 1 << 19) for _ in range(64)]
        for _ in range(64):
            yield -random.randrange(1, 100)
        yield 16 * MIB
        yield -3


@pytest.mark.parametrize(("trace", "bound"), [(churn, 1.6), (rounds, 1.4), (shuffle, 1.5)])
def test_fragmentation_is_bounded(trace: Callable[[Random], Iterator[int]], bound: float) -> None:
    """How much more memory is touched than was ever in use at once."""
    allocator = Allocator(1 << 40)
    held: list[tuple[int, int]] = []
    peak = 0
    for step in trace(Random(1)):
        if step > 0:
            place = allocator.allocate(step)
            assert place is not None
            held.append((place, step))
            peak = max(peak, allocator.used_bytes)
        elif len(held) >= -step:
            allocator.free(*held.pop(step))
    assert allocator.touched_bytes <= bound * peak
