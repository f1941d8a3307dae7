"""U7: `ray.util.iter`: parallel iterators, and what each shard and each order of gathering promises."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from ..helpers import make_gate, make_recorder, module_of, wait_until
from ..registry import program


def _raises(kind: type[BaseException], function: Callable[[], object]) -> str:
    try:
        function()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


def _iter(ray: ModuleType) -> Any:
    return module_of(ray, "util.iter")


@program()
def iter_sources_share_out_their_items(ray: ModuleType) -> None:
    """U7: `from_items` deals items out, `from_range` cuts the range, `from_iterators` has a shard for each iterable."""
    iterators = _iter(ray)
    assert [list(shard) for shard in iterators.from_items([1, 2, 3, 4, 5], num_shards=3).shards()] == [[1, 4], [2, 5], [3]]
    assert [list(shard) for shard in iterators.from_range(7, num_shards=3).shards()] == [[0, 1], [2, 3], [4, 5, 6]]
    made = iterators.from_iterators([range(2), "ab", lambda: (2 * x for x in range(3))])
    assert made.num_shards() == 3
    assert list(made.gather_sync()) == [0, "a", 0, 1, "b", 2, 4]
    assert iterators.from_items([None, 0, False], num_shards=1).take(5) == [None, 0, False]
    assert list(iterators.from_iterators([]).gather_sync()) == list(iterators.from_iterators([]).gather_async()) == []


@program()
def iter_sources_check_their_arguments(ray: ModuleType) -> None:
    """U7: what cannot be shared out, sent or iterated over is told of."""
    iterators = _iter(ray)
    assert "subscriptable" in _raises(TypeError, lambda: iterators.from_items({1, 2}))
    assert "integer" in _raises(TypeError, lambda: iterators.from_range(3.5))
    _raises(ZeroDivisionError, lambda: iterators.from_range(3, num_shards=0))
    _raises(ZeroDivisionError, lambda: iterators.from_items([1], num_shards=0))
    assert "generator" in _raises(TypeError, lambda: iterators.from_iterators([(x for x in range(3))]))
    assert "not iterable" in _raises(TypeError, lambda: next(iterators.from_iterators([5]).gather_sync()))


@program()
def iter_names(ray: ModuleType) -> None:
    """U7: the text of an iterator tells what it was made of and what is done with it."""
    iterators, same = _iter(ray), lambda x: x
    numbers = iterators.from_range(10)
    assert str(numbers) == repr(numbers) == "ParallelIterator[from_range[10, shards=2]]"
    assert numbers.name == "from_range[10, shards=2]"
    assert str(iterators.from_items(["a"], 1, True)) == "ParallelIterator[from_items[str, 1, shards=1, repeat=True]]"
    assert str(iterators.from_items([], 1)) == "ParallelIterator[from_items[None, 0, shards=1]]"
    assert str(iterators.from_iterators([[1]], True)) == "ParallelIterator[from_iterators[shards=1, repeat=True]]"
    assert str(iterators.from_iterators([[1]], name="mine")) == "ParallelIterator[mine]"
    assert str(iterators.from_actors([])) == "ParallelIterator[from_actors[shards=0]]"
    steps = numbers.for_each(same, 2).filter(same).batch(3).flatten().combine(same).transform(same).local_shuffle(3)
    name = ".for_each().filter().batch(3).flatten().combine().transform().local_shuffle(shuffle_buffer_size=3, seed=None)"
    assert steps.name == f"{numbers.name}{name}"
    assert str(numbers.union(numbers)) == f"ParallelIterator[ParallelUnion[{numbers}, {numbers}]]"
    assert str(numbers.select_shards([1])) == f"ParallelIterator[{numbers}.select_shards(1 total)]"
    assert numbers.repartition(1).name == f"{numbers.name}.repartition[num_partitions=1]"
    assert str(numbers.shards()[1]) == "LocalIterator[from_range[10, shards=2].shard[1]]"
    gathered = numbers.gather_sync()
    assert str(gathered) == repr(gathered) == f"LocalIterator[{numbers}.gather_sync()]"
    assert str(numbers.gather_async(batch_ms=1)) == f"LocalIterator[{numbers}.gather_async()]"
    assert str(numbers.batch_across_shards()) == f"LocalIterator[{numbers}.batch_across_shards()]"
    local = gathered.for_each(same).filter(same).batch(3).flatten().combine(same).transform(same).shuffle(3, seed=1)
    assert local.name == gathered.name + name.replace("local_", "").replace("None", "1")
    assert gathered.zip_with_source_actor().name == f"{gathered.name}.zip_with_source_actor()"
    assert gathered.duplicate(2)[1].name == f"{gathered.name}.duplicate[1]"
    assert gathered.union(gathered).name == f"LocalUnion[{gathered}, {gathered}]"


@program()
def iter_gathers_one_of_each_shard(ray: ModuleType) -> None:
    """U7: `gather_sync` and `batch_across_shards` go round; shards that have ended are left out; each gathers anew."""
    uneven = _iter(ray).from_iterators([range(1), range(4), range(2)])
    assert list(uneven.gather_sync()) == [0, 0, 0, 1, 1, 2, 3]
    assert list(uneven.batch_across_shards()) == [[0, 0, 0], [1, 1], [2], [3]]
    assert "gather_sync" in _raises(TypeError, lambda: iter(uneven))
    gathered = uneven.gather_sync()
    assert gathered.take(2) == [0, 0] and gathered.take(100) == [0, 1, 1, 2, 3] and gathered.take(1) == []
    assert list(gathered) == []
    _raises(StopIteration, lambda: next(gathered))
    assert uneven.take(3) == [0, 0, 0] and len(uneven.take(100)) == 7
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        uneven.show(4)
        uneven.gather_sync().show()
    assert out.getvalue().split() == ["0", "0", "0", "1", "0", "0", "0", "1", "1", "2", "3"]


@program()
def iter_gathers_what_is_ready(ray: ModuleType) -> None:
    """U7: `gather_async` gives each item once, in the order of each shard, and does not wait for a slow one."""
    iterators, gate = _iter(ray), make_gate(ray)

    def wait_if_low(x: int) -> int:
        import time

        while x < 3 and not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        return x

    numbers = iterators.from_range(6)
    gathered = numbers.for_each(wait_if_low).gather_async()
    assert gathered.take(3) == [3, 4, 5]
    ray.get(gate.open.remote())
    assert list(gathered) == [0, 1, 2]
    for options in ({}, {"batch_ms": 20}, {"num_async": 3}, {"batch_ms": 5, "num_async": 2}):
        items = list(numbers.gather_async(**options))
        assert sorted(items) == list(range(6)), (options, items)
        assert [x for x in items if x < 3] == [0, 1, 2]
    assert _raises(ValueError, lambda: numbers.gather_async(num_async=0)) == "queue depth must be positive"
    assert _raises(ValueError, lambda: list(numbers.gather_async(batch_ms=-1))) == "batch time must be positive"


@program()
def iter_steps_run_in_the_shards(ray: ModuleType) -> None:
    """U7: `for_each`, `filter`, `batch`, `flatten`, `combine` and `transform`, in the actors and in the driver."""
    import os

    numbers, driver = _iter(ray).from_range(6), os.getpid()

    def everything(start: Any, gather: Callable[[Any], Any]) -> list[list[object]]:
        def double_odd(items: Iterable[int]) -> Iterable[int]:
            return (2 * x for x in items if x % 2)

        return [
            list(gather(step))
            for step in (
                start.for_each(lambda x: x + 1),
                start.filter(lambda x: x % 2),
                start.batch(2),
                start.batch(2).flatten(),
                start.combine(lambda x: [x, -x] if x > 3 else []),
                start.transform(double_odd),
            )
        ]

    assert everything(numbers, lambda made: made.gather_sync()) == [
        [1, 4, 2, 5, 3, 6], [1, 3, 5], [[0, 1], [3, 4], [2], [5]], [0, 3, 1, 4, 2, 5], [4, -4, 5, -5], [2, 6, 10],
    ]  # fmt: skip
    locally = [everything(numbers.gather_sync(), lambda made: made)[index] for index in range(6)]
    assert locally == [
        [1, 4, 2, 5, 3, 6], [3, 1, 5], [[0, 3], [1, 4], [2, 5]], [0, 3, 1, 4, 2, 5], [4, -4, 5, -5], [6, 2, 10],
    ]  # fmt: skip
    kept = numbers.gather_sync()
    assert kept.for_each(lambda x: (x, os.getpid() == driver)).take(1) == [(0, True)]


@program()
def iter_is_lazy(ray: ModuleType) -> None:
    """U7: nothing is asked of a shard before the first item is fetched; then what the way of gathering reads ahead."""
    iterators, recorder = _iter(ray), make_recorder(ray)

    def note(x: int) -> int:
        ray.get(recorder.add.remote(x))
        return x

    numbers = iterators.from_range(20).for_each(note)
    gathered = numbers.gather_sync()
    assert ray.get(recorder.items.remote()) == []
    assert next(gathered) == 0
    assert sorted(ray.get(recorder.items.remote())) == [0, 10]
    shard = numbers.get_shard(0, num_async=2)
    assert ray.get(recorder.count.remote()) == 2
    assert next(shard) == 0
    wait_until(lambda: ray.get(recorder.count.remote()) >= 5, "two more items are read ahead")
    assert sorted(ray.get(recorder.items.remote())) == [0, 0, 1, 2, 10]


@program()
def iter_shards(ray: ModuleType) -> None:
    """U7: `num_shards`, `shards`, `get_shard`, `select_shards` and `union`, and what they refuse."""
    iterators = _iter(ray)
    numbers = iterators.from_range(6, 3)
    assert numbers.num_shards() == 3 and len(numbers.shards()) == 3
    assert list(numbers.get_shard(1)) == [2, 3] == list(numbers.get_shard(1, batch_ms=10))
    assert list(numbers.get_shard(2, num_async=3)) == [4, 5]
    try:
        numbers.get_shard(3)
    except ValueError as error:
        assert error.args == ("Shard index out of range", 3, 3)
    else:
        raise AssertionError("there is a fourth shard")
    assert _raises(ValueError, lambda: numbers.get_shard(0, num_async=0)) == "num async must be positive"
    assert _raises(ValueError, lambda: numbers.get_shard(0, batch_ms=-1)) == "batch time must be positive"
    assert list(numbers.select_shards([2, 0]).gather_sync()) == [0, 4, 1, 5]
    assert _raises(ValueError, lambda: numbers.select_shards([])) == "at least one shard must be selected"
    assert _raises(AssertionError, lambda: numbers.select_shards([0, 7])) == "Invalid actor index"
    both = numbers.for_each(lambda x: -x).select_shards([1, 2]).union(numbers.select_shards([0])).for_each(lambda x: 2 * x)
    assert [list(shard) for shard in both.shards()] == [[-4, -6], [-8, -10], [0, 2]]
    assert _raises(ValueError, lambda: both.select_shards([0])) == "select_shards() is not allowed after union()"
    assert "must be of type ParallelIterator" in _raises(TypeError, lambda: numbers.union(numbers.gather_sync()))
    assert len(both.actor_sets) == 2 and both.actor_sets[1].actors == numbers.actor_sets[0].actors[:1]


@program()
def iter_repartition(ray: ModuleType) -> None:
    """U7: `repartition` gives the same items in other shards, every so many-th of each."""
    numbers = _iter(ray).from_range(8, 2)
    parts = numbers.for_each(lambda x: x + 1).repartition(3)
    assert parts.num_shards() == 3 and len(parts.parent_iterators) == 1
    shards = [list(shard) for shard in parts.shards()]
    assert [sorted(shard) for shard in shards] == [[1, 4, 5, 8], [2, 6], [3, 7]]
    assert [x for x in shards[0] if x < 5] == [1, 4]
    batched = numbers.repartition(1, batch_ms=20).for_each(lambda x: 10 * x)
    assert sorted(batched.gather_async()) == [0, 10, 20, 30, 40, 50, 60, 70]


@program()
def iter_repeats(ray: ModuleType) -> None:
    """U7: `repeat` begins again for ever; what can be iterated over only once is refused, what makes it is not."""
    iterators = _iter(ray)
    assert iterators.from_items([1, 2, 3], repeat=True).take(8) == [1, 2, 3, 2, 1, 2, 3, 2]
    assert iterators.from_iterators([lambda: iter([1, 2])], repeat=True).take(5) == [1, 2, 1, 2, 1]
    worker = iterators.ParallelIteratorWorker(iter([1, 2]), True)
    worker.par_iter_init([])
    assert "multiple times" in _raises(ValueError, worker.par_iter_next)


@program()
def iter_local_shuffle(ray: ModuleType) -> None:
    """U7: `local_shuffle` keeps what each shard has; equal seeds give equal orders, those of Ray."""
    numbers = _iter(ray).from_range(16)
    shards = [list(shard) for shard in numbers.local_shuffle(3, seed=1).shards()]
    assert shards == [[0, 3, 1, 4, 2, 6, 7, 5], [8, 11, 9, 12, 10, 14, 15, 13]]
    assert sorted(numbers.local_shuffle(4).get_shard(1)) == list(range(8, 16))
    assert list(numbers.get_shard(0).shuffle(100, seed=7)) == [5, 1, 4, 0, 2, 7, 3, 6]
    assert list(numbers.get_shard(0).shuffle(1, seed=7)) == list(range(8))


@program()
def iter_several_calls_at_once(ray: ModuleType) -> None:
    """U7: `max_concurrency` applies a function in tasks, 0 in any number of them, with options of their own."""
    numbers = _iter(ray).from_range(6)
    doubled = [0, 2, 4, 6, 8, 10]
    assert sorted(numbers.gather_sync().for_each(lambda x: 2 * x, 2, {"num_cpus": 0.1})) == doubled
    assert sorted(numbers.gather_sync().for_each(lambda x: 2 * x, max_concurrency=0)) == doubled
    tasks = numbers.for_each(lambda x: 2 * x, max_concurrency=2, resources={"num_cpus": 0.1})
    assert sorted(tasks.gather_async()) == doubled
    assert "non-negative" in _raises(AssertionError, lambda: numbers.for_each(lambda x: x, max_concurrency=-1))
    wrong = numbers.gather_sync().for_each(lambda x: x, 2, {"colour": 1})
    assert "colour" in _raises(ValueError, lambda: next(wrong))


@program()
def iter_errors_end_the_iteration(ray: ModuleType) -> None:
    """U7: an error of a function is raised where the item would be, as its own kind; then there are no items more."""
    numbers = _iter(ray).from_range(6)

    def fail_at_one(x: int) -> int:
        if x == 1:
            raise KeyError("one")
        return x

    failing = numbers.for_each(fail_at_one)
    for gathered in (failing.gather_sync(), failing.gather_async(), failing.get_shard(0)):
        try:
            gathered.take(6)
        except ray.exceptions.RayTaskError as error:
            assert isinstance(error, KeyError) and isinstance(error.cause, KeyError)
        else:
            raise AssertionError(f"{gathered} has not failed")
        assert list(gathered) == []
    local = numbers.gather_sync().for_each(fail_at_one)
    assert local.take(2) == [0, 3]
    assert _raises(KeyError, lambda: next(local)) == "'one'" and local.take(1) == []


@program()
def iter_dead_actors(ray: ModuleType) -> None:
    """U7: the death of a shard's actor is raised."""
    iterators = _iter(ray)
    worker = ray.remote(num_cpus=0)(iterators.ParallelIteratorWorker)
    actors = [worker.remote(range(5), False), worker.remote(range(5), False)]
    gathered = iterators.from_actors(actors).gather_sync()
    assert gathered.take(2) == [0, 0]
    ray.kill(actors[1])
    _raises(ray.exceptions.RayActorError, lambda: gathered.take(2))
    later = iterators.from_actors(actors).gather_async()
    _raises(ray.exceptions.RayActorError, lambda: next(later))


