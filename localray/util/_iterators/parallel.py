"""`ParallelIterator`: the recipe of a stream whose shards are actors. Must not live here: what the actors do (`worker`,
`steps`), and how they are read (`gathering`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from localray.actor import ActorHandle
from localray.api import get, remote
from localray.util._iterators.gathering import AsReady, OneShard, Rounds, Slice
from localray.util._iterators.local import LocalIterator
from localray.util._iterators.worker import ParallelIteratorWorker, Transform
from localray.util.iter_metrics import SharedMetrics

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class OnEachShard:
    """Call a method of a shard's local iterator."""

    method: str
    arguments: tuple[Any, ...]

    def __call__(self, iterator: LocalIterator[Any]) -> LocalIterator[Any]:
        result: LocalIterator[Any] = getattr(iterator, self.method)(*self.arguments)
        return result


class _ActorSet:
    """Actors whose items go through the same steps."""

    def __init__(self, actors: Sequence[ActorHandle[Any]], transforms: Sequence[Transform]) -> None:
        self.actors = list(actors)
        self.transforms = list(transforms)

    def init_actors(self) -> None:
        """Tell all of them to begin with these steps."""
        get([actor.par_iter_init.remote(self.transforms) for actor in self.actors])

    def with_transform(self, fn: Transform) -> _ActorSet:
        """The same actors with one more step."""
        return _ActorSet(self.actors, [*self.transforms, fn])


