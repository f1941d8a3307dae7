"""Clusters of several nodes: the table of nodes, where things run and read, what goes with a node that is removed."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ..helpers import make_gate, module_of, wait_until
from ..registry import NOT_SIMULATED, program

ONE_CPU = {"num_cpus": 1}
NO_CPU = {"num_cpus": 0}
LARGE = 300_000


def here(ray: ModuleType) -> str:
    return str(ray.get_runtime_context().get_node_id())


def make_where(ray: ModuleType, **options: object):
    def where(*arguments: object) -> str:
        return str(ray.get_runtime_context().get_node_id())

    return ray.remote(**options)(where) if options else ray.remote(where)


def alive(ray: ModuleType) -> set[str]:
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


@program(nodes=[ONE_CPU, {"num_cpus": 3, "num_gpus": 2, "resources": {"special": 5}}])
def table_of_nodes(ray: ModuleType, cluster: Any) -> None:
    """N1, surface 9: nodes() has a row for each node; dead ones stay, with nothing to offer; sums are over the living."""
    (worker,) = cluster.worker_nodes
    rows = {row["NodeID"]: row for row in ray.nodes()}
    assert set(rows) == {cluster.head_node.node_id, worker.node_id} == alive(ray)
    assert here(ray) == cluster.head_node.node_id
    row = rows[worker.node_id]
    assert {"CPU": 3.0, "GPU": 2.0, "special": 5.0}.items() <= row["Resources"].items()
    assert row["Resources"]["object_store_memory"] == 80 * 2**20
    assert row["Alive"] is row["alive"] is True
    assert ray.cluster_resources()["CPU"] == 4.0
    cluster.remove_node(worker)
    wait_until(lambda: alive(ray) == {cluster.head_node.node_id}, "the node is dead")
    row = next(row for row in ray.nodes() if row["NodeID"] == worker.node_id)
    assert row["Resources"] == {} and row["Alive"] is False
    assert ray.cluster_resources()["CPU"] == 1.0
    assert "special" not in ray.cluster_resources()


@program(nodes=[NO_CPU, {"num_cpus": 1, "labels": {"zone": "a"}}, {"num_cpus": 1, "labels": {"zone": "b"}}])
def things_run_where_they_are_sent(ray: ModuleType, cluster: Any) -> None:
    """T10, surface 9: affinity to a node of a cluster, label selectors, and SPREAD."""
    strategies = import_module(f"{ray.__name__}.util.scheduling_strategies")
    nodes = [row["NodeID"] for row in ray.nodes() if row["Resources"].get("CPU")]
    zones = {row["Labels"]["zone"]: row["NodeID"] for row in ray.nodes() if "zone" in row["Labels"]}
    where = make_where(ray)
    for node in nodes:
        affinity = strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        assert ray.get(where.options(scheduling_strategy=affinity).remote()) == node
    for zone, node in zones.items():
        assert ray.get(where.options(label_selector={"zone": zone}).remote()) == node

    @ray.remote
    class Where:
        def node(self) -> str:
            return str(ray.get_runtime_context().get_node_id())

    spread = [Where.options(num_cpus=1, scheduling_strategy="SPREAD").remote() for _ in nodes]
    assert set(ray.get([each.node.remote() for each in spread])) == set(nodes)


@program(nodes=[ONE_CPU])
def a_node_comes_to_those_who_wait(ray: ModuleType, cluster: Any) -> None:
    """T8, surface 9: what no node could run starts when one comes that can."""
    where = make_where(ray, resources={"late": 1})
    waits = where.remote()
    assert ray.wait([waits], timeout=0.05) == ([], [waits])
    node = cluster.add_node(num_cpus=1, resources={"late": 1})
    assert ray.get(waits) == node.node_id


@program(nodes=[ONE_CPU, {"num_cpus": 1, "resources": {"there": 1}}])
def large_values_cross_nodes(ray: ModuleType, cluster: Any) -> None:
    """P1, surface 9: what a task on one node returns is an argument on another and a value at the driver, and back."""

    @ray.remote(resources={"there": 0.1})
    def make() -> np.ndarray:
        return np.arange(LARGE)

    @ray.remote
    def total(values: np.ndarray) -> tuple[str, int]:
        return str(ray.get_runtime_context().get_node_id()), int(values.sum())

    strategies = import_module(f"{ray.__name__}.util.scheduling_strategies")
    made = make.remote()
    expected = LARGE * (LARGE - 1) // 2
    for node in ray.nodes():
        affinity = strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        assert ray.get(total.options(scheduling_strategy=affinity).remote(made)) == (node["NodeID"], expected)
    assert int(ray.get(made).sum()) == expected
    ours = ray.put(np.ones(LARGE))
    assert ray.get(total.options(resources={"there": 0.1}).remote(ours))[1] == LARGE


@program(nodes=[ONE_CPU, {"num_cpus": 1, "resources": {"there": 1}}])
def who_waits_without_fetching_leaves_values_where_they_are(ray: ModuleType, cluster: Any) -> None:
    """W5, surface 9: what is ready on another node is ready, and is not copied; what waits or gets later has it all the same."""
    (worker,) = cluster.worker_nodes
    locations = import_module(f"{ray.__name__}.experimental").get_object_locations
    gate = make_gate(ray)

    @ray.remote(num_cpus=0, resources={"there": 0.1})
    def make(number: int) -> np.ndarray:
        return np.full(LARGE, number)

    @ray.remote(num_cpus=0, resources={"there": 0.1})
    def make_later(gate: Any) -> np.ndarray:
        import time

        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        return np.zeros(LARGE)

    made, later = [make.remote(number) for number in range(3)], make_later.remote(gate)
    assert ray.wait(made, num_returns=3, timeout=60, fetch_local=False) == (made, [])
    ready, rest = ray.wait([later, *made], num_returns=2, timeout=60, fetch_local=False)
    assert len(ready) == 2 and set(ready) <= set(made) and rest[0] == later
    assert ray.wait([later], timeout=0.01, fetch_local=False) == ([], [later])
    assert [located["node_ids"] for located in locations(made).values()] == [[worker.node_id]] * 3
    # Who fetches has a copy of it here.
    assert ray.wait(made[:1], timeout=60) == (made[:1], [])
    wait_until(lambda: len(locations(made)[made[0]]["node_ids"]) == 2, "the value is on both nodes")
    assert [int(ray.get(reference)[0]) for reference in made] == [0, 1, 2]
    ray.get(gate.open.remote())
    assert ray.wait([later], timeout=60, fetch_local=False) == ([later], [])
    assert ray.wait([later], timeout=60) == ([later], [])
    assert int(ray.get(later).sum()) == 0


@program(nodes=[ONE_CPU, {"num_cpus": 1, "resources": {"there": 1}}])
def what_a_removed_node_ran(ray: ModuleType, cluster: Any) -> None:
    """E7, surface 9: a task on a node that goes is tried again elsewhere, or fails; an actor is dead."""
    (worker,) = cluster.worker_nodes
    strategies = import_module(f"{ray.__name__}.util.scheduling_strategies")
    on_head = strategies.NodeAffinitySchedulingStrategy(cluster.head_node.node_id, soft=False)
    gate = make_gate(ray, scheduling_strategy=on_head)
    started, started_too = (make_gate(ray, scheduling_strategy=on_head) for _ in range(2))

    @ray.remote(num_cpus=0, max_retries=1)
    def tries(started: Any, gate: Any) -> str:
        node = str(ray.get_runtime_context().get_node_id())
        ray.get(started.open.remote())
        import time

        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        return node

    @ray.remote(num_cpus=0, resources={"there": 0.1})
    class Actor:
        def ping(self) -> int:
            return 1

    affinity = strategies.NodeAffinitySchedulingStrategy(worker.node_id, soft=True)
    lost = tries.options(resources={"there": 0.1}, max_retries=0).remote(started_too, gate)
    again = tries.options(scheduling_strategy=affinity).remote(started, gate)
    actor = Actor.remote()
    assert ray.get(actor.ping.remote()) == 1
    for each in (started, started_too):
        wait_until(lambda each=each: ray.get(each.is_open.remote()), "the task has started")
    cluster.remove_node(worker)
    with pytest.raises((ray.exceptions.NodeDiedError, ray.exceptions.WorkerCrashedError)):
        ray.get(lost)
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(actor.ping.remote())
    ray.get(gate.open.remote())
    assert ray.get(again) == cluster.head_node.node_id


@program(nodes=[ONE_CPU, {"num_cpus": 1, "resources": {"there": 1}}])
def what_a_removed_node_stored(ray: ModuleType, cluster: Any) -> None:
    """E8, surface 9: a value that only a removed node had, and that may not be made again, is lost."""

    @ray.remote(resources={"there": 0.1}, max_retries=0)
    def make() -> np.ndarray:
        return np.ones(LARGE)

    @ray.remote(resources={"there": 0.1}, num_cpus=0)
    def look(values: np.ndarray) -> int:
        return 1

    (worker,) = cluster.worker_nodes
    made = make.remote()
    small = look.remote(made)
    assert ray.get(small) == 1
    cluster.remove_node(worker)
    with pytest.raises(ray.exceptions.ObjectLostError):
        ray.get(made)
    assert ray.get(small) == 1


@program(nodes=[ONE_CPU, ONE_CPU, ONE_CPU])
def groups_on_several_nodes(ray: ModuleType, cluster: Any) -> None:
    """PG2, surface 9: STRICT_SPREAD takes a node for each bundle, STRICT_PACK one for all, or waits."""
    util = import_module(f"{ray.__name__}.util")
    strategies = import_module(f"{ray.__name__}.util.scheduling_strategies")
    spread = util.placement_group([{"CPU": 1}] * 3, strategy="STRICT_SPREAD")
    assert spread.wait(30)
    where = make_where(ray)
    found = ray.get(
        [
            where.options(
                scheduling_strategy=strategies.PlacementGroupSchedulingStrategy(spread, placement_group_bundle_index=i)
            ).remote()
            for i in range(3)
        ]
    )
    assert set(found) == alive(ray)
    util.remove_placement_group(spread)
    packed = util.placement_group([{"CPU": 1}] * 2, strategy="STRICT_PACK")
    assert not packed.wait(0.05)
    cluster.add_node(num_cpus=2)
    assert packed.wait(30)


@program(nodes=[NO_CPU, ONE_CPU, ONE_CPU])
def a_groups_bundle_finds_another_node(ray: ModuleType, cluster: Any) -> None:
    """PG6, surface 9: a bundle whose node is removed gets another one; what ran in it is dead."""
    util = import_module(f"{ray.__name__}.util")
    strategies = import_module(f"{ray.__name__}.util.scheduling_strategies")
    group = util.placement_group([{"CPU": 1}])
    assert group.wait(30)
    inside = strategies.PlacementGroupSchedulingStrategy(group)
    where = make_where(ray).options(scheduling_strategy=inside)
    first = ray.get(where.remote())
    cluster.remove_node(next(node for node in cluster.worker_nodes if node.node_id == first))
    second = ray.get(where.remote())
    assert second != first and second in alive(ray)


@program(
    nodes=[NO_CPU, {"num_cpus": 1, "node_name": "named", "env_vars": {"OF_THE_NODE": "x"}}],
    engines=NOT_SIMULATED,
    reason="names and environments are of processes",
)
def names_and_environments_of_nodes(ray: ModuleType, cluster: Any) -> None:
    """N2, surface 9: a node's name is in the table; its variables are in its workers' environment."""
    (worker,) = cluster.worker_nodes
    names = {row["NodeID"]: row["NodeName"] for row in ray.nodes()}
    assert names[worker.node_id] == "named"

    @ray.remote
    def environment() -> str | None:
        import os

        return os.environ.get("OF_THE_NODE")

    assert ray.get(environment.remote()) == "x"


@program(
    nodes=[
        NO_CPU,
        {"num_cpus": 1, "labels": {"ray.io/accelerator-type": "A100", "region": "west"}},
        {"num_cpus": 1, "labels": {"ray.io/accelerator-type": "B200", "market": "spot"}},
        {"num_cpus": 1, "labels": {"ray.io/accelerator-type": "TPU", "market": "on-demand", "region": "east"}},
    ]
)
def label_selectors_choose_among_nodes(ray: ModuleType, cluster: Any) -> None:
    """Surface 4.1, surface 9: equal, not equal, in, not in, several conditions; what a label that a node does not have counts as;
    tasks and actors alike; and the first fallback that fits."""
    kinds = {row["Labels"]["ray.io/accelerator-type"]: row["NodeID"] for row in ray.nodes() if row["Resources"].get("CPU")}
    cases = [
        ({"ray.io/accelerator-type": "A100"}, "A100"),
        ({"ray.io/accelerator-type": "!A100", "market": "spot"}, "B200"),
        ({"region": "in(west, central)"}, "A100"),
        ({"ray.io/accelerator-type": "!in(A100)", "region": "!in(east, west)"}, "B200"),
        ({"ray.io/accelerator-type": "TPU", "region": "east"}, "TPU"),
        ({"market": "!spot", "region": "!west"}, "TPU"),
    ]
    where = make_where(ray, num_cpus=1)

    @ray.remote(num_cpus=1)
    class Where:
        def node(self) -> str:
            return str(ray.get_runtime_context().get_node_id())

    for selector, kind in cases:
        assert ray.get(where.options(label_selector=selector).remote(), timeout=60) == kinds[kind], selector
        actor = Where.options(label_selector=selector).remote()
        assert ray.get(actor.node.remote(), timeout=60) == kinds[kind], selector
        ray.kill(actor)
    fallbacks = [{"label_selector": {"region": "north"}}, {"label_selector": {"market": "spot"}}]
    options = {"label_selector": {"region": "south"}, "fallback_strategy": fallbacks}
    assert ray.get(where.options(**options).remote(), timeout=60) == kinds["B200"]


@program(nodes=[NO_CPU, {"num_cpus": 2}])
def a_group_waits_for_another_node(ray: ModuleType, cluster: Any) -> None:
    """PG7, surface 8, surface 9: a group whose only node went is RESCHEDULING in the table until another comes; then CREATED."""
    groups = module_of(ray, "util.placement_group")
    (worker,) = cluster.worker_nodes
    group = groups.placement_group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_PACK")
    ray.get(group.ready(), timeout=60)
    cluster.remove_node(worker)

    def state() -> str:
        return str(groups.placement_group_table(group)["state"])

    wait_until(lambda: state() == "RESCHEDULING", "it has lost its node")
    cluster.add_node(num_cpus=2)
    wait_until(lambda: state() == "CREATED", "it has another")
    where = make_where(ray, num_cpus=1)
    strategy = module_of(ray, "util.scheduling_strategies").PlacementGroupSchedulingStrategy(group)
    assert ray.get(where.options(scheduling_strategy=strategy).remote(), timeout=60) != worker.node_id


@program(nodes=[ONE_CPU, ONE_CPU], engines=NOT_SIMULATED, reason="it is about Cluster itself")
def a_cluster_counts_its_nodes(ray: ModuleType, cluster: Any) -> None:
    """N3, surface 9: list_all_nodes, wait_for_nodes, remaining_processes_alive, and a node that fails unasked."""
    (worker,) = cluster.worker_nodes
    assert cluster.list_all_nodes() == [cluster.head_node, worker]
    assert cluster.address == cluster.gcs_address == cluster.head_node.gcs_address
    assert worker.unique_id != cluster.head_node.unique_id
    cluster.wait_for_nodes()
    assert cluster.remaining_processes_alive()
    worker.kill_raylet()
    wait_until(lambda: len(alive(ray)) == 1, "the node is dead")
    with pytest.raises(TimeoutError):
        cluster.wait_for_nodes(timeout=0.05)
    assert cluster.remaining_processes_alive()
    cluster.remove_node(worker)
    cluster.wait_for_nodes()
    assert cluster.list_all_nodes() == [cluster.head_node]
    another = cluster.add_node()
    (raylet,) = another.all_processes["raylet"]
    assert raylet.process.poll() is None and another.any_processes_alive()
    raylet.process.kill()
    raylet.process.wait()
    assert raylet.process.poll() is not None
    wait_until(lambda: len(alive(ray)) == 1, "the node is dead")


@program(engines=NOT_SIMULATED, reason="calls ray.init itself and so chooses no engine", starts_session=False)
def a_cluster_is_put_together_by_hand(ray: ModuleType) -> None:
    """Surface 9: Cluster(initialize_head, head_node_args, connect), add_node and its one CPU, addresses, remove_node, shutdown."""
    cluster_utils = module_of(ray, "cluster_utils")
    store = 80 * 2**20
    head = {"num_cpus": 2, "object_store_memory": store}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    try:
        assert not ray.is_initialized() and cluster.address == cluster.gcs_address
        cluster.connect(namespace="by connect")
        assert ray.get_runtime_context().namespace == "by connect"
        node = cluster.add_node(object_store_memory=store)
        wait_until(lambda: ray.cluster_resources()["CPU"] == 3.0, "a node has one CPU")
        cluster.wait_for_nodes(timeout=30)
        assert set(cluster.list_all_nodes()) == {cluster.head_node, node}
        assert cluster.remaining_processes_alive()
        for allow_graceful in (True, False):
            cluster.remove_node(node, allow_graceful=allow_graceful)
            wait_until(lambda: ray.cluster_resources()["CPU"] == 2.0, "its CPU is gone")
            assert cluster.list_all_nodes() == [cluster.head_node]
            node = cluster.add_node(num_cpus=1, object_store_memory=store)
            wait_until(lambda: ray.cluster_resources()["CPU"] == 3.0, "another has come")
        ray.shutdown()
        ray.init(address=cluster.address, namespace="by init")
        assert ray.get_runtime_context().namespace == "by init"
        ray.shutdown()
    finally:
        ray.shutdown()
        cluster.shutdown()
    cluster = cluster_utils.Cluster(initialize_head=True, connect=True, head_node_args=head)
    try:
        assert ray.cluster_resources()["CPU"] == 2.0
    finally:
        ray.shutdown()
        cluster.shutdown()
