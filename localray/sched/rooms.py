"""Which nodes have room for a demand now, kept ranked, so that a decision looks at one node and not at all of them.

A `Room` is one demand's ranking. It is brought up to date when it is asked, from the index's log of nodes that have
changed since: what nobody asks about costs nothing, and what changes is looked at once. Ranks are as in Ray's hybrid
policy: nodes with devices come last for demands without, then by the share in use where that is above the threshold,
then by number. Must not live here: choosing among the ranked (`localray.sched.placement`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from localray.protocol import Conditions, Resources
from localray.sched.labels import meets
from localray.sched.resources import CPU, GPU, MEMORY, amount, devices_fit, fits
from localray.sched.views import NodeView

SPREAD_THRESHOLD = 0.5
"""Up to this share of its busiest resource a node is filled before the next is considered (Ray's default)."""
_CRITICAL = (CPU, MEMORY)
_SHORTEST_LOG = 64

Rank: TypeAlias = "tuple[bool, float, int]"
"""Whether the node is to be avoided for its devices, its score (the lower the better), its number."""


def utilisation(node: NodeView) -> float:
    """The share in use of a node's busiest critical resource, as Ray counts: of CPUs and memory. Above 1 where
    resumed tasks have overdrawn it."""
    highest = 0.0
    for name in _CRITICAL:
        units = node.total.get(name, 0)
        if units > 0:
            highest = max(highest, 1.0 - node.available.get(name, 0) / units)
    return highest


class NodeIndex:
    """All nodes, and a log of which have changed."""

    def __init__(self, nodes: Iterable[NodeView] = ()) -> None:
        self.nodes: dict[int, NodeView] = {}
        self.by_id: dict[bytes, NodeView] = {}
        self.version = 0
        self.log: list[int] = []
        self.membership = 0
        """Counts the nodes that came and went: what is feasible changes only then."""
        for node in nodes:
            self.add(node)

    def add(self, node: NodeView) -> None:
        """A node joins."""
        self.nodes[node.number] = node
        self.by_id[node.node_id] = node
        self.membership += 1
        self.changed(node.number)

    def left(self, node: NodeView) -> None:
        """A node is dead from now on."""
        self.membership += 1
        self.changed(node.number)

    def changed(self, number: int) -> None:
        """What a node has available is different."""
        self.version += 1
        log = self.log
        log.append(number)
        if len(log) > 4 * max(_SHORTEST_LOG, len(self.nodes)):
            del log[: len(log) // 2]


class Room:
    """The nodes that have room for one demand and meet its conditions, best first.

    Args:
        demand: what must be available.
        conditions: on the node's labels.
        by_number: rank by number alone, as for taking turns.
    """

    __slots__ = ("_by_number", "_conditions", "_demand", "_devices", "_ranks", "_version", "ranked")

    def __init__(self, demand: Resources, conditions: Conditions, *, by_number: bool = False) -> None:
        self.ranked: list[Rank] = []
        self._demand = demand
        self._conditions = conditions
        self._by_number = by_number
        self._devices = amount(demand, GPU)
        self._ranks: dict[int, Rank] = {}
        self._version = -1

    def catch_up(self, index: NodeIndex) -> None:
        """Look at what has changed since the last time."""
        behind = index.version - self._version
        if behind == 0:
            return
        if self._version < 0 or behind > min(len(index.log), len(index.nodes)):
            self._rebuild(index.nodes)
        else:
            for number in index.log[-behind:]:
                self._update(index.nodes[number])
        self._version = index.version

    def rank_of(self, number: int) -> Rank | None:
        """A node's rank, if it has room."""
        return self._ranks.get(number)

    def has_room(self, node: NodeView) -> bool:
        """Whether a node could take the demand now."""
        return (
            node.alive
            and not node.draining
            and fits(node.available, self._demand)
            and (not self._devices or devices_fit(node.gpu_free, self._devices))
            and (not self._conditions or meets(node.labels, self._conditions))
        )

    def _rank(self, node: NodeView) -> Rank:
        if self._by_number:
            return (False, 0.0, node.number)
        score = utilisation(node)
        avoided = not self._devices and node.total.get(GPU, 0) > 0
        return (avoided, 0.0 if score < SPREAD_THRESHOLD else score, node.number)

    def _update(self, node: NodeView) -> None:
        old = self._ranks.get(node.number)
        new = self._rank(node) if self.has_room(node) else None
        if new == old:
            return
        if old is not None:
            del self.ranked[bisect_left(self.ranked, old)]
            del self._ranks[node.number]
        if new is not None:
            insort(self.ranked, new)
            self._ranks[node.number] = new

    def _rebuild(self, nodes: Mapping[int, NodeView]) -> None:
        self._ranks = {node.number: self._rank(node) for node in nodes.values() if self.has_room(node)}
        self.ranked = sorted(self._ranks.values())
