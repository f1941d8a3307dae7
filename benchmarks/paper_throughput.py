"""Figure 8b of the paper on Ray, simulated: empty tasks a second against nodes.

Each node runs a driver task that submits empty tasks on that node and waits for them, as in the paper; a task's time is
that of messages and of the worker's own work, of which the simulation has latencies and costs by the seed. The kernel
decides in no time here (`--decision` gives each node's scheduler so many seconds for a decision, one after the other;
with `--central` there is one for all nodes): so what is shown is whether anything in the scheduling itself keeps tasks
from scaling, not how fast the head of a real session is.

    python benchmarks/paper_throughput.py [--nodes 1 2 4 10 20 40 60 100] [--plot docs/figures/8b-throughput.svg]

Must not live here: policies (`localray.sched`), plots (`plot`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

from plot import Chart, Line

from localray import sim
from localray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

CPUS = 4
NODES = (1, 2, 4, 10, 20, 40, 60, 100)
DECISION_S = 50e-6
"""About what a decision of the kernel takes on the machine that the other benchmarks ran on."""


def tasks_a_second(nodes: int, tasks: int, delay: sim.DecisionDelay | None) -> float:
    """Empty tasks a second of virtual time, over all nodes."""
    took_s: list[float] = []

    def program(ray: ModuleType) -> None:
        import time

        empty = sim.task()

        @ray.remote(num_cpus=0)
        def submitter(node_id: str) -> None:
            here = NodeAffinitySchedulingStrategy(node_id, soft=False)
            ray.get([empty.options(scheduling_strategy=here).remote() for _ in range(tasks)])

        everywhere = [
            submitter.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
            for node in ray.nodes()
        ]
        ids = [node["NodeID"] for node in ray.nodes()]
        # Once without measuring, so that there are workers.
        ray.get([each.remote(node_id) for each, node_id in zip(everywhere, ids, strict=True)])
        started_s = time.monotonic()
        ray.get([each.remote(node_id) for each, node_id in zip(everywhere, ids, strict=True)])
        took_s.append(time.monotonic() - started_s)

    report = sim.run(program, seed=1, nodes=f"{nodes}x{CPUS}cpu", decision_delay=delay, check_invariants=False)
    if report.error is not None:
        raise report.error
    return nodes * tasks / took_s[0]


def main() -> None:
    """A row for each number of nodes."""
    parser = argparse.ArgumentParser(description="Figure 8b of the paper on Ray, simulated.")
    parser.add_argument("--nodes", type=int, nargs="+", default=NODES)
    parser.add_argument("--tasks", type=int, default=500, help="on each node (default: 500)")
    parser.add_argument("--decision", type=float, default=DECISION_S, metavar="S", help="what a decision takes")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the figure there, as SVG")
    options = parser.parse_args()
    kinds = (
        ("a scheduler on each node", sim.DecisionDelay(options.decision)),
        ("one for all", sim.DecisionDelay(options.decision, is_central=True, message_s=100e-6)),
    )
    print("nodes " + "".join(f"{name:>28}" for name, _ in kinds) + "   share of linear")
    points: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in kinds}
    for nodes in options.nodes:
        for name, delay in kinds:
            points[name].append((nodes, tasks_a_second(nodes, options.tasks, delay)))
        rates = [line[-1][1] for line in points.values()]
        first_nodes, first_rate = points[kinds[0][0]][0]
        share = rates[0] / (first_rate / first_nodes * nodes)
        print(f"{nodes:5} " + "".join(f"{rate:20,.0f} tasks/s" for rate in rates) + f"   {share:.2f}", flush=True)
    if options.plot is not None:
        first_nodes, first_rate = points[kinds[0][0]][0]
        linear = [(nodes, first_rate / first_nodes * nodes) for nodes in options.nodes]
        lines = [*(Line(name, line) for name, line in points.items()), Line("linear", linear, is_dashed=True)]
        title = "Figure 8b, simulated: empty tasks a second against nodes"
        Chart(title, "nodes", "tasks/s", lines, log_x=True, log_y=True).write(options.plot)


if __name__ == "__main__":
    main()
