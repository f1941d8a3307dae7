"""Who gets what when: waiting with and without a GPU, fairness, requests that nobody can meet, what a task may know of
its place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from ..helpers import make_gate, make_waiter, wait_until
from ..registry import NOT_JUDGED, NOT_SIMULATED, program


@program(num_cpus=2, num_gpus=1)
def a_waiting_task_keeps_its_gpu(ray: ModuleType) -> None:
    """T6: while a task waits in get its CPU is lent out, its GPU is not."""
    gate = make_gate(ray)
    inner = make_waiter(ray, num_cpus=0)

    @ray.remote(num_cpus=1, num_gpus=1)
    def outer(ref: list) -> int:
        return ray.get(ref[0])

    @ray.remote(num_gpus=1)
    def other() -> int:
        return 2

    waits = outer.remote([inner.remote(gate, 1)])
    wait_until(
        lambda: "GPU" not in ray.available_resources() and ray.available_resources().get("CPU") == 2.0,
        "its CPU is lent",
    )
    second = other.remote()
    assert ray.wait([second], timeout=0.1) == ([], [second])
    ray.get(gate.open.remote())
    assert ray.get([waits, second]) == [1, 2]


@program(
    num_cpus=1,
    resources={"special": 1},
    engines=NOT_JUDGED,
    reason="real Ray keeps a worker for one kind of task as long as there are any",
)
def a_hungry_class_starves_nobody(ray: ModuleType) -> None:
    """T9: among many tasks of one kind one of another kind has its turn before they are through."""

    @ray.remote(num_cpus=1)
    def common() -> float:
        time.sleep(0.002)
        return time.time()

    @ray.remote(num_cpus=1, resources={"special": 1})
    def rare() -> float:
        return time.time()

    many = [common.remote() for _ in range(150)]
    one = rare.remote()
    assert ray.get(one) < max(ray.get(many))


@program(num_cpus=2)
def many_chains_of_waiting_tasks(ray: ModuleType) -> None:
    """T6: sixty tasks, each of which waits for one that waits for another, get through on two CPUs."""

    @ray.remote
    def leaf(number: int) -> int:
        return number

    @ray.remote
    def middle(number: int) -> int:
        return ray.get(leaf.remote(number))

    @ray.remote
    def top(number: int) -> int:
        return ray.get(middle.remote(number))

    assert ray.get([top.remote(number) for number in range(60)]) == list(range(60))


@program(engines=NOT_JUDGED, reason="real Ray starts a process for each task that waits: too many for small machines")
def a_thousand_chains_of_waiting_tasks(ray: ModuleType) -> None:
    """T6: each of three tasks, which wait for each other, on two CPUs."""

    @ray.remote
    def leaf(number: int) -> int:
        return number

    @ray.remote
    def middle(number: int) -> int:
        return ray.get(leaf.remote(number))

    @ray.remote
    def top(number: int) -> int:
        return ray.get(middle.remote(number))

    assert ray.get([top.remote(number) for number in range(1000)]) == list(range(1000))


@program(num_cpus=1)
def what_nobody_can_run_waits(ray: ModuleType) -> None:
    """T8: a demand that no node can meet is no error; it waits, and others run meanwhile; it can be cancelled."""

    @ray.remote
    def quick() -> int:
        return 1

    never = quick.options(resources={"missing": 1}).remote()
    too_large = quick.options(num_cpus=99).remote()
    assert ray.get([quick.remote() for _ in range(5)]) == [1] * 5
    assert ray.wait([never, too_large], timeout=0.05) == ([], [never, too_large])
    for each in (never, too_large):
        ray.cancel(each)
        with pytest.raises(ray.exceptions.TaskCancelledError):
            ray.get(each)


@program(num_cpus=1, num_gpus=2)
def accelerators_of_a_task(ray: ModuleType) -> None:
    """T13: every kind of accelerator is told, and which GPUs are the task's."""

    @ray.remote(num_gpus=1)
    def held() -> tuple:
        context = ray.get_runtime_context()
        return context.get_accelerator_ids(), ray.get_gpu_ids()

    ids, gpus = ray.get(held.remote())
    assert ids["GPU"] == [str(gpu) for gpu in gpus] and len(gpus) == 1
    assert {"GPU", "TPU", "neuron_cores", "HPU", "NPU"} <= set(ids)
    assert all(ids[kind] == [] for kind in ids if kind != "GPU")


@program(num_cpus=1)
def requests_for_nodes_are_taken(ray: ModuleType) -> None:
    """D1: request_resources changes nothing where nobody adds nodes, and is checked."""
    sdk = import_module(f"{ray.__name__}.autoscaler.sdk")
    assert sdk.request_resources(num_cpus=1000) is None
    assert sdk.request_resources(bundles=[{"CPU": 4, "GPU": 1}, {"special": 1}]) is None
    with pytest.raises(ValueError, match="bundle_label_selectors"):
        sdk.request_resources(bundle_label_selectors=[{"zone": "a"}])
    with pytest.raises(ValueError, match="length"):
        sdk.request_resources(bundles=[{"CPU": 1}], bundle_label_selectors=[])
    for wrong in ({"num_cpus": 0.5}, {"bundles": {"CPU": 1}}, {"bundles": [1]}, {"bundles": [{"CPU": True}]}):
        with pytest.raises(TypeError):
            sdk.request_resources(**wrong)
    sdk.request_resources(num_cpus=0)
    assert ray.cluster_resources()["CPU"] == 1.0


