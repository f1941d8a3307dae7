"""More data than the store holds: nothing is lost, everything reads back right. The store is the smallest there is."""

from __future__ import annotations

import itertools
from types import ModuleType

import numpy as np
import pytest

from ..helpers import (
    FREED_BYTES,
    SMALLEST_STORE_BYTES,
    make_hoarder,
    module_of,
    stored_bytes,
    wait_until,
    wait_until_freed,
)
from ..registry import NOT_SIMULATED, ProgramFunction, program

MB = 2**20
STORE = SMALLEST_STORE_BYTES


def small_store(num_cpus: int = 2, spilling: bool = True):
    """Registers a program that runs with the smallest store."""

    def register(function: ProgramFunction) -> ProgramFunction:
        return program(num_cpus=num_cpus, object_store_bytes=STORE, spilling=spilling)(function)

    return register


def block(number: int, size: int) -> np.ndarray:
    """A large value whose two ends tell which it is."""
    return np.full(size, number % 251, dtype=np.uint8)


def ends(array: np.ndarray) -> tuple[int, int, int]:
    """What is enough to tell a block from another, or from part of one."""
    return int(array[0]), int(array[-1]), array.nbytes


def put_three_times_the_store(ray: ModuleType, size: int):
    """Refs of more objects than fit, and what their ends should be."""
    count = 3 * STORE // size
    return [ray.put(block(number, size)) for number in range(count)], [
        (number % 251,) * 2 + (size,) for number in range(count)
    ]


@small_store()
def three_times_the_store_reads_back(ray: ModuleType) -> None:
    """V7: kept refs to three times the store's size, read in order, backwards, and again."""
    refs, expected = put_three_times_the_store(ray, 10 * MB)
    assert [ends(ray.get(ref)) for ref in refs] == expected
    assert [ends(ray.get(ref)) for ref in reversed(refs)] == expected[::-1]
    del refs
    wait_until_freed(ray)
    assert ends(ray.get(ray.put(block(5, 60 * MB)))) == (5, 5, 60 * MB)


@small_store()
def three_times_the_store_of_middling_objects_reads_back(ray: ModuleType) -> None:
    """V7: the same with many objects of one megabyte."""
    refs, expected = put_three_times_the_store(ray, MB)
    assert [ends(ray.get(ref)) for ref in refs] == expected
    assert ends(ray.get(refs[100])) == expected[100]
    del refs
    wait_until_freed(ray)


@small_store(spilling=False)
def without_spilling_the_store_still_takes_more(ray: ModuleType) -> None:
    """V7: with automatic spilling off, what doesn't fit is kept on disk at once; nothing raises."""
    refs, expected = put_three_times_the_store(ray, 30 * MB)
    assert [ends(ray.get(ref)) for ref in refs] == expected
    del refs
    wait_until_freed(ray)


@small_store()
def an_object_larger_than_the_store_reads_back(ray: ModuleType) -> None:
    """V7: put by the driver, returned by a task, passed to one; a small object between them."""
    size = STORE + 30 * MB

    @ray.remote
    def make(number):
        return np.full(size, number, dtype=np.uint8)

    @ray.remote
    def look(array):
        return int(array[0]), int(array[-1]), array.nbytes

    ref = ray.put(block(1, size))
    assert ends(ray.get(ref)) == (1, 1, size)
    assert ray.get(look.remote(ref)) == (1, 1, size)
    del ref
    made = make.remote(2)
    assert ends(ray.get(made)) == (2, 2, size)
    assert ray.get(look.remote(made)) == (2, 2, size)
    del made
    wait_until_freed(ray)


@small_store()
def more_results_than_fit_read_back(ray: ModuleType) -> None:
    """V7: twelve tasks that return a quarter of the store each, their refs all kept."""

    @ray.remote
    def make(number):
        return np.full(20 * MB, number, dtype=np.uint8)

    refs = [make.remote(number) for number in range(12)]
    assert [ends(ray.get(ref)) for ref in refs] == [(number, number, 20 * MB) for number in range(12)]
    assert ends(ray.get(refs[0])) == (0, 0, 20 * MB)


@small_store()
def one_call_may_return_more_than_the_store(ray: ModuleType) -> None:
    """R1, V7: six returns of 20 MiB each."""

    @ray.remote(num_returns=6)
    def six():
        return [np.full(20 * MB, number, dtype=np.uint8) for number in range(6)]

    refs = six.remote()
    assert [ends(ray.get(ref)) for ref in refs] == [(number, number, 20 * MB) for number in range(6)]
    del refs
    wait_until_freed(ray)


@small_store()
def one_task_may_put_more_than_the_store(ray: ModuleType) -> None:
    """V7: and return the refs."""

    @ray.remote
    def put_many(count):
        return [ray.put(np.full(15 * MB, number, dtype=np.uint8)) for number in range(count)]

    refs = ray.get(put_many.remote(10))
    assert [ends(ray.get(ref)) for ref in refs] == [(number, number, 15 * MB) for number in range(10)]
    del refs
    wait_until_freed(ray)


