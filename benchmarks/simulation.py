"""How fast the simulation is: seeds a second of a program of 100 tasks on 4 nodes, without and with faults and checks;
kernel events a second; modelled tasks on many nodes; an idle cluster against real time.

    python benchmarks/simulation.py [--large]

Seconds are of CPU time, so that a busy machine does not count; best of three. Must not live here: bounds that tests
hold.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from types import ModuleType

from localray import sim
from localray.sim.search.case import Settings, Target
from localray.sim.search.seeds import run_here


def hundred_tasks(ray: ModuleType) -> None:
    """100 tasks that do nothing."""

    @ray.remote
    def successor(number: int) -> int:
        return number + 1

    assert ray.get([successor.remote(number) for number in range(100)]) == list(range(1, 101))


def timed(work: Callable[[], int], rounds: int = 3) -> float:
    """The most units of work a second of CPU time."""
    rates = []
    for _ in range(rounds):
        started_s = time.process_time()
        done = work()
        rates.append(done / (time.process_time() - started_s))
    return max(rates)


def seeds(count: int, *, faults: str, check_invariants: bool) -> Callable[[], int]:
    """Run the program under so many seeds, as `localray sim run` does."""
    target = Target(f"{__name__}:hundred_tasks")
    settings = Settings("4x2cpu", faults, check_invariants=check_invariants)

    def work() -> int:
        for outcome in run_here(target, settings, range(count)):
            if outcome.signature:
                raise RuntimeError(outcome.error)
        return count

    return work


def steps() -> int:
    """Modelled tasks on one large node: what a traced event of the kernel costs, all included."""
    report = modelled(1, 20_000, cpus=64)
    return report.steps


def modelled(nodes: int, tasks: int, cpus: int = 8) -> sim.Report:
    """So many modelled tasks on so many nodes."""

    def program(ray: ModuleType) -> None:
        work = sim.task(duration=lambda dice: dice.uniform(0.5, 1.5))
        ray.get([work.remote() for _ in range(tasks)])

    report = sim.run(program, seed=1, nodes=f"{nodes}x{cpus}cpu", check_invariants=False)
    if report.error is not None:
        raise report.error
    return report


def idle(ray: ModuleType) -> None:
    """A day in which nothing happens."""
    time.sleep(86_400)


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description="How fast the simulation is.")
    parser.add_argument("--large", action="store_true", help="1,000 nodes and 100,000 tasks too")
    options = parser.parse_args()
    seeds(20, faults="calm", check_invariants=False)()
    for faults in ("calm", "chaos"):
        for check_invariants in (False, True):
            rate = timed(seeds(50, faults=faults, check_invariants=check_invariants))
            checked = "invariants checked" if check_invariants else "no checks"
            print(f"100 tasks on 4 nodes, {faults}, {checked}: {rate:.0f} seeds/s")
    print(f"kernel events with trace and digest: {timed(steps):.0f}/s")
    for nodes, tasks in ((100, 10_000), (1000, 100_000)) if options.large else ((100, 10_000),):
        started_s = time.process_time()
        report = modelled(nodes, tasks)
        took_s = time.process_time() - started_s
        gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{tasks} modelled tasks on {nodes} nodes: {took_s:.1f} s, at most {gib:.2f} GiB")
    started_s = time.process_time()
    report = sim.run(idle, seed=1, nodes="100x8cpu", check_invariants=False)
    print(f"100 idle nodes: {report.virtual_time_s / (time.process_time() - started_s):.0f} times real time")


if __name__ == "__main__":
    main()
