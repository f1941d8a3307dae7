"""Sessions that several drivers join: addresses, jobs, namespaces, what lives on when a driver has left."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, Engine, program

ONE_CPU = {"num_cpus": 1}
PROCESSES = "drivers are processes"
_DEADLINE_S = 60


def other_driver(ray: ModuleType, address: str, body: str, namespace: str = "shared", **environment: str) -> str:
    """Runs a program as another driver; returns what it prints. It finds the session by what is given."""
    given = {**os.environ, **environment}
    root = Path(ray.__file__).resolve().parent.parent
    given["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    head = f"""
        import os
        import {ray.__name__} as ray
        ray.init({address!r}, namespace={namespace!r}, log_to_driver=False)

        @ray.remote(num_cpus=0)
        class Counter:
            def __init__(self):
                self.count = 0

            def add(self):
                self.count += 1
                return self.count

    """
    text = textwrap.dedent(head) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, env=given, timeout=_DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@program(nodes=[ONE_CPU], engines=NOT_SIMULATED, reason=PROCESSES)
def several_drivers_of_one_session(ray: ModuleType, cluster: Any) -> None:
    """S1: each driver is a job of its own; a detached actor lives on and is found in its namespace, another ends with
    its driver."""
    leaves = """
        detached = Counter.options(name="detached", lifetime="detached").remote()
        ended = Counter.options(name="ended").remote()
        ray.get([detached.add.remote(), ended.add.remote()])
        print(ray.get_runtime_context().get_job_id())
    """
    job = other_driver(ray, cluster.address, leaves)
    assert job != ray.get_runtime_context().get_job_id()
    with pytest.raises(ValueError, match="Failed to look up actor"):
        ray.get_actor("detached")
    detached = ray.get_actor("detached", namespace="shared")
    assert ray.get(detached.add.remote()) == 2

    def is_gone() -> bool:
        try:
            ray.get_actor("ended", namespace="shared")
        except ValueError:
            return True
        return False

    wait_until(is_gone, "the actor has ended with its driver")
    ray.kill(detached)


@program(nodes=[ONE_CPU], engines=NOT_SIMULATED, reason=PROCESSES)
def a_driver_that_crashes(ray: ModuleType, cluster: Any) -> None:
    """S2: what a driver that dies without a word had running goes, and its resources are back."""
    crashes = """
        import signal, subprocess, sys

        @ray.remote(num_cpus=1)
        class Holder:
            def ping(self):
                return 1

        holder = Holder.options(name="holder").remote()
        assert ray.get(holder.ping.remote()) == 1
        print("held", flush=True)
        if os.fork() == 0:
            os.kill(os.getppid(), signal.SIGKILL)
            os._exit(0)
        signal.pause()
    """
    with pytest.raises(AssertionError):
        other_driver(ray, cluster.address, crashes)
    wait_until(lambda: ray.available_resources().get("CPU") == 1.0, "the CPU is free again")


@program(nodes=[ONE_CPU], engines=NOT_SIMULATED, reason=PROCESSES)
def a_detached_actor_goes_on_working(ray: ModuleType, cluster: Any) -> None:
    """S3: without its driver a detached actor can still submit tasks and create actors."""
    leaves = """
        @ray.remote
        def double(x):
            return 2 * x

        @ray.remote(num_cpus=0)
        class Boss:
            def work(self, x):
                self.counter = Counter.remote()
                return ray.get(double.remote(x)) + ray.get(self.counter.add.remote())

        boss = Boss.options(name="boss", lifetime="detached").remote()
        print(ray.get(boss.work.remote(10)))
    """
    assert other_driver(ray, cluster.address, leaves) == "21"
    boss = ray.get_actor("boss", namespace="shared")
    assert ray.get(boss.work.remote(20)) == 41
    ray.kill(boss)


@program(nodes=[ONE_CPU], engines=NOT_SIMULATED, reason=PROCESSES)
def ways_to_name_a_session(ray: ModuleType, cluster: Any) -> None:
    """S4: "auto" joins the running session, and so does RAY_ADDRESS when no address is given."""
    says = 'print(ray.get_runtime_context().gcs_address, len(ray.nodes()), ray.cluster_resources()["CPU"])'
    expected = f"{cluster.address} 1 1.0"
    assert other_driver(ray, "auto", says) == expected
    body = says.replace("print", "os.environ['X'] = '1'; print")
    assert other_driver(ray, "auto", body, RAY_ADDRESS=cluster.address) == expected


@program(nodes=[ONE_CPU], engines=NOT_SIMULATED, reason=PROCESSES)
def who_joins_does_not_describe_nodes(ray: ModuleType, cluster: Any) -> None:
    """L2: resources beside an address of a session are an error; a second init is one too."""
    address = cluster.address
    with pytest.raises(RuntimeError, match="Maybe you called ray.init twice"):
        ray.init(address)
    ray.shutdown()
    assert not ray.is_initialized()
    for conflict in (
        {"num_cpus": 1},
        {"num_gpus": 1},
        {"resources": {"x": 1}},
        {"labels": {"a": "b"}},
        {"object_store_memory": 100 * 2**20},
    ):
        with pytest.raises(ValueError, match="When connecting to an existing cluster, .* must not be provided"):
            ray.init(address, **conflict)
    context = ray.init(address)
    assert context.address_info["address"] == address
    assert context.address_info["node_id"] == cluster.head_node.node_id
    assert ray.get(ray.remote(lambda: 1).remote()) == 1


@program(starts_session=False, engines=NOT_SIMULATED, reason=PROCESSES)
def there_is_no_session_to_join(ray: ModuleType) -> None:
    """A3: joining what is not there is a ConnectionError."""
    with pytest.raises(ConnectionError):
        ray.init("auto")
    assert not ray.is_initialized()


@program(
    starts_session=False,
    engines={Engine.PROCESSES},
    reason="real Ray ends the driver after half a minute; a simulation is always its own",
)
def there_is_no_session_at_this_address(ray: ModuleType) -> None:
    """A3: an address where no session is, or that is none, is an error at once, and leaves nothing behind."""
    with pytest.raises(ConnectionError, match="no session at"):
        ray.init("127.0.0.1:1")
    with pytest.raises(ValueError, match="Malformed address"):
        ray.init("nonsense")
    assert not ray.is_initialized()


@program(nodes=[ONE_CPU], engines=NOT_SIMULATED, reason=PROCESSES)
def a_session_is_left_and_joined_again(ray: ModuleType, cluster: Any) -> None:
    """L1: what a driver left behind is not there for the next; the nodes are."""

    @ray.remote
    class Named:
        def ping(self) -> int:
            return 1

    named = Named.options(name="mine").remote()
    assert ray.get(named.ping.remote()) == 1
    first = ray.get_runtime_context().get_job_id()
    ray.shutdown()
    ray.init(cluster.address, namespace="another")
    assert ray.get_runtime_context().get_job_id() != first
    with pytest.raises(ValueError):
        ray.get_actor("mine", namespace="another")
    assert len(ray.nodes()) == 1
    assert ray.get(ray.remote(lambda: 7).remote()) == 7
