"""Many seeds of a target: one after the other in this process, or in several processes at once.

A child process reads its seeds from a pipe and answers with a line of JSON each; it is this module, run as a program.
Must not live here: what one seed is (`case`), what becomes of one that fails (`shrink`).
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from itertools import zip_longest
from typing import TypeAlias

from localray.faults import parse
from localray.faults.presets import PRESETS
from localray.faults.text import placed
from localray.sim.quiet import Quiet
from localray.sim.schedule import PLAIN, Recording, Search
from localray.sim.search.case import Case, Outcome, Settings, Target, Variation

HASH_SEEDS = ("1", "4242")
"""With these the two runs of a check differ, so that the order of sets cannot decide anything."""

_WITH_TRACE = "trace"


Around: TypeAlias = "AbstractContextManager[object]"

_NOTHING_AROUND: Around = nullcontext()


class ChildFailedError(Exception):
    """A process that ran seeds has ended of itself. The text has what it said."""


def calibrated(target: Target, settings: Settings, *, has_points: bool = False) -> Settings:
    """Settings that know about how much there is in a run, by a plain one without faults: a schedule that counts, and
    does not know yet, how many choice points; rules of faults that do not say when, how many chances they have, so that
    the seed chooses among them."""
    counts_points = settings.search.kind in ("pct", "delays") and not has_points
    rules = () if settings.faults in PRESETS else parse(settings.faults)
    if not counts_points and not any(rule.has_no_moment for rule in rules):
        return settings
    recording = Recording(PLAIN)
    report = Case(target, settings, 0).run(Variation(schedule=recording, only=frozenset()))
    if counts_points:
        search = Search(settings.search.kind, settings.search.depth, recording.points)
        settings = replace(settings, search=search)
    return replace(settings, faults=placed(settings.faults, report.fault_chances))


def run_here(
    target: Target, settings: Settings, seeds: Iterable[int], around: Around = _NOTHING_AROUND
) -> Iterator[Outcome]:
    """Run seeds in this process, each of them inside of a context."""
    for seed in seeds:
        with around:
            outcome = Outcome.of(Case(target, settings, seed).run())
        yield outcome


def run_in_processes(
    target: Target, settings: Settings, seeds: Iterable[int], jobs: int, hash_seed: str = "", *, quiet: bool = False
) -> Iterator[Outcome]:
    """Run seeds in so many fresh processes; outcomes come as they are known. Whoever stops listening ends them. What
    programs print goes with the errors of this process, or nowhere if it is to be quiet.

    Raises:
        ChildFailedError: a process ended of itself.
    """
    with _Children(target, settings, jobs, hash_seed, quiet=quiet) as children:
        yield from children.run(iter(seeds))


def check(
    target: Target, settings: Settings, seeds: Iterable[int], jobs: int, *, quiet: bool = False
) -> Iterator[tuple[Outcome, Outcome]]:
    """Run each seed twice, in fresh processes with different hash seeds; the two outcomes should be the same."""
    seeds = list(seeds)
    known: dict[int, Outcome] = {}
    each = max(1, jobs // 2)
    first, second = (_Children(target, settings, each, hash_seed, quiet=quiet) for hash_seed in HASH_SEEDS)
    with first as one, second as two:
        # In another order, so that what an earlier run left behind in the process cannot decide anything either.
        for outcome in _both(one.run(iter(seeds)), two.run(reversed(seeds))):
            other = known.pop(outcome.seed, None)
            if other is None:
                known[outcome.seed] = outcome
            else:
                yield other, outcome


def first_difference(target: Target, settings: Settings, seed: int) -> str:
    """Where the two runs of a seed part that `check` compares, in words."""
    one, two = (_trace(target, settings, seed, hash_seed) for hash_seed in HASH_SEEDS)
    for number, (left, right) in enumerate(zip_longest(one, two, fillvalue="(the end)")):
        if left != right:
            before = "".join(f"    {line}\n" for line in one[max(0, number - 3) : number])
            return f"event {number}, after\n{before}  1 {left}\n  2 {right}"
    return "not when run alone: something that an earlier run left behind in the process decides"


def _trace(target: Target, settings: Settings, seed: int, hash_seed: str) -> list[str]:
    with _Children(target, settings, 1, hash_seed, quiet=True) as children:
        return children.trace(seed)


def _both(one: Iterator[Outcome], two: Iterator[Outcome]) -> Iterator[Outcome]:
    """Two iterators in turn, to the end of both."""
    left = [one, two]
    while left:
        for iterator in list(left):
            outcome = next(iterator, None)
            if outcome is None:
                left.remove(iterator)
            else:
                yield outcome


class _Children:
    """Processes that run seeds."""

    def __init__(self, target: Target, settings: Settings, jobs: int, hash_seed: str, *, quiet: bool) -> None:
        environment = {**os.environ, **({"PYTHONHASHSEED": hash_seed} if hash_seed else {})}
        self._answers: queue.Queue[tuple[int, str]] = queue.Queue()
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for _ in range(jobs)
        ]
        for number, process in enumerate(self._processes):
            self._tell(number, json.dumps([asdict(target), asdict(settings), sys.path, quiet]))
            threading.Thread(target=self._listen, args=(number, process), daemon=True).start()

    def __enter__(self) -> _Children:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def _tell(self, number: int, line: str) -> None:
        stream = self._processes[number].stdin
        if stream is not None:
            stream.write(line + "\n")
            stream.flush()

    def _listen(self, number: int, process: subprocess.Popen[str]) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                self._answers.put((number, line))
        self._answers.put((number, ""))

    def run(self, seeds: Iterator[int]) -> Iterator[Outcome]:
        """Give each process a seed whenever it has none."""
        asked = 0
        for number in range(len(self._processes)):
            asked += self._ask(number, seeds)
        while asked:
            number, line = self._answers.get()
            if not line:
                code = self._processes[number].wait()
                raise ChildFailedError(f"A process that ran seeds ended with exit code {code}; it has said above why.")
            yield Outcome.from_mapping(json.loads(line))
            asked += self._ask(number, seeds) - 1

    def trace(self, seed: int) -> list[str]:
        """The trace of a seed, a line each."""
        self._tell(0, f"{seed} {_WITH_TRACE}")
        _, line = self._answers.get()
        return list(json.loads(line)) if line else []

    def _ask(self, number: int, seeds: Iterator[int]) -> int:
        seed = next(seeds, None)
        if seed is None:
            return 0
        self._tell(number, str(seed))
        return 1


def serve() -> None:
    """Be a child: what is asked stands on the standard input, the answers go to the standard output, and what the
    program prints goes with the errors."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    target, settings, path, quiet = json.loads(sys.stdin.readline())
    sys.path[:] = path
    target = Target(target["program"], tuple(target["arguments"]))
    settings = Settings.from_mapping(settings)
    around: Around = Quiet() if quiet else _NOTHING_AROUND
    for line in sys.stdin:
        seed, *wishes = line.split()
        with around:
            report = Case(target, settings, int(seed)).run(Variation(keep_trace=_WITH_TRACE in wishes))
        answers.write(json.dumps(report.trace if wishes else Outcome.of(report).to_mapping()) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
