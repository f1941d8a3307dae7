"""Placement policies: which node gets a demand. Pure functions of a read-only view of the nodes.

The default follows Ray's hybrid policy: pack onto the first node until it is half full, then prefer the least used.
Must not live here: queues, leases, or anything that changes a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from localray.protocol import Resources
from localray.sched.bundle_names import plain_name
from localray.sched.resources import CPU, fits

SPREAD_THRESHOLD = 0.5
"""Up to this share of its busiest resource a node is filled before the next is considered (Ray's default)."""


class NodeView(Protocol):
    """What a policy may know of a node."""

    @property
    def alive(self) -> bool: ...
    @property
    def total(self) -> Mapping[str, int]: ...
    @property
    def available(self) -> Mapping[str, int]: ...


Node = TypeVar("Node", bound=NodeView)


def utilisation(node: NodeView) -> float:
    """The share in use of the node's busiest resource, from 0 to 1."""
    shares = [1.0 - node.available.get(name, 0) / units for name, units in node.total.items() if units > 0]
    return max(shares, default=0.0)


def is_feasible(nodes: Iterable[NodeView], demand: Resources) -> bool:
    """Whether any living node could ever meet the demand."""
    return any(node.alive and fits(node.total, demand) for node in nodes)


def choose_node(nodes: Iterable[Node], demand: Resources) -> Node | None:
    """Choose a node by the hybrid policy.

    Args:
        nodes: in a fixed order, the local node first: ties go to the earlier.
        demand: what must be available on it now.

    Returns:
        The node, or None when none has room now.
    """
    roomy = [node for node in nodes if node.alive and fits(node.available, demand)]
    if len(roomy) < 2:
        return roomy[0] if roomy else None
    for node in roomy:
        if utilisation(node) < SPREAD_THRESHOLD:
            return node
    # An overdrawn node scores more than 1 and still takes what asks for nothing it lacks.
    return min(roomy, key=utilisation)


def lendable(resources: Resources) -> Resources:
    """The part of a task's resources that goes back to the node while it waits in `get`: its CPUs; devices stay."""
    return tuple(pair for pair in resources if plain_name(pair[0]) == CPU)
