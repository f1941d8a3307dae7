"""The shortest round trip through 32 cities: a search tree that grows while it is searched, and stops early.

Branch and bound cuts off what cannot hold anything better than the best found so far, so nobody knows beforehand how
large any part of the tree is. What the example shows about Ray:

* a tree of tasks that nobody planned: `explore` searches until its budget is spent; if something is still open then, it
  starts a task for each share of it. It does not wait for them, but returns their *references*, and is gone;
* the driver waits with `ray.wait` for whichever task is first, and takes the references inside a result as more to wait
  for. Every task comes with a lower bound on what it can find, so the driver sees the proof close in;
* an actor, `Best`, holds the best round trip: a good one found in one process cuts off branches in all the others.
  Tasks ask it for news without waiting (`ray.wait` with `timeout=0`): a task that waits lends its CPU to others;
* it stops early: once no task that is left can beat the best, the optimum is proven, and nobody waits for those tasks;
* worker processes are used again: what `search_of` remembers from one task is there in the next one.

    python examples/search.py
    python examples/search.py --quick
    python examples/search.py --large       # 48 cities, some ten thousand nodes
    python examples/search.py --cities 32 --seed 4
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from progress import progress
from report import horizontal_bar, map_of, open_page, section, side_by_side, verdict
from tours import Problem, Search, Subtree, Tour, search_of, shares_of

import localray as ray

# How many cities, and a seed; how hard they are depends on the seed more than on the number.
QUICK, DEFAULT, LARGE = (34, 14), (32, 12), (48, 22)
BUDGET_NODES = 200
SHARES = 4
MAP_COLUMNS, MAP_ROWS = 58, 20
HISTORY_SHOWN = 16


@dataclass(frozen=True, slots=True)
class Find:
    """A round trip that was the best one when it was found; `after_s` counts from when the search began."""

    length: int
    tour: Tour
    after_s: float


class Record:
    """The best round trip, and all that were the best before it. This is an `Incumbent` for one process."""

    def __init__(self, length: int, tour: Tour) -> None:
        self._started = time.perf_counter()
        self._finds = [Find(length, tour, 0.0)]

    def length(self) -> int:
        """Return the length of the best round trip."""
        return self._finds[-1].length

    def offer(self, length: int, tour: Tour) -> int:
        """Take a round trip if it is the best one; return the length of the best one."""
        if length < self.length():
            self._finds.append(Find(length, tour, time.perf_counter() - self._started))
        return self.length()

    def finds(self) -> list[Find]:
        """Return everything that was the best at some time, the best one last."""
        return self._finds


Best = ray.remote(Record)


class RemoteIncumbent:
    """The `Incumbent` of all processes. It asks the actor, but goes on without an answer as long as there is none."""

    def __init__(self, best: ray.actor.ActorHandle[Record], length: int) -> None:
        self._best = best
        self._length = length
        self._answer = best.length.remote()

    def length(self) -> int:
        """Return the length as the latest answer has it."""
        answered, _ = ray.wait([self._answer], timeout=0)
        if answered:
            self._length = ray.get(self._answer)
            self._answer = self._best.length.remote()
        return self._length

    def offer(self, length: int, tour: Tour) -> int:
        """See `Incumbent`. This one waits: the driver must not hear of the end of a task before what it found."""
        self._length = ray.get(self._best.offer.remote(length, tour))
        return self._length


@dataclass(frozen=True, slots=True)
class Shared:
    """What a task hands on to the tasks it starts; the problem as a reference, so that it is not sent with each."""

    problem: ray.ObjectRef[Problem]
    best: ray.actor.ActorHandle[Record]


@dataclass(frozen=True, slots=True)
class Branch:
    """A task that was started; what it finds is no shorter than `bound`."""

    outcome: ray.ObjectRef[Outcome]
    bound: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one task did, and the tasks it started for what it left open."""

    nodes: int
    pruned: int
    branches: list[Branch]


@ray.remote
def explore(shared: Shared, problem: Problem, best_length: int, subtrees: list[Subtree]) -> Outcome:
    """Search subtrees for a while, then share out what is still open among new tasks."""
    incumbent = RemoteIncumbent(shared.best, best_length)
    explored = search_of(problem).explore(subtrees, incumbent, BUDGET_NODES)
    return Outcome(explored.nodes, explored.pruned, start_branches(shared, explored.open))


def start_branches(shared: Shared, subtrees: Sequence[Subtree]) -> list[Branch]:
    """Start a task for each share of some subtrees; the problem and the best length get there as references do."""
    best_length = shared.best.length.remote()
    return [
        Branch(explore.remote(shared, shared.problem, best_length, share), share[-1].bound)
        for share in shares_of(subtrees, SHARES)
    ]


@dataclass(slots=True)
class Summary:
    """What came of a whole search."""

    finds: list[Find] = field(default_factory=list)
    nodes: int = 0
    pruned: int = 0
    seconds: float = 0.0
    task_nodes: list[int] = field(default_factory=list)
    abandoned: int = 0

    def count(self, nodes: int, pruned: int) -> None:
        """Add what one task, or one share, took."""
        self.nodes += nodes
        self.pruned += pruned
        self.task_nodes.append(nodes)

    @property
    def best(self) -> Find:
        """The best round trip."""
        return self.finds[-1]


