"""One direction of a client's channel: messages arrive in order, after a while, several together.

A message joins the one before it, if that is still on its way, more often than not: as in real life, where a reader
takes all that has arrived. Must not live here: what messages mean."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Generic, TypeVar

from localray.sim.clock import VirtualClock
from localray.sim.events import EventQueue

M = TypeVar("M")

_LATENCY_NS = 20_000
_LATENCY_SPREAD_NS = 80_000
_SLOW_SHARE = 0.03
_SLOW_FACTOR = 20
_JOINS_SHARE = 0.8


class Timing:
    """How long things take in the virtual world, drawn from the schedule's stream.

    Args:
        random: the stream.
    """

    __slots__ = ("_draw",)

    def __init__(self, random: Random) -> None:
        self._draw = random.random

    def latency_ns(self) -> int:
        """Of one message: tens of microseconds, now and then much longer."""
        latency_ns = _LATENCY_NS + int(_LATENCY_SPREAD_NS * self._draw())
        return latency_ns * _SLOW_FACTOR if self._draw() < _SLOW_SHARE else latency_ns

    def joins(self) -> bool:
        """Whether a message travels together with the one before it."""
        return self._draw() < _JOINS_SHARE

    def task_cost_ns(self) -> int:
        """Of starting a task, in the time of its worker."""
        return 10_000 + int(190_000 * self._draw() ** 3)

    def start_up_ns(self) -> int:
        """Of a worker's process."""
        return 1_000_000 + int(19_000_000 * self._draw())

    def death_ns(self) -> int:
        """From the end of a process to the kernel's knowing."""
        return 50_000 + int(950_000 * self._draw())

    def gathering_ns(self) -> int:
        """From the death of a reference to its being told."""
        return int(1_000_000 * self._draw())


class Link(Generic[M]):
    """One direction.

    Args:
        clock, events, timing: of the simulation.
        deliver: takes what arrives together.
    """

    __slots__ = ("_clock", "_deliver", "_events", "_last_ns", "_open", "_timing", "cut")

    def __init__(
        self, clock: VirtualClock, events: EventQueue, timing: Timing, deliver: Callable[[list[M]], None]
    ) -> None:
        self._clock = clock
        self._events = events
        self._timing = timing
        self._deliver = deliver
        self._open: list[M] | None = None
        self._last_ns = 0
        self.cut = False

    def send(self, message: M) -> None:
        """Let a message arrive after those sent before it."""
        if self.cut:
            return
        batch = self._open
        if batch is not None and self._timing.joins():
            batch.append(message)
            return
        at_ns = max(self._clock.now_ns + self._timing.latency_ns(), self._last_ns + 1)
        self._last_ns = at_ns
        self._open = batch = [message]
        self._events.add(at_ns, lambda: self._arrive(batch))

    def _arrive(self, batch: list[M]) -> None:
        if self._open is batch:
            self._open = None
        self._deliver(batch)

    def not_before(self, at_ns: int) -> None:
        """Nothing arrives before that time: the other end does not exist yet."""
        self._last_ns = max(self._last_ns, at_ns)

    @property
    def last_arrival_ns(self) -> int:
        """When the last message sent so far arrives, or has."""
        return self._last_ns
