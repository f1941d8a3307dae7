"""Every conformance program that can be simulated, under many seeds, each twice in fresh processes: same seed, same
run.

    python -m tests.sim.seeds --seeds 1000 --jobs 2

The two runs differ in PYTHONHASHSEED and in the order in which the programs ran, so that neither sets nor what an
earlier simulation left behind can decide anything. A program that fails under a seed, or whose digests differ, is named
with what reproduces it; for the latter the first event that differs is shown. Must not live here: the programs
(`tests/conformance/programs`), the simulation."""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat, zip_longest

from localray import sim
from localray.sim.nodes import STORE_BYTES
from localray.sim.program import Report
from tests.conformance.registry import Engine, Program, load_programs

_HASH_SEEDS = ("1", "4242")
_CHUNK_PAIRS = 250
_TIME_LIMIT_S = 100_000.0
_STEP_LIMIT = 500_000


@dataclass(frozen=True, slots=True)
class Pair:
    """One program under one seed."""

    program: str
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a pair in one process."""

    pair: Pair
    digest: str
    steps: int
    error: str


def simulated_programs() -> dict[str, Program]:
    """The programs that can be simulated, by name."""
    return {
        program.name: program
        for program in load_programs()
        if Engine.SIMULATION in program.engines and program.starts_session
    }


def run_pair(program: Program, seed: int, *, keep_trace: bool = False, faults: str = "") -> Report:
    """Run one pair in this process."""
    options = program.options
    return sim.run(
        program.function,
        seed=seed,
        num_cpus=options.num_cpus,
        num_gpus=options.num_gpus or 0,
        resources=dict(options.resources),
        object_store_memory=options.object_store_bytes or STORE_BYTES,
        faults=faults,
        keep_trace=keep_trace,
        time_limit_s=_TIME_LIMIT_S,
        step_limit=_STEP_LIMIT,
    )


# ---------------------------------------------------------------- in a child


def run_as_child(keep_trace: bool, faults: str) -> None:
    """Run the pairs that stand on the standard input; write what came of each, a line of JSON each."""
    programs = simulated_programs()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name, seed in json.load(sys.stdin):
        report = run_pair(programs[name], seed, keep_trace=keep_trace, faults=faults)
        error = "" if report.error is None else f"{type(report.error).__name__}: {report.error}"
        answers.write(json.dumps([name, seed, report.digest, report.steps, error, report.trace]) + "\n")
        answers.flush()
        gc.collect()


def in_fresh_process(
    pairs: Sequence[Pair], hash_seed: str, faults: str, *, keep_trace: bool = False
) -> tuple[list[Outcome], list[list[str]]]:
    """Run pairs in a new process; the second result is their traces, if they were to be kept."""
    trace = ["--trace"] if keep_trace else []
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.sim.seeds", "--child", f"--faults={faults}", *trace],
        input=json.dumps([(pair.program, pair.seed) for pair in pairs]),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=False,
    )
    outcomes: list[Outcome] = []
    traces: list[list[str]] = []
    for line in done.stdout.splitlines():
        name, seed, digest, steps, error, trace = json.loads(line)
        outcomes.append(Outcome(Pair(name, seed), digest, steps, error))
        traces.append(trace)
    if done.returncode != 0 or len(outcomes) != len(pairs):
        # The pair at fault is the one after the last that answered.
        outcomes += [
            Outcome(pair, "", 0, f"the process ended with {done.returncode}: {done.stderr[-2000:]}")
            for pair in pairs[len(outcomes) :]
        ]
        traces += [[] for _ in pairs[len(traces) :]]
    return outcomes, traces


# ---------------------------------------------------------------- the check


def check_chunk(pairs: Sequence[Pair], faults: str = "") -> tuple[int, list[str]]:
    """Run pairs twice; returns the number of kernel steps of one run and what is wrong, in words."""
    first, _ = in_fresh_process(pairs, _HASH_SEEDS[0], faults)
    second, _ = in_fresh_process(tuple(reversed(pairs)), _HASH_SEEDS[1], faults)
    by_pair = {outcome.pair: outcome for outcome in second}
    problems = []
    for outcome in first:
        other = by_pair[outcome.pair]
        where = f"{outcome.pair.program} under seed {outcome.pair.seed}"
        if outcome.digest != other.digest:
            problems.append(f"{where}: two runs differ\n{first_difference(outcome.pair, faults)}")
        if outcome.error or other.error:
            problems.append(f"{where}: {outcome.error or other.error}")
    return sum(outcome.steps for outcome in first), problems


def first_difference(pair: Pair, faults: str = "") -> str:
    """Run a pair twice more with traces, and show where they part."""
    (_, (one,)), (_, (two,)) = (
        in_fresh_process([pair], hash_seed, faults, keep_trace=True) for hash_seed in _HASH_SEEDS
    )
    for number, (left, right) in enumerate(zip_longest(one, two, fillvalue="(the end)")):
        if left != right:
            before = "".join(f"        {line}\n" for line in one[max(0, number - 3) : number])
            return f"    event {number}:\n{before}      1 {left}\n      2 {right}"
    return "    not when run alone: something that an earlier simulation in the process left behind decides"


def choose_pairs(count: int, wanted: Sequence[str]) -> list[Pair]:
    """So many pairs; every program gets seed 0 before any gets seed 1."""
    names = [name for name in simulated_programs() if not wanted or any(part in name for part in wanted)]
    if not names:
        raise SystemExit(f"no program is called anything like {' or '.join(wanted)}")
    return [Pair(names[number % len(names)], number // len(names)) for number in range(count)]


def main() -> int:
    """Check as many pairs as the command line says."""
    parser = argparse.ArgumentParser(description="Conformance programs in the simulator, under many seeds, each twice.")
    parser.add_argument("--seeds", type=int, default=1000, help="how many pairs of program and seed (default: 1000)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time (default: 1)")
    parser.add_argument(
        "--program", action="append", default=[], help="only programs with this in their name; repeatable"
    )
    parser.add_argument(
        "--faults", default="", help="what goes wrong, e.g. delay_messages:probability=0.05,times=0 (default: nothing)"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--trace", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_as_child(options.trace, options.faults)
        return 0
    pairs = choose_pairs(options.seeds, options.program)
    chunks = [pairs[start : start + _CHUNK_PAIRS] for start in range(0, len(pairs), _CHUNK_PAIRS)]
    started_s = time.perf_counter()
    steps = 0
    problems: list[str] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for chunk_steps, chunk_problems in pool.map(check_chunk, chunks, repeat(options.faults)):
            steps += chunk_steps
            problems += chunk_problems
            for problem in chunk_problems:
                print(problem, flush=True)
    took_s = time.perf_counter() - started_s
    print(
        f"{len(pairs)} pairs of {len({pair.program for pair in pairs})} programs, each twice, "
        f"{steps} kernel steps a run, {took_s:.1f} s: {len(problems)} problems"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
