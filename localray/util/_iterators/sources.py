"""What parallel iterators are made of: items, ranges, iterables and actors. Must not live here: what is done with them
(`parallel`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from localray.actor import ActorHandle
from localray.api import remote
from localray.util._iterators.parallel import ParallelIterator, _ActorSet
from localray.util._iterators.worker import ParallelIteratorWorker

T = TypeVar("T")


def from_items(items: Sequence[T], num_shards: int = 2, repeat: bool = False) -> ParallelIterator[T]:
    """A parallel iterator over items, which are dealt out to the shards one by one.

    Args:
        items: the items.
        num_shards: how many actors to make.
        repeat: begin again at the end, for ever.

    Returns:
        the iterator; it has no items in order unless there is one shard.

    Raises:
        ZeroDivisionError: there are to be no shards.

    Example:
        >>> ray.util.iter.from_items(["a", "b", "c"], num_shards=2).take(3)     # doctest: +SKIP
        ['a', 'b', 'c']
    """
    shards: list[list[T]] = [[] for _ in range(num_shards)]
    for index, item in enumerate(items):
        shards[index % num_shards].append(item)
    kind = type(items[0]).__name__ if items else "None"
    return from_iterators(shards, repeat, f"from_items[{kind}, {len(items)}, {_counted(num_shards, repeat)}]")


def from_range(n: int, num_shards: int = 2, repeat: bool = False) -> ParallelIterator[int]:
    """A parallel iterator over the numbers from 0 below another; each shard has a part of the range, the last what is
    left.

    Args:
        n: the end.
        num_shards: how many actors to make.
        repeat: begin again at the end, for ever.

    Returns:
        the iterator.

    Raises:
        ZeroDivisionError: there are to be no shards.

    Example:
        >>> ray.util.iter.from_range(6, num_shards=2).take(6)                   # doctest: +SKIP
        [0, 3, 1, 4, 2, 5]
    """
    size = n // num_shards
    starts = [index * size for index in range(num_shards)]
    shards = [range(start, end) for start, end in zip(starts, [*starts[1:], n], strict=True)]
    return from_iterators(shards, repeat, f"from_range[{n}, {_counted(num_shards, repeat)}]")


def from_iterators(
    generators: Sequence[Iterable[T] | Callable[[], Iterable[T]]], repeat: bool = False, name: str | None = None
) -> ParallelIterator[T]:
    """A parallel iterator with a shard for each of some iterables.

    Args:
        generators: the iterables, or functions without arguments that make them: a generator cannot be sent to an
            actor, what makes it can.
        repeat: begin again at the end, for ever.
        name: what the iterator is called in texts.

    Returns:
        the iterator.

    Raises:
        TypeError: one of them cannot be sent to an actor.

    Example:
        >>> ray.util.iter.from_iterators([range(2), lambda: (2 * x for x in range(2))]).take(4)     # doctest: +SKIP
        [0, 0, 1, 2]
    """
    name = name or f"from_iterators[{_counted(len(generators), repeat)}]"
    worker: Any = remote(ParallelIteratorWorker)
    return from_actors([worker.remote(each, repeat) for each in generators], name)


def from_actors(actors: Sequence[ActorHandle[Any]], name: str | None = None) -> ParallelIterator[Any]:
    """A parallel iterator whose shards are these actors.

    Args:
        actors: of classes that are made from `ParallelIteratorWorker`.
        name: what the iterator is called in texts.

    Returns:
        the iterator.

    Example:
        >>> @ray.remote                                                         # doctest: +SKIP
        ... class Counter(ParallelIteratorWorker):
        ...     pass
        >>> ray.util.iter.from_actors([Counter.remote(range(3), False)]).take(3)    # doctest: +SKIP
        [0, 1, 2]
    """
    return ParallelIterator([_ActorSet(actors, [])], name or f"from_actors[shards={len(actors)}]", parent_iterators=[])


def _counted(num_shards: int, repeat: bool) -> str:
    return f"shards={num_shards}{', repeat=True' if repeat else ''}"
