"""Clusters of several nodes for the programs that ask for one: the same calls for real Ray's `Cluster`, localray's, and
nodes of a simulation.

What must not live here: expectations.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

NodeArguments = tuple[tuple[str, object], ...]
"""One node's arguments, hashable."""

_STORE_BYTES = 80 * 2**20


def as_keywords(node: NodeArguments) -> dict[str, object]:
    """A node's arguments as keywords; custom resources and labels are dictionaries again."""
    keywords = {name: dict(value) if isinstance(value, tuple) else value for name, value in node}
    return {"object_store_memory": _STORE_BYTES, **keywords}


def start_cluster(ray: ModuleType, nodes: tuple[NodeArguments, ...]) -> Any:
    """A cluster of processes, real Ray's or localray's, that this process has joined as a driver."""
    cluster_utils = importlib.import_module(f"{ray.__name__}.cluster_utils")
    head, *others = (as_keywords(node) for node in nodes)
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    try:
        for other in others:
            cluster.add_node(**other)
        ray.init(address=cluster.address)
    except BaseException:
        cluster.shutdown()
        raise
    return cluster


class SimulatedClusterNode:
    """A node of a simulation, as far as programs look at it."""

    def __init__(self, node_id: str) -> None:
        self.node_id = self.unique_id = node_id


class SimulatedCluster:
    """Nodes of a simulation, by the names of Ray's `Cluster`."""

    def __init__(self, ray: ModuleType, nodes: tuple[NodeArguments, ...]) -> None:
        self._sim = importlib.import_module(f"{ray.__name__}.sim")
        head, *others = (as_keywords(node) for node in nodes)
        ray.init(engine="sim", seed=0, **head)
        self.head_node = SimulatedClusterNode(ray.get_runtime_context().get_node_id())
        self.worker_nodes: set[SimulatedClusterNode] = set()
        for other in others:
            self.add_node(**other)

    def add_node(self, wait: bool = True, **arguments: Any) -> SimulatedClusterNode:
        """See Ray's."""
        arguments = {"num_cpus": 1, **arguments}
        node = SimulatedClusterNode(self._sim.add_node(self._sim.SimulatedNode(**arguments)))
        self.worker_nodes.add(node)
        return node

    def remove_node(self, node: SimulatedClusterNode, allow_graceful: bool = True) -> None:
        """See Ray's."""
        self._sim.remove_node(node.node_id)
        self.worker_nodes.remove(node)

    def shutdown(self) -> None:
        """The simulation ends with `ray.shutdown`."""
