"""Chaos on purpose: workers and nodes of this session are killed by rules with a seed, to see what a program survives.

    with localray.chaos.unleash("kill_worker:probability=0.1,times=0", seed=7) as chaos:
        run_my_program()
    print(len(chaos.happened), "deaths")

The rules are those of `localray.faults`, and go wrong in a simulation as well: ``ray.init(engine="sim", faults=...)``.
Must not live here: how it is done (`localray.runtime.havoc`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from localray.client.current import require_client
from localray.faults import Rule, parse

if TYPE_CHECKING:
    from localray.runtime.havoc import ProcessHavoc

KILL_TASKS = "kill_worker:probability=0.05,times=0,only_retriable=true"
"""Of the tasks that may be retried, each one in twenty loses its worker."""


class Cluster(Protocol):
    """What is asked of a `cluster_utils.Cluster`."""

    @property
    def worker_nodes(self) -> object: ...
    def add_node(self, **description: object) -> object: ...
    def remove_node(self, node: object) -> object: ...


class _Nodes:
    """The nodes of a cluster, besides that of the driver."""

    def __init__(self, cluster: Cluster, description: dict[str, object]) -> None:
        self._cluster = cluster
        self._description = description

    def crash_one(self, draw: Callable[[], float]) -> str:
        nodes = sorted(self._cluster.worker_nodes, key=str)  # type: ignore[call-overload]
        if not nodes:
            return ""
        node = nodes[int(draw() * len(nodes))]
        self._cluster.remove_node(node)
        return f"node {node} crashed"

    def add_one(self) -> None:
        self._cluster.add_node(**self._description)


@contextmanager
def unleash(
    faults: str | Sequence[Rule] = KILL_TASKS,
    seed: int = 0,
    cluster: Cluster | None = None,
    new_node: dict[str, object] | None = None,
) -> Iterator[ProcessHavoc]:
    """Let things go wrong while the block runs.

    Args:
        faults: what goes wrong; see `localray.faults.parse`. On real processes: ``kill_worker``, and with a cluster
            ``crash_node``.
        seed: of the dice.
        cluster: whose nodes, besides the driver's own, may crash.
        new_node: arguments of ``cluster.add_node`` for those that come back (``returns_s``).

    Returns:
        What happens: ``happened`` lists it.

    Raises:
        ValueError: a rule cannot be carried out here; in a simulation all are given to `ray.init`.
    """
    from localray.runtime.channel import SocketChannel
    from localray.runtime.havoc import ProcessHavoc

    client = require_client()
    if not isinstance(client.channel, SocketChannel):
        raise ValueError("In a simulation faults are given to init: ray.init(engine='sim', faults=...).")
    nodes = _Nodes(cluster, new_node or {}) if cluster is not None else None
    havoc = ProcessHavoc(client, parse(faults, seed), seed, nodes)
    havoc.begin()
    try:
        yield havoc
    finally:
        havoc.end()
