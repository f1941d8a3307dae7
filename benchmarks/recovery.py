"""How long a death is felt: from the kill of a worker to the second start of its task, and from the kill of an actor to
its first answer, beside real Ray's in the same run.

    python benchmarks/recovery.py                                       # localray alone
    python benchmarks/recovery.py --ray-python /path/to/ray/bin/python  # the two in turns

Both goals are medians of localray's: 50 ms for a task, 100 ms for an actor. A missed goal ends the command with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
GOALS_MS = {"task": 50.0, "actor": 100.0}
TEXTS = {"task": "worker killed to its task's second start", "actor": "actor killed to its first answer"}
DEADLINE_S = 60.0


def wait_for(path: Path) -> str:
    """The text of a file that somebody else is about to write."""
    give_up_at_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < give_up_at_s:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.0005)
    raise TimeoutError(f"{path} was not written within {DEADLINE_S:g} s")


def measure_task(ray: ModuleType, directory: Path) -> float:
    """Seconds from the kill to the second start. One clock for all processes: that of the machine."""

    @ray.remote(max_retries=1)
    def start_twice(place: str) -> None:
        first, second = Path(place) / "first", Path(place) / "second"
        if first.exists():
            second.write_text(str(time.monotonic()))
            return
        first.write_text(str(os.getpid()))
        time.sleep(DEADLINE_S)

    task = start_twice.remote(str(directory))
    process = int(wait_for(directory / "first"))
    time.sleep(0.05)
    killed_at_s = time.monotonic()
    os.kill(process, signal.SIGKILL)
    ray.get(task, timeout=DEADLINE_S)
    return float(wait_for(directory / "second")) - killed_at_s


def measure_actor(ray: ModuleType, directory: Path) -> float:
    """Seconds from the kill to the answer of a call that was made right after it."""

    @ray.remote(max_restarts=-1, max_task_retries=-1)
    class Server:
        def process(self) -> int:
            return os.getpid()

    server = Server.remote()
    process = ray.get(server.process.remote())
    time.sleep(0.05)
    killed_at_s = time.monotonic()
    os.kill(process, signal.SIGKILL)
    if ray.get(server.process.remote(), timeout=DEADLINE_S) == process:
        raise RuntimeError("the killed actor has answered")
    answered_at_s = time.monotonic()
    ray.kill(server)
    return answered_at_s - killed_at_s


def measure(name: str, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each kind, of one system."""
    if name == "localray":
        import localray as ray
    else:
        import ray
    keywords = {} if name == "localray" else {"include_dashboard": False, "log_to_driver": False}
    ray.init(num_cpus=2, **keywords)
    try:
        ray.get(ray.remote(lambda: None).remote())
        took: dict[str, list[float]] = {}
        for kind, one in (("task", measure_task), ("actor", measure_actor)):
            took[kind] = []
            for _ in range(repeats):
                with tempfile.TemporaryDirectory() as directory:
                    took[kind].append(1000 * one(ray, Path(directory)))
        return took
    finally:
        ray.shutdown()


def measure_elsewhere(python: str, name: str, repeats: int) -> dict[str, list[float]]:
    """As `measure`, in a process of its own."""
    done = subprocess.run(
        [python, __file__, "--measure", name, "--repeats", str(repeats)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Measure, print, compare with the goals; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10, help="deaths of each kind and system (default: 10)")
    parser.add_argument("--ray-python", help="an interpreter that has real Ray")
    parser.add_argument("--measure", choices=("localray", "ray"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.repeats)))
        return 0
    ours = measure_elsewhere(sys.executable, "localray", options.repeats)
    theirs = measure_elsewhere(options.ray_python, "ray", options.repeats) if options.ray_python else {}
    missed = 0
    for kind, goal_ms in GOALS_MS.items():
        median_ms = statistics.median(ours[kind])
        missed += median_ms > goal_ms
        line = f"{TEXTS[kind]:42} {median_ms:7.1f} ms ({min(ours[kind]):.1f}-{max(ours[kind]):.1f})"
        line += f"  goal {goal_ms:g} ms {'met' if median_ms <= goal_ms else 'missed'}"
        if theirs:
            line += f"  real Ray {statistics.median(theirs[kind]):7.1f} ms"
            line += f" ({min(theirs[kind]):.1f}-{max(theirs[kind]):.1f})"
        print(line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
