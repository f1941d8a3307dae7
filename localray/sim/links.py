"""One direction of a client's channel: messages arrive in order, after a while, several together.

A message joins the one before it, if that is still on its way, more often than not: as in real life, where a reader
takes all that has arrived. Must not live here: what messages mean, what makes a network slow (`localray.sim.network`).
"""

from __future__ import annotations

from _random import Random as Twister
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Generic, TypeVar

from localray.sim.clock import VirtualClock
from localray.sim.events import EventQueue
from localray.sim.network import Network
from localray.sim.schedule import Choice, Schedule

M = TypeVar("M")

_LATENCY_NS = 20_000
_LATENCY_SPREAD_NS = 80_000
_SLOW_SHARE = 0.03
_SLOW_FACTOR = 20
_APART_SHARE = 0.2
_NOT_SLOW, _TOGETHER = 1 - _SLOW_SHARE, 1 - _APART_SHARE


class Timing:
    """How long things take in the virtual world besides messages.

    Args:
        schedule: of the simulation.
        party: whose things they are.
        workload_seed: of what modelled tasks draw.
    """

    __slots__ = ("_cost", "_death", "_dice", "_gathering", "_start_up", "_workload_seed")

    def __init__(self, schedule: Schedule, party: str, workload_seed: int = 0) -> None:
        self._workload_seed = workload_seed
        self._dice = Random(0)
        self._cost = schedule.stream(Choice.COST, party)
        self._start_up = schedule.stream(Choice.START_UP, party)
        self._death = schedule.stream(Choice.DEATH, party)
        self._gathering = schedule.stream(Choice.GATHERING, party)

    def dice_of(self, task_id: bytes) -> Random:
        """A modelled task's own dice: whatever else happens, it draws the same. They are lent until the next call:
        making new ones would cost more than anything else about a task."""
        # The generator's own seeding; `Random.seed` does the same after looking at what kind of seed it is.
        Twister.seed(self._dice, (self._workload_seed << 192) ^ int.from_bytes(task_id, "little"))
        self._dice.gauss_next = None  # type: ignore[attr-defined]
        return self._dice

    def task_cost_ns(self) -> int:
        """Of starting a task, in the time of its worker."""
        return 10_000 + int(190_000 * self._cost() ** 3)

    def start_up_ns(self) -> int:
        """Of a worker's process."""
        return 1_000_000 + int(19_000_000 * self._start_up())

    def death_ns(self) -> int:
        """From the end of a process to the kernel's knowing."""
        return 50_000 + int(950_000 * self._death())

    def gathering_ns(self) -> int:
        """From the death of a reference to its being told."""
        return int(1_000_000 * self._gathering())


class Link(Generic[M]):
    """One direction.

    Args:
        clock, events, schedule: of the simulation.
        party: names it among all links.
        network: of the node at its far end, where that is anything special.
        deliver: takes what arrives together.
        held_ns: says of a message before which time it may not arrive, 0 for any.
    """

    __slots__ = (
        "_apart",
        "_clock",
        "_deliver",
        "_events",
        "_held_ns",
        "_in_flight",
        "_last_ns",
        "_latency",
        "_network",
        "_open",
        "_slow",
        "cut",
    )

    def __init__(
        self,
        clock: VirtualClock,
        events: EventQueue,
        schedule: Schedule,
        party: str,
        network: Network | None,
        deliver: Callable[[list[M]], None],
        held_ns: Callable[[M], int] | None = None,
    ) -> None:
        self._held_ns = held_ns
        self._clock = clock
        self._events = events
        self._latency = schedule.stream(Choice.LATENCY, party)
        self._slow = schedule.stream(Choice.SLOW, party)
        self._apart = schedule.stream(Choice.APART, party)
        self._network = network
        self._deliver = deliver
        self._in_flight: deque[list[M]] = deque()
        self._open: list[M] | None = None
        self._last_ns = 0
        self.cut = False

    def send(self, message: M) -> None:
        """Let a message arrive after those sent before it."""
        if self.cut:
            return
        if self._held_ns is not None:
            held_ns = self._held_ns(message)
            if held_ns:
                self.not_before(held_ns)
        batch = self._open
        if batch is not None and self._apart() <= _TOGETHER:
            batch.append(message)
            return
        takes_ns = _LATENCY_NS + int(_LATENCY_SPREAD_NS * self._latency())
        if self._slow() > _NOT_SLOW:
            takes_ns *= _SLOW_FACTOR
        network = self._network
        at_ns = self._clock.now_ns + takes_ns if network is None else network.arrival_ns(takes_ns)
        if at_ns <= self._last_ns:
            at_ns = self._last_ns + 1
        self._last_ns = at_ns
        self._open = batch = [message]
        self._in_flight.append(batch)
        self._events.add(at_ns, self._arrive)

    def _arrive(self) -> None:
        """What was sent first arrives, whichever arrival this was meant to be: so a partition delays and never
        reorders."""
        network = self._network
        if network is not None and network.held_until_ns > self._clock.now_ns:
            self._last_ns = max(self._last_ns, network.arrival_ns(0)) + 1
            self._events.add(self._last_ns, self._arrive)
            return
        batch = self._in_flight.popleft()
        if self._open is batch:
            self._open = None
        self._deliver(batch)

    def not_before(self, at_ns: int) -> None:
        """Nothing sent from now on arrives before that time: the other end does not exist yet, or waits for
        something."""
        self._last_ns = max(self._last_ns, at_ns)
        self._open = None

    def in_flight(self) -> list[M]:
        """What was sent and has not arrived, in order."""
        return [message for batch in self._in_flight for message in batch]

    def replace(self, message: M, instead: M) -> bool:
        """Have another message arrive in the place of one that has not; returns whether that was so."""
        for batch in self._in_flight:
            for position, other in enumerate(batch):
                if other is message:
                    batch[position] = instead
                    return True
        return False

    @property
    def is_empty(self) -> bool:
        """Whether all that was sent has arrived."""
        return not self._in_flight

    @property
    def last_arrival_ns(self) -> int:
        """When the last message sent so far arrives, or has."""
        return self._last_ns
