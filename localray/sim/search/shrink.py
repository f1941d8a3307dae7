"""A failing seed made as small as it gets: as few faults, as few deviations from the plain schedule, and as small a
cluster as still fail in the same way: with the very same error, as far as that gets small, and else with one of the
same kind from the same line.

Each part is thinned out by halves, quarters and so on (the `ddmin` of Zeller and Hildebrandt), so that in the end
leaving out any single one lets the run pass, as far as the budget of runs allows. Must not live here: what a deviation
is (`localray.sim.schedule`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from localray.faults.injector import Firing
from localray.sim.nodes import SimulatedNode, parse_nodes
from localray.sim.program import Report
from localray.sim.schedule import Key, Recording, Replay
from localray.sim.search.case import Case, Variation, in_words, raised_at, signature
from localray.sim.search.story import About, count_of

T = TypeVar("T")

_SMALL = 3
"""So many faults and deviations can be looked through."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A failing run as small as it got. ``nodes`` is empty where the program says itself what there is; ``seeds_error``
    is that of the seed's own run, where this is another one."""

    case: Case
    nodes: tuple[SimulatedNode, ...]
    firings: tuple[Firing, ...]
    deviations: tuple[tuple[Key, float], ...]
    runs: int = 0
    seeds_error: str = ""

    @property
    def about(self) -> About:
        """For telling of it."""
        title = f"seed {self.case.seed} of {self.case.target.program}"
        return About(title, len(self.nodes), self.deviations, self.seeds_error)

    def variation(self, *, keep_trace: bool = False) -> Variation:
        """How to run it."""
        return Variation(self.nodes, Replay(dict(self.deviations)), frozenset(self.firings), keep_trace)

    def run(self, *, keep_trace: bool = False) -> Report:
        """Run it."""
        return self.case.run(self.variation(keep_trace=keep_trace))


class NotReproducedError(Exception):
    """A run does not come out as it did."""


def recorded(case: Case) -> tuple[Shrunk, Report]:
    """A run of a case, with all its deviations and faults written down."""
    recording = Recording(case.settings.search.schedule(case.seed))
    report = case.run(Variation(schedule=recording))
    firings = tuple(happened.firing for happened in report.happened)
    nodes = parse_nodes(case.settings.nodes) if case.settings.nodes else ()
    return Shrunk(case, nodes, firings, tuple(recording.deviations.items())), report


def shrink(case: Case, most_runs: int = 400, told: Callable[[str], None] | None = None) -> Shrunk:
    """Make a failing case small.

    Args:
        case: it fails.
        most_runs: how often it is run at most.
        told: gets a line about each success.

    Raises:
        NotReproducedError: it does not fail.
    """
    whole, report = recorded(case)
    if report.error is None:
        raise NotReproducedError(f"Seed {case.seed} does not fail: there is nothing to shrink.")
    small = _Shrinking(whole, _Failure.of(report.error), most_runs, told or _tell_nobody).result()
    return small if small == whole else replace(small, seeds_error=in_words(report.error))


def _tell_nobody(text: str) -> None:
    """Where nobody wants to know."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a run fails with: its kind, the program's line, and the text, which may say what is not the same twice."""

    kind: str
    line: str
    text: str

    @classmethod
    def of(cls, error: BaseException | None) -> _Failure:
        return cls(signature(error), raised_at(error), in_words(error))


class _Shrinking:
    def __init__(self, whole: Shrunk, failure: _Failure, most_runs: int, told: Callable[[str], None]) -> None:
        self._best = whole
        self._failure = failure
        self._exactly = True
        self._left = most_runs // 2
        self._most_runs = most_runs
        self._told = told

    def result(self) -> Shrunk:
        """Shrink what fails with the same words; if it stays large, what fails of the same kind in the same line."""
        self._shrink()
        if len(self._best.firings) + len(self._best.deviations) > _SMALL:
            self._exactly = False
            self._left += self._most_runs - self._most_runs // 2
            self._shrink()
        else:
            self._left += self._most_runs - self._most_runs // 2
        return replace(self._best, runs=self._most_runs - self._left)

    def _shrink(self) -> None:
        """Shrink each part until a round brings nothing."""
        while self._left > 0:
            before = self._best
            self._shrink_firings()
            self._shrink_deviations()
            self._shrink_nodes()
            if self._best == before:
                break

    def _try(self, candidate: Shrunk) -> bool:
        """Whether a smaller one still fails the same way; then it is the best."""
        if self._left <= 0:
            return False
        if not self._fails(candidate):
            return False
        self._best = candidate
        self._told(
            f"{count_of(len(candidate.firings), 'fault')}, "
            f"{count_of(len(candidate.deviations), 'deviation')} of the schedule, "
            f"{count_of(len(candidate.nodes) or 1, 'node')}"
        )
        return True

    def _fails(self, candidate: Shrunk) -> bool:
        self._left -= 1
        failure = _Failure.of(candidate.run().error)
        return failure == (self._failure if self._exactly else replace(self._failure, text=failure.text))

    def _try_nodes(self, nodes: tuple[SimulatedNode, ...]) -> None:
        """On a cluster that is too small for the program it fails in any case: that would be another failure."""
        candidate = replace(self._best, nodes=nodes)
        is_plain = not candidate.firings and not candidate.deviations
        if is_plain or not self._fails(replace(candidate, firings=(), deviations=())):
            self._try(candidate)

    def _shrink_firings(self) -> None:
        thin_out(self._best.firings, lambda kept: self._try(replace(self._best, firings=kept)))

    def _shrink_deviations(self) -> None:
        # Whole kinds first: most often none but one or two matter.
        for kind in dict.fromkeys(key[0] for key, _ in self._best.deviations):
            kept = tuple(deviation for deviation in self._best.deviations if deviation[0][0] != kind)
            self._try(replace(self._best, deviations=kept))
        thin_out(self._best.deviations, lambda kept: self._try(replace(self._best, deviations=kept)))

    def _shrink_nodes(self) -> None:
        for number in range(len(self._best.nodes) - 1, 0, -1):
            nodes = self._best.nodes
            self._try_nodes(nodes[:number] + nodes[number + 1 :])
        for number, node in enumerate(self._best.nodes):
            if node.num_cpus > 1:
                fewer = replace(node, num_cpus=1)
                nodes = self._best.nodes
                self._try_nodes((*nodes[:number], fewer, *nodes[number + 1 :]))


def thin_out(items: Sequence[T], still_fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """The least of these that still fail, by leaving out ever smaller parts.

    Example:
        >>> thin_out(range(100), lambda kept: {17, 58} <= set(kept))
        (17, 58)
    """
    kept = tuple(items)
    if kept and still_fails(()):
        return ()
    parts = 2
    while len(kept) >= 2:
        size = -(-len(kept) // parts)
        for start in range(0, len(kept), size):
            fewer = kept[:start] + kept[start + size :]
            if fewer and still_fails(fewer):
                kept, parts = fewer, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(kept), 2 * parts)
    return kept
