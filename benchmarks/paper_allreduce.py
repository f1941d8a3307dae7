"""Figure 12 of the paper on Ray, simulated: a ring all-reduce, and what the delay of scheduling costs it.

Sixteen nodes each have a part of an array. In each of 2 x 15 rounds every node takes a sixteenth of it from its
neighbour and adds it, or keeps it: a task on that node whose argument is copied over the neighbour's network. A round
that waits for its scheduler leaves the network idle, so the time grows with each delay that is added to a decision: the
paper's 12b, in which a few milliseconds double the time.

    python benchmarks/paper_allreduce.py [--nodes 16] [--plot docs/figures/12b-allreduce.svg]

Must not live here: policies (`localray.sched`), plots (`plot`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

from plot import Chart, Line

from localray import sim
from localray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

BANDWIDTH_BYTES_PER_S = 1.25e9
"""10 Gbit/s; the paper's instances have up to 25."""
ADDING_BYTES_PER_S = 5e9
DELAYS_S = (0.0, 0.001, 0.005, 0.010)
SIZES = (10_000_000, 100_000_000, 1_000_000_000)


def all_reduce_s(nodes: int, size_bytes: int, delay_s: float) -> float:
    """How long one all-reduce takes, in virtual seconds."""
    took_s: list[float] = []
    chunk_bytes = size_bytes // nodes

    def program(ray: ModuleType) -> None:
        import time

        ids = [node["NodeID"] for node in ray.nodes()]

        step = sim.task(chunk_bytes / ADDING_BYTES_PER_S, output_size=chunk_bytes)

        @ray.remote(num_cpus=0)
        class Rank:
            """Submits what its node does, so that it is its node's scheduler that decides; a round when the last of its
            neighbour is there."""

            def __init__(self, node_id: str) -> None:
                here = NodeAffinitySchedulingStrategy(node_id, soft=False)
                self.step = step.options(scheduling_strategy=here)

            def add(self, neighbours: list[object]) -> list[object]:
                ray.wait(neighbours, num_returns=len(neighbours), fetch_local=False)
                return [self.step.remote(*neighbours)]

        ranks = [
            Rank.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False)).remote(node_id)
            for node_id in ids
        ]

        def wait_for(held: list[object]) -> None:
            parts = [part for each in ray.get(held) for part in each]
            ray.wait(parts, num_returns=nodes, fetch_local=False)

        held = [rank.add.remote([]) for rank in ranks]
        wait_for(held)
        started_s = time.monotonic()
        for _ in range(2 * (nodes - 1)):
            held = [ranks[node].add.remote(held[node - 1]) for node in range(nodes)]
        wait_for(held)
        took_s.append(time.monotonic() - started_s)

    node = sim.SimulatedNode(
        num_cpus=4, object_store_memory=8 * size_bytes + 2**30, bandwidth_bytes_per_s=BANDWIDTH_BYTES_PER_S
    )
    delay = sim.DecisionDelay(delay_s) if delay_s else None
    report = sim.run(program, seed=1, nodes=[node] * nodes, decision_delay=delay, check_invariants=False)
    if report.error is not None:
        raise report.error
    return took_s[0]


def main() -> None:
    """A row for each size."""
    parser = argparse.ArgumentParser(description="Figure 12 of the paper on Ray, simulated.")
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the figure there, as SVG")
    options = parser.parse_args()
    print(f"{options.nodes} nodes   " + "".join(f"{f'+{delay * 1000:g} ms':>12}" for delay in DELAYS_S) + "   +5 / +0")
    points: dict[float, list[tuple[float, float]]] = {delay_s: [] for delay_s in DELAYS_S}
    for size_bytes in SIZES:
        for delay_s in DELAYS_S:
            points[delay_s].append((size_bytes / 1e6, all_reduce_s(options.nodes, size_bytes, delay_s) * 1000))
        row = [line[-1][1] for line in points.values()]
        times = "".join(f"{each:9.1f} ms" for each in row)
        print(f"{size_bytes / 1e6:6.0f} MB  {times}   {row[2] / row[0]:.2f}", flush=True)
    if options.plot is not None:
        lines = [Line(f"+{delay_s * 1000:g} ms a decision", line) for delay_s, line in points.items()]
        title = f"Figure 12b, simulated: ring all-reduce on {options.nodes} nodes"
        Chart(title, "size, MB", "time, ms", lines, log_x=True, log_y=True).write(options.plot)


if __name__ == "__main__":
    main()
