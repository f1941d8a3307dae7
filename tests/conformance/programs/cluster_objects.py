"""`ray.cluster_utils.Cluster` itself: what it refuses, how it begins and ends, and names in namespaces of drivers that join it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from ..helpers import module_of, wait_until
from ..registry import NOT_SIMULATED, program

OWN_INIT = "calls ray.init itself and so chooses no engine"
STORE = 80 * 2**20
NODE = {"num_cpus": 1, "object_store_memory": STORE}


@contextmanager
def cluster_of(ray: ModuleType, **arguments: object) -> Iterator[Any]:
    """A cluster that is shut down in the end."""
    cluster = module_of(ray, "cluster_utils").Cluster(**arguments)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def run_driver(ray: ModuleType, code: str, *arguments: str) -> tuple[str, str]:
    """Runs a program of its own to its end; returns the last line that it printed, and all that it was told besides."""
    text = f"import sys\nimport {ray.__name__} as ray\nfrom {ray.__name__} import cluster_utils, util\n" + textwrap.dedent(code)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", text, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    return lines.pop(), "\n".join([*lines, done.stderr])


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_cluster_refuses_what_makes_no_sense(ray: ModuleType) -> None:
    """Surface 9: connecting to nothing, or twice, removing the driver's own node, or a node twice; shutting down twice is fine."""
    with pytest.raises(RuntimeError, match="Cannot connect to uninitialized cluster"):
        module_of(ray, "cluster_utils").Cluster(initialize_head=False, connect=True)
    with cluster_of(ray) as cluster:
        assert cluster.head_node is None and cluster.list_all_nodes() == [] and cluster.connected is False
        with pytest.raises(AssertionError):
            cluster.connect()
        head = cluster.add_node(**NODE)
        assert cluster.head_node is head and cluster.list_all_nodes() == [head] and cluster.worker_nodes == set()
        cluster.connect()
        assert cluster.connected is True
        with pytest.raises(AssertionError):
            cluster.connect()
        with pytest.raises(ValueError, match="connected to this Ray client"):
            cluster.remove_node(head)
        node = cluster.add_node(**NODE)
        cluster.remove_node(node)
        with pytest.raises(KeyError):
            cluster.remove_node(node)
        ray.shutdown()
        cluster.shutdown()
        assert cluster.head_node is None and cluster.list_all_nodes() == []


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def nodes_are_added_without_waiting(ray: ModuleType) -> None:
    """Surface 9: add_node(wait=False) returns at once; wait_for_nodes waits for all; what a node is given is in the table."""
    with cluster_of(ray, initialize_head=True, connect=True, head_node_args=NODE) as cluster:
        nodes = [
            cluster.add_node(wait=False, num_cpus=2, num_gpus=1, object_store_memory=STORE),
            cluster.add_node(wait=False, num_cpus=3, resources={"x": 2}, labels={"a": "b"}, object_store_memory=STORE),
        ]
        assert cluster.worker_nodes == set(nodes)
        cluster.wait_for_nodes(timeout=60)
        total = ray.cluster_resources()
        assert (total["CPU"], total["GPU"], total["x"]) == (6.0, 1.0, 2.0)
        labelled = [row["NodeID"] for row in ray.nodes() if row["Labels"].get("a") == "b"]
        assert labelled == [nodes[1].node_id]


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_cluster_ends_with_its_program(ray: ModuleType) -> None:
    """L3, surface 9: shutdown_at_exit, the default: a program that forgets its cluster leaves no process of it."""
    code = """
        node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
        cluster = cluster_utils.Cluster(initialize_head=True, connect=True, head_node_args=node)
        cluster.add_node(**node)

        @ray.remote(num_cpus=1)
        class Sitting:
            def process(self):
                import os
                return os.getpid()

        actors = [Sitting.remote() for _ in range(2)]
        print(*ray.get([actor.process.remote() for actor in actors]))
    """
    processes = [int(each) for each in run_driver(ray, code)[0].split()]
    assert len(set(processes)) == 2

    def is_gone(process: int) -> bool:
        try:
            with open(f"/proc/{process}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    wait_until(lambda: all(is_gone(process) for process in processes), "no worker is left")


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def drivers_without_a_namespace_share_no_names(ray: ModuleType) -> None:
    """AC16, L1, surface 9: two drivers that say nothing may each have a detached actor of one name; those that say the same may
    not; a name of theirs is found by its namespace. Groups too. Who says nothing is told that nobody will find the actor."""
    code = """
        options = {"namespace": sys.argv[2]} if len(sys.argv) > 2 else {}
        ray.init(address=sys.argv[1], log_to_driver=False, **options)

        @ray.remote(num_cpus=0)
        class Pinger:
            def ping(self):
                return "pong of another driver"

        try:
            actor = Pinger.options(name="pinger", lifetime="detached").remote()
            ray.get(actor.ping.remote())
            group = util.placement_group([{"CPU": 0.1}], name="group", lifetime="detached")
            ray.get(group.ready())
            print("made in", ray.get_runtime_context().namespace)
        except ValueError as error:
            print(error)
    """
    with cluster_of(ray, initialize_head=True, head_node_args=NODE) as cluster:
        names = set()
        for _ in range(2):
            made, told = run_driver(ray, code, cluster.address)
            assert made.startswith("made in ")
            name = made.removeprefix("made in ")
            assert "anonymous namespace" in told and f'init(namespace="{name}"' in told
            names.add(name)
        assert len(names) == 2
        made, told = run_driver(ray, code, cluster.address, "theirs")
        assert made == "made in theirs" and "anonymous" not in told
        assert "already taken" in run_driver(ray, code, cluster.address, "theirs")[0]
        cluster.connect(namespace="mine")
        with pytest.raises(ValueError, match="Failed to look up actor"):
            ray.get_actor("pinger")
        with pytest.raises(ValueError, match="Failed to look up placement group"):
            ray.util.get_placement_group("group")
        theirs = ray.get_actor("pinger", namespace="theirs")
        assert ray.get(theirs.ping.remote()) == "pong of another driver"
        group = ray.util.placement_group([{"CPU": 0.1}], name="group")
        ray.get(group.ready(), timeout=60)
        assert ray.util.get_placement_group("group").id == group.id
        ray.shutdown()
        ray.init(address=cluster.address, namespace="theirs")
        assert ray.get(ray.get_actor("pinger").ping.remote()) == "pong of another driver"
        assert ray.util.get_placement_group("group").id != group.id


@program(
    nodes=[
        {"num_cpus": 1, "_system_config": {"max_direct_call_object_size": 0, "worker_lease_timeout_milliseconds": 0}},
        {"num_cpus": 2, "resources": {"there": 1}},
    ],
    engines=NOT_SIMULATED,
    reason="a simulation has no such setting",
)
def small_results_may_be_stored_where_they_were_made(ray: ModuleType, cluster: Any) -> None:
    """Surface 9: max_direct_call_object_size; a task goes to where its argument is stored."""

    @ray.remote
    def where(*_: object) -> str:
        return ray.get_runtime_context().get_node_id()

    there = where.options(resources={"there": 1}).remote()
    ray.wait([there], timeout=60, fetch_local=False)
    assert ray.get(where.remote(there), timeout=60) == ray.get(there) != ray.get_runtime_context().get_node_id()
