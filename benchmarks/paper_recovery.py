"""Figure 11 of the paper on Ray, simulated: what it costs when nodes leave.

    python benchmarks/paper_recovery.py tasks --plot FILE     # 11a: about a minute
    python benchmarks/paper_recovery.py actors --plot FILE    # 11b: about a minute

*11a*: chains of tasks of 100 ms, each of which takes what the one before has made, while nodes leave at 25, 50 and
100 s and all come back at 150 s. What was only in their stores is made again by its lineage. The work done per living
node stays the same, and in the end each chain has counted right. Every tenth value of a chain is read by the driver,
whose node does not leave: no more than ten links are made again for one that is lost.

*11b*: 2,000 actors on ten nodes, of which two leave, and 400 actors with them. Without checkpoints each of these runs
all its calls again when it comes back, with them those since its last checkpoint.

Both are checked, and end with 1 when a result is wrong. Must not live here: plots (`benchmarks/plot.py`).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Final

from plot import Chart, Line

from localray import sim

LINK_S: Final = 0.1
CPUS: Final = 2
NODES: Final = 10
LEAVE_S: Final = (25.0, 50.0, 100.0)
LEAVE_AT_ONCE: Final = 2
RETURN_S: Final = 150.0
END_S: Final = 200.0
BIN_S: Final = 5.0
READ_EVERY: Final = 10
BIG: Final = bytes(110_000)
"""Of such a value only a store has the bytes."""

ACTORS: Final = 2_000
LOST_NODES: Final = 2
CALLS: Final = (15, 35)
CHECKPOINT_INTERVAL: Final = 4


# ---------------------------------------------------------------- 11a: chains of tasks


def chains(ray: ModuleType, seen: sim.Shared) -> None:
    """Chains until the end; notes each start of a link, and how many nodes there are."""

    def link(chain, number, before):
        seen.starts.append((time.monotonic() - seen.began_s, number <= seen.furthest[chain]))
        seen.furthest[chain] = max(seen.furthest[chain], number)
        time.sleep(LINK_S)
        count = 0 if before is None else before[0] + 1
        return count, (count, BIG)

    count = NODES * CPUS
    seen.began_s, seen.furthest = time.monotonic(), [-1] * count
    # What the driver waits for is small: it has only those of the large values on its node that it asks for.
    submit = ray.remote(link).options(max_retries=-1, num_returns=2)
    # Of each chain what is not there yet, and the last value that the driver has read.
    pending = [[] for _ in range(count)]
    lengths = [0] * count
    read = [None] * count
    moves = [(at_s, LEAVE_AT_ONCE) for at_s in LEAVE_S] + [(RETURN_S, -LEAVE_AT_ONCE * len(LEAVE_S))]
    nodes = NODES

    def extend(chain):
        before = pending[chain][-1][1] if pending[chain] else read[chain]
        pending[chain].append(submit.remote(chain, lengths[chain], before))
        lengths[chain] += 1

    for chain in range(count):
        extend(chain)
        extend(chain)
    own = ray.get_runtime_context().get_node_id()
    while (now_s := time.monotonic() - seen.began_s) < END_S:
        if moves and now_s >= moves[0][0]:
            _, leaving = moves.pop(0)
            others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != own]
            for node in others[:leaving] if leaving > 0 else ():
                sim.remove_node(node)
            for _ in range(-leaving):
                sim.add_node(sim.SimulatedNode(num_cpus=CPUS, object_store_memory=2**30))
            nodes -= leaving
            seen.nodes.append((now_s, nodes))
        fronts = {links[0][0]: chain for chain, links in enumerate(pending)}
        ready, _ = ray.wait(list(fronts), num_returns=1, timeout=1.0)
        for ref in ready:
            chain = fronts[ref]
            _, value = pending[chain].pop(0)
            number = lengths[chain] - len(pending[chain]) - 1
            assert ray.get(ref) == number, "a chain has counted wrong"
            extend(chain)
            if number % READ_EVERY == chain % READ_EVERY:
                assert ray.get(value)[0] == number, "a chain has counted wrong"
                read[chain] = value
    for chain, links in enumerate(pending):
        assert ray.get(links[-1][1])[0] == lengths[chain] - 1, "a chain has counted wrong"
    seen.links = sum(lengths)


def tasks() -> tuple[Chart, bool]:
    """Figure 11a."""
    seen = sim.Shared(starts=[], nodes=[(0.0, NODES)], began_s=0.0, furthest=[], links=0)
    node = sim.SimulatedNode(num_cpus=CPUS, object_store_memory=2**30)
    report = sim.run(lambda ray: chains(ray, seen), seed=1, nodes=[node] * NODES, check_invariants=False)
    if report.error is not None:
        raise report.error
    bins = int(END_S / BIN_S)
    first, again = [0] * bins, [0] * bins
    for at_s, is_again in seen.starts:
        if at_s < END_S:
            (again if is_again else first)[int(at_s / BIN_S)] += 1
    print("    time  nodes  first runs/s  again/s  per node/s")
    points: dict[str, list[tuple[float, float]]] = {"first": [], "again": [], "each": []}
    for number in range(bins):
        middle_s = (number + 0.5) * BIN_S
        living = [count for at_s, count in seen.nodes if at_s <= number * BIN_S + 0.2][-1]
        rates = first[number] / BIN_S, again[number] / BIN_S
        each = sum(rates) / living
        for name, value in zip(points, (*rates, each), strict=True):
            points[name].append((middle_s, value))
        print(f"{number * BIN_S:7.0f} s {living:5}  {rates[0]:12.1f}  {rates[1]:7.1f}  {each:10.1f}")
    each_s = [value for _, value in points["each"]]
    print(
        f"{seen.links} links, {sum(again)} runs again; per living node and second {min(each_s):.1f} to "
        f"{max(each_s):.1f} of {CPUS / LINK_S:g}; every chain counted right"
    )
    marks = [(at_s, f"−{LEAVE_AT_ONCE} nodes") for at_s in LEAVE_S] + [(RETURN_S, "all back")]
    lines = [
        Line("first runs", points["first"], has_dots=False),
        Line("made again", points["again"], has_dots=False),
        Line("all, per living node", points["each"], has_dots=False),
    ]
    chart = Chart("Chains of 100 ms tasks while nodes leave", "seconds", "tasks/s", lines, marks=marks)
    return chart, min(each_s) >= 0.8 * CPUS / LINK_S


# ---------------------------------------------------------------- 11b: actors


def lose_nodes(ray: ModuleType, interval: int, actors: int, seen: sim.Shared) -> None:
    """Actors with calls behind them lose their nodes, and are called once more; notes each call that is run."""

    class Counter:
        checkpoint_interval = interval

        def __init__(self, number):
            self.number, self.count = number, 0

        def add(self):
            seen.runs[self.number] += 1
            seen.times.append(time.monotonic())
            time.sleep(0.001)
            self.count += 1
            return self.count

        def home(self):
            return ray.get_runtime_context().get_node_id()

        def checkpoint(self):
            return self.count

        def restore(self, count):
            self.count = count

    options = {"max_restarts": -1, "max_task_retries": -1, "num_cpus": 0, "scheduling_strategy": "SPREAD"}
    counters = [ray.remote(Counter).options(**options).remote(number) for number in range(actors)]
    homes = ray.get([counter.home.remote() for counter in counters])
    dice = Random(11)
    wanted = [dice.randint(*CALLS) for _ in counters]
    calls = [[counter.add.remote() for _ in range(count)] for counter, count in zip(counters, wanted, strict=True)]
    assert [answers[-1] for answers in map(ray.get, calls)] == wanted
    del calls
    seen.before = sum(seen.runs)
    own = ray.get_runtime_context().get_node_id()
    leaving = [node for node in dict.fromkeys(homes) if node != own][:LOST_NODES]
    seen.lost = sum(home in leaving for home in homes)
    seen.lost_at_s = time.monotonic()
    seen.times.clear()
    for node in leaving:
        sim.remove_node(node)
    assert ray.get([counter.add.remote() for counter in counters]) == [count + 1 for count in wanted]
    seen.again = sum(seen.runs) - seen.before - actors
    seen.took_s = time.monotonic() - seen.lost_at_s


def actors(count: int) -> tuple[Chart, bool]:
    """Figure 11b."""
    lines: list[Line] = []
    again: dict[str, int] = {}
    with_them = f"a checkpoint every {CHECKPOINT_INTERVAL} calls"
    for name, interval in (("without checkpoints", 0), (with_them, CHECKPOINT_INTERVAL)):
        seen = sim.Shared(runs=[0] * count, times=[], before=0, lost=0, lost_at_s=0.0, again=0, took_s=0.0)
        report = sim.run(
            lambda ray, interval=interval, seen=seen: lose_nodes(ray, interval, count, seen),
            seed=1,
            nodes=NODES,
            check_invariants=False,
        )
        if report.error is not None:
            raise report.error
        again[name] = seen.again
        print(
            f"{name:30} {count} actors, {seen.lost} of them lost: {seen.again} calls run again, all {count} answered "
            f"{seen.took_s:.2f} s after",
            flush=True,
        )
        ran_at_s = sorted(at_s - seen.lost_at_s for at_s in seen.times)
        step = max(1, len(ran_at_s) // 200)
        lines.append(Line(name, [(at_s, rank) for rank, at_s in list(enumerate(ran_at_s, 1))[::step]], has_dots=False))
    chart = Chart("Calls run after two of ten nodes have left", "seconds", "calls", lines)
    without, with_checkpoints = again.values()
    return chart, with_checkpoints * 10 <= without


def main() -> int:
    """One figure; returns the exit code."""
    parser = argparse.ArgumentParser(description="Figure 11 of the paper on Ray, simulated.")
    parser.add_argument("figure", choices=("tasks", "actors"))
    parser.add_argument("--actors", type=int, default=ACTORS, help=f"of figure 11b (default: {ACTORS:,})")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the figure there, as SVG")
    options = parser.parse_args()
    chart, is_right = tasks() if options.figure == "tasks" else actors(options.actors)
    if options.plot is not None:
        chart.write(options.plot)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
