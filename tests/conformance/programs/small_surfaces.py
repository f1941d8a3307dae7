"""Parts of the surface that need a line or two each: what first calls do, what is accepted, what names there are."""

from __future__ import annotations

import importlib
import inspect
import time
from types import ModuleType

import numpy as np
import pytest

from ..helpers import make_gate, make_hoarder, module_of, stored_bytes, wait_until, wait_until_freed
from ..registry import NOT_JUDGED, NOT_SIMULATED, program

MB = 2**20
OWN_INIT = "calls ray.init itself and so chooses no engine"
LOCAL = {"address": "local", "num_cpus": 1, "include_dashboard": False, "log_to_driver": False}


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def every_first_call_starts_a_session(ray: ModuleType) -> None:
    """A1, surface 1: get, wait, get_actor, kill, cancel, get_gpu_ids and get_runtime_context, whatever comes of them."""

    def wrong_kill():
        with pytest.raises(ValueError):
            ray.kill("no actor")

    def wrong_name():
        with pytest.raises(ValueError):
            ray.get_actor("nobody")

    def wrong_cancel():
        with pytest.raises(TypeError):
            ray.cancel("no reference")

    calls = {
        "get": lambda: ray.get([]),
        "wait": lambda: ray.wait([]),
        "get_actor": wrong_name,
        "kill": wrong_kill,
        "cancel": wrong_cancel,
        "get_gpu_ids": ray.get_gpu_ids,
        "get_runtime_context": ray.get_runtime_context,
    }
    for name, call in calls.items():
        assert not ray.is_initialized()
        call()
        assert ray.is_initialized(), name
        ray.shutdown()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_context_can_be_disconnected(ray: ModuleType) -> None:
    """L2: disconnect() ends the session, and so does leaving the context; shutdown may be told to wait for processes."""
    context = ray.init(**LOCAL)
    assert ray.get(ray.put(1)) == 1
    context.disconnect()
    assert not ray.is_initialized()
    ray.init(**LOCAL)
    ray.shutdown(wait_for_processes=True)
    assert not ray.is_initialized()


@program(
    object_store_bytes=75 * MB, engines=NOT_JUDGED, reason="Ray 2.60 has no free any more, programs for older ones call it"
)
def what_was_freed_cannot_be_read(ray: ModuleType) -> None:
    """V19: internal.free takes the memory at once; get raises ObjectFreedError, in tasks too. Other objects stay."""
    internal_api = module_of(ray, "_private.internal_api")

    @ray.remote
    def read(box):
        return len(ray.get(box[0]))

    freed, kept = ray.put(np.ones(20 * MB, dtype=np.uint8)), ray.put(np.ones(2 * MB, dtype=np.uint8))
    wait_until(lambda: stored_bytes(ray) >= 22 * MB, "both take memory")
    internal_api.free([freed])
    wait_until(lambda: stored_bytes(ray) < 4 * MB, "one is freed")
    with pytest.raises(ray.exceptions.ObjectFreedError):
        ray.get(freed)
    with pytest.raises(ray.exceptions.ObjectFreedError):
        ray.get(read.options(max_retries=0).remote([freed]), timeout=60)
    assert len(ray.get(kept)) == 2 * MB
    del freed, kept
    wait_until_freed(ray)


@program(num_cpus=4, object_store_bytes=500 * MB)
def a_value_is_copied_for_each_call_and_a_reference_is_not(ray: ModuleType) -> None:
    """V7: four tasks with the same large array by value make four copies of it, by reference one."""

    gate = make_gate(ray)

    @ray.remote(num_cpus=0)
    def hold(gate, array):
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        return len(array)

    array = np.ones(30 * MB, dtype=np.uint8)
    reference = ray.put(array)
    calls = [hold.remote(gate, reference) for _ in range(4)]
    ray.wait(calls, timeout=0.5)
    assert 30 * MB <= stored_bytes(ray) < 2 * 30 * MB
    calls += [hold.remote(gate, array) for _ in range(4)]
    wait_until(lambda: stored_bytes(ray) >= 5 * 30 * MB, "four more are stored")
    assert stored_bytes(ray) < 6 * 30 * MB
    ray.get(gate.open.remote())
    assert ray.get(calls) == [30 * MB] * 8


@program()
def some_options_only_have_to_be_accepted(ray: ModuleType) -> None:
    """Surface 4.1: enable_task_events, _labels, memory, and max_pending_calls without limit."""

    def double(x):
        return 2 * x

    class Actor:
        def double(self, x):
            return 2 * x

    for options in ({"enable_task_events": False}, {"_labels": {"a": "b"}}, {"memory": 1000}, {"num_gpus": 0}):
        assert ray.get(ray.remote(**options)(double).remote(2)) == 4
        actor = ray.remote(**options)(Actor).remote()
        assert ray.get(actor.double.remote(3)) == 6
        ray.kill(actor)
    actor = ray.remote(max_pending_calls=-1, num_cpus=0)(Actor).remote()
    calls = [actor.double.options(enable_task_events=False).remote(number) for number in range(100)]
    assert ray.get(calls) == [2 * number for number in range(100)]


@program(resources={"accelerator_type:A100": 1})
def a_kind_of_accelerator_is_a_resource(ray: ModuleType) -> None:
    """Surface 4.1: accelerator_type is a thousandth of a resource of that name; what no node has waits."""

    @ray.remote(num_cpus=0, accelerator_type="A100")
    def assigned():
        return ray.get_runtime_context().get_assigned_resources()

    assert ray.get(assigned.remote()) == {"accelerator_type:A100": 0.001}
    other = assigned.options(accelerator_type="T4").remote()
    ready, _ = ray.wait([other], timeout=1)
    assert ready == []
    ray.cancel(other)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(other)
    constants = module_of(ray, "util.accelerators")
    assert constants.NVIDIA_A100 == "A100" and constants.NVIDIA_TESLA_T4 == "T4"


