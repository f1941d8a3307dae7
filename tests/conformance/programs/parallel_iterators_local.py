"""U8: `LocalIterator` of `ray.util.iter`: its metrics, unions and copies, and stand-ins for items that are not there yet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ..helpers import make_gate, module_of
from ..registry import program
from .parallel_iterators import _iter, _raises


def _metrics(ray: ModuleType) -> Any:
    return module_of(ray, "util.iter_metrics")


def _local(ray: ModuleType, *items: object, **options: Any) -> Any:
    return _iter(ray).LocalIterator(lambda timeout: iter(items), _metrics(ray).SharedMetrics(), **options)


def _not_ready(ray: ModuleType, item: object) -> bool:
    return isinstance(item, _iter(ray)._NextValueNotReady)


@program()
def parallel_iterators_count(ray: ModuleType) -> None:
    """U8: the functions of an iterator have metrics in common, in the driver and in each shard; others have none."""
    iterators = _iter(ray)
    local_iterator = iterators.LocalIterator

    def count(x: int) -> tuple[int, int]:
        metrics = local_iterator.get_metrics()
        metrics.counters["items"] += 1
        metrics.info["last"] = x
        with metrics.timers["work"]:
            pass
        return x, metrics.counters["items"]

    numbers = iterators.from_range(4)
    gathered = numbers.gather_sync().for_each(count).filter(lambda x: local_iterator.get_metrics().counters["items"] > 1)
    assert list(gathered) == [(2, 2), (1, 3), (3, 4)]
    metrics = gathered.shared_metrics.get()
    assert metrics.save() == {"counters": {"items": 4}, "info": {"last": 3}, "timers": None}
    assert metrics.timers["work"].count == 4 and metrics.timers["work"].mean < 1
    assert list(numbers.for_each(count).gather_sync()) == [(0, 1), (2, 1), (1, 2), (3, 2)]
    # In a thread of its own: in Ray, a thread that has read an iterator keeps its metrics.
    told: list[str] = []
    thread = threading.Thread(target=lambda: told.append(_raises(ValueError, local_iterator.get_metrics)))
    thread.start()
    thread.join()
    assert told == ["Cannot access context outside an iterator."]


@program()
def parallel_iterators_tell_the_source_actor(ray: ModuleType) -> None:
    """U8: `gather_async` says which actor an item came from; the other ways of gathering do not."""
    numbers = _iter(ray).from_range(6)
    actors = numbers.actor_sets[0].actors
    for gathered in (numbers.gather_async(), numbers.gather_async(batch_ms=5, num_async=2)):
        pairs = list(gathered.zip_with_source_actor())
        assert sorted(item for _, item in pairs) == list(range(6))
        assert all(actor == actors[item // 3] for actor, item in pairs)
    for other in (numbers.gather_sync(), numbers.get_shard(0), numbers.batch_across_shards()):
        message = _raises(ValueError, lambda other=other: next(other.zip_with_source_actor()))  # type: ignore[misc]
        assert message == "Could not identify source actor of item"


@program()
def parallel_iterators_metrics_alone(ray: ModuleType) -> None:
    """U8: `MetricsContext` is saved and restored without its timers; `SharedMetrics` points its parents to its own."""
    module = _metrics(ray)
    metrics = module.MetricsContext()
    metrics.counters["a"] += 2
    metrics.info["b"] = "c"
    restored = module.MetricsContext()
    restored.counters["old"] += 1
    restored.restore(metrics.save())
    assert restored.counters == {"a": 2} and restored.info == {"b": "c"} and restored.counters["new"] == 0
    assert restored.current_actor is None
    first, second = module.SharedMetrics(), module.SharedMetrics(metrics)
    assert second.get() is metrics
    both = module.SharedMetrics(parents=[first, second])
    other = module.MetricsContext()
    both.set(other)
    assert first.get() is second.get() is both.get() is other
    timer = module_of(ray, "util.timer")._Timer(window_size=2)
    assert timer.mean == timer.mean_throughput == 0 and not timer.has_units_processed()
    for duration_s in (9.0, 1.0, 3.0):
        timer.push(duration_s)
    timer.push_units_processed(8)
    assert (timer.mean, timer.count, timer.mean_throughput, timer.mean_units_processed) == (2.0, 3, 2.0, 8.0)


@program()
def parallel_iterators_unions_in_turns(ray: ModuleType) -> None:
    """U8: `union` of local iterators: in turns, by weights, and with metrics in common."""
    letters, numbers = _local(ray, *"abcd"), _local(ray, 0, 1, 2, 3, 4, 5)
    assert list(letters.union(numbers, deterministic=True)) == ["a", 0, "b", 1, "c", 2, "d", 3, 4, 5]
    assert list(letters.union(numbers)) == ["a", 0, "b", 1, "c", 2, "d", 3, 4, 5]
    assert list(letters.union(numbers, round_robin_weights=[1, 2])) == ["a", 0, 1, "b", 2, 3, "c", 4, 5, "d"]
    assert list(letters.union(numbers, round_robin_weights=[1, "*"])) == ["a", 0, 1, 2, 3, 4, 5, "b", "c", "d"]
    assert len(list(letters.union(numbers, round_robin_weights=[1, 1.5]))) == 10
    assert list(letters.union()) == list("abcd")
    assert "weights" in _raises(ValueError, lambda: letters.union(numbers, round_robin_weights=[1]))
    assert "must be of type LocalIterator" in _raises(ValueError, lambda: letters.union([1]))

    def count(x: object) -> object:
        _iter(ray).LocalIterator.get_metrics().counters["items"] += 1
        return x

    joined = letters.for_each(count).union(numbers.for_each(count))
    assert len(list(joined)) == 10 and joined.shared_metrics.get().counters["items"] == 10
    assert letters.shared_metrics.get() is numbers.shared_metrics.get() is joined.shared_metrics.get()


@program()
def parallel_iterators_unions_do_not_wait(ray: ModuleType) -> None:
    """U8: a union of gathered iterators gives what is ready, and waits when nothing is; a deterministic one waits."""
    iterators, gate = _iter(ray), make_gate(ray)

    def wait_until_open(x: int) -> int:
        import time

        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        return -x

    slow, quick = iterators.from_items([1, 2], 1).for_each(wait_until_open), iterators.from_range(4, 1)
    joined = slow.gather_async().union(quick.gather_sync(), iterators.from_items([]).gather_sync())
    assert joined.take(2) == [0, 1]
    ray.get(gate.open.remote())
    assert sorted(joined) == [-2, -1, 2, 3]
    in_turns = slow.get_shard(0).union(quick.get_shard(0), deterministic=True)
    assert list(in_turns) == [-1, 0, -2, 1, 2, 3]


@program()
def parallel_iterators_copies(ray: ModuleType) -> None:
    """U8: `duplicate` gives each copy all items; one that is ahead gets stand-ins until the others have caught up."""
    first, second = _local(ray, 0, 1).duplicate(2)
    assert next(first) == 0 and _not_ready(ray, next(first)) and _not_ready(ray, next(first))
    assert next(second) == 0 and next(second) == 1 and next(first) == 1
    assert first.take(1) == second.take(1) == []
    once, twice = _iter(ray).from_range(4).gather_async().duplicate(2)
    joined = list(once.for_each(lambda x: ("once", x)).union(twice.for_each(lambda x: ("twice", x)), deterministic=True))
    assert sorted(joined) == [(name, x) for name in ("once", "twice") for x in range(4)]
    assert once.shared_metrics.get() is twice.shared_metrics.get()
    assert _raises(ValueError, lambda: _local(ray, 0).duplicate(1)) == "Number of copies must be >= 2"


@program()
def parallel_iterators_hand_stand_ins_on(ray: ModuleType) -> None:
    """U8: each step hands on stand-ins for items that are not there yet; a union swallows them; a function may give them."""
    wait_for_it = _iter(ray)._NextValueNotReady()
    items = _local(ray, wait_for_it, 0, wait_for_it, 1, wait_for_it, 2)

    def told(iterator: Any) -> list[object]:
        return ["-" if _not_ready(ray, item) else item for item in iterator]

    assert told(items.for_each(lambda x: 10 * x)) == ["-", 0, "-", 10, "-", 20]
    assert told(items.filter(lambda x: x > 0)) == ["-", "-", 1, "-", 2]
    assert told(items.batch(2)) == ["-", "-", [0, 1], "-", [2]]
    assert told(items.combine(lambda x: [x, x])) == ["-", 0, 0, "-", 1, 1, "-", 2, 2]
    assert told(items.shuffle(2, seed=1)) == ["-", "-", 0, "-", 1, 2]
    assert told(items.union(_local(ray, 7), deterministic=True)) == [7, 0, 1, 2]
    asked = []

    def ready_at_the_second_time(x: int) -> object:
        asked.append(x)
        return x if len(asked) % 2 == 0 else wait_for_it

    assert told(_local(ray, 5, 6).for_each(ready_at_the_second_time)) == ["-", 5, "-", 6] and asked == [5, 5, 6, 6]


@program()
def parallel_iterators_tell_before_they_fetch(ray: ModuleType) -> None:
    """U8: a function with `_on_fetch_start` is told before each item is fetched."""
    events: list[object] = []

    class Watching:
        def _on_fetch_start(self) -> None:
            events.append("fetch")

        def __call__(self, x: int) -> int:
            events.append(x)
            return x

    assert _iter(ray).LocalIterator.ON_FETCH_START_HOOK_NAME == "_on_fetch_start"
    gathered = _iter(ray).from_items([1, 2, 3], 1).gather_sync()
    assert gathered.for_each(Watching()).take(2) == [1, 2]
    assert events == ["fetch", 1, "fetch", 2]


@program()
def parallel_iterators_made_by_hand(ray: ModuleType) -> None:
    """U8: the constructor of `LocalIterator`: base, steps, timeout and name; steps are done with each stream of its own."""

    def plus_one(items: Iterator[int]) -> Iterator[int]:
        return (x + 1 for x in items)

    local = _local(ray, 0, 1, local_transforms=[plus_one], timeout=3, name="mine")
    assert str(local) == "LocalIterator[mine]" and local.timeout == 3 and local.name == "mine"
    assert str(_local(ray)) == "LocalIterator[unknown]"
    assert list(local.for_each(lambda x: 10 * x)) == [10, 20] == list(local.for_each(lambda x: 10 * x))
    assert list(local) == [1, 2] and list(local) == []
    seen: list[float | None] = []

    def base(timeout: float | None) -> Iterator[int]:
        seen.append(timeout)
        return iter([1])

    made = _iter(ray).LocalIterator(base, _metrics(ray).SharedMetrics())
    assert [list(made), list(made.union(made)), list(made.union(made, deterministic=True))] == [[1], [1, 1], [1, 1]]
    assert list(made.union(made, round_robin_weights=[1, "*"])) == [1, 1]
    assert seen == [None, 0, 0, None, None, None, 0]
    assert "not iterable" in _raises(TypeError, lambda: next(_local(ray, 1).transform(lambda items: None)))


@program()
def parallel_iterators_are_marked_as_deprecated(ray: ModuleType) -> None:
    """U8: the public names say that they are deprecated; using them warns of nothing."""
    import warnings

    iterators, annotations = _iter(ray), module_of(ray, "util.annotations")
    for name in ("from_items", "from_range", "from_iterators", "from_actors", "ParallelIterator", "LocalIterator"):
        assert annotations._get_annotation_type(getattr(iterators, name)) == "Deprecated", name
        assert "DEPRECATED" in getattr(iterators, name).__doc__
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        assert iterators.from_items([1], 1).take(1) == [1]
