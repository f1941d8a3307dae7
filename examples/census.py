"""A census of the Python standard library: large inputs, cut into tasks of equal weight by a tree of tasks.

Every source file of the running interpreter's library is parsed; lines, names, functions and imports are counted, and
the import graph is searched for circles. What the example shows about Ray:

* tasks that start tasks: `census_of` cuts its files in parts of equal size in bytes until a part is small enough to
  read, then the results are added up on the way back. A task that waits in `ray.get` lends its CPU to those it waits
  for, so the tree needs no more CPUs than its leaves;
* `ray.put` once, read everywhere: all tasks share the table of modules by reference. It travels in `Plan`, inside an
  object, and so arrives as a reference: only a leaf fetches it;
* an actor on the side: leaves tell `Tally` what they finished and do not wait for an answer; the driver asks it how far
  things are, while it waits with `ray.wait`.

    python examples/census.py            # the library, then tests up to 20 MB in all
    python examples/census.py --quick    # 2 MB
    python examples/census.py --all      # every file
"""

from __future__ import annotations

import argparse
import heapq
import platform
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from census_facts import Census, LeafRun, SourceFile, census_of_file, total
from census_report import print_census, print_speed
from progress import progress
from report import open_page, verdict

import localray as ray

MEGABYTE = 1_000_000
DEFAULT_BYTES = 20 * MEGABYTE
QUICK_BYTES = 2 * MEGABYTE
LEAF_BYTES = MEGABYTE // 2
BRANCHES = 8
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What every task of the tree needs to know and none changes."""

    modules: ray.ObjectRef[frozenset[str]]
    tally: ray.actor.ActorHandle[Tally]


@ray.remote
class Tally:
    """Counts the bytes that were read so far, all over the tree."""

    def __init__(self) -> None:
        self._done_bytes = 0

    def add(self, size_bytes: int) -> None:
        """Count some more bytes as done."""
        self._done_bytes += size_bytes

    def done_bytes(self) -> int:
        """Return how many bytes are done."""
        return self._done_bytes


@ray.remote
def census_of(files: list[SourceFile], plan: Plan) -> tuple[Census, list[LeafRun]]:
    """Return the census of some files, and which leaves it took: read them if they are few, or else split them."""
    size_bytes = total_bytes(files)
    if size_bytes <= LEAF_BYTES or len(files) == 1:
        started = time.perf_counter()
        modules = ray.get(plan.modules)
        census = Census()
        for file in files:
            census.add(census_of_file(file, modules))
            plan.tally.add.remote(file.size_bytes)
        return census, [LeafRun(size_bytes, time.perf_counter() - started)]
    parts = min(BRANCHES, -(-size_bytes // LEAF_BYTES))
    results = ray.get([census_of.remote(part, plan) for part in split_by_bytes(files, parts)])
    return total(census for census, _ in results), [run for _, runs in results for run in runs]


def split_by_bytes(files: Sequence[SourceFile], parts: int) -> list[list[SourceFile]]:
    """Cut files in at most `parts` lists of nearly the same number of bytes: the next largest goes where least is."""
    result: list[list[SourceFile]] = [[] for _ in range(parts)]
    fill = [(0, index) for index in range(parts)]
    for file in sorted(files, key=lambda file: file.size_bytes, reverse=True):
        size_bytes, index = fill[0]
        result[index].append(file)
        heapq.heapreplace(fill, (size_bytes + file.size_bytes, index))
    return [part for part in result if part]


def total_bytes(files: Sequence[SourceFile]) -> int:
    """Return the size of some files together."""
    return sum(file.size_bytes for file in files)


def standard_library() -> Iterator[SourceFile]:
    """Yield the source files of the running interpreter's standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if not {"site-packages", "dist-packages"} & set(parts):
            is_package = parts[-1] == "__init__"
            yield SourceFile(str(path), ".".join(parts[:-1] if is_package else parts), is_package, path.stat().st_size)


def choose(files: Sequence[SourceFile], limit_bytes: float) -> list[SourceFile]:
    """Return the library proper, then its tests, up to a size; the same ones whenever it is asked."""
    ordered = sorted(files, key=lambda file: (file.is_test, file.module))
    sums = accumulate(file.size_bytes for file in ordered)
    return [file for file, size_bytes in zip(ordered, sums, strict=True) if size_bytes <= limit_bytes]


def census_in_parallel(files: list[SourceFile], modules: frozenset[str]) -> tuple[Census, list[LeafRun]]:
    """Return the census that a tree of tasks takes, and its leaves."""
    plan = Plan(ray.put(modules), Tally.remote())
    root = census_of.remote(files, plan)
    size_bytes = total_bytes(files)
    with progress("tree of tasks", size_bytes, "B") as bar:
        running = [root]
        while running:
            _, running = ray.wait(running, timeout=POLL_S)
            done_bytes: int = ray.get(plan.tally.done_bytes.remote())
            bar.advance_to(done_bytes)
    return ray.get(root)


def census_in_series(files: list[SourceFile], modules: frozenset[str]) -> Census:
    """Return the census that a plain loop takes, which is the answer to compare with."""
    census = Census()
    with progress("serial check", total_bytes(files), "B") as bar:
        for file in files:
            census.add(census_of_file(file, modules))
            bar.advance_to(census.size_bytes)
    return census


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description="Count what is in the Python standard library, with a tree of tasks.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help=f"read only {QUICK_BYTES // MEGABYTE} MB")
    size.add_argument("--all", action="store_true", help="read every file, with all the tests")
    parser.add_argument("--cpus", type=int, default=None, help="CPUs to use (default: all there are)")
    parser.add_argument("--no-check", action="store_true", help="skip the serial census and the comparison with it")
    return parser.parse_args()


def main() -> int:
    """Take the census, print it, compare it with the serial one; return the exit code."""
    options = arguments()
    every_file = list(standard_library())
    files = choose(every_file, QUICK_BYTES if options.quick else float("inf") if options.all else DEFAULT_BYTES)
    modules = frozenset(file.module for file in files)
    open_page(
        "A census of the Python standard library",
        f"{platform.python_implementation()} {platform.python_version()}, {len(files):,} of {len(every_file):,} files, "
        f"{total_bytes(files) / MEGABYTE:.1f} of {total_bytes(every_file) / MEGABYTE:.1f} MB",
    )
    with ray.init(num_cpus=options.cpus):
        cpus = int(ray.cluster_resources()["CPU"])
        started = time.perf_counter()
        census, runs = census_in_parallel(files, modules)
        parallel_s = time.perf_counter() - started
    print_census(census)
    if options.no_check:
        print_speed(runs, cpus, parallel_s, serial_s=None)
        return 0
    started = time.perf_counter()
    expected = census_in_series(files, modules)
    print_speed(runs, cpus, parallel_s, serial_s=time.perf_counter() - started)
    return verdict(census == expected)


if __name__ == "__main__":
    sys.exit(main())
