"""One run of the benchmark: which rows, of which systems, in which order, and the values that come of it.

The order is the point. The rows of start and rest are measured first, with nothing else alive. For the others a runner
of each system is alive, and on each row they take turns, A B A B …: the machine's slow minutes then fall on both. The
price is that the resting one uses some processor time (its own row says how much), which is paid by the faster one.
"""

from __future__ import annotations

import enum
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from .link import Link
from .measure import Ratio, Turns, ratio_of, take_turns
from .memory import IdleCost, measure_idle
from .messages import ChildFailedError
from .processes import Launcher, launcher
from .startup import StartupTimes, measure_startup
from .systems import CAPABILITIES, SystemName
from .workloads import (
    IDLE_CPU,
    IDLE_MEMORY,
    IDLE_PROCESSES,
    IDLE_ROWS,
    ROWS,
    SHUTDOWN,
    STARTUP,
    STARTUP_FIRST_TASK,
    STARTUP_IMPORT,
    STARTUP_INIT,
    STARTUP_ROWS,
    WORKLOADS,
    Row,
    Workload,
)

MAXIMUM_STARTUP_TURNS = 3
MAXIMUM_WARM_UP_S = 1.0

Progress = Callable[[str], None]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A system and the interpreter to run it in."""

    name: SystemName
    python: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    Attributes:
        contestants: localray alone, or localray and a peer.
        patterns: shell patterns of row keys; a row is measured when one of them matches.
        seconds: how long each row is measured in each turn.
        turns: how often.
    """

    contestants: tuple[Contestant, ...]
    patterns: tuple[str, ...]
    seconds: float
    turns: int
    processors: int

    def includes(self, row: Row) -> bool:
        """Whether a row is to be measured."""
        return any(fnmatch.fnmatchcase(row.key, pattern) for pattern in self.patterns)


