"""Schedules: where everything that a simulation leaves open is decided, one draw between 0 and 1 at a time.

Every choice point (which of several runs next, the order of simultaneous events, how long a message takes, which node
of equals) draws from a stream of its own, named by its kind and by whose it is. A draw of 0 is the *plain* choice: the
first of several, the least time. So a schedule is the plain one and some deviations from it, and a failing one can be
recorded, thinned out and played back: what is drawn elsewhere does not shift a stream.

Random schedules deviate everywhere. Two others look for bugs of some depth with few deviations: `Priorities` (after
the probabilistic concurrency testing of Burckhardt and others) lets some parties be slow throughout, and changes which
at a few moments; `Delays` is plain but for a few long delays. Must not live here: what is drawn for.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final, Protocol, TypeAlias

Draw: TypeAlias = Callable[[], float]
"""Gives a number from 0 up to, not including, 1."""


class Choice(enum.Enum):
    """What is decided by a draw."""

    TURN = "turn"
    TIE = "tie"
    LATENCY = "latency"
    SLOW = "slow"
    APART = "apart"
    COST = "cost"
    START_UP = "start_up"
    DEATH = "death"
    GATHERING = "gathering"
    POLICY = "policy"


Key: TypeAlias = "tuple[str, str, int]"
"""A choice point: its kind, whose it is, and how many of these came before."""


class Schedule(Protocol):
    """Gives streams."""

    def stream(self, choice: Choice, party: str) -> Draw:
        """The stream of a kind of choice for one party."""
        ...


class RandomSchedule:
    """Deviates everywhere, as the seed will have it."""

    def __init__(self, seed: int) -> None:
        # Seeding with a string hashes it with SHA-512, which no hash seed touches.
        self._draw = Random(f"schedule {seed}").random

    def stream(self, choice: Choice, party: str) -> Draw:
        """One and the same generator: the fastest there is."""
        return self._draw


class Replay:
    """The plain schedule with these deviations.

    Args:
        deviations: what is drawn at some choice points; 0 at all others.
    """

    def __init__(self, deviations: Mapping[Key, float]) -> None:
        self._deviations = deviations
        self._counters: dict[tuple[str, str], Iterator[int]] = {}

    def stream(self, choice: Choice, party: str) -> Draw:
        """Draws what was recorded."""
        kind, deviations = choice.value, self._deviations
        # A stream that is asked for again, by a second session of a program, goes on.
        counter = self._counters.setdefault((kind, party), count())
        return (lambda: deviations.get((kind, party, next(counter)), 0.0)) if deviations else _plain


def _plain() -> float:
    return 0.0


PLAIN: Final = Replay({})
"""No deviation at all: everything is as fast as it can be, in the order in which it came up."""


class Recording:
    """Another schedule, whose deviations are written down.

    Args:
        schedule: whose draws they are.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.deviations: dict[Key, float] = {}
        self.points = 0
        self._counters: dict[tuple[str, str], Iterator[int]] = {}

    def stream(self, choice: Choice, party: str) -> Draw:
        """Draws, and remembers what was drawn."""
        kind, inner = choice.value, self._schedule.stream(choice, party)
        counter = self._counters.setdefault((kind, party), count())

        def draw() -> float:
            self.points += 1
            drawn, number = inner(), next(counter)
            if drawn:
                self.deviations[kind, party, number] = drawn
            return drawn

        return draw


class Delays:
    """The plain schedule but for ``depth`` delays, at choice points drawn from the first ``points``.

    Args:
        seed: draws them.
        depth: how many there are.
        points: about how many choice points a run has.
    """

    def __init__(self, seed: int, depth: int, points: int) -> None:
        random = Random(f"delays {seed}")
        self._at = {random.randrange(max(1, points)): 1.0 - random.random() / 2 for _ in range(depth)}
        self._count = -1

    def stream(self, choice: Choice, party: str) -> Draw:
        """All streams count together: a delay hits whatever is decided at its moment."""

        def draw() -> float:
            self._count += 1
            # In the open interval: what is drawn must stay below 1.
            return min(self._at.get(self._count, 0.0), _SLOWEST)

        return draw


_SLOWEST = 1 - 2**-20


class Priorities:
    """Each party has a priority, which says how fast all of its is; at ``depth - 1`` moments the party whose turn it is
    gets the lowest of all.

    Args:
        seed: draws priorities and moments.
        depth: of the bugs looked for: how many orderings it takes to hit them.
        points: about how many choice points a run has.
    """

    def __init__(self, seed: int, depth: int, points: int) -> None:
        self._random = Random(f"priorities {seed}")
        self._changes = {self._random.randrange(max(1, points)) for _ in range(depth - 1)}
        self._levels: dict[str, float] = {}
        self._count = -1

    def stream(self, choice: Choice, party: str) -> Draw:
        """Draws the party's own level, whatever for."""
        levels = self._levels
        if party not in levels:
            levels[party] = self._random.random()

        def draw() -> float:
            self._count += 1
            if self._count in self._changes:
                levels[party] = _SLOWEST
            return levels[party]

        return draw


@dataclass(frozen=True, slots=True)
class Search:
    """How a schedule is made of a seed: ``kind`` is one of `KINDS`; ``depth`` and ``points`` are for the others than
    "random"."""

    kind: str = "random"
    depth: int = 3
    points: int = 1000

    def schedule(self, seed: int) -> Schedule:
        """The schedule of a seed.

        Raises:
            ValueError: there is no such kind.
        """
        if self.kind == "random":
            return RandomSchedule(seed)
        if self.kind == "plain":
            return PLAIN
        if self.kind == "pct":
            return Priorities(seed, self.depth, self.points)
        if self.kind == "delays":
            return Delays(seed, self.depth, self.points)
        raise ValueError(f"Unknown kind of schedule {self.kind!r}: use one of {', '.join(KINDS)}.")


KINDS: Final = ("random", "pct", "delays", "plain")


class ScheduleDice:
    """Dice for the kernel's policies, on a stream.

    Args:
        draw: the stream.
    """

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def randrange(self, stop: int, /) -> int:
        """A number from 0 up to, not including, ``stop``."""
        return int(self._draw() * stop)
