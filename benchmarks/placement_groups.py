"""How many placement groups a second are created, waited for and removed, beside real Ray where it is installed.

    python benchmarks/placement_groups.py [--system localray] [--bundles 1] [--seconds 3] [--peer ray]

Each round creates ten groups, waits until all are ready, and removes them: what a program does that gangs its workers.
The ratio is the median of several turns, in which the two systems alternate.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from statistics import median
from types import ModuleType

AT_ONCE = 10
TURNS = 3


def start(name: str, cpus: int) -> ModuleType:
    """Import a system and start a session of it."""
    ray = importlib.import_module(name)
    quiet: dict[str, object] = {"include_dashboard": False, "log_to_driver": False} if name == "ray" else {}
    ray.init(num_cpus=cpus, **quiet)
    return ray


def round_trip(ray: ModuleType, bundles: int) -> None:
    """Create groups, wait until they are ready, remove them."""
    groups = [ray.util.placement_group([{"CPU": 0.001}] * bundles) for _ in range(AT_ONCE)]
    ray.get([group.ready() for group in groups])
    for group in groups:
        ray.util.remove_placement_group(group)


def rate_of(name: str, bundles: int, seconds: float) -> float:
    """Groups a second in one session, after a round that is not counted."""
    ray = start(name, cpus=2)
    try:
        round_trip(ray, bundles)
        begun_s = time.perf_counter()
        count = 0
        while time.perf_counter() - begun_s < seconds:
            round_trip(ray, bundles)
            count += AT_ONCE
        return count / (time.perf_counter() - begun_s)
    finally:
        ray.shutdown()


def main() -> int:
    """Print the rates, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", default="localray")
    parser.add_argument("--peer", default="ray")
    parser.add_argument("--bundles", type=int, default=1, metavar="N")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S")
    options = parser.parse_args()
    systems = [options.system]
    try:
        importlib.import_module(options.peer)
        systems.append(options.peer)
    except ImportError:
        print(f"{options.peer} is not installed here: no ratio", file=sys.stderr)
    rates: dict[str, list[float]] = {system: [] for system in systems}
    for _ in range(TURNS):
        for system in systems:
            rates[system].append(rate_of(system, options.bundles, options.seconds))
    for system in systems:
        print(f"{system:<10} {median(rates[system]):>10,.0f} groups created, ready and removed a second")
    if len(systems) == 2:
        ratios = [ours / theirs for ours, theirs in zip(*rates.values(), strict=True)]
        print(f"{'ratio':<10} {median(ratios):>10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