@small_store()
def a_task_may_take_more_than_the_store(ray: ModuleType) -> None:
    """V1, V7: all of its arguments are there at once, as values and as refs that it reads itself."""

    @ray.remote
    def look(*arrays):
        return [int(array[-1]) for array in arrays]

    @ray.remote
    def read(refs):
        return [int(array[-1]) for array in ray.get(refs)]

    refs = [ray.put(block(number, 20 * MB)) for number in range(6)]
    assert ray.get(look.remote(*refs)) == list(range(6))
    assert ray.get(read.remote(refs)) == list(range(6))
    assert [int(array[0]) for array in ray.get(refs)] == list(range(6))


@small_store()
def large_arguments_by_value_may_exceed_the_store(ray: ModuleType) -> None:
    """V7: each call's argument is an object of its own, for as long as the call needs it."""

    @ray.remote
    def last(array):
        return int(array[-1])

    assert ray.get([last.remote(block(number, 20 * MB)) for number in range(10)]) == list(range(10))
    wait_until_freed(ray)


@small_store()
def a_put_beside_a_store_full_of_views_succeeds(ray: ModuleType) -> None:
    """V6, V7: an actor looks at everything there is; what is put then goes to disk, and the views stay right."""

    @ray.remote(num_cpus=0)
    class Holder:
        def __init__(self):
            self.views = []

        def hold(self, array):
            self.views.append(array)

        def ends(self):
            return [(int(view[0]), int(view[-1])) for view in self.views]

    holder = Holder.remote()
    for number in range(2):
        ray.get(holder.hold.remote(ray.put(block(number, 30 * MB))))
    refs = [ray.put(block(10 + number, 30 * MB)) for number in range(3)]
    assert [ends(ray.get(ref))[:2] for ref in refs] == [(10, 10), (11, 11), (12, 12)]
    assert ray.get(holder.ends.remote()) == [(0, 0), (1, 1)]
    for ref in refs:
        ray.get(holder.hold.remote(ref))
    assert ray.get(holder.ends.remote()) == [(number, number) for number in (0, 1, 10, 11, 12)]
    ray.kill(holder)
    del refs
    wait_until_freed(ray)


@small_store()
def the_drivers_own_views_may_exceed_the_store(ray: ModuleType) -> None:
    """V6, V7: one `get` of twice the store's size; the views live together and differ."""
    refs = [ray.put(block(number, 15 * MB)) for number in range(10)]
    views = ray.get(refs)
    del refs
    others = [ray.put(block(100 + number, 15 * MB)) for number in range(4)]
    assert [ends(view)[:2] for view in views] == [(number, number) for number in range(10)]
    assert [ends(ray.get(other))[0] for other in others] == [100, 101, 102, 103]


@small_store()
def dropped_objects_make_room(ray: ModuleType) -> None:
    """V19: ten times the store's size, one object after the other, each dropped before the next."""
    for number in range(25):
        ref = ray.put(block(number, 30 * MB))
        assert ends(ray.get(ref))[:2] == (number, number)
        del ref
    wait_until_freed(ray)


@small_store()
def objects_are_freed_wherever_they_are(ray: ModuleType) -> None:
    """V19: some in memory, some not; dropping half keeps the other half."""
    refs, expected = put_three_times_the_store(ray, 15 * MB)
    del refs[::2], expected[::2]
    assert [ends(ray.get(ref)) for ref in refs] == expected
    more = [ray.put(block(200 + number, 15 * MB)) for number in range(5)]
    assert [ends(ray.get(ref))[0] for ref in more] == [200, 201, 202, 203, 204]
    assert [ends(ray.get(ref)) for ref in refs] == expected
    del refs, more
    wait_until_freed(ray)


@small_store()
def an_actors_state_of_refs_may_exceed_the_store(ray: ModuleType) -> None:
    """V19: a cache of refs in an actor, filled by tasks, read by others."""

    @ray.remote(num_cpus=0)
    class Cache:
        def __init__(self):
            self.refs = {}

        def store(self, key, box):
            self.refs[key] = box[0]

        def find(self, key):
            return [self.refs[key]]

    @ray.remote
    def fill(cache, key):
        ray.get(cache.store.remote(key, [ray.put(np.full(10 * MB, key, dtype=np.uint8))]))

    @ray.remote
    def check(cache, key):
        array = ray.get(ray.get(cache.find.remote(key))[0])
        return int(array[0]), int(array[-1]), array.nbytes

    cache = Cache.remote()
    # The object's owner must live: on real Ray the worker that put it, which it keeps for tasks to come.
    ray.get([fill.remote(cache, key) for key in range(20)])
    assert ray.get([check.remote(cache, key) for key in range(20)]) == [(key, key, 10 * MB) for key in range(20)]
    ray.kill(cache)
    wait_until_freed(ray)


