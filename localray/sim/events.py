"""What is going to happen: a heap of timed events, and the random streams that decide between equals.

Events at the same moment happen in an order drawn from the schedule's stream: so seeds differ in the order of
simultaneous things. There is one stream for each purpose, so that drawing more of one (a program that calls `random`
more often, a new fault) does not shift the others. Must not live here: what events do."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import TypeAlias

Action: TypeAlias = Callable[[], None]


class Streams:
    """Independent streams of random numbers, all from one seed.

    ``schedule`` decides latencies, costs and ties; ``faults`` is for faults; ``user`` is what the program's own
    `random` is seeded from."""

    __slots__ = ("faults", "schedule", "user")

    def __init__(self, seed: int) -> None:
        # Seeding with a string hashes it with SHA-512, which no hash seed touches.
        self.schedule = Random(f"schedule {seed}")
        self.faults = Random(f"faults {seed}")
        self.user = Random(f"user {seed}")


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
        random: draws the order of simultaneous events.
    """

    __slots__ = ("_count", "_draw", "_heap")

    def __init__(self, random: Random) -> None:
        self._draw = random.random
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
