"""`ParallelIteratorWorker`: what an actor does that is a shard of a parallel iterator. Must not live here: who asks it
(`gathering`), and what becomes of its items (`steps`)."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from localray.util._iterators.local import LocalIterator
from localray.util.iter_metrics import SharedMetrics

Transform = Callable[[LocalIterator[Any]], LocalIterator[Any]]
"""A step of a parallel iterator, which each shard does with its own items."""


class ParallelIteratorWorker:
    """The base of actors that `from_actors` makes a parallel iterator of.

    Args:
        item_generator: an iterable, or a function without arguments that returns one: not every iterable can be sent to
            an actor.
        repeat: begin again when it has ended, for ever. Then it must be one that can be iterated over several times.

    Example:
        >>> @ray.remote                                                         # doctest: +SKIP
        ... class Numbers(ParallelIteratorWorker):
        ...     def __init__(self, count):
        ...         super().__init__(range(count), repeat=False)
        >>> from_actors([Numbers.remote(3), Numbers.remote(2)]).take(5)         # doctest: +SKIP
        [0, 0, 1, 1, 2]
    """

    def __init__(self, item_generator: Any, repeat: bool) -> None:
        self.item_generator: Iterable[Any] = _repeated(item_generator) if repeat else _made(item_generator)
        self.transforms: list[Transform] = []
        self.local_it: Iterator[Any] | None = None
        self.next_ith_buffer: defaultdict[int, deque[Any]] = defaultdict(deque)
        self._next_index = 0

    def par_iter_init(self, transforms: Sequence[Transform]) -> None:
        """Begin: the items go through these steps from now on."""
        source = iter(self.item_generator)
        stream: LocalIterator[Any] = LocalIterator(lambda timeout: source, SharedMetrics())
        self.transforms = list(transforms)
        for transform in self.transforms:
            stream = transform(stream)
        self.local_it = iter(stream)
        self.next_ith_buffer.clear()
        self._next_index = 0

    def par_iter_next(self) -> Any:
        """The next item.

        Raises:
            StopIteration: there is none.
            AssertionError: `par_iter_init` has not been called.
        """
        if self.local_it is None:
            raise AssertionError("must call par_iter_init()")
        return next(self.local_it)

    def par_iter_next_batch(self, batch_ms: float) -> list[Any]:
        """The items of so many milliseconds; at least one.

        Raises:
            StopIteration: there is none.
        """
        return _for_a_while(self.par_iter_next, batch_ms)

    def par_iter_slice(self, step: int, start: int) -> Any:
        """The next one of the items whose places leave a remainder when divided. Those of other remainders are kept.

        Args:
            step: the divisor.
            start: the remainder.

        Raises:
            StopIteration: there is none.
        """
        own = self.next_ith_buffer[start]
        while not own:
            item = self.par_iter_next()
            self.next_ith_buffer[self._next_index % step].append(item)
            self._next_index += 1
        return own.popleft()

    def par_iter_slice_batch(self, step: int, start: int, batch_ms: float) -> list[Any]:
        """As `par_iter_slice`, the items of so many milliseconds; at least one."""
        return _for_a_while(lambda: self.par_iter_slice(step, start), batch_ms)


def _made(item_generator: Any) -> Any:
    return item_generator() if callable(item_generator) else item_generator


def _repeated(item_generator: Any) -> Iterator[Any]:
    """The items again and again.

    Raises:
        ValueError: they can be had only once.
    """
    while True:
        iterable = _made(item_generator)
        if iterable is item_generator and iter(iterable) is iterable:
            raise ValueError(
                f"Cannot iterate over {iterable!r} multiple times. "
                "Pass what it iterates over, or a function that makes it."
            )
        yield from iterable


def _for_a_while(fetch: Callable[[], Any], duration_ms: float) -> list[Any]:
    """What can be fetched in that time: once at least, and nothing more when it is 0.

    Raises:
        StopIteration: there was nothing.
    """
    give_up_at_s = time.monotonic() + duration_ms / 1000
    items = [fetch()]
    while duration_ms and time.monotonic() < give_up_at_s:
        try:
            items.append(fetch())
        except StopIteration:
            break
    return items