@small_store()
def failed_tasks_leave_room(ray: ModuleType) -> None:
    """V19: tasks that put much and then raise."""

    @ray.remote
    def waste(number):
        kept = [ray.put(np.full(20 * MB, number, dtype=np.uint8)) for _ in range(2)]
        raise ValueError(f"after {len(kept)}")

    for number in range(6):
        with pytest.raises(ValueError, match="after 2"):
            ray.get(waste.remote(number))
    wait_until_freed(ray)


@small_store()
def three_times_the_store_is_sorted(ray: ModuleType) -> None:
    """V1, R1, V7: a shuffle: partition, exchange, merge; the result is sorted and holds what was put in."""
    parts, size = 6, 5_000_000

    @ray.remote
    def generate(seed):
        return np.random.default_rng(seed).integers(0, 2**62, size, dtype=np.int64)

    @ray.remote(num_returns=parts)
    def partition(array):
        array = np.sort(array)
        cuts = np.searchsorted(array, [2**62 // parts * number for number in range(1, parts)])
        return [np.ascontiguousarray(piece) for piece in np.split(array, cuts)]

    @ray.remote
    def merge(*pieces):
        return np.sort(np.concatenate(pieces))

    @ray.remote
    def describe(array):
        total = int(np.sum(array.view(np.uint64), dtype=np.uint64))
        return int(array[0]), int(array[-1]), len(array), bool((array[1:] >= array[:-1]).all()), total

    sources = [generate.remote(seed) for seed in range(parts)]
    before = ray.get([describe.remote(source) for source in sources])
    pieces = [partition.remote(source) for source in sources]
    del sources
    merged = [merge.remote(*[row[column] for row in pieces]) for column in range(parts)]
    del pieces
    after = ray.get([describe.remote(part) for part in merged])
    assert sum(part[2] for part in after) == parts * size
    assert all(part[3] for part in after)
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(after))
    assert sum(part[4] for part in after) % 2**64 == sum(part[4] for part in before) % 2**64
    del merged
    wait_until_freed(ray)


@small_store()
def a_get_that_times_out_leaves_room(ray: ModuleType) -> None:
    """G3: reading what is not in memory with too little time, again and again, and then with enough."""
    refs, expected = put_three_times_the_store(ray, 30 * MB)
    for ref in refs:
        try:
            ray.get(ref, timeout=0)
        except ray.exceptions.GetTimeoutError:
            continue
    assert [ends(ray.get(ref, timeout=60)) for ref in refs] == expected
    wait_until(lambda: stored_bytes(ray) < STORE + FREED_BYTES, "the store holds no more than it may")


@small_store()
def a_store_that_fills_has_cycles_collected(ray: ModuleType) -> None:
    """V19: beyond seventy percent every process is told to collect, one whose collector is off too; not before."""
    quarter = STORE // 4
    hoarder = make_hoarder(ray)
    ray.get([hoarder.hoard.remote(quarter) for _ in range(2)])
    assert not ray.get(hoarder.has_collected.remote())
    ray.get(hoarder.hoard.remote(quarter))
    wait_until(lambda: ray.get(hoarder.has_collected.remote()), "the cycles are collected")
    wait_until(lambda: stored_bytes(ray) < quarter + FREED_BYTES, "what they kept is freed")
    ray.get(hoarder.collect_again.remote())


@program(engines=NOT_SIMULATED, reason="it is about the system's own disk", starts_session=False)
def nothing_is_written_to_a_disk_that_is_too_full(ray: ModuleType) -> None:
    """`local_fs_capacity_threshold`: where more of the file system than that is taken, what would have to go there is
    refused."""
    config = {"local_fs_capacity_threshold": 0.0, "local_fs_monitor_interval_ms": 10}
    ray.init("local", num_cpus=1, object_store_memory=STORE, include_dashboard=False, _system_config=config)

    @ray.remote
    def large():
        return np.zeros(2 * STORE, dtype=np.uint8)

    with pytest.raises(ray.exceptions.OutOfDiskError):
        ray.put(block(0, 2 * STORE))
    with pytest.raises(ray.exceptions.RayTaskError) as told:
        ray.get(large.remote())
    assert isinstance(told.value.cause, ray.exceptions.OutOfDiskError)
    assert ends(ray.get(ray.put(block(2, MB)))) == (2, 2, MB)


@small_store()
def what_finds_no_room_is_told_of(ray: ModuleType) -> None:
    """The totals of a store tell how much is in files of its own, because what is in memory is being read."""
    summary = module_of(ray, "_private.internal_api").memory_summary
    size = STORE * 2 // 3 // MB * MB
    first = ray.put(block(1, size))
    array = ray.get(first)
    assert "mmap usage" not in summary(stats_only=True)
    second = ray.put(block(2, size))
    wait_until(lambda: f"Plasma filesystem mmap usage: {size // MB} MiB" in summary(stats_only=True), "it is told")
    assert ends(array) == (1, 1, size) and ends(ray.get(second)) == (2, 2, size)
    assert f"memory usage {2 * size // MB} MiB, 2 objects" in summary(stats_only=True)
    del second
    wait_until(lambda: "mmap usage" not in summary(stats_only=True), "it is gone")
