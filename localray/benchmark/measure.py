"""Timing a loop, and taking turns between two systems.

The arithmetic of the measurement lives here: how long to run, in which order, what a ratio is. It knows neither what
is run nor in which process; both are passed in, so that it can be tested with a clock that is a counter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

from .messages import ChildFailedError

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")

CLOCK_READINGS = 20
"""About how often the clock is read in one measurement, for loops so short that reading it would show."""


def rate_of(run: Callable[[], object], operations: int, seconds: float, clock: Callable[[], float]) -> float:
    """Call `run` until `seconds` have passed, at least once, and return the operations per second.

    The call that crosses the line is counted with all of its time.
    """
    calls = 0
    calls_between_readings = 1
    begun_s = clock()
    while True:
        for _ in range(calls_between_readings):
            run()
        calls += calls_between_readings
        elapsed_s = clock() - begun_s
        if elapsed_s >= seconds and elapsed_s > 0:
            return calls * operations / elapsed_s
        if elapsed_s > 0:
            calls_between_readings = max(1, int(calls / elapsed_s * seconds / CLOCK_READINGS))
        else:
            calls_between_readings *= 2


def measure_rate(run: Callable[[], object], operations: int, seconds: float) -> float:
    """`rate_of` with the real clock."""
    return rate_of(run, operations, seconds, time.perf_counter)


@dataclass(frozen=True, slots=True)
class Turns(Generic[Name, Value]):
    """What came of taking turns: the counted values of each contestant, and the errors of those that dropped out."""

    values: Mapping[Name, list[Value]]
    errors: Mapping[Name, str]


def take_turns(measurements: Mapping[Name, Callable[[], Value]], turns: int, uncounted: int = 0) -> Turns[Name, Value]:
    """Measure A B A B …, so that what slows the machine for a while slows both.

    Args:
        measurements: takes one value, for each contestant; whoever raises ChildFailedError drops out.
        uncounted: how many turns to take before those that count.
    """
    values: dict[Name, list[Value]] = {name: [] for name in measurements}
    errors: dict[Name, str] = {}
    for turn in range(-uncounted, turns):
        for name, measure in measurements.items():
            if name in errors:
                continue
            try:
                value = measure()
            except ChildFailedError as error:
                errors[name] = str(error)
            else:
                if turn >= 0:
                    values[name].append(value)
    return Turns(values, errors)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times better the first of two systems is: the median over pairs of neighbouring turns, and the range."""

    median: float
    lowest: float
    highest: float


def ratio_of(ours: Sequence[float], theirs: Sequence[float], higher_is_better: bool) -> Ratio | None:
    """Compare turn by turn.

    Returns:
        the ratio, above 1 where `ours` is better; None where there is nothing to compare or to divide by.
    """
    if not ours or len(ours) != len(theirs) or min(*ours, *theirs) <= 0:
        return None
    pairs = zip(ours, theirs, strict=True)
    ratios = [mine / other if higher_is_better else other / mine for mine, other in pairs]
    return Ratio(median(ratios), min(ratios), max(ratios))
