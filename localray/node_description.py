"""What a node has, from the words in which a user says it: for `init`, for the nodes of a `cluster_utils.Cluster`, and
for those of the command line.

Must not live here: starting anything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from localray.client.devices import VARIABLE, visible_devices
from localray.host import default_cpu_count, default_memory_bytes, default_store_bytes
from localray.options import RESOURCE_UNIT, to_units

LEAST_STORE_BYTES = 75 * 1024 * 1024
NODE_ADDRESS = "127.0.0.1"
OVERRIDES = "RAY_OVERRIDE_RESOURCES"
_HEAD = "node:__internal_head__"
_NOT_CUSTOM = ("CPU", "GPU", "memory", "object_store_memory")


class NodeDescription(NamedTuple):
    """What a node has; resources in 1/10000 units."""

    resources: dict[str, int]
    labels: dict[str, str]
    store_bytes: int


def store_name(node_id: str) -> str:
    """What the object store of the node with this hexadecimal id is called; in Ray the path of its socket."""
    return f"plasma-{node_id}"


def unique_node_name(node_id: str) -> str:
    """What tells the nodes of a machine apart, in Ray's way."""
    return f"{NODE_ADDRESS}:{store_name(node_id)}"


def describe_node(
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    resources: Mapping[str, float] | None = None,
    labels: Mapping[str, str] | None = None,
    object_store_memory: int | None = None,
    memory: int | None = None,
    *,
    is_head: bool = True,
) -> NodeDescription:
    """Check and complete what a user says of a node.

    Args:
        num_cpus: by default those of this machine or container.
        num_gpus: need not exist; by default none.
        resources: custom ones.
        labels: of the node.
        object_store_memory: bytes of shared memory at most; by default 30 % of the machine's.
        memory: bytes that tasks may ask for; by default the machine's less the object store's.
        is_head: whether it is the first node, on which drivers are.

    Raises:
        ValueError: a quantity is negative or no whole number, or the store is too small.
        AssertionError: a quantity is no number, or CPUs, GPUs or memory are given as custom resources; Ray's kind.
    """
    if is_head:
        num_cpus, num_gpus, resources, object_store_memory, memory = _overridden(
            os.environ.get(OVERRIDES, ""), num_cpus, num_gpus, resources or {}, object_store_memory, memory
        )
    if object_store_memory is not None and object_store_memory < LEAST_STORE_BYTES:
        raise ValueError(
            "Attempting to cap object store memory usage at "
            f"{object_store_memory} bytes, but the minimum allowed is {LEAST_STORE_BYTES} bytes."
        )
    store_bytes = default_store_bytes() if object_store_memory is None else int(object_store_memory)
    units = _units(num_cpus, num_gpus, resources or {})
    # Whole bytes, rounded down as those that a task asks for: 0 is an amount too.
    memory_bytes = default_memory_bytes(store_bytes) if memory is None else int(memory)
    _check_amount("memory", memory_bytes)
    units["memory"] = memory_bytes * RESOURCE_UNIT
    if is_head:
        units[_HEAD] = RESOURCE_UNIT
    units[f"node:{NODE_ADDRESS}"] = RESOURCE_UNIT
    return NodeDescription({name: amount for name, amount in units.items() if amount}, dict(labels or {}), store_bytes)


def _overridden(
    text: str,
    num_cpus: float | None,
    num_gpus: float | None,
    resources: Mapping[str, float],
    object_store_memory: int | None,
    memory: int | None,
) -> tuple[float | None, float | None, Mapping[str, float], int | None, int | None]:
    """What is asked for, with what the variable says in its place: JSON, quantities by name.

    Raises:
        ValueError: it is no JSON.
    """
    if not text:
        return num_cpus, num_gpus, resources, object_store_memory, memory
    import json

    given: dict[str, float] = json.loads(text)
    store, asked_memory = given.pop("object_store_memory", None), given.pop("memory", None)
    return (
        given.pop("CPU", num_cpus),
        given.pop("GPU", num_gpus),
        {**resources, **given},
        object_store_memory if store is None else int(store),
        memory if asked_memory is None else int(asked_memory),
    )


def _units(num_cpus: float | None, num_gpus: float | None, custom: Mapping[str, float]) -> dict[str, int]:
    """CPUs, GPUs and custom resources, in units."""
    for name in _NOT_CUSTOM:
        if name in custom:
            raise AssertionError(f"`{name}` cannot be a custom resource: it has a keyword of its own.")
    cpus = default_cpu_count() if num_cpus is None else num_cpus
    amounts = {"CPU": cpus, "GPU": num_gpus or 0, **custom}
    for name, amount in amounts.items():
        _check_amount(name, amount)
    return {name: to_units(amount, name) for name, amount in amounts.items()}


def _check_amount(name: str, amount: float) -> None:
    """A node has whole amounts only; tasks ask for parts of them."""
    if not isinstance(amount, (int, float)):
        raise AssertionError(f"The amount of {name} must be a number, got {amount!r}.")
    if amount < 0:
        raise ValueError(f"Resource quantities must be nonnegative, got {name}={amount}.")
    if isinstance(amount, float) and not amount.is_integer():
        raise ValueError(f"Resource quantities must all be whole numbers, got {name}={amount}.")


def check_visible_devices(node: NodeDescription, environment: Mapping[str, str]) -> None:
    """Raise ValueError if a node is to have more GPUs than this environment lets a process use."""
    visible, gpus = visible_devices(environment), node.resources.get("GPU", 0) // RESOURCE_UNIT
    if visible is not None and gpus > len(visible):
        raise ValueError(f"Attempting to start a session with {gpus} GPU, but {VARIABLE} contains {list(visible)}.")
