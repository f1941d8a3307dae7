"""The allocator against a model: no overlap, no lost byte, freed neighbours one gap, misuse refused without a
change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localray.shm.allocator import ALIGNMENT_BYTES, Allocator, rounded

CAPACITY_BYTES = 64 * 40


def test_first_fit_and_alignment() -> None:
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
    for step in steps:
        if step < 0:
            if held:
                offset, size_bytes = held.pop(step % len(held))
                allocator.free(offset, size_bytes)
                mark(taken, offset, size_bytes, False)
        else:
            offset_or_none = allocator.allocate(step)
            assert offset_or_none == first_fit(taken, rounded(step))
            if offset_or_none is not None:
                mark(taken, offset_or_none, step, True)
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


def first_fit(taken: list[bool], size: int) -> int | None:
    return next((offset for offset, gap in runs(taken) if gap >= size), None)
