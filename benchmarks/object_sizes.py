"""The cost of putting and getting an array, by its size: where the way of storing changes, and what a copy costs.

    python benchmarks/object_sizes.py [--system localray] [--seconds 0.3]

For each size: microseconds to put it (its ref dropped at once), gigabytes a second of that, the same for a plain copy
in memory, and microseconds to get one that a task has made.
"""

from __future__ import annotations

import argparse
import os
import sys

from localray.benchmark import workloads
from localray.benchmark.measure import measure_rate
from localray.benchmark.systems import System, SystemName, make_system

KIB = 1 << 10
SIZES_BYTES = tuple(KIB << shift for shift in range(18))
MICROSECONDS_PER_SECOND = 1e6
BYTES_PER_GIGABYTE = 1e9


def line_for(system: System, size_bytes: int, seconds: float) -> str:
    """Measure one size and return its line of the table."""
    with workloads.put_large(system, size_bytes) as loop:
        puts_per_s = measure_rate(loop.run, 1, seconds)
    with workloads.copy_memory(system, size_bytes) as loop:
        copies_per_s = measure_rate(loop.run, 1, seconds)
    with workloads.get_large(system, size_bytes) as loop:
        loop.run()
        gets_per_s = measure_rate(loop.run, 1, seconds)
    put_us, get_us = MICROSECONDS_PER_SECOND / puts_per_s, MICROSECONDS_PER_SECOND / gets_per_s
    put_gb, copy_gb = (rate * size_bytes / BYTES_PER_GIGABYTE for rate in (puts_per_s, copies_per_s))
    return f"{size_bytes // KIB:>9,}  {put_us:>10,.1f}  {put_gb:>10.2f}  {copy_gb:>11.2f}  {get_us:>10,.1f}"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", default="localray", choices=["localray", "ray", "dask"])
    parser.add_argument("--seconds", type=float, default=0.3, metavar="S")
    options = parser.parse_args()
    system = make_system(SystemName(options.system))
    system.start(os.cpu_count() or 1)
    try:
        print(f"{options.system} {system.version()}")
        print(f"{'KiB':>9}  {'put, µs':>10}  {'put, GB/s':>10}  {'memcpy GB/s':>11}  {'get, µs':>10}")
        for size_bytes in SIZES_BYTES:
            print(line_for(system, size_bytes, options.seconds), flush=True)
    finally:
        system.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
