"""The examples, while their workers are killed at random: every run ends, with the serial answer, and leaves nothing.

    python benchmarks/survival.py                      # some minutes
    python benchmarks/survival.py --kills 10000        # hours

Each run is one example with one seed of its deaths (``LOCALRAY_FAULTS``). A run that does not end in time, answers
wrong, or leaves a process or a file behind is shown with its seed and ends the program with 1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


class Example(NamedTuple):
    """A program, its arguments, and which share of the deaths that others suffer is enough for it."""

    name: str
    arguments: tuple[str, ...] = ()
    share: float = 1.0


PROGRAMS = (
    Example("census.py"),
    Example("search.py"),
    # It lives in actors, some of which checkpoint themselves: each death is a restart, and it makes thousands of calls.
    Example("parameter_server.py", ("--quick",), 0.03),
)
FAULTS = "kill_worker:probability={probability},times=0,by_s={by_s},only_retriable=true"
DEADLINE_S = 300.0


class Run(NamedTuple):
    """One run of an example: what was wrong (empty if nothing), how many workers died, how long it took."""

    problem: str
    kills: int
    took_s: float
    output: str


def run(program: Example, seed: int, probability: float) -> Run:
    """Run one example with one seed of deaths."""
    with tempfile.TemporaryDirectory() as directory:
        by_s = (0.002, 0.02, 0.2)[seed % 3]
        environment = os.environ | {
            "LOCALRAY_FAULTS": FAULTS.format(probability=probability * program.share, by_s=by_s),
            "LOCALRAY_FAULTS_SEED": str(seed),
            "PYTHONPATH": str(EXAMPLES.parent),
            "TMPDIR": directory,
        }
        started_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / program.name), "--cpus=4", *program.arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        problem = ""
        try:
            output, _ = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            problem = f"it had not ended after {DEADLINE_S:g} s"
        took_s = time.monotonic() - started_s
        found = re.search(r"(\d+) workers were killed", output)
        kills = int(found[1]) if found else 0
        if not problem and process.returncode:
            problem = f"it ended with {process.returncode}"
        problem = problem or left_behind(Path(directory))
    return Run(problem, kills, took_s, output)


def left_behind(directory: Path) -> str:
    """What a run has left: files where temporary files go, processes with its environment."""
    files = [path.name for path in directory.rglob("*") if path.is_file()]
    if files:
        return f"it left {files[:3]}"
    wanted = f"TMPDIR={directory}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # What has ended meanwhile, or is somebody else's, is none of it.
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes():
                    return f"it left process {entry.name}"
    return ""


def main() -> int:
    """Run until so many have been killed; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="how many deaths at least (default: 200)")
    names = [program.name for program in PROGRAMS]
    parser.add_argument("--program", choices=names, help="only this one; else they take turns")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--probability", type=float, default=0.8, help="that a task loses its worker (default: 0.8)")
    options = parser.parse_args()
    kills, runs, seed = 0, 0, options.seed
    give_up_at_s = time.monotonic() + 60 * options.minutes
    while kills < options.kills and time.monotonic() < give_up_at_s:
        for program in PROGRAMS:
            if options.program not in (None, program.name):
                continue
            done = run(program, seed, options.probability)
            kills += done.kills
            runs += 1
            what = f"{program.name:20} seed {seed:3}  {done.kills:4} killed  {done.took_s:6.1f} s"
            print(f"{what}  {done.problem}", flush=True)
            if done.problem:
                print(done.output)
                return 1
        seed += 1
    print(f"{runs} runs, {kills} workers killed, every answer the serial one, nothing left behind")
    return 0


if __name__ == "__main__":
    sys.exit(main())
