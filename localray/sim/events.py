"""What is going to happen: a heap of timed events.

Events at the same moment happen in an order that the schedule draws: so seeds differ in the order of simultaneous
things. Must not live here: what events do."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeAlias

from localray.sim.schedule import Draw

Action: TypeAlias = Callable[[], object]


class Event:
    """Something that will happen unless it is cancelled first."""

    __slots__ = ("action",)

    def __init__(self, action: Action) -> None:
        self.action: Action | None = action

    def cancel(self) -> None:
        """It will not happen; nor will the clock move because of it."""
        self.action = None


class EventQueue:
    """The events to come.

    Args:
        draw: decides the order of simultaneous events.
    """

    __slots__ = ("_count", "_draw", "_heap")

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._heap: list[tuple[int, float, int, Event]] = []
        self._count = 0

    def add(self, at_ns: int, action: Action) -> Event:
        """Let something happen at that time."""
        event = Event(action)
        self._count += 1
        heappush(self._heap, (at_ns, self._draw(), self._count, event))
        return event

    def next_at_ns(self) -> int | None:
        """When the next event happens; None when there is none."""
        heap = self._heap
        while heap:
            if heap[0][3].action is not None:
                return heap[0][0]
            heappop(heap)
        return None

    def pop(self) -> Action:
        """Take the next event out; `next_at_ns` has just said that there is one."""
        action = heappop(self._heap)[3].action
        if action is None:
            raise LookupError("the next event was cancelled")
        return action

    def clear(self) -> None:
        """Forget all: the simulation is over."""
        self._heap.clear()
