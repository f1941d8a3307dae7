"""The cost of a task when 1,000, 10,000 or 100,000 of them are submitted at once, and whether it grows with the batch.

    python benchmarks/batch_scaling.py [--system localray] [--sizes 1000 10000 100000] [--repeats 3]

The ratio at the end is the cost of a task in the largest batch over that in the smallest; 1 means that nothing in the
system looks at all waiting tasks for each task. A system whose cost grows with the square of the batch shows 100 here.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from statistics import median

from localray.benchmark import bodies
from localray.benchmark.systems import System, SystemName, make_system

MICROSECONDS_PER_SECOND = 1e6


@dataclass(frozen=True, slots=True)
class BatchCost:
    """What one task of a batch cost, in seconds: to submit it, and from the first submission to the last result."""

    submit_s: float
    total_s: float


def measure_batch(system: System, size: int) -> BatchCost:
    """Submit a batch at once, then wait for all of its results."""
    submit = system.task(bodies.small_value)
    begun_s = time.perf_counter()
    handles = [submit() for _ in range(size)]
    submitted_s = time.perf_counter()
    system.collect(handles)
    ended_s = time.perf_counter()
    return BatchCost((submitted_s - begun_s) / size, (ended_s - begun_s) / size)


def tries_of(size: int) -> int:
    """How often a batch is tried in each turn: about as many tasks for each size, ten times at most."""
    return max(1, min(10, 10_000 // size))


def measure_sizes(system: System, sizes: list[int], repeats: int) -> dict[int, list[BatchCost]]:
    """Measure the sizes in turns, after one batch that is not counted and lets all workers start.

    A small batch is over so soon that whatever else the machine does in that moment is all of it; it gets more tries.
    """
    measure_batch(system, min(sizes))
    costs: dict[int, list[BatchCost]] = {size: [] for size in sizes}
    for _ in range(repeats):
        for size in sizes:
            costs[size] += [measure_batch(system, size) for _ in range(tries_of(size))]
    return costs


def main() -> int:
    """Print the table; 1 when the ratio is above `--maximum-ratio`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", default="localray", choices=[name.value for name in SystemName])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], metavar="N")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--maximum-ratio", type=float, default=float("inf"), metavar="R")
    options = parser.parse_args()
    system = make_system(SystemName(options.system))
    system.start(os.cpu_count() or 1)
    try:
        costs = measure_sizes(system, sorted(options.sizes), options.repeats)
    finally:
        system.stop()
    print(f"{options.system} {system.version()}, {system.processors} processors, median of {options.repeats}")
    print(f"{'batch':>10}  {'µs a task':>10}  {'to submit':>10}  {'tasks/s':>10}")
    totals = {size: median(cost.total_s for cost in measured) for size, measured in costs.items()}
    for size, total_s in totals.items():
        submit_us = median(cost.submit_s for cost in costs[size]) * MICROSECONDS_PER_SECOND
        total_us = total_s * MICROSECONDS_PER_SECOND
        print(f"{size:>10,}  {total_us:>10.1f}  {submit_us:>10.1f}  {1 / total_s:>10,.0f}")
    smallest, largest = min(totals), max(totals)
    ratio = totals[largest] / totals[smallest]
    print(f"a task of {largest:,} costs {ratio:.2f} times a task of {smallest:,}")
    return 1 if ratio > options.maximum_ratio else 0


if __name__ == "__main__":
    sys.exit(main())