class ParallelIterator(Generic[T]):
    """Items that actors make, and that go through steps there, in parallel. Each actor is a shard.

    It can be passed to tasks and actors. An actor begins anew whenever somebody begins to read it, so one process at
    a time should read a shard. Made by `from_items`, `from_range`, `from_iterators` and `from_actors`.

    Example:
        >>> numbers = ray.util.iter.from_range(6, num_shards=2)                 # doctest: +SKIP
        >>> list(numbers.for_each(lambda x: x * 2).gather_sync())               # doctest: +SKIP
        [0, 6, 2, 8, 4, 10]
        >>> list(numbers.get_shard(1))                                          # doctest: +SKIP
        [3, 4, 5]
    """

    def __init__(
        self, actor_sets: Sequence[_ActorSet], name: str, parent_iterators: Sequence[ParallelIterator[Any]]
    ) -> None:
        self.actor_sets = list(actor_sets)
        self.name = name
        # They hold the actors that those of this iterator read from.
        self.parent_iterators = list(parent_iterators)

    def __iter__(self) -> NoReturn:
        raise TypeError(
            "You must use it.gather_sync() or it.gather_async() to iterate over the results of a ParallelIterator."
        )

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"ParallelIterator[{self.name}]"

    def start_shards(self) -> list[ActorHandle[Any]]:
        """Tell all actors to begin; returns them."""
        for actor_set in self.actor_sets:
            actor_set.init_actors()
        return [actor for actor, _ in self._all_shards()]

    def start_shard(self, index: int) -> ActorHandle[Any]:
        """Tell one actor to begin; returns it."""
        actor, transforms = self._all_shards()[index]
        get(actor.par_iter_init.remote(transforms))
        return actor

    def _all_shards(self) -> list[tuple[ActorHandle[Any], list[Transform]]]:
        return [(actor, each.transforms) for each in self.actor_sets for actor in each.actors]

    def _with_transform(self, local_it_fn: Transform, name: str) -> ParallelIterator[Any]:
        """The same with one more step."""
        actor_sets = [each.with_transform(local_it_fn) for each in self.actor_sets]
        return ParallelIterator(actor_sets, self.name + name, self.parent_iterators)

    def transform(self, fn: Callable[[Iterable[T]], Iterable[U]]) -> ParallelIterator[U]:
        """Replace the stream of each shard as a whole.

        Args:
            fn: takes the items of a shard and gives others. It is called once for each shard, in its actor.
        """
        return self._with_transform(OnEachShard("transform", (fn,)), ".transform()")

    def for_each(
        self, fn: Callable[[T], U], max_concurrency: int = 1, resources: Mapping[str, Any] | None = None
    ) -> ParallelIterator[U]:
        """Apply a function to each item, in the shard's actor.

        Args:
            fn: the function.
            max_concurrency: 1 for one call after the other; else how many calls may run at once for each shard, each
                in a task, 0 for any number. Their results come as they are ready.
            resources: options of these tasks.

        Raises:
            AssertionError: the number is negative.
        """
        if max_concurrency < 0:
            raise AssertionError("max_concurrency must be non-negative.")
        return self._with_transform(OnEachShard("for_each", (fn, max_concurrency, resources)), ".for_each()")

    def filter(self, fn: Callable[[T], bool]) -> ParallelIterator[T]:
        """Drop the items for which a function says no."""
        return self._with_transform(OnEachShard("filter", (fn,)), ".filter()")

    def batch(self, n: int) -> ParallelIterator[list[T]]:
        """Make lists of so many items of a shard; the last of each shard may be shorter."""
        return self._with_transform(OnEachShard("batch", (n,)), f".batch({n})")

    def flatten(self) -> ParallelIterator[Any]:
        """Give what is in the items, one by one."""
        return self._with_transform(OnEachShard("flatten", ()), ".flatten()")

    def combine(self, fn: Callable[[T], Iterable[U]]) -> ParallelIterator[U]:
        """Apply a function that gives lists, and give what is in these."""
        return self._with_transform(OnEachShard("combine", (fn,)), ".combine()")

    def local_shuffle(self, shuffle_buffer_size: int, seed: int | None = None) -> ParallelIterator[T]:
        """Give the items of each shard in another order.

        Args:
            shuffle_buffer_size: each item is drawn from so many of the next ones; perfect when it is not less than
                those of a shard.
            seed: equal ones give equal orders.
        """
        name = f".local_shuffle(shuffle_buffer_size={shuffle_buffer_size}, seed={seed})"
        return self._with_transform(OnEachShard("shuffle", (shuffle_buffer_size, seed)), name)

    def repartition(self, num_partitions: int, batch_ms: float = 0) -> ParallelIterator[T]:
        """The same items in another number of shards, which take them of each shard in turn. Makes that many actors.

        Args:
            num_partitions: how many shards.
            batch_ms: how long each shard collects items before it hands them over; more costs latency and gives
            throughput.
        """
        parents = tuple(self.start_shards())
        worker: Any = remote(ParallelIteratorWorker)
        actors = [
            worker.remote(Slice(parents, num_partitions, index, batch_ms), False) for index in range(num_partitions)
        ]
        name = f"{self.name}.repartition[num_partitions={num_partitions}]"
        return ParallelIterator([_ActorSet(actors, [])], name, parent_iterators=[self])

    def gather_sync(self) -> LocalIterator[T]:
        """An iterator over the items of all shards in turn: one of each, then the next of each."""
        gathered = self.batch_across_shards().flatten()
        gathered.name = f"{self}.gather_sync()"
        return gathered

    def batch_across_shards(self) -> LocalIterator[list[T]]:
        """An iterator over lists with one item of each shard. Shards that have ended are left out."""
        return LocalIterator(Rounds(self), SharedMetrics(), name=f"{self}.batch_across_shards()")

    def gather_async(self, batch_ms: float = 0, num_async: int = 1) -> LocalIterator[T]:
        """An iterator over the items of all shards, as they are ready.

        Args:
            batch_ms: how long each shard collects items before it hands them over.
            num_async: how many requests each actor has to answer at a time.

        Raises:
            ValueError: there are to be no requests, or the time is negative.
        """
        if num_async < 1:
            raise ValueError("queue depth must be positive")
        _check_batch_time(batch_ms)
        metrics = SharedMetrics()
        return LocalIterator(AsReady(self, metrics, batch_ms, num_async), metrics, name=f"{self}.gather_async()")

    def take(self, n: int) -> list[T]:
        """The first items by `gather_sync`, so many at most."""
        return self.gather_sync().take(n)

    def show(self, n: int = 20) -> None:
        """Print the first items by `gather_sync`, so many at most."""
        self.gather_sync().show(n)

    def union(self, other: ParallelIterator[T]) -> ParallelIterator[T]:
        """The shards of this iterator and of another.

        Raises:
            TypeError: the other is no `ParallelIterator`.
        """
        if not isinstance(other, ParallelIterator):
            raise TypeError(f"other must be of type ParallelIterator, got {type(other)}")
        return ParallelIterator(
            [*self.actor_sets, *other.actor_sets],
            f"ParallelUnion[{self}, {other}]",
            [*self.parent_iterators, *other.parent_iterators],
        )

    def select_shards(self, shards_to_keep: Collection[int]) -> ParallelIterator[T]:
        """Some of the shards, in their order. Iterators that are read at the same time must not have shards in common.

        Raises:
            ValueError: none are to be kept, or this iterator comes from `union`.
            AssertionError: there is no such shard, or one is named twice.
        """
        if len(self.actor_sets) > 1:
            raise ValueError("select_shards() is not allowed after union()")
        if not shards_to_keep:
            raise ValueError("at least one shard must be selected")
        everything = self.actor_sets[0]
        actors = [actor for index, actor in enumerate(everything.actors) if index in shards_to_keep]
        if len(actors) != len(shards_to_keep):
            raise AssertionError("Invalid actor index")
        name = f"{self}.select_shards({len(shards_to_keep)} total)"
        return ParallelIterator([_ActorSet(actors, everything.transforms)], name, self.parent_iterators)

    def num_shards(self) -> int:
        """How many shards there are."""
        return sum(len(each.actors) for each in self.actor_sets)

    def shards(self) -> list[LocalIterator[T]]:
        """An iterator for each shard."""
        return [self.get_shard(index) for index in range(self.num_shards())]

    def get_shard(self, shard_index: int, batch_ms: float = 0, num_async: int = 1) -> LocalIterator[T]:
        """An iterator over the items of one shard, in order. It can be passed to tasks and actors.

        Args:
            shard_index: which.
            batch_ms: how long it collects items before it hands them over.
            num_async: how many requests its actor has to answer at a time.

        Raises:
            ValueError: there is no such shard, there are to be no requests, or the time is negative.
        """
        if num_async < 1:
            raise ValueError("num async must be positive")
        _check_batch_time(batch_ms)
        if shard_index >= self.num_shards():
            raise ValueError("Shard index out of range", shard_index, self.num_shards())
        base = OneShard(self, shard_index, batch_ms, num_async)
        return LocalIterator(base, SharedMetrics(), name=f"{self.name}.shard[{shard_index}]")


def _check_batch_time(batch_ms: float) -> None:
    if batch_ms < 0:
        raise ValueError("batch time must be positive")