class State(enum.Enum):
    """What became of a row on one system."""

    MEASURED = "measured"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The values of one row on one system, one for each turn, in operations a second, seconds, bytes or a fraction."""

    state: State
    values: tuple[float, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """A row and what came of it on each system."""

    row: Row
    outcomes: Mapping[SystemName, Outcome]

    def ratio(self) -> Ratio | None:
        """Compare localray with the peer; above 1 localray is better; None without values of both."""
        if len(self.outcomes) != 2:
            return None
        ours, theirs = self.outcomes.values()
        return ratio_of(ours.values, theirs.values, self.row.unit.higher_is_better)


@dataclass(slots=True)
class Results:
    """Everything a report needs."""

    plan: Plan
    versions: dict[SystemName, str] = field(default_factory=dict)
    stop_errors: dict[SystemName, str] = field(default_factory=dict)
    rows: list[MeasuredRow] = field(default_factory=list)

    def failures(self) -> list[tuple[Row, SystemName, str]]:
        """Return the rows that failed, on which system, and why."""
        return [
            (measured.row, name, outcome.error)
            for measured in self.rows
            for name, outcome in measured.outcomes.items()
            if outcome.state is State.FAILED
        ]


def chosen_rows(plan: Plan) -> list[Row]:
    """Return the rows that a plan includes, in the order in which they are measured and shown."""
    return [row for row in ROWS if plan.includes(row)]


def run_plan(plan: Plan, progress: Progress) -> Results:
    """Measure everything in a plan.

    Args:
        progress: told what is being measured, a short line at a time.
    """
    results = Results(plan)
    with launcher() as launches:
        if any(plan.includes(row) for row in STARTUP_ROWS):
            progress("start and stop")
            results.rows += _startup_rows(plan, launches)
        if any(plan.includes(row) for row in IDLE_ROWS):
            progress("at rest")
            results.rows += _idle_rows(plan, launches)
        workloads = [workload for workload in WORKLOADS if plan.includes(workload.row)]
        links = [Link(launches, one.python, one.name, plan.processors) for one in plan.contestants]
        with ExitStack() as cleanup:
            for link in links:
                cleanup.callback(link.destroy)
            for workload in workloads:
                progress(f"{workload.row.group.value}: {workload.row.title.strip().format(n=plan.processors)}")
                results.rows.append(_measure_workload(plan, workload, links))
            _stop(results, links)
    return results


def _stop(results: Results, links: Sequence[Link]) -> None:
    for link in links:
        results.versions[link.name] = link.version
        try:
            link.stop()
        except ChildFailedError as error:
            results.stop_errors[link.name] = str(error)


def _startup_rows(plan: Plan, launches: Launcher) -> list[MeasuredRow]:
    def start(contestant: Contestant) -> StartupTimes:
        return measure_startup(launches, contestant.python, contestant.name, plan.processors)

    # The first start reads files that the later ones find in memory; it is not counted.
    starts = take_turns(_of_each(plan, start), min(plan.turns, MAXIMUM_STARTUP_TURNS), uncounted=1)
    return _rows_of(
        plan,
        starts,
        {
            STARTUP: lambda times: times.total_s,
            STARTUP_IMPORT: lambda times: times.import_s,
            STARTUP_INIT: lambda times: times.init_s,
            STARTUP_FIRST_TASK: lambda times: times.first_task_s,
            SHUTDOWN: lambda times: times.shutdown_s,
        },
    )


def _idle_rows(plan: Plan, launches: Launcher) -> list[MeasuredRow]:
    def rest(contestant: Contestant) -> IdleCost:
        return measure_idle(launches, contestant.python, contestant.name, plan.processors)

    return _rows_of(
        plan,
        take_turns(_of_each(plan, rest), turns=1),
        {
            IDLE_MEMORY: lambda cost: cost.pss_bytes,
            IDLE_PROCESSES: lambda cost: cost.processes,
            IDLE_CPU: lambda cost: cost.cpu_fraction,
        },
    )


def _of_each(plan: Plan, measure: Callable[[Contestant], Value]) -> dict[SystemName, Callable[[], Value]]:
    return {contestant.name: partial(measure, contestant) for contestant in plan.contestants}


def _rows_of(
    plan: Plan, turns: Turns[SystemName, Value], fields: Mapping[Row, Callable[[Value], float]]
) -> list[MeasuredRow]:
    return [
        MeasuredRow(row, {name: _outcome(turns, name, part) for name in turns.values})
        for row, part in fields.items()
        if plan.includes(row)
    ]


def _outcome(turns: Turns[SystemName, Value], name: SystemName, part: Callable[[Value], float]) -> Outcome:
    if name in turns.errors:
        return Outcome(State.FAILED, error=turns.errors[name])
    return Outcome(State.MEASURED, tuple(part(value) for value in turns.values[name]))


def _measure_workload(plan: Plan, workload: Workload, links: Sequence[Link]) -> MeasuredRow:
    able = {link.name: link for link in links if workload.needs in CAPABILITIES[link.name]}
    errors: dict[SystemName, str] = {}
    warm_up_s = min(plan.seconds, MAXIMUM_WARM_UP_S)
    for name, link in able.items():
        _note_failure(errors, name, partial(link.prepare, workload, warm_up_s))
    ready = {name: partial(link.measure, workload, plan.seconds) for name, link in able.items() if name not in errors}
    turns = take_turns(ready, 1 if workload.once else plan.turns)
    errors.update(turns.errors)
    for name, link in able.items():
        _note_failure(errors, name, link.clear)
    outcomes = {link.name: Outcome(State.UNSUPPORTED) for link in links}
    outcomes.update((name, Outcome(State.MEASURED, tuple(values))) for name, values in turns.values.items())
    outcomes.update((name, Outcome(State.FAILED, error=error)) for name, error in errors.items())
    return MeasuredRow(workload.row, outcomes)


def _note_failure(errors: dict[SystemName, str], name: SystemName, action: Callable[[], None]) -> None:
    try:
        action()
    except ChildFailedError as error:
        errors.setdefault(name, str(error))
