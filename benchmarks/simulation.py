"""How fast the simulation is: seeds a second of a program of 100 tasks on 4 nodes, without and with faults and checks;
traced events a second; modelled tasks on many nodes; an idle cluster against real time.

    python benchmarks/simulation.py [--large]

Seconds are of CPU time, so that a busy machine does not count; best of three. Must not live here: bounds that tests
hold.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from random import Random
from tempfile import TemporaryDirectory
from types import ModuleType
from unittest.mock import patch

from localray import sim
from localray.kernel import Event, Kernel
from localray.kernel.effects import DriverConnected
from localray.sim.host import Host
from localray.sim.search.case import Settings, Target
from localray.sim.search.seeds import run_here
from localray.sim.trace import Trace


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


def events() -> int:
    """Modelled tasks on one large node: what a line of the trace costs, all included: clients, workers, messages on
    their way. Every event that the kernel is told is a line, and every effect that it answers with."""
    return modelled(1, 20_000, cpus=64).events


class Recorded:
    """What the kernel is told in that program, for stepping kernels through it again without anything around them."""

    def __init__(self) -> None:
        steps: list[tuple[int, Event, int]] = []
        step = Host.step

        def recording(host: Host, event: Event, sender: int) -> bool:
            steps.append((host.now_ns, event, sender))
            return step(host, event, sender)

        with patch.object(Host, "step", recording):
            events()
        self._steps = steps

    def step(self, trace: Trace | None) -> int:
        """Step a new kernel through all of it, traced or not; returns how many lines the trace has or would have."""
        kernel = Kernel(Random(1))
        lines = 0
        for now_ns, event, sender in self._steps:
            if type(event) is DriverConnected:
                kernel.new_client_number()
            if trace is not None:
                trace.event(now_ns, event, sender)
            effects = kernel.step(now_ns / 1e9, event, sender)
            if trace is not None:
                trace.effects(now_ns, effects)
            lines += 1 + len(effects)
        if trace is not None:
            trace.digest()
        return lines


def modelled(nodes: int, tasks: int, cpus: int = 8, trace_file: str | None = None) -> sim.Report:
    """So many modelled tasks on so many nodes."""

    def program(ray: ModuleType) -> None:
        work = sim.task(duration=lambda dice: dice.uniform(0.5, 1.5))
        ray.get([work.remote() for _ in range(tasks)])

    report = sim.run(program, seed=1, nodes=f"{nodes}x{cpus}cpu", check_invariants=False, trace_file=trace_file)
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
    parser.add_argument("--million", action="store_true", help="100 nodes and 1,000,000 tasks, the trace to a file")
    options = parser.parse_args()
    seeds(20, faults="calm", check_invariants=False)()
    for faults in ("calm", "chaos"):
        for check_invariants in (False, True):
            rate = timed(seeds(50, faults=faults, check_invariants=check_invariants))
            checked = "invariants checked" if check_invariants else "no checks"
            print(f"100 tasks on 4 nodes, {faults}, {checked}: {rate:.0f} seeds/s")
    print(f"traced events, the whole simulation: {timed(events):.0f}/s")
    recorded = Recorded()
    print(f"traced events, the kernel and its trace: {timed(lambda: recorded.step(Trace())):.0f}/s")
    print(f"the same events, the kernel alone: {timed(lambda: recorded.step(None)):.0f}/s")
    sizes = [(100, 10_000), *([(1000, 100_000)] if options.large else []), *([(100, 10**6)] if options.million else [])]
    with TemporaryDirectory() as folder:
        for nodes, tasks in sizes:
            started_s = time.process_time()
            report = modelled(nodes, tasks, trace_file=f"{folder}/trace")
            took_s = time.process_time() - started_s
            gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(
                f"{tasks} modelled tasks on {nodes} nodes, {report.events} events traced to a file: {took_s:.1f} s, "
                f"at most {gib:.2f} GiB"
            )
    started_s = time.process_time()
    report = sim.run(idle, seed=1, nodes="100x8cpu", check_invariants=False)
    print(f"100 idle nodes: {report.virtual_time_s / (time.process_time() - started_s):.0f} times real time")


if __name__ == "__main__":
    main()
