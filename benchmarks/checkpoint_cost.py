"""What checkpoints cost: calls a second of an actor without them, with one after each call, after every tenth, and in a
session with a state directory, where they go to the disk as well.

    python benchmarks/checkpoint_cost.py [--calls 2000]

The calls are made at once and waited for together. Of the last row the disk writes only as many as it can take, the
newest of those that came meanwhile. Rows are measured in turns, so that a slow minute of the machine falls on all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import localray as ray

ROOT = Path(__file__).resolve().parents[1]
STATES = (100, 10_000, 1_000_000)
TURNS = 3


def make_actor(interval: int | None, state_bytes: int, name: str | None) -> Any:
    """An actor; without an interval it takes no checkpoints."""

    class Keeper:
        def __init__(self) -> None:
            self.state = bytes(state_bytes)

        def call(self) -> None:
            return None

    class Checkpointed(Keeper):
        def checkpoint(self) -> bytes:
            return self.state

        def restore(self, state: bytes) -> None:
            self.state = state

    options: dict[str, Any] = {"max_restarts": -1, "max_task_retries": -1, "num_cpus": 0}
    if name is not None:
        options |= {"name": name, "lifetime": "detached"}
    if interval is None:
        return ray.remote(Keeper).options(**options).remote()
    return ray.remote(Checkpointed).options(checkpoint_interval=interval, **options).remote()


def calls_a_second(actor: Any, calls: int) -> float:
    """One turn."""
    started_s = time.perf_counter()
    ray.get([actor.call.remote() for _ in range(calls)])
    return calls / (time.perf_counter() - started_s)


def measure(intervals: dict[str, int | None], calls: int, name: str | None = None) -> dict[str, dict[int, float]]:
    """The median of each row, by the size of the state."""
    found: dict[str, dict[int, float]] = {row: {} for row in intervals}
    for size in STATES:
        actors = {row: make_actor(interval, size, name) for row, interval in intervals.items()}
        for actor in actors.values():
            ray.get(actor.call.remote())
        turns: dict[str, list[float]] = {row: [] for row in intervals}
        for _ in range(TURNS):
            for row, actor in actors.items():
                turns[row].append(calls_a_second(actor, calls))
        for row, actor in actors.items():
            found[row][size] = statistics.median(turns[row])
            ray.kill(actor)
    return found


def on_disk(calls: int) -> dict[str, dict[int, float]]:
    """The row with a state directory: in a session of its own, with a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["TMPDIR"] = directory
        command = [sys.executable, "-m", "localray.cli.main"]
        subprocess.run(
            [*command, "start", "--head", "--num-cpus=2", "--port=26379", f"--state-dir={directory}/state"],
            check=True, stdout=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        try:
            ray.init("127.0.0.1:26379")
            return measure({"after each call, and on disk": 1}, calls, "kept")
        finally:
            ray.shutdown()
            stop = [*command, "stop", "--address=127.0.0.1:26379"]
            subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)


def main() -> None:
    """A row for each interval, a column for each size of the state."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000, help="in a turn (default: 2000)")
    options = parser.parse_args()
    ray.init(num_cpus=2)
    rows = measure({"no checkpoints": None, "after every tenth call": 10, "after each call": 1}, options.calls)
    ray.shutdown()
    rows |= on_disk(options.calls)
    print(f"{'calls a second, state of':32}" + "".join(f"{size:>14,} B" for size in STATES))
    for row, rates in rows.items():
        print(f"{row:32}" + "".join(f"{rates[size]:16,.0f}" for size in STATES))


if __name__ == "__main__":
    main()
