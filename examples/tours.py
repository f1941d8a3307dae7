"""The shortest round trip through some cities by branch and bound: the problem, a lower bound, and one search loop.

Everything here is pure and serial: no task, no actor. `search.py` spreads the same loop over processes.

A subtree of the search is a path that starts at city 0; its children are the path plus one more city. Whatever closes a
path to a round trip has an edge to the cities left, a tree that spans these, and an edge home, so the shortest of each
make a lower bound, and if that is no less than the best round trip known, the subtree cannot hold a better one.

The bound is much sharper when each city is given a penalty, paid on each edge of it. All round trips cost twice the sum
of the penalties more, but trees, which would crowd on some cities and shun others, now cannot (Held and Karp, 1970).
Lengths and penalties are integers, so that bounds hold exactly and equal means equal.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, TypeAlias

Tour: TypeAlias = tuple[int, ...]
Matrix: TypeAlias = tuple[tuple[int, ...], ...]

MAP_SIDE = 10_000
ASCENT_ROUNDS = 150
PATIENCE_ROUNDS = 5
ASK_EVERY_NODES = 25


@dataclass(frozen=True, slots=True)
class Problem:
    """Cities on a map, their distances, and the same distances with penalties added."""

    cities: tuple[tuple[int, int], ...]
    distances: Matrix
    penalised: Matrix
    penalty_per_tour: int

    @classmethod
    def random(cls, cities: int, seed: int) -> Problem:
        """Return a problem whose cities a seed strews over the map."""
        rng = random.Random(seed)
        points = tuple((rng.randrange(MAP_SIDE), rng.randrange(MAP_SIDE)) for _ in range(cities))
        distances = tuple(tuple(round(math.dist(a, b)) for b in points) for a in points)
        penalties = best_penalties(distances)
        return cls(points, distances, penalise(distances, penalties), 2 * sum(penalties))

    def length(self, tour: Tour) -> int:
        """Return the length of a round trip."""
        return tour_length(self.distances, tour)

    def first_tour(self) -> Tour:
        """Return a round trip that is quickly found, and far from the best."""
        return nearest_neighbour_tour(self.distances)


@dataclass(frozen=True, slots=True)
class Subtree:
    """All round trips that begin with `path`; none is shorter than `bound`. Bit i of `left`: city i is to come."""

    path: Tour
    cost: int
    left: int
    bound: int


class Incumbent(Protocol):
    """The best round trip known so far, wherever it is kept."""

    def length(self) -> int:
        """Return its length."""

    def offer(self, length: int, tour: Tour) -> int:
        """Propose a round trip; return the length of the best one."""


@dataclass(slots=True)
class Explored:
    """What came of a search: how much was seen, how much cut off, and what was still open when the budget was spent."""

    nodes: int = 0
    pruned: int = 0
    open: list[Subtree] = field(default_factory=list)


class Search:
    """Depth-first branch and bound over one problem; it remembers every spanning tree it has built."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._tree_costs: dict[int, int] = {}

    def root(self) -> Subtree:
        """Return the subtree of all round trips."""
        all_but_first = (1 << len(self._problem.cities)) - 2
        return Subtree((0,), 0, all_but_first, self._bound(0, 0, all_but_first))

    def explore(self, subtrees: Sequence[Subtree], incumbent: Incumbent, budget_nodes: int) -> Explored:
        """Search subtrees until nothing is left, or the budget is spent.

        Args:
            subtrees: where to search, the last one first.
            incumbent: is told what is found, and asked now and then what need not be searched any more.
            budget_nodes: after how many nodes to hand back what is still open.
        """
        result = Explored(open=list(subtrees))
        limit = incumbent.length()
        while result.open and result.nodes < budget_nodes:
            subtree = result.open.pop()
            if subtree.bound >= limit:
                result.pruned += 1
                continue
            result.nodes += 1
            if not subtree.left:
                tour = polished(self._problem.distances, subtree.path)
                limit = incumbent.offer(self._problem.length(tour), tour)
            elif result.nodes % ASK_EVERY_NODES == 0:
                limit = incumbent.length()
            children = list(self._children(subtree))
            hopeful = [child for child in children if child.bound < limit]
            result.pruned += len(children) - len(hopeful)
            result.open += sorted(hopeful, key=lambda child: child.bound, reverse=True)
        return result

    def _children(self, subtree: Subtree) -> Iterator[Subtree]:
        distances = self._problem.penalised[subtree.path[-1]]
        for city in members(subtree.left):
            # A round trip and its reverse are the same: look only at those which come by city 1 before city 2.
            if city == 2 and subtree.left & (1 << 1):
                continue
            cost = subtree.cost + distances[city]
            left = subtree.left & ~(1 << city)
            yield Subtree((*subtree.path, city), cost, left, self._bound(city, cost, left))

    def _bound(self, here: int, cost: int, left: int) -> int:
        from_here, from_home = self._problem.penalised[here], self._problem.penalised[0]
        paid = cost - self._problem.penalty_per_tour
        if not left:
            return paid + from_here[0]
        cities = members(left)
        tree_cost = self._tree_costs.get(left)
        if tree_cost is None:
            tree_cost = self._tree_costs[left] = sum(d for d, _, _ in spanning_tree(cities, self._problem.penalised))
        return paid + min([from_here[city] for city in cities]) + tree_cost + min([from_home[city] for city in cities])


