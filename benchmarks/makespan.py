"""Whether the simulation takes as long as the real thing: workloads of sleeping tasks on processes and simulated, and
by how much their makespans differ (goal: at most 10 %).

    python benchmarks/makespan.py [--repeats 5]

On a busy machine processes start late: the shortest of the repeats is taken, and the machine's load is printed. Ends
with 1 when a workload differs by more. Must not live here: how the simulation's latencies are drawn
(`localray.sim.links`).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from random import Random
from types import ModuleType

import localray
from localray import sim

CPUS = 4
GOAL = 0.10

Workload = Callable[[ModuleType], None]


def even(ray: ModuleType) -> None:
    """Forty tasks of a fifth of a second."""

    @ray.remote
    def work() -> None:
        time.sleep(0.2)

    ray.get([work.remote() for _ in range(40)])


def uneven(ray: ModuleType) -> None:
    """Sixty tasks of 20 ms to half a second."""
    dice = Random(1)

    @ray.remote
    def work(took_s: float) -> None:
        time.sleep(took_s)

    ray.get([work.remote(dice.uniform(0.02, 0.5)) for _ in range(60)])


def chained(ray: ModuleType) -> None:
    """Eight chains of ten, each task taking the last one's result."""

    @ray.remote
    def work(number: int) -> int:
        time.sleep(0.05)
        return number + 1

    ends = list(range(8))
    for _ in range(10):
        ends = [work.remote(end) for end in ends]
    ray.get(ends)


def nested(ray: ModuleType) -> None:
    """Tasks that wait for tasks that wait for tasks, beside two actors."""

    @ray.remote
    def tree(depth: int) -> int:
        time.sleep(0.05)
        return 1 + (sum(ray.get([tree.remote(depth - 1) for _ in range(3)])) if depth else 0)

    @ray.remote(num_cpus=0)
    class Actor:
        def work(self) -> None:
            time.sleep(0.1)

    actors = [Actor.remote() for _ in range(2)]
    calls = [actor.work.remote() for actor in actors for _ in range(5)]
    ray.get([tree.remote(2) for _ in range(4)] + calls)


WORKLOADS: tuple[Workload, ...] = (even, uneven, chained, nested)


def makespan_s(ray: ModuleType, workload: Workload, repeats: int = 1) -> float:
    """How long a workload takes at the least on a session that has its workers: it has run once before."""
    workload(ray)
    times_s = []
    for _ in range(repeats):
        started_s = time.monotonic()
        workload(ray)
        times_s.append(time.monotonic() - started_s)
    return min(times_s)


def simulated_s(workload: Workload) -> float:
    """The same in the simulation."""
    took_s: list[float] = []
    report = sim.run(lambda ray: took_s.append(makespan_s(ray, workload)), seed=1, num_cpus=CPUS)
    if report.error is not None:
        raise report.error
    return took_s[0]


def real_s(workload: Workload, repeats: int) -> float:
    """On processes, the shortest of some."""
    localray.init(num_cpus=CPUS)
    try:
        return makespan_s(localray, workload, repeats)
    finally:
        localray.shutdown()


def main() -> int:
    """A row for each workload."""
    parser = argparse.ArgumentParser(description="Makespans on processes and simulated.")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"{'workload':<12}{'processes':>12}{'simulated':>12}{'apart':>9}   (load {os.getloadavg()[0]:.1f})")
    is_met = True
    for workload in WORKLOADS:
        real, simulated = real_s(workload, options.repeats), simulated_s(workload)
        apart = simulated / real - 1
        is_met &= abs(apart) <= GOAL
        print(f"{workload.__name__:<12}{real:10.3f} s{simulated:10.3f} s{apart:>+9.1%}", flush=True)
    print(f"wanted: at most {GOAL:.0%} apart: {'met' if is_met else 'NOT met'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