def search_in_parallel(problem: Problem) -> Summary:
    """Return what a growing tree of tasks finds."""
    started = time.perf_counter()
    tour = problem.first_tour()
    shared = Shared(ray.put(problem), Best.remote(problem.length(tour), tour))
    summary = Summary()
    waiting = {branch.outcome: branch.bound for branch in start_branches(shared, [Search(problem).root()])}
    with progress("tree of tasks", len(waiting), " tasks") as bar:
        while waiting:
            [first], _ = ray.wait(list(waiting))
            del waiting[first]
            outcome = ray.get(first)
            waiting.update((branch.outcome, branch.bound) for branch in outcome.branches)
            summary.count(outcome.nodes, outcome.pruned)
            best_length: int = ray.get(shared.best.length.remote())
            proven = min(waiting.values(), default=best_length)
            done = len(summary.task_nodes)
            gap = max(0.0, best_length / proven - 1.0)
            bar.advance_to(done, total=done + len(waiting), note=f"best {best_length:,}, at most {gap:.2%} too long")
            if proven >= best_length:
                break
    summary.abandoned = len(waiting)
    summary.finds = ray.get(shared.best.finds.remote())
    summary.seconds = time.perf_counter() - started
    return summary


def search_in_series(problem: Problem) -> Summary:
    """Return what the same search finds, with a queue in place of the tasks; this is the answer to compare with."""
    started = time.perf_counter()
    tour = problem.first_tour()
    record = Record(problem.length(tour), tour)
    search = Search(problem)
    waiting = deque([[search.root()]])
    summary = Summary()
    with progress("serial check", len(waiting), " shares") as bar:
        while waiting and min(share[-1].bound for share in waiting) < record.length():
            explored = search.explore(waiting.popleft(), record, BUDGET_NODES)
            waiting.extend(shares_of(explored.open, SHARES))
            summary.count(explored.nodes, explored.pruned)
            done = len(summary.task_nodes)
            bar.advance_to(done, total=done + len(waiting), note=f"best {record.length():,}")
    summary.finds = record.finds()
    summary.seconds = time.perf_counter() - started
    return summary


def print_map(problem: Problem, summary: Summary, bound: int) -> None:
    """Draw the best round trip, and beside it how it was found."""
    section(f"the shortest round trip has length {summary.best.length:,}")
    shown = [summary.finds[0], *summary.finds[1:][-HISTORY_SHOWN:]]
    longest = summary.finds[0].length
    history = ["  after     best so far, and how far above the bound"]
    for find in shown:
        above = (find.length - bound) / max(1, longest - bound)
        history.append(f"{find.after_s:6.2f} s  {find.length:>8,}  {horizontal_bar(above, 16)}")
    history += ["", f"  bound  {bound:>9,}  before any search"]
    route = [problem.cities[city] for city in summary.best.tour]
    print(side_by_side([map_of(route, MAP_COLUMNS, MAP_ROWS), history], MAP_COLUMNS + 2))


def print_effort(parallel: Summary, serial: Summary, cpus: int) -> None:
    """Print what was done for it, in tasks and in one process."""
    section("the search")
    split = sum(nodes >= BUDGET_NODES for nodes in parallel.task_nodes)
    idle = sum(nodes == 0 for nodes in parallel.task_nodes)
    tasks = len(parallel.task_nodes)
    print(f"  {tasks:,} tasks: {split:,} spent {BUDGET_NODES} nodes and started more, {idle:,} had nothing left to do;")
    print(f"  the optimum was proven with {parallel.abandoned:,} tasks still under way, and nobody waited for those")
    print(f"\n  {'':<16}{'nodes':>10}{'cut off':>12}{'found after':>14}{'proven after':>15}")
    for name, summary in (("tree of tasks", parallel), ("one process", serial)):
        print(f"  {name:<16}{summary.nodes:>10,}{summary.pruned:>12,}", end="")
        print(f"{summary.best.after_s:>12.2f} s{summary.seconds:>13.2f} s")
    print(f"\n  {serial.seconds / parallel.seconds:.2f} times the speed of one process, on {cpus} CPUs")


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description="Find the shortest round trip, with a tree of tasks that grows.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", dest="size", const=QUICK, help=f"{QUICK[0]} cities")
    size.add_argument("--large", action="store_const", dest="size", const=LARGE, help=f"{LARGE[0]} cities")
    parser.add_argument("--cities", type=int, help=f"how many cities (default: {DEFAULT[0]})")
    parser.add_argument("--seed", type=int, help="which cities")
    parser.add_argument("--cpus", type=int, help="CPUs to use (default: all there are)")
    parser.set_defaults(size=DEFAULT)
    return parser.parse_args()


def main() -> int:
    """Search in tasks and in one process, print and compare; return the exit code."""
    options = arguments()
    cities = options.cities or options.size[0]
    seed = options.size[1] if options.seed is None else options.seed
    problem = Problem.random(cities, seed)
    bound = Search(problem).root().bound
    round_trips = math.factorial(cities - 1) // 2
    open_page("The shortest round trip", f"{cities} cities, strewn by seed {seed}: {round_trips:.1e} round trips")
    with ray.init(num_cpus=options.cpus):
        cpus = int(ray.cluster_resources()["CPU"])
        parallel = search_in_parallel(problem)
    print_map(problem, parallel, bound)
    serial = search_in_series(problem)
    print_effort(parallel, serial, cpus)
    tour, length = parallel.best.tour, parallel.best.length
    is_tour = sorted(tour) == list(range(cities)) and problem.length(tour) == length
    return verdict(is_tour and length == serial.best.length)


if __name__ == "__main__":
    sys.exit(main())
