"""`LocalIterator`: a stream of items that is read in this process, and the recipe of its steps. Must not live here:
what the steps do (`steps`, `joining`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from localray.util._iterators.in_use import current_metrics, in_use
from localray.util._iterators.joining import WITHOUT_LIMIT, Copies, Copy, Union
from localray.util._iterators.steps import (
    FETCH_HOOK,
    Batch,
    Filter,
    Flatten,
    ForEach,
    ForEachAtOnce,
    Shuffle,
    WithSourceActor,
)
from localray.util.iter_metrics import MetricsContext, SharedMetrics

T = TypeVar("T")
U = TypeVar("U")

Step = Callable[[Iterable[Any]], Iterable[Any]]


class LocalIterator(Generic[T]):
    """An iterator over what one or more shards yield. Its methods give new iterators, whose functions are applied in
    the process that reads them.

    It can be passed to tasks and actors until its first item is fetched. One process at a time should read it. It is a
    recipe until then: each iterator that is made of it starts from the beginning.

    Args:
        base_iterator: takes the timeout, and returns where the items come from.
        shared_metrics: where the metrics are; the same in iterators that are made of one another.
        local_transforms: the steps that the items go through.
        timeout: seconds after which a stand-in is given for an item that is not there yet; None to wait for it.
        name: what it is called in texts.

    Example:
        >>> numbers = LocalIterator(lambda timeout: range(5), SharedMetrics(), name="numbers")
        >>> numbers.filter(lambda x: x % 2 == 0).batch(2)
        LocalIterator[numbers.filter().batch(2)]
        >>> list(numbers.filter(lambda x: x % 2 == 0).batch(2))
        [[0, 2], [4]]
    """

    ON_FETCH_START_HOOK_NAME = FETCH_HOOK
    thread_local = in_use

    def __init__(
        self,
        base_iterator: Callable[[float | None], Iterable[T]],
        shared_metrics: SharedMetrics,
        local_transforms: Sequence[Step] | None = None,
        timeout: float | None = None,
        name: str | None = None,
    ) -> None:
        self.base_iterator = base_iterator
        self.built_iterator: Iterator[T] | None = None
        self.local_transforms = list(local_transforms or ())
        self.shared_metrics = shared_metrics
        self.timeout = timeout
        self.name = name or "unknown"

    @staticmethod
    def get_metrics() -> MetricsContext:
        """The metrics of the iterator that is running; for functions that an iterator calls.

        Raises:
            ValueError: none is running.
        """
        return current_metrics()

    def _build_once(self) -> Iterator[T]:
        if self.built_iterator is None:
            stream: Iterable[Any] = self.base_iterator(self.timeout)
            for step in self.local_transforms:
                stream = step(stream)
            self.built_iterator = iter(stream)
        return self.built_iterator

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        # An iterator may run in a function of another one.
        before, in_use.metrics = in_use.metrics, self.shared_metrics.get()
        try:
            return next(self._build_once())
        finally:
            in_use.metrics = before

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"LocalIterator[{self.name}]"

    def _with_step(self, step: Step, name: str) -> LocalIterator[Any]:
        return LocalIterator(
            self.base_iterator, self.shared_metrics, [*self.local_transforms, step], name=self.name + name
        )

    def transform(self, fn: Callable[[Iterable[T]], Iterable[U]]) -> LocalIterator[U]:
        """Replace the stream as a whole.

        Args:
            fn: takes the items and gives others. It is called once, and hands on what stands in for items that are not
                there yet.
        """
        return self._with_step(fn, ".transform()")

    def for_each(
        self, fn: Callable[[T], U], max_concurrency: int = 1, resources: Mapping[str, Any] | None = None
    ) -> LocalIterator[U]:
        """Apply a function to each item.

        Args:
            fn: the function. A method ``_on_fetch_start`` of it is called before each item is fetched.
            max_concurrency: 1 for one call after the other; else how many calls may run at once, each in a task, 0
                for any number. Their results come as they are ready.
            resources: options of these tasks.
        """
        step = ForEach(fn) if max_concurrency == 1 else ForEachAtOnce(fn, max_concurrency, resources)
        return self._with_step(step, ".for_each()")

    def filter(self, fn: Callable[[T], bool]) -> LocalIterator[T]:
        """Drop the items for which a function says no."""
        return self._with_step(Filter(fn), ".filter()")

    def batch(self, n: int) -> LocalIterator[list[T]]:
        """Make lists of so many items; the last may be shorter."""
        return self._with_step(Batch(n), f".batch({n})")

    def flatten(self) -> LocalIterator[Any]:
        """Give what is in the items, one by one."""
        return self._with_step(Flatten(), ".flatten()")

    def shuffle(self, shuffle_buffer_size: int, seed: int | None = None) -> LocalIterator[T]:
        """Give the items in another order.

        Args:
            shuffle_buffer_size: each item is drawn from so many of the next ones; perfect when it is not less than all.
            seed: equal ones give equal orders.
        """
        name = f".shuffle(shuffle_buffer_size={shuffle_buffer_size}, seed={seed})"
        return self._with_step(Shuffle(shuffle_buffer_size, seed), name)

    def combine(self, fn: Callable[[T], Iterable[U]]) -> LocalIterator[U]:
        """Apply a function that gives lists, and give what is in these."""
        combined = self.for_each(fn).flatten()
        combined.name = f"{self.name}.combine()"
        return combined

    def zip_with_source_actor(self) -> LocalIterator[tuple[Any, T]]:
        """Pair each item with the handle of the actor that it came from, where `gather_async` has read it: else
        fetching an item raises a ValueError."""
        return self._with_step(WithSourceActor(), ".zip_with_source_actor()")

    def take(self, n: int) -> list[T]:
        """The next items, so many at most."""
        return list(self._first(n))

    def show(self, n: int = 20) -> None:
        """Print the next items, so many at most."""
        for item in self._first(n):
            print(item)

    def _first(self, n: int) -> Iterator[T]:
        for _ in range(n):
            try:
                yield next(self)
            except StopIteration:
                return

    def duplicate(self, n: int) -> list[LocalIterator[T]]:
        """Iterators that each have all the items.

        One that is ahead of another gets stand-ins for items until that one has caught up, so they are to be read in
        turns, or joined by `union`.

        Args:
            n: how many.

        Raises:
            ValueError: fewer than two.
        """
        if n < 2:
            raise ValueError("Number of copies must be >= 2")
        copies = Copies(self, n)
        return [
            LocalIterator(Copy(copies, index), self.shared_metrics, name=f"{self.name}.duplicate[{index}]")
            for index in range(n)
        ]

    def union(
        self,
        *others: LocalIterator[T],
        deterministic: bool = False,
        round_robin_weights: Sequence[float | str] | None = None,
    ) -> LocalIterator[T]:
        """The items of this iterator and of others. They have their metrics in common from now on.

        Args:
            others: the others.
            deterministic: take one of each in turn, and wait for it; else what is ready.
            round_robin_weights: how many to take of each in turn, whether ``deterministic`` or not; ``"*"`` for all
                that is ready.

        Raises:
            ValueError: one of the others is no `LocalIterator`, or there are not as many weights as iterators.
        """
        for other in others:
            if not isinstance(other, LocalIterator):
                raise ValueError(f"other must be of type LocalIterator, got {type(other)}")
        parents = (self, *others)
        weights = tuple(round_robin_weights or [1] * len(parents))
        if len(weights) != len(parents):
            raise ValueError("Length of round robin weights must equal number of iterators total.")
        waits_for_all = deterministic or bool(round_robin_weights)
        parts = tuple(
            LocalIterator(
                parent.base_iterator,
                parent.shared_metrics,
                parent.local_transforms,
                timeout=None if waits_for_all and weight != WITHOUT_LIMIT else 0,
                name=parent.name,
            )
            for parent, weight in zip(parents, weights, strict=True)
        )
        shared = SharedMetrics(parents=[parent.shared_metrics for parent in parents])
        name = f"LocalUnion[{', '.join(map(str, parents))}]"
        return LocalIterator(cast("Callable[[float | None], Iterable[T]]", Union(parts, weights)), shared, name=name)
