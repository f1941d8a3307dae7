"""Chaos on purpose: workers and nodes of this session are killed by rules with a seed, to see what a program survives.

    with localray.chaos.unleash("kill_worker:probability=0.1,times=0", seed=7) as chaos:
        run_my_program()
    print(len(chaos.happened), "deaths")

The same lines do the same in a simulation; pytest has a fixture `ray_chaos` (`localray.pytest_plugin`). Must not live
here: what the rules mean (`localray.faults`), how it is done (`localray.runtime.havoc`, `localray.sim.havoc`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from localray.client.current import require_client
from localray.faults import Rule, parse
from localray.faults.injector import Happened

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


class Chaos(Protocol):
    """Things that go wrong, from their beginning to their end."""

    @property
    def happened(self) -> tuple[Happened, ...]:
        """What has gone wrong so far."""
        ...

    def end(self) -> None:
        """Nothing goes wrong any more."""
        ...


def begin(
    faults: str | Sequence[Rule] = KILL_TASKS,
    seed: int = 0,
    cluster: Cluster | None = None,
    new_node: dict[str, object] | None = None,
) -> Chaos:
    """Let things go wrong in this session from now on, until `Chaos.end`; see `unleash`, which ends by itself."""
    from localray.runtime.channel import SocketChannel

    client = require_client()
    rules = parse(faults, seed)
    if not isinstance(client.channel, SocketChannel):
        from localray.sim.session import running

        return running().unleash(rules, seed)
    from localray.runtime.havoc import ProcessHavoc

    nodes = _Nodes(cluster, new_node or {}) if cluster is not None else None
    havoc = ProcessHavoc(client, rules, seed, nodes)
    havoc.begin()
    return havoc


@contextmanager
def unleash(
    faults: str | Sequence[Rule] = KILL_TASKS,
    seed: int = 0,
    cluster: Cluster | None = None,
    new_node: dict[str, object] | None = None,
) -> Iterator[Chaos]:
    """Let things go wrong while the block runs, in a session on processes or in a simulation.

    Args:
        faults: what goes wrong; see `localray.faults.parse`. The times of rules count from here. On real processes:
            ``kill_worker``, and with a cluster ``crash_node``; in a simulation all but what is about links, which is
            given to `ray.init(engine="sim", faults=...)`.
        seed: of the dice.
        cluster: whose nodes, besides the driver's own, may crash; a simulation knows its own.
        new_node: arguments of ``cluster.add_node`` for those that come back (``returns_s``).

    Returns:
        What happens: ``happened`` lists it.

    Raises:
        ValueError: a rule cannot be carried out here.

    Example:
        >>> import localray as ray
        >>> from localray import chaos, sim
        >>> with sim.Cluster(seed=3):
        ...     with chaos.unleash("kill_worker:nth=1") as deaths:
        ...         ray.get(ray.remote(lambda: "done").remote()), len(deaths.happened)
        ('done', 1)
    """
    chaos = begin(faults, seed, cluster, new_node)
    try:
        yield chaos
    finally:
        chaos.end()