@program()
def iter_of_actors_of_ones_own(ray: ModuleType) -> None:
    """U7: actors of subclasses of `ParallelIteratorWorker`, with methods and options of their own; each asked directly."""
    iterators = _iter(ray)

    class Counter(iterators.ParallelIteratorWorker):  # type: ignore[name-defined,misc]
        def __init__(self, end: int) -> None:
            super().__init__(lambda: range(end), False)
            self.end = end

        def get_end(self) -> int:
            return self.end

    counter = ray.remote(num_cpus=0)(Counter)
    actors = [counter.remote(2), counter.remote(7)]
    made = iterators.from_actors(actors, name="counters")
    assert str(made) == "ParallelIterator[counters]" and made.num_shards() == 2
    assert made.for_each(lambda x: -x).take(4) == [0, 0, -1, -1]
    assert ray.get([actor.get_end.remote() for actor in actors]) == [2, 7]
    first, second = actors
    _raises(StopIteration, lambda: ray.get([first.par_iter_next.remote() for _ in range(3)]))
    ray.get(second.par_iter_init.remote([lambda local: local.for_each(lambda x: 10 * x)]))
    assert ray.get(second.par_iter_next.remote()) == 0
    assert ray.get(second.par_iter_next_batch.remote(0)) == [10]
    assert ray.get(second.par_iter_next_batch.remote(200)) == [20, 30, 40, 50, 60]
    ray.get(second.par_iter_init.remote([]))
    slices = [ray.get(second.par_iter_slice.remote(3, start)) for start in (0, 1, 0, 2)]
    assert slices == [0, 1, 3, 2] and ray.get(second.par_iter_slice_batch.remote(3, 1, 50)) == [4]
    assert ray.get(second.par_iter_slice_batch.remote(3, 2, 50)) == [5]
    plain = ray.remote(num_cpus=0)(type("Plain", (), {})).remote()
    assert "par_iter_init" in _raises(AttributeError, lambda: next(iterators.from_actors([plain]).gather_sync()))
    not_begun = iterators.ParallelIteratorWorker([1], False)
    assert "par_iter_init" in _raises(AssertionError, not_begun.par_iter_next)


