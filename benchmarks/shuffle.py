"""Sort more data than the store holds: a shuffle that spills, beside real Ray with a store of the same size.

    python benchmarks/shuffle.py [--systems localray ray] [--store-mib 128] [--times 3] [--parts 24] [--ray-python PATH]

Map tasks make blocks of random keys and cut each by range; reduce tasks merge what is theirs and sort it. All blocks
are alive at once, so that three times the store's size has to go somewhere. The answer is checked: every part sorted,
the parts in order, no key lost (their count and sum). Each system runs in an interpreter of its own, in turns.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from itertools import pairwise
from statistics import median
from typing import Any

MIB = 1 << 20
KEY_BYTES = 8


def map_block(seed: int, keys: int, parts: int) -> Any:
    """Random keys in order, cut into as many ranges as there are parts."""
    import numpy

    block = numpy.random.default_rng(seed).integers(0, 1 << 62, keys, dtype=numpy.int64)
    block.sort()
    return numpy.split(block, numpy.searchsorted(block, [(1 << 62) // parts * part for part in range(1, parts)]))


def sort_part(*pieces: Any) -> Any:
    """One range of all blocks, sorted, and what is needed to check it."""
    import numpy

    part = numpy.sort(numpy.concatenate(pieces))
    ordered = bool((part[1:] >= part[:-1]).all())
    return part, (ordered, int(part[0]), int(part[-1]), len(part), int((part & 0xFFFF).sum()))


def shuffle(module: str, store_bytes: int, data_bytes: int, parts: int) -> float:
    """Sort once in a session of its own; returns the seconds from the first task to the checked answer."""
    ray = importlib.import_module(module)
    import numpy

    keys = data_bytes // KEY_BYTES // parts
    ray.init(num_cpus=2, object_store_memory=store_bytes)
    begun_s = time.perf_counter()
    cut = ray.remote(num_returns=parts)(map_block)
    sort = ray.remote(num_returns=2)(sort_part)
    blocks = [cut.remote(seed, keys, parts) for seed in range(parts)]
    outcomes = [sort.remote(*[block[part] for block in blocks]) for part in range(parts)]
    facts = ray.get([fact for _, fact in outcomes])
    first = ray.get(outcomes[0][0])
    took_s = time.perf_counter() - begun_s
    expected = sum(
        int((numpy.random.default_rng(seed).integers(0, 1 << 62, keys, dtype=numpy.int64) & 0xFFFF).sum())
        for seed in range(parts)
    )
    if not (
        all(fact[0] for fact in facts)
        and all(one[2] <= other[1] for one, other in pairwise(facts))
        and sum(fact[3] for fact in facts) == keys * parts
        and sum(fact[4] for fact in facts) == expected
        and int(first[0]) == facts[0][1]
    ):
        raise AssertionError(f"{module} has sorted wrongly")
    ray.shutdown()
    return took_s


def main() -> int:
    """Run the systems in turns, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=["localray"], choices=["localray", "ray"])
    parser.add_argument("--store-mib", type=int, default=128, metavar="N")
    parser.add_argument("--times", type=float, default=3.0, metavar="X", help="data, as a multiple of the store")
    parser.add_argument("--parts", type=int, default=24, metavar="N")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--ray-python", default=sys.executable, metavar="PATH", help="the interpreter that has ray")
    parser.add_argument("--one", choices=["localray", "ray"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    store_bytes = options.store_mib * MIB
    data_bytes = int(store_bytes * options.times)
    if options.one:
        print(shuffle(options.one, store_bytes, data_bytes, options.parts))
        return 0
    took: dict[str, list[float]] = {system: [] for system in options.systems}
    for _ in range(options.repeats):
        for system in options.systems:
            python = options.ray_python if system == "ray" else sys.executable
            command = [python, __file__, "--one", system, "--store-mib", str(options.store_mib)]
            command += ["--times", str(options.times), "--parts", str(options.parts)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            took[system].append(float(done.stdout.split()[-1]))
    for system, times_s in took.items():
        rate = data_bytes / median(times_s) / MIB
        print(f"{system:<9} {median(times_s):7.2f} s   {rate:6.0f} MiB/s sorted, store {options.store_mib} MiB")
    if len(took) == 2:
        print(f"ratio     {median(took['ray']) / median(took['localray']):7.2f} times as fast as ray")
    return 0


if __name__ == "__main__":
    sys.exit(main())
