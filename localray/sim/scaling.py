"""Autoscalers of simulated clusters: of which types nodes are launched, how many, and how long that takes; and how a
user says so.

Must not live here: which nodes come and go (`localray.sched.autoscaling`), when that is asked (the kernel).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

from localray.sched.autoscaling import NodeType as PolicyType
from localray.sched.autoscaling import Scaling
from localray.sim.nodes import SimulatedNode, parse_nodes


@dataclass(frozen=True, slots=True)
class NodeType:
    """Nodes that an autoscaler launches: what each has, how many there are at least and at most, and how long after the
    decision one joins.

    Example:
        >>> NodeType(SimulatedNode(num_cpus=8), max_nodes=10, launch_delay_s=60).min_nodes
        0
    """

    node: SimulatedNode
    min_nodes: int = 0
    max_nodes: int = 10
    launch_delay_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_nodes <= self.max_nodes:
            raise ValueError(f"min_nodes must be between 0 and max_nodes, got {self.min_nodes} and {self.max_nodes}.")
        if self.launch_delay_s < 0:
            raise ValueError(f"launch_delay_s cannot be negative, got {self.launch_delay_s}.")


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """Launches nodes for what waits, and lets go those that have been idle for ``idle_timeout_s`` (Ray's default), down
    to each type's least number. It looks when something has happened, at most every ``interval_s`` (Ray's default).
    Among types that would be used equally, the first is preferred. The nodes that a cluster begins with always stay.

    Example:
        >>> Autoscaler((NodeType(SimulatedNode(num_cpus=8), max_nodes=4),), idle_timeout_s=60).interval_s
        5.0
    """

    types: tuple[NodeType, ...]
    idle_timeout_s: float = 300.0
    interval_s: float = 5.0

    def __post_init__(self) -> None:
        if not self.types:
            raise ValueError("An autoscaler has at least one type of nodes to launch.")
        if self.idle_timeout_s < 0 or self.interval_s <= 0:
            raise ValueError("idle_timeout_s must be at least 0, interval_s above 0.")

    def type_of(self, name: str) -> NodeType:
        """The type of this name: ``type 0`` is the first."""
        return self.types[int(name.removeprefix("type "))]

    def scaling(self) -> Scaling:
        """What the kernel is told of it."""
        types = tuple(
            PolicyType(
                f"type {number}",
                tuple(sorted(kind.node.units().items())),
                tuple(sorted(kind.node.labels.items())),
                kind.min_nodes,
                kind.max_nodes,
            )
            for number, kind in enumerate(self.types)
        )
        return Scaling(types, self.idle_timeout_s, self.interval_s)


AutoscalerGiven: TypeAlias = "str | Autoscaler | Mapping[str, object] | None"
_SETTINGS = ("idle_timeout_s", "interval_s")


def parse_autoscaler(given: AutoscalerGiven) -> Autoscaler | None:
    """An autoscaler from whatever a user gives; None from None and from an empty text.

    In text, parts are separated by commas: ``0-10x8cpu`` for up to ten nodes of eight CPUs (see
    `localray.sim.nodes.parse_nodes`; ``+launch_delay_s=60`` says how long one takes), and ``idle_timeout_s=60`` or
    ``interval_s=1``. A dict has the fields of `Autoscaler`.

    Raises:
        ValueError: a value makes no sense; the text says which.

    Example:
        >>> autoscaler = parse_autoscaler("0-10x8cpu,1-2x4cpu+1gpu+launch_delay_s=60,idle_timeout_s=120")
        >>> [(kind.min_nodes, kind.max_nodes, kind.launch_delay_s) for kind in autoscaler.types]
        [(0, 10, 30.0), (1, 2, 60.0)]
    """
    if given is None or isinstance(given, Autoscaler):
        return given
    if isinstance(given, Mapping):
        unknown = set(given) - {each.name for each in fields(Autoscaler)}
        if unknown:
            raise ValueError(f"An autoscaler has no {', '.join(sorted(map(str, unknown)))}.")
        return Autoscaler(**given)  # type: ignore[arg-type]
    if not given.strip():
        return None
    settings: dict[str, float] = {}
    types: list[NodeType] = []
    for part in filter(None, (part.strip() for part in given.split(","))):
        name, _, value = part.partition("=")
        if name in _SETTINGS:
            settings[name] = float(value)
        else:
            types.append(_type_in(part))
    return Autoscaler(tuple(types), **settings)


def _type_in(text: str) -> NodeType:
    count, separator, rest = text.partition("x")
    least, dash, most = count.partition("-")
    if not separator or not dash or not (least.isdigit() and most.isdigit()):
        raise ValueError(f"{text!r} is not a type of nodes: write 0-10x8cpu for none to ten nodes of eight CPUs.")
    node_words = [word for word in rest.split("+") if not word.startswith("launch_delay_s=")]
    delays = [word.partition("=")[2] for word in rest.split("+") if word.startswith("launch_delay_s=")]
    (node,) = parse_nodes("+".join(node_words))
    kind = NodeType(node, int(least), int(most))
    return replace(kind, launch_delay_s=float(delays[-1])) if delays else kind