def shares_of(subtrees: Sequence[Subtree], count: int) -> list[list[Subtree]]:
    """Return subtrees in at most `count` shares, the most promising ones together and in the first of them.

    Like goes with like, so that shares of the hopeless are soon cut off as a whole. Within a share the most promising
    subtree is last, which is where `Search.explore` begins.
    """
    ranked = sorted(subtrees, key=lambda subtree: subtree.bound)
    size = -(-len(ranked) // count) or 1
    return [ranked[start : start + size][::-1] for start in range(0, len(ranked), size)]


@lru_cache(maxsize=1)
def search_of(problem: Problem) -> Search:
    """Return the search of a problem: the same one each time in one process, as what it remembers is worth keeping."""
    return Search(problem)


def members(bits: int) -> list[int]:
    """Return the cities of a set that is written as the bits of a number."""
    cities = []
    while bits:
        lowest = bits & -bits
        cities.append(lowest.bit_length() - 1)
        bits ^= lowest
    return cities


def spanning_tree(cities: Sequence[int], distances: Matrix) -> list[tuple[int, int, int]]:
    """Return the edges (length, from, to) of the shortest tree that connects some cities (Prim's algorithm)."""
    nearest = {city: (distances[cities[0]][city], cities[0], city) for city in cities[1:]}
    edges = []
    while nearest:
        edge = min(nearest.values())
        edges.append(edge)
        new = edge[2]
        del nearest[new]
        row = distances[new]
        for city, (length, _, _) in nearest.items():
            if row[city] < length:
                nearest[city] = (row[city], new, city)
    return edges


def tour_length(distances: Matrix, tour: Tour) -> int:
    """Return the length of a round trip."""
    return sum(distances[here][there] for here, there in zip(tour, (*tour[1:], tour[0]), strict=True))


def nearest_neighbour_tour(distances: Matrix) -> Tour:
    """Return the round trip from city 0 that always goes to the nearest city left."""
    tour = [0]
    left = set(range(1, len(distances)))
    while left:
        row = distances[tour[-1]]
        tour.append(min(left, key=lambda city: (row[city], city)))
        left.remove(tour[-1])
    return tuple(tour)


def polished(distances: Matrix, tour: Tour) -> Tour:
    """Return a round trip made shorter, for as long as taking one part of it the other way round helps (2-opt)."""
    while True:
        turned = (
            (*tour[:start], *reversed(tour[start:end]), *tour[end:])
            for start in range(1, len(tour) - 1)
            for end in range(start + 2, len(tour) + 1)
            if _gain(distances, tour, start, end) > 0
        )
        better = next(turned, None)
        if better is None:
            return tour
        tour = better


def _gain(distances: Matrix, tour: Tour, start: int, end: int) -> int:
    """Return by how much a round trip gets shorter if the part from `start` to before `end` is turned round."""
    before, first, last, after = tour[start - 1], tour[start], tour[end - 1], tour[end % len(tour)]
    return distances[before][first] + distances[last][after] - distances[before][last] - distances[first][after]


def penalise(distances: Matrix, penalties: Sequence[int]) -> Matrix:
    """Return distances with the penalties of both ends added."""
    cities = range(len(distances))
    return tuple(tuple(distances[a][b] + penalties[a] + penalties[b] for b in cities) for a in cities)


def best_penalties(distances: Matrix) -> list[int]:
    """Return penalties that make the lower bound of all round trips large, by subgradient ascent.

    The bound is the shortest 1-tree: a spanning tree of all cities but 0, plus the two shortest edges of city 0. A city
    with more than two edges in it is made dearer, one with a single edge cheaper, in smaller and smaller steps.
    """
    count = len(distances)
    upper = tour_length(distances, nearest_neighbour_tour(distances))
    penalties = best = [0] * count
    best_bound, pace, rounds_without_gain = 0, 2.0, 0
    for _ in range(ASCENT_ROUNDS):
        bound, degrees = _one_tree(penalise(distances, penalties))
        bound -= 2 * sum(penalties)
        rounds_without_gain += 1
        if bound > best_bound:
            best, best_bound, rounds_without_gain = penalties, bound, 0
        elif rounds_without_gain == PATIENCE_ROUNDS:
            pace, rounds_without_gain = pace / 1.5, 0
        excess = [degree - 2 for degree in degrees]
        squares = sum(value * value for value in excess)
        if not squares:
            break  # Every city has two edges: the 1-tree is a round trip, and no bound can be better.
        step = pace * (upper - bound) / squares
        penalties = [penalty + round(step * value) for penalty, value in zip(penalties, excess, strict=True)]
    return best


def _one_tree(distances: Matrix) -> tuple[int, list[int]]:
    edges = spanning_tree(range(1, len(distances)), distances)
    edges += sorted((distances[0][city], 0, city) for city in range(1, len(distances)))[:2]
    degrees = [0] * len(distances)
    for _, here, there in edges:
        degrees[here] += 1
        degrees[there] += 1
    return sum(length for length, _, _ in edges), degrees
