"""Plain nodes for decision tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from localray.protocol import Resources
from localray.sched.resources import GPU, RESOURCE_UNIT


@dataclass
class Node:
    """A node as a policy sees it."""

    number: int
    total: dict[str, int]
    available: dict[str, int]
    alive: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    draining: bool = False

    @property
    def node_id(self) -> bytes:
        return b"node%d" % self.number

    @property
    def gpu_free(self) -> list[int]:
        whole, part = divmod(self.available.get(GPU, 0), RESOURCE_UNIT)
        free = [RESOURCE_UNIT] * whole + ([part] if part else [])
        return free + [0] * (self.total.get(GPU, 0) // RESOURCE_UNIT - len(free))


def demand(text: str) -> Resources:
    """``"CPU 2, GPU 1"`` as a demand."""
    pairs = [part.split() for part in text.split(",") if part.strip()]
    return tuple(sorted((name, round(float(amount) * RESOURCE_UNIT)) for name, amount in pairs))


def cluster(text: str) -> list[Node]:
    """Nodes, divided by bars: ``"CPU 4 - 1, GPU 1, zone=a | dead CPU 4"``; after a dash what is in use."""
    return [_node(number, part) for number, part in enumerate(text.split("|")) if part.strip()]


def _node(number: int, text: str) -> Node:
    alive = "dead " not in text
    node = Node(number, {}, {}, alive, {})
    labels = {}
    for part in text.replace("dead ", "").split(","):
        if "=" in part:
            key, _, value = part.strip().partition("=")
            labels[key] = value
        elif part.strip():
            name, amount, *rest = part.split()
            used = float(rest[1]) if rest else 0.0
            node.total[name] = round(float(amount) * RESOURCE_UNIT)
            node.available[name] = round((float(amount) - used) * RESOURCE_UNIT)
    node.labels = labels
    return node
