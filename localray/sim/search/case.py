"""What a search runs: a target, the settings of its simulations, and one seed of them with its outcome.

All of it is data, for other processes, files and command lines. Must not live here: which seeds are run (`seeds`), how
a program runs (`localray.sim.program`).
"""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

from localray.faults import parse
from localray.faults.injector import Firing
from localray.faults.text import to_mapping
from localray.sim.host import Checks
from localray.sim.nodes import SimulatedNode, parse_nodes
from localray.sim.places import is_users
from localray.sim.program import Report, observe, run_script
from localray.sim.scaling import parse_autoscaler
from localray.sim.schedule import Schedule, Search
from localray.sim.session import SessionOptions


@dataclass(frozen=True, slots=True)
class Target:
    """A program: the path of a script and its arguments, or a function that is called with the module `localray` in a
    session, as ``module:name``."""

    program: str
    arguments: tuple[str, ...] = ()

    @property
    def is_script(self) -> bool:
        """Whether it is the path of a script."""
        return ":" not in self.program or self.program.endswith(".py")

    def play(self, seed: int, options: SessionOptions) -> Report:
        """Run it once.

        Raises:
            RuntimeError: there is a session already.
            ValueError: there is no such program.
        """
        if self.is_script:
            return run_script(self.program, self.arguments, seed, options)
        module, _, name = self.program.partition(":")
        try:
            function = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"There is no program {self.program!r}: {error}.") from error

        def play() -> None:
            ray = import_module("localray")
            ray.init()
            function(ray)

        return observe(play, seed, options)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a target is run; the same for all seeds.

    ``nodes``, ``faults`` and ``autoscaler`` are what users write for `localray.sim.nodes.parse_nodes`,
    `localray.faults.parse` and `localray.sim.scaling.parse_autoscaler`; without ``nodes`` the program says what its
    one node has."""

    nodes: str = ""
    faults: str = "calm"
    search: Search = field(default_factory=Search)
    heal_after_s: float = 60.0
    finish_within_s: float = 36_000.0
    step_limit: int = 1_000_000
    check_invariants: bool = True
    check_left_behind: bool = False
    strict: bool = False
    autoscaler: str = ""

    def __post_init__(self) -> None:
        # Whoever gets a setting wrong is told before anything runs.
        parse(self.faults)
        parse_autoscaler(self.autoscaler)
        self.search.schedule(0)
        if self.nodes:
            parse_nodes(self.nodes)

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Settings:
        """What `asdict` has taken apart."""
        return cls(**{**given, "search": Search(**given["search"])})

    def words(self) -> list[str]:
        """The settings as options of the command `localray sim run`; only what differs from the defaults."""
        words = []
        if self.nodes:
            words += ["--nodes", self.nodes]
        if self.autoscaler:
            words += ["--autoscaler", self.autoscaler]
        if self.faults != "calm":
            words += ["--faults", self.faults]
        if self.search != Search():
            words += ["--schedule", f"{self.search.kind}:{self.search.depth}:{self.search.points}"]
        if self.heal_after_s != 60.0:
            words += ["--heal-after", f"{self.heal_after_s:g}"]
        if not self.check_invariants:
            words.append("--no-invariants")
        if self.check_left_behind:
            words.append("--check-left-behind")
        if self.strict:
            words.append("--strict")
        return words


@dataclass(frozen=True, slots=True)
class Variation:
    """How one run of a seed differs from the ordinary one: other nodes, another schedule, only some of its faults."""

    nodes: tuple[SimulatedNode, ...] = ()
    schedule: Schedule | None = None
    only: frozenset[Firing] | None = None
    keep_trace: bool = False


_ORDINARY = Variation()


@dataclass(frozen=True, slots=True)
class Case:
    """One seed of a target."""

    target: Target
    settings: Settings
    seed: int

    def run(self, variation: Variation = _ORDINARY) -> Report:
        """Run it once; see `Target.play` for what is raised."""
        return self.target.play(self.seed, self.options(variation))

    def options(self, variation: Variation) -> SessionOptions:
        """The options of its simulation."""
        settings = self.settings
        return SessionOptions(
            nodes=variation.nodes or settings.nodes,
            autoscaler=settings.autoscaler,
            faults=settings.faults,
            only=variation.only,
            schedule=variation.schedule or settings.search.schedule(self.seed),
            checks=Checks.THINNED if settings.check_invariants else Checks.NEVER,
            keep_trace=variation.keep_trace,
            step_limit=settings.step_limit,
            heal_after_s=settings.heal_after_s,
            finish_within_s=settings.finish_within_s,
            check_left_behind=settings.check_left_behind,
            strict=settings.strict,
        )

    def replay_line(self, *more: str) -> str:
        """The command that runs exactly this again, with more options."""
        target = self.target
        words = ["localray", "sim", "run", *self.settings.words(), "--seed", str(self.seed), *more, target.program]
        dashes = ["--"] if any(word.startswith("-") for word in target.arguments) else []
        return shlex.join([*words, *dashes, *target.arguments])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one seed: ``signature`` tells kinds of failures apart, and is empty for none; ``fault_times_s`` has
    for each kind of fault when it happened; for the rest see `localray.sim.program.Report`."""

    seed: int
    signature: str
    error: str
    digest: str
    steps: int
    virtual_time_s: float
    fault_counts: Mapping[str, int]
    fault_chances: Mapping[str, int] = field(default_factory=dict)
    task_names: tuple[str, ...] = ()
    fenced: tuple[str, ...] = ()
    fault_times_s: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, report: Report) -> Outcome:
        """The outcome of a run."""
        return cls(
            report.seed,
            signature(report.error),
            in_words(report.error),
            report.digest,
            report.steps,
            report.virtual_time_s,
            report.fault_counts,
            report.fault_chances,
            report.task_names,
            report.fenced,
            _times_of_faults(report),
        )

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Outcome:
        """What JSON has held; it has no tuples."""
        tuples = {name: tuple(given.get(name, ())) for name in ("task_names", "fenced")}
        return cls(**{**given, **tuples})

    def to_mapping(self) -> dict[str, object]:
        """As what JSON can hold."""
        return asdict(self)


def _times_of_faults(report: Report) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for happened in report.happened:
        times.setdefault(happened.fault.value, []).append(happened.at_ns / 1e9)
    return times


def signature(error: BaseException | None) -> str:
    """What kind of failure this is: the types of an exception and of what it was raised from or for."""
    names: list[str] = []
    while error is not None and len(names) < 5:
        names.append(type(error).__name__)
        cause = getattr(error, "cause", None)
        error = cause if isinstance(cause, BaseException) else error.__cause__
    return " < ".join(names)


def in_words(error: BaseException | None) -> str:
    """An exception as outcomes tell it; empty for none."""
    return "" if error is None else f"{type(error).__name__}: {error}"


def raised_at(error: BaseException | None) -> str:
    """The innermost line of the program that an exception came by; empty for none."""
    found = ""
    for frame, number in traceback.walk_tb(None if error is None else error.__traceback__):
        if is_users(frame.f_code.co_filename):
            found = f"{frame.f_code.co_filename}:{number}"
    return found


def rules_as_data(settings: Settings, seed: int) -> list[dict[str, object]]:
    """The rules of faults that a seed has."""
    return [to_mapping(rule) for rule in parse(settings.faults, seed)]
