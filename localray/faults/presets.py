"""Presets: sets of rules that have names.

A program that asks for retries where it needs them must come through all of these. Must not live here: what rules mean.
"""

from __future__ import annotations

from random import Random
from typing import Final

from localray.faults.rules import Fault, Phase, Rule

_ANY_NUMBER = 0

CALM: Final[tuple[Rule, ...]] = ()
"""Nothing goes wrong; only the schedule varies."""

CHAOS: Final = (
    Rule(Fault.KILL_WORKER, phase=Phase.BEFORE, probability=0.01, times=2, only_retriable=True),
    Rule(Fault.KILL_WORKER, phase=Phase.DURING, probability=0.02, times=2, only_retriable=True),
    Rule(Fault.KILL_WORKER, phase=Phase.AFTER, probability=0.02, times=2, only_retriable=True),
    Rule(Fault.KILL_WORKER, phase=Phase.REPLIED, probability=0.01, times=2, only_retriable=True),
    Rule(Fault.DELAY_MESSAGES, probability=0.02, times=_ANY_NUMBER, by_s=0.05),
    Rule(Fault.SLOW_NODE, probability=0.001, times=1, lasts_s=2.0),
    Rule(Fault.PARTITION, probability=0.001, times=1, lasts_s=0.5),
    Rule(Fault.CRASH_NODE, probability=0.0005, times=1, returns_s=1.0, only_retriable=True),
    Rule(Fault.ZOMBIE_NODE, probability=0.0005, times=1, lasts_s=1.0, returns_s=1.5, only_retriable=True),
    Rule(Fault.OUT_OF_MEMORY, probability=0.0005, times=1, only_retriable=True),
)
"""A bit of everything that retries make good."""

PRESETS: Final = ("calm", "chaos", "swarm")


def named(name: str, seed: int = 0) -> tuple[Rule, ...]:
    """The rules of a preset. Those of `swarm` are a subset of `CHAOS` that the seed chooses, and more likely: some bugs
    need that one thing happens often and another never.

    Raises:
        ValueError: there is none of this name.
    """
    if name == "calm":
        return CALM
    if name == "chaos":
        return CHAOS
    if name == "swarm":
        random = Random(f"swarm {seed}")
        return tuple(_often(rule) for rule in CHAOS if random.random() < 0.5)
    raise ValueError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")


def _often(rule: Rule) -> Rule:
    values = {name: getattr(rule, name) for name in Rule.__slots__}
    return Rule(**values | {"probability": min(1.0, 5 * rule.probability), "times": 3 * rule.times})
