"""The arena: what is written is read, by another mapping too; views can't be written, and tell once when the last of
them dies."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import numpy as np
import pytest

from localray.protocol import NODE_SHIFT
from localray.shm.arena import Arena, create_file
from localray.shm.arenas import Arenas

CAPACITY_BYTES = 1 << 20


@pytest.fixture
def descriptor() -> Iterator[int]:
    number = create_file(CAPACITY_BYTES)
    yield number
    os.close(number)


@pytest.fixture
def arena(descriptor: int) -> Arena:
    return Arena(descriptor, CAPACITY_BYTES)


class Deaths:
    """Counts the calls of `on_gone`."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def test_another_mapping_reads_what_was_written(arena: Arena, descriptor: int) -> None:
    arena.writable(128, 5)[:] = b"hello"
    other = Arena(descriptor, CAPACITY_BYTES)
    assert bytes(other.readable(128, 5, Deaths())) == b"hello"
    assert bytes(arena.readable(127, 7, Deaths())) == b"\0hello\0"


def test_the_file_is_sparse_and_has_no_name(descriptor: int) -> None:
    status = os.fstat(descriptor)
    assert status.st_size == CAPACITY_BYTES
    assert status.st_blocks == 0
    assert status.st_nlink == 0


def test_views_are_read_only(arena: Arena) -> None:
    view = arena.readable(0, 64, Deaths())
    assert view.readonly
    with pytest.raises(TypeError):
        view[0] = 1
    array = np.frombuffer(view, dtype=np.uint8)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True


def test_a_view_tells_once_when_it_dies(arena: Arena) -> None:
    deaths = Deaths()
    view = arena.readable(0, 64, deaths)
    assert deaths.count == 0
    del view
    gc.collect()
    assert deaths.count == 1


def test_what_is_made_from_a_view_keeps_it_alive(arena: Arena) -> None:
    deaths = Deaths()
    arena.writable(0, 64)[:] = bytes(range(64))
    view = arena.readable(0, 64, deaths)
    array = np.frombuffer(view, dtype=np.uint8)
    part = array[10:20]
    piece = view[5:6]
    del view, array
    gc.collect()
    assert deaths.count == 0
    assert part.tolist() == list(range(10, 20))
    del part
    gc.collect()
    assert deaths.count == 0
    del piece
    gc.collect()
    assert deaths.count == 1


def test_views_of_one_range_die_one_by_one(arena: Arena) -> None:
    first, second = Deaths(), Deaths()
    views = [arena.readable(0, 64, first), arena.readable(0, 64, second)]
    views.pop()
    assert (first.count, second.count) == (0, 1)
    views.pop()
    assert (first.count, second.count) == (1, 1)


def test_many_short_lived_views_each_tell_once(arena: Arena) -> None:
    """The addresses of dead views are used again at once; no death may be lost or counted twice for that."""
    counts = [Deaths() for _ in range(2000)]
    kept = []
    for index, deaths in enumerate(counts):
        view = arena.readable(index * 64 % CAPACITY_BYTES, 64, deaths)
        if index % 7 == 0:
            kept.append(view)
        del view
    assert [deaths.count for deaths in counts] == [0 if index % 7 == 0 else 1 for index in range(2000)]
    kept.clear()
    assert {deaths.count for deaths in counts} == {1}


def test_views_survive_their_arena() -> None:
    deaths = Deaths()
    arenas = Arenas()
    arenas.map_arena(3, CAPACITY_BYTES, create_file(CAPACITY_BYTES))
    location = (3 << NODE_SHIFT) + 64
    arenas.writable(location, 4)[:] = b"kept"
    view = arenas.readable(location, 4, deaths)
    arenas.forget_arena(3)
    assert bytes(view) == b"kept"
    del view
    assert deaths.count == 1


def test_an_empty_view(arena: Arena) -> None:
    deaths = Deaths()
    view = arena.readable(64, 0, deaths)
    assert view.nbytes == 0
    del view
    assert deaths.count == 1


def test_what_is_cooled_goes_back_to_the_system_and_its_neighbours_stay(arena: Arena, descriptor: int) -> None:
    arena.writable(0, CAPACITY_BYTES)[:] = b"x" * CAPACITY_BYTES
    before = os.fstat(descriptor).st_blocks
    arena.cool(100, 500_000)
    assert os.fstat(descriptor).st_blocks <= before - 480_000 // 512
    memory = arena.writable(0, CAPACITY_BYTES)
    assert memory[:100] == b"x" * 100 and memory[500_100:] == b"x" * (CAPACITY_BYTES - 500_100)
    arena.cool(600_000, 100)
    assert memory[600_000] == ord("x")
    memory[:CAPACITY_BYTES] = b"y" * CAPACITY_BYTES