@program()
def iter_travels(ray: ModuleType) -> None:
    """U7: parallel and local iterators can be passed to tasks and returned, until their first item is fetched."""
    iterators = _iter(ray)
    numbers = iterators.from_range(6)

    @ray.remote(num_cpus=0)
    def read_all(iterator: Any) -> list[int]:
        return list(iterator)

    @ray.remote(num_cpus=0)
    def gather(iterator: Any) -> list[int]:
        return list(iterator.for_each(lambda x: 10 * x).gather_sync())

    @ray.remote(num_cpus=0)
    def same(iterator: Any) -> Any:
        return iterator

    assert ray.get(gather.remote(numbers.for_each(lambda x: x + 1))) == [10, 40, 20, 50, 30, 60]
    assert ray.get([read_all.remote(shard) for shard in numbers.shards()]) == [[0, 1, 2], [3, 4, 5]]
    assert sorted(ray.get(read_all.remote(numbers.gather_async().for_each(lambda x: 2 * x)))) == [0, 2, 4, 6, 8, 10]
    returned = ray.get(same.remote(numbers))
    assert str(returned) == str(numbers) and returned.take(2) == [0, 3] and returned.union(numbers).num_shards() == 4
    begun = numbers.gather_sync()
    next(begun)
    _raises(TypeError, lambda: read_all.remote(begun))
