"""One stream out of several local iterators, and several out of one. Must not live here: the iterators themselves
(`local`), which these are the bases of."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localray.util._iterators.not_ready import _NextValueNotReady, is_not_ready

if TYPE_CHECKING:
    from localray.util._iterators.local import LocalIterator

WITHOUT_LIMIT = "*"
"""The weight of an iterator of which all that is ready is taken."""
_MOST_IN_ONE_TURN = 100
"""So many are taken of it at most before the others have their turn: some are always ready."""
_PAUSE_S = 0.001
"""How long a union waits when nothing is ready anywhere: short beside a call of an actor over a busy machine, long
enough not to keep a CPU busy with asking."""


def _randomized_int_cast(float_value: float) -> int:
    """One of the two whole numbers around this one, so that their mean is it.

    Example:
        >>> _randomized_int_cast(2.0)
        2
    """
    whole = int(float_value)
    return whole + 1 if random.random() < float_value - whole else whole


@dataclass(frozen=True, slots=True)
class Union:
    """Items of several iterators, in turns."""

    parts: tuple[LocalIterator[Any], ...]
    weights: tuple[float | str, ...]
    """How many items are taken of each in a turn."""

    def __call__(self, timeout_s: float | None) -> Iterator[Any]:
        left = list(zip(self.parts, self.weights, strict=True))
        while left:
            found_any = False
            for turn in list(left):
                part, weight = turn
                for _ in range(_in_one_turn(weight)):
                    try:
                        item = next(part)
                    except StopIteration:
                        left.remove(turn)
                        break
                    if is_not_ready(item):
                        break
                    found_any = True
                    yield item
            if found_any or not left:
                continue
            if timeout_s is None:
                time.sleep(_PAUSE_S)
            else:  # This is a part of another union, which must not wait for it.
                yield _NextValueNotReady()


def _in_one_turn(weight: float | str) -> int:
    return _randomized_int_cast(weight) if isinstance(weight, (int, float)) else _MOST_IN_ONE_TURN


class Copies:
    """Several streams with all items of one. A stream that is ahead of another gets nothing until that has caught up,
    so that what is kept for those behind stays small."""

    def __init__(self, parent: LocalIterator[Any], count: int) -> None:
        self._parent = parent
        self._waiting: list[deque[Any]] = [deque() for _ in range(count)]

    def read(self, index: int, timeout_s: float | None) -> Iterator[Any]:
        """The items of one of the streams."""
        own = self._waiting[index]
        self._parent.timeout = timeout_s
        while True:
            if len(own) < max(map(len, self._waiting)):
                yield _NextValueNotReady()
                continue
            if not own:
                try:
                    item = next(self._parent)
                except StopIteration:
                    return
                for each in self._waiting:
                    each.append(item)
            yield own.popleft()


@dataclass(frozen=True, slots=True)
class Copy:
    """One of the copies of a stream."""

    copies: Copies
    index: int

    def __call__(self, timeout_s: float | None) -> Iterator[Any]:
        return self.copies.read(self.index, timeout_s)
