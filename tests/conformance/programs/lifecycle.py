"""Sessions: init, shutdown, init again, what the context says, and what is refused when."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import ModuleType

import pytest

from ..registry import NOT_SIMULATED, program

OWN_INIT = "calls ray.init itself and so chooses no engine"
LOCAL = {"num_cpus": 1, "include_dashboard": False, "log_to_driver": False}


@program()
def a_second_init_is_refused(ray: ModuleType) -> None:
    """L1, surface 2: RuntimeError that names both ways out; the session goes on."""
    with pytest.raises(RuntimeError, match=r"(?s)ignore_reinit_error.*shutdown"):
        ray.init()
    assert ray.is_initialized()
    assert ray.get(ray.put(1)) == 1


@program()
def a_second_init_can_be_ignored(ray: ModuleType) -> None:
    """L1, surface 2: ignore_reinit_error=True changes nothing and returns a context."""
    before = ray.cluster_resources()["CPU"]
    context = ray.init(num_cpus=7, ignore_reinit_error=True)
    assert context.address_info["node_id"] == ray.get_runtime_context().get_node_id()
    assert ray.cluster_resources()["CPU"] == before


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def init_and_shutdown_toggle_is_initialized(ray: ModuleType) -> None:
    """L1, A2, surface 2: shutdown is a no-op before init and the second time."""
    assert ray.is_initialized() is False
    ray.shutdown()
    ray.init(**LOCAL)
    assert ray.is_initialized() is True
    ray.shutdown()
    assert ray.is_initialized() is False
    ray.shutdown()
    assert ray.is_initialized() is False


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def some_questions_need_a_session(ray: ModuleType) -> None:
    """A2, surface 2: before init nodes and resources are RaySystemErrors, timeline a RuntimeError; nothing is started."""
    for ask in (ray.nodes, ray.cluster_resources, ray.available_resources):
        with pytest.raises(ray.exceptions.RaySystemError):
            ask()
    with pytest.raises(RuntimeError):
        ray.timeline()
    assert ray.is_initialized() is False


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def unusable_init_arguments_are_refused(ray: ModuleType) -> None:
    """L2, surface 2: an unknown keyword is a RuntimeError, a second positional argument a TypeError."""
    with pytest.raises(RuntimeError, match="flavour"):
        ray.init(flavour=1)
    with pytest.raises(TypeError):
        ray.init("local", 1)
    assert ray.is_initialized() is False


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_context_is_a_mapping_and_a_context_manager(ray: ModuleType) -> None:
    """L2, surface 2: `with ray.init()` ends the session, also when the block raises."""
    with ray.init(**LOCAL) as context:
        assert ray.is_initialized()
        assert isinstance(context, Mapping)
        assert isinstance(context.python_version, str)
        assert isinstance(context.ray_version, str)
        assert isinstance(context.ray_commit, str)
        info = context.address_info
        assert info["node_id"] == ray.get_runtime_context().get_node_id()
        assert {"address", "gcs_address", "session_dir", "node_ip_address", "object_store_address"} <= set(info)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            assert context["node_id"] == info["node_id"]
        assert ray.get(ray.put(1)) == 1
    assert ray.is_initialized() is False

    class Stop(Exception):
        pass

    with pytest.raises(Stop), ray.init(**LOCAL):
        raise Stop
    assert ray.is_initialized() is False


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_first_call_starts_a_session(ray: ModuleType) -> None:
    """A1, surface 2: .remote() and put do so by themselves."""

    @ray.remote
    def one():
        return 1

    assert ray.is_initialized() is False
    assert ray.get(one.remote()) == 1
    assert ray.is_initialized() is True
    ray.shutdown()
    ref = ray.put("put")
    assert ray.is_initialized() is True
    assert ray.get(ref) == "put"


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def definitions_outlive_sessions(ray: ModuleType) -> None:
    """V14, surface 2: what was decorated before init works after it, and again in the next session."""

    @ray.remote
    def double(number):
        return 2 * number

    @ray.remote
    class Counter:
        def __init__(self):
            self.value = 0

        def add(self):
            self.value += 1
            return self.value

    for _ in range(2):
        ray.init(**LOCAL)
        counter = Counter.remote()
        assert ray.get([double.remote(4), counter.add.remote(), counter.add.remote()]) == [8, 1, 2]
        ray.shutdown()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_new_session_is_clean(ray: ModuleType) -> None:
    """L1, surface 2: names, handles and resources of the old one are gone; a stale handle raises, it does not hang."""

    @ray.remote
    class Named:
        def ping(self):
            return "pong"

    ray.init(**LOCAL, namespace="conformance")
    old = Named.options(name="resident", lifetime="detached").remote()
    assert ray.get(old.ping.remote()) == "pong"
    job = ray.get_runtime_context().get_node_id()
    ray.shutdown()
    ray.init(**LOCAL, namespace="conformance")
    assert ray.get_runtime_context().get_node_id() != job
    with pytest.raises(ValueError, match="resident"):
        ray.get_actor("resident")
    with pytest.raises(Exception, match=r"(?i)actor"):
        ray.get(old.ping.remote(), timeout=60)
    assert ray.get(Named.options(name="resident").remote().ping.remote()) == "pong"


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_namespace_is_the_one_given_to_init(ray: ModuleType) -> None:
    """AC16, surface 2: and a random one otherwise, another for each session."""
    ray.init(**LOCAL, namespace="given")
    assert ray.get_runtime_context().namespace == "given"

    @ray.remote
    def ask():
        return ray.get_runtime_context().namespace

    assert ray.get(ask.remote()) == "given"
    ray.shutdown()
    seen = set()
    for _ in range(2):
        ray.init(**LOCAL)
        seen.add(ray.get_runtime_context().namespace)
        ray.shutdown()
    assert len(seen) == 2
    assert "" not in seen


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def shutdown_ends_running_and_queued_work(ray: ModuleType) -> None:
    """L1, L3, surface 2: it does not wait for tasks that would never end."""
    import time

    ray.init(**LOCAL)

    @ray.remote
    def forever():
        while True:
            time.sleep(0.05)

    @ray.remote(num_cpus=0)
    class Actor:
        def ping(self):
            return "pong"

    actor = Actor.remote()
    assert ray.get(actor.ping.remote()) == "pong"
    refs = [forever.remote() for _ in range(3)]
    assert ray.wait(refs, timeout=0.5) == ([], refs)
    ray.shutdown()
    assert ray.is_initialized() is False