@program()
def what_a_decorated_class_tells(ray: ModuleType) -> None:
    """Surface 4.3: the user's class; a class that can be made plainly; its methods; ActorClass and its kin."""

    class Plain:
        kind = "plain"

        def __init__(self, number):
            self.number = number

        def double(self):
            return 2 * self.number

    decorated = ray.remote(Plain)
    assert isinstance(decorated, ray.actor.ActorClass)
    assert decorated.__ray_actor_class__ is Plain
    made = decorated.__ray_metadata__.modified_class(4)
    assert isinstance(made, Plain) and made.double() == 8
    assert decorated.__ray_metadata__.class_name.endswith("Plain")
    assert decorated.kind == "plain"
    handle = decorated.remote(5)
    assert isinstance(handle, ray.actor.ActorHandle)
    assert isinstance(handle.double, ray.actor.ActorMethod)
    assert repr(handle).startswith("Actor(") and "Plain, " in repr(handle)
    assert ray.get(handle.double.remote()) == 10
    assert ray.get(handle.__ray_call__.remote(lambda me, more: me.number + more, 1)) == 6
    remote_function = module_of(ray, "remote_function").RemoteFunction
    assert isinstance(ray.remote(lambda: 1), remote_function)
    assert "ObjectRef" in dir(module_of(ray, "types"))


@program()
def errors_can_be_bytes(ray: ModuleType) -> None:
    """Surface 5: RayError.to_bytes and from_bytes; fields of a task's error and of an actor's."""

    @ray.remote
    def fail():
        raise KeyError("as asked")

    with pytest.raises(ray.exceptions.RayTaskError) as caught:
        ray.get(fail.remote())
    assert isinstance(caught.value.cause, KeyError)
    plain = ray.exceptions.RayTaskError("fail", "its traceback", KeyError("told"), proctitle="title", pid=7, ip="here")
    for error in (plain, ray.exceptions.RayError.from_bytes(plain.to_bytes())):
        assert type(error) is ray.exceptions.RayTaskError
        assert (error.function_name, error.traceback_str, error.pid, error.ip) == ("fail", "its traceback", 7, "here")
        assert error.proctitle == "title" and "its traceback" in str(error)
        assert isinstance(error.as_instanceof_cause(), KeyError)
        assert isinstance(error.make_dual_exception_instance(), KeyError)

    @ray.remote(num_cpus=0)
    class Broken:
        def __init__(self):
            raise ValueError("never made")

        def ping(self):
            return "pong"

    broken = Broken.remote()
    with pytest.raises(ray.exceptions.ActorDiedError) as died:
        ray.get(broken.ping.remote())
    assert died.value.actor_init_failed is True
    assert died.value.preempted is False
    assert died.value.actor_id == broken._actor_id.hex()


@program()
def what_a_program_may_ask_about_its_place(ray: ModuleType) -> None:
    """Surface 7: get_resource_ids, get_accelerator_ids, get_temp_dir and get_session_name, everywhere the same kinds."""

    def facts():
        context = ray.get_runtime_context()
        return (
            context.get_temp_dir(),
            context.get_session_name(),
            context.get_accelerator_ids()["GPU"],
            context.get_task_function_name() is None,
        )

    @ray.remote
    def of_a_task():
        return facts()

    here, there = facts(), ray.get(of_a_task.remote())
    assert here[:3] == there[:3]
    assert isinstance(here[0], str) and isinstance(here[1], str) and here[2] == []
    assert there[3] is False


@program()
def the_state_module_has_its_exceptions(ray: ModuleType) -> None:
    """Surface 8: what programs catch, and the dataclasses of the rows."""
    exceptions = module_of(ray, "util.state.exception")
    for name in ("RayStateApiException", "ServerUnavailable", "DataSourceUnavailable"):
        assert issubclass(getattr(exceptions, name), Exception)
    common = module_of(ray, "util.state.common")
    for name in ("ActorState", "TaskState", "ObjectState", "WorkerState", "NodeState", "PlacementGroupState"):
        assert inspect.isclass(getattr(common, name))
    assert common.DEFAULT_LIMIT == 100


@program()
def absent_libraries_say_so(ray: ModuleType) -> None:
    """Surface 1: what is not there is an ImportError or AttributeError, not something that looks as if it were."""
    with pytest.raises(AttributeError):
        ray.no_such_name
    with pytest.raises(ImportError):
        importlib.import_module(f"{ray.__name__}.no_such_module")
    for name in ("init", "get", "put", "wait", "remote", "cancel", "kill", "nodes", "timeline", "method"):
        assert callable(getattr(ray, name)) and name in ray.__all__
    assert isinstance(ray.__version__, str) and isinstance(ray.__commit__, str)


@program()
def global_gc_collects_in_workers(ray: ModuleType) -> None:
    """V19: `global_gc` ends what only a cycle keeps, here and in processes that never collect by themselves."""

    hoarder = make_hoarder(ray)
    assert not ray.get(hoarder.has_collected.remote())
    module_of(ray, "_private.internal_api").global_gc()
    wait_until(lambda: ray.get(hoarder.has_collected.remote()), "the cycle is collected")
    ray.get(hoarder.collect_again.remote())
