"""Figure 8a of the paper on Ray, simulated: 1,000 tasks on two nodes, each with an argument that is on one of them.
With a scheduler that knows where arguments are the time of a task stays flat as they grow; with one that does not,
every other argument is copied first.

    python benchmarks/paper_locality.py [--tasks 1000] [--plot docs/figures/8a-locality.svg]

Must not live here: the policies (`localray.sched.reference`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean
from types import ModuleType

from plot import Chart, Line

from localray import sim
from localray.sched.placement import Policy
from localray.sched.reference import bottom_up, central, unaware

SIZES = (100_000, 1_000_000, 10_000_000, 100_000_000)
BANDWIDTH_BYTES_PER_S = 1.25e9
POLICIES: tuple[tuple[str, Policy | None], ...] = (
    ("Ray's own", None),
    ("bottom-up", bottom_up),
    ("central", central),
    ("unaware", unaware),
)


def latencies_s(policy: Policy | None, size_bytes: int, tasks: int) -> list[float]:
    """From submitting a task to having its result, of each."""
    took_s: list[float] = []

    def program(ray: ModuleType) -> None:
        import time

        make = sim.task(output_size=size_bytes, scheduling_strategy="SPREAD")
        use = sim.task()
        made = [make.remote() for _ in range(tasks)]
        ray.wait(made, num_returns=tasks, fetch_local=False)
        for reference in made:
            started_s = time.monotonic()
            ray.get(use.remote(reference))
            took_s.append(time.monotonic() - started_s)

    store_bytes = 2 * tasks * size_bytes + 2**30
    node = sim.SimulatedNode(
        num_cpus=8, object_store_memory=store_bytes, bandwidth_bytes_per_s=BANDWIDTH_BYTES_PER_S
    )
    report = sim.run(program, seed=1, nodes=[node, node], policy=policy, check_invariants=False)
    if report.error is not None:
        raise report.error
    return took_s


def main() -> None:
    """A row for each size."""
    parser = argparse.ArgumentParser(description="Figure 8a of the paper on Ray, simulated.")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the figure there, as SVG")
    options = parser.parse_args()
    print("mean       " + "".join(f"{name:>12}" for name, _ in POLICIES) + "   unaware / Ray's own")
    points: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in POLICIES}
    for size_bytes in SIZES:
        took_s = {name: latencies_s(policy, size_bytes, options.tasks) for name, policy in POLICIES}
        for name, times in took_s.items():
            points[name].append((size_bytes / 1e6, mean(times) * 1000))
        row = "".join(f"{mean(times) * 1000:9.2f} ms" for times in took_s.values())
        times_slower = mean(took_s["unaware"]) / mean(took_s["Ray's own"])
        print(f"{size_bytes / 1e6:6.1f} MB  {row}   {times_slower:.1f}", flush=True)
    if options.plot is not None:
        lines = [Line(name, line) for name, line in points.items() if name in ("Ray's own", "bottom-up", "unaware")]
        title = "Figure 8a, simulated: locality of arguments, 2 nodes, 10 Gbit/s"
        chart = Chart(title, "size of the argument, MB", "mean time of a task, ms", lines, log_x=True, log_y=True)
        chart.write(options.plot)


if __name__ == "__main__":
    main()
