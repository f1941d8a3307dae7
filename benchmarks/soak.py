"""A long life of the object store, in little time: put, read, drop objects of random sizes from many processes.

    python benchmarks/soak.py [--objects 1000000] [--processes 8] [--store-mib 512] [--seed 0]

Each process keeps a few dozen objects, some of its own and some that others made, checks what it reads, and drops one
for each it makes. At the end nothing is in the store, and the memory of all processes is what it was after the first
tenth: both are checked, and the command ends with 1 if either does not hold.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from typing import Any

import localray as ray

MIB = 1 << 20
SMALL_SHARE = 0.9
KEPT = 32
ROUND = 500
GROWTH_ALLOWED = 1.1


class Soaker:
    """Makes, reads and drops objects."""

    def __init__(self, seed: int) -> None:
        import numpy

        self._numpy = numpy
        self._random = random.Random(seed)
        self._kept: list[Any] = []

    def live(self, objects: int, offered: list[Any]) -> list[Any]:
        """Make so many objects, each in the place of one that is dropped; returns one for somebody else."""
        for reference in offered:
            self._check(ray.get(reference))
            self._keep(reference)
        for _ in range(objects):
            self._keep(ray.put(self._make()))
        return [self._kept[self._random.randrange(len(self._kept))]]

    def _keep(self, reference: Any) -> None:
        """Keep one more, in the place of another that is read once more first."""
        if len(self._kept) >= KEPT:
            victim = self._random.randrange(len(self._kept))
            self._check(ray.get(self._kept[victim]))
            self._kept[victim] = self._kept[-1]
            self._kept.pop()
        self._kept.append(reference)

    def _make(self) -> Any:
        if self._random.random() < SMALL_SHARE:
            size = self._random.randrange(2, 20_000)
        else:
            size = int(2 ** self._random.uniform(17, 22))
        value = self._random.randrange(256)
        array = self._numpy.full(size, value, dtype=self._numpy.uint8)
        array[0] = size & 0xFF
        return array

    def _check(self, array: Any) -> None:
        if array[0] != (len(array) & 0xFF) or not (array[1:] == array[-1]).all():
            raise AssertionError(f"an object of {len(array)} bytes has changed")

    def memory_bytes(self) -> int:
        """This process's private memory: without what it maps of the store."""
        with open("/proc/self/statm") as file:
            pages = [int(part) for part in file.read().split()]
        return (pages[1] - pages[2]) * 4096

    def drop(self) -> None:
        """Let go of everything."""
        self._kept.clear()


def store_used_bytes(store_bytes: int) -> int:
    """What is in the store now."""
    return store_bytes - int(ray.available_resources().get("object_store_memory", 0))


def main() -> int:
    """Soak, and say what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--store-mib", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    store_bytes = options.store_mib * MIB
    ray.init(num_cpus=2, object_store_memory=store_bytes)
    kind = ray.remote(num_cpus=0)(Soaker)
    soakers = [kind.remote(options.seed + number) for number in range(options.processes)]
    rounds = max(10, options.objects // options.processes // ROUND)
    offers: list[Any] = [[] for _ in soakers]
    early: list[int] = []
    begun_s = time.perf_counter()
    for number in range(rounds):
        answers = [soaker.live.remote(ROUND, offer) for soaker, offer in zip(soakers, offers, strict=True)]
        given = ray.get(answers)
        offers = [given[(place + 1) % len(given)] for place in range(len(given))]
        if number == rounds // 10:
            early = ray.get([soaker.memory_bytes.remote() for soaker in soakers])
        if sys.stderr.isatty():
            print(f"\r{(number + 1) * ROUND * len(soakers):,} objects", end="", file=sys.stderr)
    took_s = time.perf_counter() - begun_s
    late = ray.get([soaker.memory_bytes.remote() for soaker in soakers])
    del offers, given, answers
    ray.get([soaker.drop.remote() for soaker in soakers])
    deadline_s = time.monotonic() + 10
    while store_used_bytes(store_bytes) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    used = store_used_bytes(store_bytes)
    made = rounds * ROUND * options.processes
    print(f"{made:,} objects by {options.processes} processes in {took_s:.0f} s, {made / took_s:,.0f} a second")
    print(f"store at the end: {used} bytes; private memory of a process: {sum(early) / len(early) / MIB:.1f} MiB after "
          f"a tenth, {sum(late) / len(late) / MIB:.1f} MiB at the end")
    ray.shutdown()
    return 0 if used == 0 and sum(late) <= GROWTH_ALLOWED * sum(early) else 1


if __name__ == "__main__":
    sys.exit(main())
