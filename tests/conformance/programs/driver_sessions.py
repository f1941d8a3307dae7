"""Sessions that a plain `init` has started, and that other programs join as long as they last."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from types import ModuleType

import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, Engine, program
from .sessions import PROCESSES, other_driver

OURS_ARE_PRIVATE = "real Ray joins whatever session it finds"


@program(starts_session=False, engines=NOT_SIMULATED, reason=PROCESSES)
def a_plain_session_is_joined_by_its_address(ray: ModuleType) -> None:
    """S5: the address of a session that `init` has started is known in several places; who joins by it is a job of its
    own, and calls actors by name."""
    context = ray.init(num_cpus=1, namespace="shared")
    address = context.address_info["address"]
    assert context.address_info["gcs_address"] == address
    assert ray.get_runtime_context().gcs_address == address
    node = importlib.import_module(f"{ray.__name__}._private.worker").global_worker.node
    assert node.address_info["address"] == node.gcs_address == address

    @ray.remote(num_cpus=0)
    class Keeper:
        def set(self, value: int) -> None:
            self.value = value

        def get(self) -> int:
            return self.value

        def address(self) -> str:
            return ray.get_runtime_context().gcs_address

    keeper = Keeper.options(name="keeper").remote()
    assert ray.get(keeper.address.remote()) == address
    body = """
        keeper = ray.get_actor("keeper")
        ray.get(keeper.set.remote(41))
        print(ray.get_runtime_context().get_job_id(), ray.get_runtime_context().gcs_address, len(ray.nodes()))
    """
    job, joined, nodes = other_driver(ray, address, body).split()
    assert job != ray.get_runtime_context().get_job_id()
    assert (joined, nodes) == (address, "1")
    assert ray.get(keeper.get.remote()) == 41
    ray.shutdown()


@program(starts_session=False, engines=NOT_SIMULATED, reason=PROCESSES)
def names_and_namespaces_of_a_plain_session(ray: ModuleType) -> None:
    """S5: whoever joins with another namespace finds an actor only by naming its namespace; a detached actor of theirs
    stays when they have left, another goes with them."""
    address = ray.init(num_cpus=1, namespace="mine").address_info["address"]
    body = """
        detached = Counter.options(name="detached", lifetime="detached").remote()
        ended = Counter.options(name="ended").remote()
        print(ray.get([detached.add.remote(), ended.add.remote()]))
        try:
            ray.get_actor("first")
        except ValueError:
            print(ray.get(ray.get_actor("first", namespace="mine").ping.remote()))
    """

    @ray.remote(num_cpus=0)
    class First:
        def ping(self) -> str:
            return "pong"

    first = First.options(name="first").remote()
    assert other_driver(ray, address, body, namespace="theirs").split("\n") == ["[1, 1]", "pong"]
    assert ray.get(first.ping.remote()) == "pong"
    detached = ray.get_actor("detached", namespace="theirs")
    assert ray.get(detached.add.remote()) == 2

    def is_gone() -> bool:
        try:
            ray.get_actor("ended", namespace="theirs")
        except ValueError:
            return True
        return False

    wait_until(is_gone, "the actor has ended with its driver")
    ray.shutdown()


@program(starts_session=False, engines=NOT_SIMULATED, reason=PROCESSES)
def what_the_variable_means_to_a_child(ray: ModuleType) -> None:
    """S4: a program that a driver starts joins that driver's session by RAY_ADDRESS, without an address."""
    address = ray.init(num_cpus=1).address_info["address"]
    utilities = importlib.import_module(f"{ray.__name__}._common.test_utils")
    script = f"import {ray.__name__} as ray\nray.init(log_to_driver=False)\nprint(ray.get_runtime_context().gcs_address)"
    printed = utilities.run_string_as_driver(script, env={**os.environ, "RAY_ADDRESS": address})
    assert printed.strip().endswith(address)
    ray.shutdown()


@program(starts_session=False, engines={Engine.PROCESSES}, reason="real Ray looks all over the machine")
def what_auto_means_to_a_child(ray: ModuleType) -> None:
    """S4: a program that a driver starts joins that driver's session by "auto", whatever was started since."""
    address = ray.init(num_cpus=1).address_info["address"]
    says = "print(ray.get_runtime_context().gcs_address)"
    younger = f"""
        import subprocess, sys
        ray.shutdown()
        younger = ray.init(num_cpus=1).address_info["address"]
        of_its_child = subprocess.run([sys.executable, "-c", 'import {ray.__name__} as ray; ray.init("auto"); {says}'],
                                      capture_output=True, text=True).stdout.strip()
        assert of_its_child == younger != {address!r}, of_its_child
        print("kept apart")
    """
    assert other_driver(ray, "auto", says) == address
    assert other_driver(ray, "auto", younger) == "kept apart"
    ray.shutdown()


@program(starts_session=False, engines=NOT_SIMULATED, reason=PROCESSES)
def both_drivers_of_a_plain_session_share_its_cpus(ray: ModuleType) -> None:
    """S5: what one driver's actor holds, the other's task waits for."""
    address = ray.init(num_cpus=1, namespace="shared").address_info["address"]

    @ray.remote(num_cpus=1)
    class Holder:
        def ping(self) -> int:
            return 1

    holder = Holder.options(name="holder").remote()
    assert ray.get(holder.ping.remote()) == 1
    body = """
        task = ray.remote(num_cpus=1)(lambda: "ran").remote()
        print(ray.wait([task], timeout=0.5)[0])
        ray.kill(ray.get_actor("holder"))
        print(ray.get(task))
    """
    assert other_driver(ray, address, body).split("\n") == ["[]", "ran"]
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(holder.ping.remote())
    ray.shutdown()


@program(starts_session=False, engines={Engine.PROCESSES}, reason="real Ray ends the driver after half a minute")
def the_address_of_a_session_that_has_ended(ray: ModuleType) -> None:
    """A3: a session has ended with its driver, and its address is nobody's."""
    first = ray.init(num_cpus=1).address_info["address"]
    ray.shutdown()
    with pytest.raises(ConnectionError, match="no session at"):
        ray.init(first)
    second = ray.init(num_cpus=1).address_info["address"]
    assert second != first
    ray.shutdown()
    with pytest.raises(ConnectionError, match="no running session"):
        ray.init("auto")


@program(starts_session=False, engines={Engine.PROCESSES}, reason=OURS_ARE_PRIVATE)
def nothing_is_joined_that_was_not_asked_for(ray: ModuleType) -> None:
    """A1: without an address `init` starts a session of its own, also in a driver's child."""
    address = ray.init(num_cpus=1).address_info["address"]
    script = f"import {ray.__name__} as ray; print(ray.init(num_cpus=1).address_info['address'])"
    own = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert own.startswith("127.0.0.1:")
    assert own != address
    ray.shutdown()


@program(engines=NOT_SIMULATED, reason="two sessions, one after the other", starts_session=False)
def a_session_step_by_step(ray: ModuleType) -> None:
    """Surface 1: `ray.client("local")` builds a session with a namespace and an environment; elsewhere there is none."""
    context = ray.client("local").namespace("steps").env({"env_vars": {"STEP": "1"}}).connect()
    assert ray.is_initialized()
    assert ray.get_runtime_context().namespace == "steps"

    @ray.remote
    def variable() -> str | None:
        return os.environ.get("STEP")

    assert ray.get(variable.remote()) == "1"
    assert context.ray_version == "2.60.0"
    ray.shutdown()
    assert isinstance(ray.ClientBuilder("1.2.3.4:5"), ray.ClientBuilder)
    assert not ray.is_initialized()
