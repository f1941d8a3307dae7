"""What is going to happen: a heap of timed events.

Events at the same moment happen in an order that the schedule draws: so seeds differ in the order of simultaneous
things. Must not live here: what events do."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeAlias

from localray.sim.schedule import Draw

Action: TypeAlias = Callable[[], object]


class Timer:
    """An action that can be cancelled until it happens."""

    __slots__ = ("action", "is_cancelled")

    def __init__(self, action: Action) -> None:
        self.action = action
        self.is_cancelled = False

    def __call__(self) -> object:
        return self.action()

    def cancel(self) -> None:
        """It will not happen; nor will the clock move because of it."""
        self.is_cancelled = True


class EventQueue:
    """The events to come.

    Args:
        draw: decides the order of simultaneous events.
    """

    __slots__ = ("_count", "_draw", "_heap")

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._heap: list[tuple[int, float, int, Action]] = []
        self._count = 0

    def add(self, at_ns: int, action: Action) -> None:
        """Let something happen at that time."""
        self._count = count = self._count + 1
        heappush(self._heap, (at_ns, self._draw(), count, action))

    def add_timer(self, at_ns: int, action: Action) -> Timer:
        """Let something happen at that time, unless it is cancelled before."""
        timer = Timer(action)
        self.add(at_ns, timer)
        return timer

    def next_at_ns(self) -> int | None:
        """When the next event happens; None when there is none."""
        heap = self._heap
        while heap:
            event = heap[0]
            if type(event[3]) is not Timer or not event[3].is_cancelled:
                return event[0]
            heappop(heap)
        return None

    def pop(self) -> Action:
        """Take the next event out; `next_at_ns` has just said that there is one."""
        return heappop(self._heap)[3]

    def clear(self) -> None:
        """Forget all: the simulation is over."""
        self._heap.clear()