@program(nodes=[{"num_cpus": 1, "labels": {"zone": "a"}}, {"num_cpus": 1, "resources": {"there": 1}}])
def what_a_task_knows_of_its_node(ray: ModuleType, cluster) -> None:
    """N4: the labels of the node, and what is in its row of the table."""
    (worker,) = cluster.worker_nodes

    @ray.remote(resources={"there": 0.1})
    def place() -> tuple:
        context = ray.get_runtime_context()
        return context.get_node_id(), context.get_node_labels()

    node_id, labels = ray.get(place.remote())
    assert node_id == worker.node_id and "zone" not in labels
    assert ray.get_runtime_context().get_node_labels()["zone"] == "a"
    # Real Ray's driver may hear of a node later than a task runs there.
    wait_until(lambda: any(row["NodeID"] == node_id for row in ray.nodes()), "the node is in the table")
    (row,) = (row for row in ray.nodes() if row["NodeID"] == node_id)
    assert labels["ray.io/node-id"] == row["Labels"]["ray.io/node-id"] == node_id
    expected = (
        "NodeID Alive NodeManagerAddress NodeManagerHostname NodeManagerPort ObjectManagerPort ObjectStoreSocketName "
        "RayletSocketName MetricsExportPort NodeName RuntimeEnvAgentPort MetricsAgentPort DashboardAgentListenPort "
        "DeathReason DeathReasonMessage alive Resources Labels"
    )
    assert set(expected.split()) == set(row)


@program(starts_session=False, engines=NOT_SIMULATED, reason="it is about an interpreter of its own")
def sessions_that_do_not_start_by_themselves(ray: ModuleType) -> None:
    """A1: with RAY_ENABLE_AUTO_CONNECT=0 the first call is an error instead of a session."""
    root = Path(ray.__file__).resolve().parent.parent
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    text = f"""
import {ray.__name__} as ray
try:
    ray.put(1)
except ray.exceptions.RaySystemError:
    print(ray.is_initialized())
"""
    environment = {**os.environ, "PYTHONPATH": path, "RAY_ENABLE_AUTO_CONNECT": "0"}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == "False", done.stderr


@program(nodes=[{"num_cpus": 4}, {"num_cpus": 4, "resources": {"data": 1}}])
def tasks_stay_with_their_data(ray: ModuleType, cluster) -> None:
    """T10, surface 9: a task goes to the node that has its argument, also when that is more than half full and its own
    is idle."""
    (node,) = cluster.worker_nodes
    there = node.node_id

    @ray.remote(num_cpus=0, resources={"data": 0.5})
    def make_data():
        return bytes(1_000_000)

    @ray.remote(num_cpus=3, resources={"data": 0.5})
    class Busy:
        def ready(self):
            return 1

    @ray.remote
    def where(data):
        return ray.get_runtime_context().get_node_id()

    data = make_data.remote()
    ray.wait([data], fetch_local=False)
    busy = Busy.remote()
    ray.get(busy.ready.remote())
    assert [ray.get(where.remote(data)) for _ in range(3)] == [there] * 3
    assert ray.get(where.remote(1)) != there
    ray.kill(busy)


@program(nodes=[{"num_cpus": 1}, {"num_cpus": 2}])
def selectors_of_nodes_that_are_not_there(ray: ModuleType, cluster) -> None:
    """T10, surface 9: a label selector that asks for nodes by their ids, of which none can ever take the task, fails it,
    unless a fallback can; one that excludes nodes, or a fallback that asks for one, lets it wait."""
    (node,) = cluster.worker_nodes
    there, nowhere, node_id = node.node_id, "ab" * 28, "ray.io/node-id"

    @ray.remote
    def where():
        return ray.get_runtime_context().get_node_id()

    @ray.remote
    class Where:
        def where(self):
            return ray.get_runtime_context().get_node_id()

    refused = [
        {"label_selector": {node_id: nowhere}},
        {"label_selector": {node_id: f"in({nowhere},{there})"}, "num_cpus": 3},
        {"label_selector": {node_id: there, "zone": "none"}},
        {"label_selector": {node_id: nowhere}, "fallback_strategy": [{"label_selector": {"zone": "none"}}]},
    ]
    for options in refused:
        with pytest.raises(ray.exceptions.TaskUnschedulableError, match="doesn't exist any more or is infeasible"):
            ray.get(where.options(**options).remote(), timeout=60)
        with pytest.raises(ray.exceptions.ActorUnschedulableError):
            ray.get(Where.options(**options).remote().where.remote(), timeout=60)
    fallback = {"label_selector": {node_id: nowhere}, "fallback_strategy": [{"label_selector": {node_id: there}}]}
    assert ray.get(where.options(**fallback).remote(), timeout=60) == there
    assert ray.get(where.options(label_selector={node_id: f"in({nowhere},{there})"}).remote(), timeout=60) == there
    waiting = [
        where.options(label_selector={"zone": "none"}, fallback_strategy=[{"label_selector": {node_id: nowhere}}]),
        where.options(label_selector={node_id: f"!{nowhere}", "zone": "none"}),
    ]
    refs = [each.remote() for each in waiting]
    assert ray.wait(refs, timeout=1)[0] == []
    cluster.remove_node(node)
    gone = where.options(label_selector={node_id: there})
    with pytest.raises(ray.exceptions.TaskUnschedulableError):
        ray.get(gone.remote(), timeout=60)
    for ref in refs:
        ray.cancel(ref)
