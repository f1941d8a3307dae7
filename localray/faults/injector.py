"""Which rules of faults have their moment: triggers, guards, dice and counters.

Each chance that a rule gets is counted, so that what has happened can be named (the third chance of the second rule),
left out in a second run, and happen all the same in another without its dice. Must not live here: what then happens
(`localray.sim.havoc`, `localray.runtime.havoc`).
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple, Protocol

from localray.faults.rules import Fault, Rule

NANOSECONDS = 1_000_000_000


class Clock(Protocol):
    """Tells the time since the beginning."""

    @property
    def now_ns(self) -> int: ...


class Firing(NamedTuple):
    """One fault that happened: the number of its rule, and which of the rule's chances it was."""

    rule: int
    chance: int


class Happened(NamedTuple):
    """A fault that happened, when, in words to whom, and of which kind."""

    firing: Firing
    at_ns: int
    text: str
    fault: Fault


class ArmedRule:
    """A rule, and what it has done so far."""

    __slots__ = ("begins_at", "chances", "done", "draw", "number", "rule")

    def __init__(self, rule: Rule, number: int, seed: int) -> None:
        self.rule = rule
        self.number = number
        self.chances = 0
        self.done = 0
        # One stream for each rule: what one draws does not shift another.
        self.draw = Random(f"rule {number} {seed}").random
        self.begins_at = 1 + Random(f"among {number} {seed}").randrange(rule.among) if rule.among else 0

    def is_reached(self) -> bool:
        """Whether a rule that begins somewhere among its chances does its work at this one. If there is nothing to hit
        it waits for the next; a task that is met is hit for certain, if only later, so these are counted."""
        if self.rule.fault is Fault.KILL_WORKER and self.rule.times:
            return self.begins_at <= self.chances < self.begins_at + self.rule.times
        return self.chances >= self.begins_at


class Injector:
    """The rules of one simulation, or of one session that is hurt.

    Args:
        rules: in this order they get their chances.
        seed: of their dice.
        clock: the virtual one, or a real one.
        only: just these happen, whatever the dice say; None for the dice.

    Attributes:
        happened: the faults so far.
        healed: nothing happens any more.
        names: of the tasks that rules which mean some have been asked about.
    """

    def __init__(
        self, rules: Iterable[Rule], seed: int, clock: Clock, only: frozenset[Firing] | None = None
    ) -> None:
        self.armed = tuple(ArmedRule(rule, number, seed) for number, rule in enumerate(rules))
        self.happened: list[Happened] = []
        self.healed = False
        self.names: set[str] = set()
        self._seed = seed
        self._clock = clock
        self._only = only

    def of(self, *faults: Fault) -> tuple[ArmedRule, ...]:
        """The rules for these faults."""
        return tuple(armed for armed in self.armed if armed.rule.fault in faults)

    def is_due(self, armed: ArmedRule) -> bool:
        """Whether a rule could do anything now, without counting a chance."""
        rule = armed.rule
        if self.healed or (rule.times and armed.done >= rule.times):
            return False
        return rule.after_s * NANOSECONDS <= self._clock.now_ns <= rule.until_s * NANOSECONDS

    def take(self, armed: ArmedRule) -> bool:
        """A rule that is due has a chance: whether its fault is to happen."""
        armed.chances += 1
        if self._only is not None:
            return Firing(armed.number, armed.chances) in self._only
        rule = armed.rule
        if rule.nth:
            return armed.chances == rule.nth
        if rule.among:
            return armed.is_reached()
        return rule.probability >= 1 or armed.draw() < rule.probability

    def dice(self, armed: ArmedRule) -> Random:
        """Dice for the particulars of what happens at this chance, whatever happened before."""
        return Random(f"firing {armed.number} {armed.chances} {self._seed}")

    def note(self, armed: ArmedRule, text: str) -> None:
        """It has happened."""
        armed.done += 1
        firing = Firing(armed.number, armed.chances)
        self.happened.append(Happened(firing, self._clock.now_ns, text, armed.rule.fault))

    def chances(self) -> dict[str, int]:
        """How many chances each rule had, taken or not."""
        return {f"{armed.number} {armed.rule}": armed.chances for armed in self.armed}

    def counts(self) -> dict[str, int]:
        """How often each rule has done its work."""
        return {f"{armed.number} {armed.rule}": armed.done for armed in self.armed}
