"""Virtual nodes: what each has, and how a user says so.

Must not live here: what follows for what ran on a node that comes or goes (the kernel), how fast messages to it are
(`localray.sim.network`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import TypeAlias

from localray.kernel.effects import NodeAdded
from localray.options import to_units
from localray.shm.settings import StoreSettings

_CPU_UNITS = 10_000
_MOST_PRESTARTED = 8
STORE_BYTES = 256 * 2**20
_MEMORY_BYTES = 8 * 2**30


@dataclass(frozen=True, slots=True)
class SimulatedNode:
    """What one virtual node has.

    ``memory`` and ``object_store_memory`` are in bytes. ``speed`` divides the time that modelled work and the starting
    of tasks take there. ``latency_s`` is added to what each message from or to the node takes;
    ``bandwidth_bytes_per_s`` is what an object that is read on another node is copied with, 0 for no time at all.

    Example:
        >>> SimulatedNode(num_cpus=4, labels={"zone": "a"}, memory=0).units()
        {'CPU': 40000}
    """

    num_cpus: float = 2
    num_gpus: float = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    object_store_memory: int = STORE_BYTES
    memory: int = _MEMORY_BYTES
    speed: float = 1.0
    latency_s: float = 0.0
    bandwidth_bytes_per_s: float = 0.0

    def __post_init__(self) -> None:
        if self.speed <= 0 or self.latency_s < 0 or self.bandwidth_bytes_per_s < 0:
            raise ValueError("speed must be positive, latency_s and bandwidth_bytes_per_s at least 0.")

    def units(self) -> dict[str, int]:
        """Its resources in 1/10000 units."""
        amounts = {"CPU": self.num_cpus, "GPU": self.num_gpus, "memory": self.memory, **self.resources}
        return {name: to_units(amount, name) for name, amount in amounts.items() if amount}

    def joining(self, random: Random, store: StoreSettings) -> NodeAdded:
        """The event of its joining; its id is drawn."""
        return joining(random, self.units(), self.labels, self.object_store_memory, store)


NodesGiven: TypeAlias = "int | str | SimulatedNode | Mapping[str, object] | Iterable[object]"


def joining(
    random: Random, resources: Mapping[str, int], labels: Mapping[str, str], store_bytes: int, store: StoreSettings
) -> NodeAdded:
    """A node joins."""
    prestart = max(1, min(resources.get("CPU", 0) // _CPU_UNITS, _MOST_PRESTARTED))
    return NodeAdded(
        random.randbytes(28),
        tuple(sorted(resources.items())),
        tuple(sorted(labels.items())),
        store_bytes,
        prestart,
        store,
    )


def parse_nodes(given: NodesGiven) -> tuple[SimulatedNode, ...]:
    """Nodes from whatever a user gives: how many, text, dicts of `SimulatedNode`'s fields, or a sequence of these.

    In text, nodes are separated by commas; ``4x`` in front makes four of them; what a node has is joined by ``+``:
    ``8cpu``, ``1gpu``, ``16gb`` of memory, ``1gb-store``, ``3tpu`` of a custom resource, ``zone=a`` for a label, and
    ``speed=0.5``, ``latency_s=0.001``, ``bandwidth_bytes_per_s=1e9``. A node that does not say has two CPUs.

    Raises:
        ValueError: a value makes no sense; the text says which.

    Example:
        >>> [(node.num_cpus, node.num_gpus) for node in parse_nodes("2x8cpu,1cpu+1gpu")]
        [(8, 0), (8, 0), (1, 1)]
    """
    if isinstance(given, int):
        if given < 1:
            raise ValueError(f"A cluster has at least one node, got {given}.")
        return (SimulatedNode(),) * given
    if isinstance(given, SimulatedNode):
        return (given,)
    if isinstance(given, str):
        return tuple(node for part in given.split(",") for node in _alike(part.strip()))
    if isinstance(given, Mapping):
        known = {each.name for each in fields(SimulatedNode)}
        unknown = [str(name) for name in given if name not in known]
        if unknown:
            raise ValueError(f"A node has no {', '.join(unknown)}; it has {', '.join(sorted(known))}.")
        return (SimulatedNode(**given),)
    nodes = tuple(node for each in given for node in parse_nodes(each))  # type: ignore[arg-type]
    if not nodes:
        raise ValueError("A cluster has at least one node.")
    return nodes


_COUNT = re.compile(r"(\d+)x(.*)")
_AMOUNT = re.compile(r"([0-9.]+)([a-z_][a-z_-]*)", re.IGNORECASE)
_OWN_FIELDS = ("speed", "latency_s", "bandwidth_bytes_per_s")


def _alike(text: str) -> tuple[SimulatedNode, ...]:
    counted = _COUNT.fullmatch(text)
    count, rest = (int(counted[1]), counted[2]) if counted else (1, text)
    node = SimulatedNode()
    for part in rest.split("+"):
        node = _with(node, part.strip(), text)
    return (node,) * count


def _with(node: SimulatedNode, part: str, text: str) -> SimulatedNode:
    name, equals, value = part.partition("=")
    if equals:
        if name in _OWN_FIELDS:
            return replace(node, **{name: float(value)})  # type: ignore[arg-type]
        return replace(node, labels={**node.labels, name: value})
    amount = _AMOUNT.fullmatch(part)
    if amount is None:
        raise ValueError(f"{part!r} in {text!r} is not what a node has: write 8cpu, 1gpu, 16gb or zone=a.")
    number = float(amount[1]) if "." in amount[1] else int(amount[1])
    unit = amount[2].lower()
    if unit in ("cpu", "cpus"):
        return replace(node, num_cpus=number)
    if unit in ("gpu", "gpus"):
        return replace(node, num_gpus=number)
    if unit in ("gb", "gb-store"):
        field_name = "memory" if unit == "gb" else "object_store_memory"
        return replace(node, **{field_name: int(number * 2**30)})  # type: ignore[arg-type]
    return replace(node, resources={**node.resources, amount[2]: number})
