"""What can be done with the items of one stream: each step takes an iterable and gives an iterator.

Steps are plain data with a call, so that they travel to other processes by their names and fields. Each hands on the
marks that an item is not ready. Must not live here: where the items come from.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localray.api import get, remote, wait
from localray.object_ref import ObjectRef
from localray.util._iterators.in_use import current_metrics
from localray.util._iterators.not_ready import is_not_ready

FETCH_HOOK = "_on_fetch_start"
"""A method of that name of what is given to `for_each` is called each time before an item is fetched."""


@dataclass(frozen=True, slots=True)
class ForEach:
    """Apply a function to each item."""

    function: Callable[[Any], Any]

    def __call__(self, source: Iterable[Any]) -> Iterator[Any]:
        hook = getattr(self.function, FETCH_HOOK, None)
        for item in source if hook is None else _announced(source, hook):
            if is_not_ready(item):
                yield item
                continue
            result = self.function(item)
            while is_not_ready(result):  # The function is not done with the item: it is asked again.
                yield result
                result = self.function(item)
            yield result


def _announced(source: Iterable[Any], hook: Callable[[], object]) -> Iterator[Any]:
    """The same items; the hook is called once before each is fetched, however often it is not ready."""
    hook()
    for item in source:
        yield item
        if not is_not_ready(item):
            hook()


@dataclass(frozen=True, slots=True)
class ForEachAtOnce:
    """Apply a function to several items at once, each in a task; results come as they are ready."""

    function: Callable[[Any], Any]
    most_at_once: int
    """How many tasks may be in flight; 0 for any number."""
    options: Mapping[str, Any] | None
    """Of the tasks, as for `ray.remote`."""

    def __call__(self, source: Iterable[Any]) -> Iterator[Any]:
        decorate: Any = remote(**self.options) if self.options else remote
        call = decorate(self.function)
        running: list[ObjectRef[Any]] = []
        for item in source:
            if is_not_ready(item):
                done, running = wait(running, timeout=0) if running else ([], running)
                yield get(done[0]) if done else item
                continue
            running.append(call.remote(item))
            if self.most_at_once != 0 and len(running) >= self.most_at_once:
                done, running = wait(running)
                yield get(done[0])
        while running:
            done, running = wait(running)
            yield get(done[0])


@dataclass(frozen=True, slots=True)
class Filter:
    """Drop the items for which a function says no."""

    function: Callable[[Any], Any]

    def __call__(self, source: Iterable[Any]) -> Iterator[Any]:
        for item in source:
            if is_not_ready(item) or self.function(item):
                yield item


@dataclass(frozen=True, slots=True)
class Batch:
    """Make lists of so many items; the last may be shorter."""

    size: int

    def __call__(self, source: Iterable[Any]) -> Iterator[Any]:
        batch: list[Any] = []
        for item in source:
            if is_not_ready(item):
                yield item
                continue
            batch.append(item)
            if len(batch) >= self.size:
                yield batch
                batch = []
        if batch:
            yield batch


@dataclass(frozen=True, slots=True)
class Flatten:
    """Give what is in the items, one by one."""

    def __call__(self, source: Iterable[Any]) -> Iterator[Any]:
        for item in source:
            if is_not_ready(item):
                yield item
            else:
                yield from item


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Give items in another order: each is drawn from so many of the next ones. Equal seeds give what Ray gives."""

    buffer_size: int
    seed: int | None

    def __call__(self, source: Iterable[Any]) -> Iterator[Any]:
        dice = random.Random(self.seed)
        buffer: list[Any] = []
        for item in source:
            if is_not_ready(item):
                yield item
                continue
            buffer.append(item)
            if len(buffer) >= self.buffer_size:
                yield buffer.pop(dice.randint(0, len(buffer) - 1))
        while buffer:
            yield buffer.pop(dice.randint(0, len(buffer) - 1))


@dataclass(frozen=True, slots=True)
class WithSourceActor:
    """Pair each item with the actor that it came from."""

    def __call__(self, source: Iterable[Any]) -> Iterator[Any]:
        for item in source:
            if is_not_ready(item):
                yield item
                continue
            actor = current_metrics().current_actor
            if actor is None:
                raise ValueError("Could not identify source actor of item")
            yield actor, item
