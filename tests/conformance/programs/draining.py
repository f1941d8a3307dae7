"""Nodes that are asked to go, with Ray's private client of the tables, as autoscalers and Ray's own tests do."""

from __future__ import annotations

import importlib
import time
from types import ModuleType
from typing import Any

import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, program

HEAD, OTHER = {"num_cpus": 1, "resources": {"here": 1}}, {"num_cpus": 1, "resources": {"there": 1}}
NODES = [HEAD, OTHER]
IDLE, PREEMPTION = 1, 2
"""Of `autoscaler_pb2.DrainNodeReason`."""
PREEMPTED, NOT_NEEDED = 3, 4
"""Of `common_pb2.NodeDeathInfo.Reason`."""
SOME_DAY = 2**63 - 1


def drain(ray: ModuleType, node_id: str, reason: int, message: str, deadline_ms: int) -> tuple[bool, str]:
    """Ask for a node's end."""
    client = ray._raylet.GcsClient(address=ray.get_runtime_context().gcs_address)
    return client.drain_node(node_id, reason, message, deadline_ms)


def death_of(ray: ModuleType, node_id: str) -> tuple[int, str]:
    """The reason and the words of a node's death."""
    (node,) = (each for each in ray.nodes() if each["NodeID"] == node_id)
    return node["DeathReason"], node["DeathReasonMessage"]


def is_alive(ray: ModuleType, node_id: str) -> bool:
    """Whether a node is."""
    return any(each["NodeID"] == node_id and each["Alive"] for each in ray.nodes())


class Anywhere:
    """An actor that goes where its options say."""

    def ready(self) -> int:
        return 1


def make_actor(ray: ModuleType, **options: object) -> Any:
    """An actor on the node that goes: `where()` says which that is."""

    @ray.remote(num_cpus=0, resources={"there": 1}, **options)
    class There:
        def where(self) -> str:
            return ray.get_runtime_context().get_node_id()

    return There.remote()


@program(nodes=NODES, engines=NOT_SIMULATED, reason="asks for the session's address")
def a_node_that_is_not_idle_is_not_let_go_for_being_idle(ray: ModuleType, cluster: Any) -> None:
    """Surface 14b: it is refused with words while an actor lives there; then the node ends by itself."""
    (node,) = cluster.worker_nodes
    actor = make_actor(ray)
    assert ray.get(actor.where.remote()) == node.node_id
    accepted, why = drain(ray, node.node_id, IDLE, "idle for long", SOME_DAY)
    assert not accepted
    assert "no longer idle" in why
    ray.kill(actor)
    wait_until(lambda: drain(ray, node.node_id, IDLE, "idle for long", SOME_DAY)[0], "it is idle")
    wait_until(lambda: not is_alive(ray, node.node_id), "it ends")
    assert death_of(ray, node.node_id) == (NOT_NEEDED, "idle for long")
    assert drain(ray, node.node_id, IDLE, "idle for long", SOME_DAY)[0]


@program(nodes=NODES, engines=NOT_SIMULATED, reason="asks for the session's address")
def a_preempted_node_ends_when_it_has_nothing_left(ray: ModuleType, cluster: Any) -> None:
    """Surface 14b: what is there stays, nothing new comes; a time before 1970 is refused."""
    strategies = importlib.import_module(f"{ray.__name__}.util.scheduling_strategies")
    (node,) = cluster.worker_nodes
    actor = make_actor(ray)
    ray.get(actor.where.remote())
    with pytest.raises(ray.exceptions.RaySystemError):
        drain(ray, node.node_id, PREEMPTION, "taken back", -1)
    assert drain(ray, node.node_id, PREEMPTION, "taken back", SOME_DAY)[0]

    @ray.remote(scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(node.node_id, soft=True))
    def elsewhere() -> str:
        return ray.get_runtime_context().get_node_id()

    time.sleep(1)
    assert ray.get(elsewhere.remote(), timeout=30) == ray.get_runtime_context().get_node_id()
    assert ray.get(actor.where.remote()) == node.node_id
    ray.kill(actor)
    wait_until(lambda: not is_alive(ray, node.node_id), "it ends")
    assert death_of(ray, node.node_id) == (PREEMPTED, "taken back")


@program(nodes=NODES, engines=NOT_SIMULATED, reason="asks for the session's address")
def what_preemption_ends_costs_no_restart(ray: ModuleType, cluster: Any) -> None:
    """Surface 14b, AC13: an actor of one restart survives a node that was preempted and one that was removed, and no
    more; its last error does not say that it was preempted."""

    def replace(preempts: bool) -> str:
        (node,) = cluster.worker_nodes
        if preempts:
            assert drain(ray, node.node_id, PREEMPTION, "taken back", 1)[0]
        cluster.remove_node(node)
        return cluster.add_node(**OTHER).node_id

    def is_on(node_id: str) -> bool:
        try:
            return ray.get(actor.where.remote(), timeout=30) == node_id
        except ray.exceptions.RayActorError:
            # Real Ray says for a moment that it has died.
            return False

    actor = make_actor(ray, max_restarts=1)
    ray.get(actor.where.remote())
    for preempts in (False, True):
        node_id = replace(preempts)
        wait_until(lambda node_id=node_id: is_on(node_id), "it is on the new node")
    replace(preempts=False)
    with pytest.raises(ray.exceptions.ActorDiedError) as caught:
        ray.get(actor.where.remote(), timeout=30)
    assert not caught.value.preempted
    mortal = make_actor(ray)
    ray.get(mortal.where.remote())
    replace(preempts=True)
    with pytest.raises(ray.exceptions.ActorDiedError, match="because its node has died") as caught:
        ray.get(mortal.where.remote(), timeout=30)
    assert caught.value.preempted
    assert "the actor's node was preempted: taken back" in str(caught.value)


@program(nodes=NODES, engines=NOT_SIMULATED, reason="asks for the session's address")
def what_asks_for_a_node_that_goes(ray: ModuleType, cluster: Any) -> None:
    """Surface 14b, T10: by affinity or by a selector of its id it fails; by another label it waits; with a fallback it
    goes elsewhere."""
    strategies = importlib.import_module(f"{ray.__name__}.util.scheduling_strategies")
    (node,) = cluster.worker_nodes
    here, there = ray.get_runtime_context().get_node_id(), node.node_id
    actor = make_actor(ray)
    ray.get(actor.where.remote())
    assert drain(ray, there, PREEMPTION, "taken back", SOME_DAY)[0]
    affinity = strategies.NodeAffinitySchedulingStrategy(there, soft=False)

    @ray.remote
    def where() -> str:
        return ray.get_runtime_context().get_node_id()

    time.sleep(1)
    for options in ({"label_selector": {"ray.io/node-id": there}}, {"scheduling_strategy": affinity}):
        with pytest.raises(ray.exceptions.TaskUnschedulableError):
            ray.get(where.options(**options).remote(), timeout=30)
        with pytest.raises(ray.exceptions.ActorUnschedulableError):
            ray.get(ray.remote(Anywhere).options(**options).remote().ready.remote(), timeout=30)
    fallback = [{"label_selector": {"ray.io/node-id": here}}]
    asked = where.options(label_selector={"ray.io/node-id": there}, fallback_strategy=fallback)
    assert ray.get(asked.remote(), timeout=30) == here
    waits = where.options(num_cpus=0, resources={"there": 0.0001}).remote()
    assert ray.wait([waits], timeout=1)[0] == []
    ray.cancel(waits)
    ray.kill(actor)
