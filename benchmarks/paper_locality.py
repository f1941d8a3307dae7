"""Figure 8a of the paper on Ray, simulated: 1,000 tasks on two nodes, each with an argument that is on one of them.
With a scheduler that knows where arguments are the time of a task stays flat as they grow; with one that does not,
every other argument is copied first.

    python benchmarks/paper_locality.py [--tasks 1000]

Must not live here: the policies (`localray.sched.reference`).
"""

from __future__ import annotations

import argparse
from types import ModuleType

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


def mean_latency_s(policy: Policy | None, size_bytes: int, tasks: int) -> float:
    """From submitting a task to having its result, on average."""
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
    return sum(took_s) / len(took_s)


def main() -> None:
    """A row for each size."""
    parser = argparse.ArgumentParser(description="Figure 8a of the paper on Ray, simulated.")
    parser.add_argument("--tasks", type=int, default=1000)
    options = parser.parse_args()
    print("argument   " + "".join(f"{name:>12}" for name, _ in POLICIES) + "   unaware / Ray's own")
    for size_bytes in SIZES:
        means = [mean_latency_s(policy, size_bytes, options.tasks) for _, policy in POLICIES]
        row = "".join(f"{mean * 1000:9.2f} ms" for mean in means)
        print(f"{size_bytes / 1e6:6.1f} MB  {row}   {means[-1] / means[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
