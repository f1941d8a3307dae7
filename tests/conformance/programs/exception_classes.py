"""Surface 5: the classes of `ray.exceptions`: their bases, what they are made of, and where each that must be raised is."""

from __future__ import annotations

from types import ModuleType

import pytest

from ..registry import program

BASES = {
    "RayError": "Exception",
    "ActorAlreadyExistsError": "ValueError RayError",
    "ActorDiedError": "RayActorError",
    "ActorHandleNotFoundError": "ValueError RayError",
    "ActorPlacementGroupRemoved": "RayError",
    "ActorUnavailableError": "RayActorError",
    "ActorUnschedulableError": "RayError",
    "AsyncioActorExit": "RayError",
    "AuthenticationError": "RayError",
    "CrossLanguageError": "RayError",
    "GetTimeoutError": "RayError TimeoutError",
    "LocalRayletDiedError": "RayError",
    "NodeDiedError": "RayError",
    "ObjectFetchTimedOutError": "ObjectLostError",
    "ObjectFreedError": "ObjectLostError",
    "ObjectLostError": "RayError",
    "ObjectReconstructionFailedError": "ObjectLostError",
    "ObjectRefStreamEndOfStreamError": "RayError",
    "ObjectStoreFullError": "RayError",
    "OufOfBandObjectRefSerializationException": "RayError",
    "OutOfDiskError": "RayError",
    "OutOfMemoryError": "RayError",
    "OwnerDiedError": "ObjectLostError",
    "PendingCallsLimitExceeded": "RayError",
    "PlasmaObjectNotAvailable": "RayError",
    "RayActorError": "RayError",
    "RayCgraphCapacityExceeded": "RaySystemError",
    "RayChannelError": "RaySystemError",
    "RayChannelTimeoutError": "RayChannelError TimeoutError",
    "RayDirectTransportError": "RaySystemError",
    "RaySystemError": "RayError",
    "RayTaskError": "RayError",
    "ReferenceCountingAssertionError": "ObjectLostError AssertionError",
    "RpcError": "RayError",
    "RuntimeEnvSetupError": "RayError",
    "StreamingGeneratorReplayInconsistentError": "RaySystemError",
    "TaskCancelledError": "RayError",
    "TaskPlacementGroupRemoved": "RayError",
    "TaskUnschedulableError": "RayError",
    "UnserializableException": "RayError",
    "UserCodeException": "RayError",
    "WorkerCrashedError": "RayError",
}


@program(starts_session=False)
def each_exception_has_rays_bases(ray: ModuleType) -> None:
    """Surface 5: all classes are there, and are caught by the same names."""
    for name, bases in BASES.items():
        assert [base.__name__ for base in getattr(ray.exceptions, name).__bases__] == bases.split(), name
    assert {kind.__name__ for kind in ray.exceptions.RAY_EXCEPTION_TYPES} <= set(BASES)


@program(starts_session=False)
def exceptions_are_made_as_in_ray(ray: ModuleType) -> None:
    """Surface 5: arguments, attributes and the beginnings of texts, as programs and their tests make them by hand."""
    errors = ray.exceptions
    cancelled = errors.TaskCancelledError(error_message="stopped")
    assert (cancelled.task_id, cancelled.error_message) == (None, "stopped")
    plain = errors.RayActorError()
    assert (plain.actor_id, plain.actor_init_failed, plain.preempted) == (None, False, False)
    assert str(plain) == plain.error_msg == "The actor experienced an error before finishing this task."
    assert str(errors.RayActorError(actor_id="aa", error_msg="why")) == "why"
    assert str(errors.ActorDiedError()) == "The actor died unexpectedly before finishing this task."
    unavailable = errors.ActorUnavailableError("it restarts", b"\1" * 16)
    assert unavailable.actor_id == "01" * 16 and "is unavailable: it restarts" in str(unavailable)
    assert str(errors.RaySystemError("wrong")) == "System error: wrong"
    assert str(errors.RaySystemError("wrong", "its traceback")) == "System error: wrong\ntraceback: its traceback"
    for name in ("OutOfMemoryError", "NodeDiedError"):
        assert str(getattr(errors, name)("told")) == "told"
    for name in ("TaskUnschedulableError", "ActorUnschedulableError", "RuntimeEnvSetupError", "UnserializableException"):
        assert "told" in str(getattr(errors, name)("told")), name
    for name in ("ActorAlreadyExistsError", "ActorHandleNotFoundError", "ObjectStoreFullError", "OutOfDiskError"):
        assert "told" in str(getattr(errors, name)("told")), name
    lost = errors.ObjectLostError("aa", None, "made here")
    assert (lost.object_ref_hex, lost.call_site) == ("aa", "made here")
    for name in ("ObjectLostError", "ObjectFreedError", "OwnerDiedError", "ObjectFetchTimedOutError"):
        assert str(getattr(errors, name)("aa", None, "")).startswith("Failed to retrieve object aa."), name
    assert "aa" in str(errors.ObjectReconstructionFailedError("aa"))
    assert errors.RpcError("told", 4).rpc_code == 4
    for name in ("WorkerCrashedError", "LocalRayletDiedError", "TaskPlacementGroupRemoved", "ActorPlacementGroupRemoved"):
        assert str(getattr(errors, name)()), name


@program()
def a_second_actor_of_a_name_is_its_own_error(ray: ModuleType) -> None:
    """Surface 5, AC16: ActorAlreadyExistsError, which is a ValueError; its text names the actor."""

    @ray.remote(num_cpus=0)
    class Named:
        def ping(self):
            return "pong"

    first = Named.options(name="surface five").remote()
    assert ray.get(first.ping.remote()) == "pong"
    with pytest.raises(ray.exceptions.ActorAlreadyExistsError, match="surface five"):
        Named.options(name="surface five").remote()


@program()
def a_cancelled_task_says_which(ray: ModuleType) -> None:
    """Surface 5: TaskCancelledError has the id of the task that was cancelled before it ran."""

    @ray.remote(resources={"nowhere": 1})
    def never():
        return 1

    ref = never.remote()
    ray.cancel(ref)
    with pytest.raises(ray.exceptions.TaskCancelledError) as caught:
        ray.get(ref, timeout=60)
    assert not isinstance(caught.value, ray.exceptions.RayTaskError)
    task_id = caught.value.task_id
    assert task_id is None or ref.task_id().hex() in str(task_id)


@program()
def the_classes_of_a_tasks_error(ray: ModuleType) -> None:
    """Surface 5, E1: of a task and of a method: the classes of what is raised in their order, its arguments and its text."""

    class Mine(LookupError):
        pass

    @ray.remote(num_cpus=0)
    class Cat:
        def purr(self):
            raise Mine("hoarse")

    @ray.remote
    def fail():
        raise Mine("failed")

    cat = Cat.remote()
    for ref in (fail.remote(), cat.purr.remote()):
        with pytest.raises(Mine) as caught:
            ray.get(ref)
        error = caught.value
        kinds = [kind.__name__ for kind in type(error).__mro__]
        assert kinds[:4] == ["RayTaskError(Mine)", "RayTaskError", "RayError", "Mine"]
        assert error.args == (error.cause,) and type(error.cause).__name__ == "Mine"
        assert "ray::" in str(error) and "pid=" in str(error) and "Mine: " in str(error)


@program()
def the_fields_of_a_tasks_error(ray: ModuleType) -> None:
    """Surface 5: function_name, traceback_str, cause, pid, ip and actor_repr, where the user's class takes no other beside it."""

    class Final(Exception):
        def __init_subclass__(cls):
            raise TypeError("no subclasses")

    @ray.remote(num_cpus=0)
    class Cat:
        def __repr__(self):
            return "Cat(Tom)"

        def purr(self):
            raise Final("hoarse")

    cat = Cat.remote()
    with pytest.raises(ray.exceptions.RayTaskError) as caught:
        ray.get(cat.purr.remote())
    error = caught.value
    assert type(error) is ray.exceptions.RayTaskError
    assert error.function_name.endswith("purr") and error.proctitle == "ray::Cat.purr"
    assert isinstance(error.pid, int) and isinstance(error.ip, str)
    assert error.actor_repr == "Cat(Tom)" and f"actor_id={cat._actor_id.hex()}" in str(error)
    assert "Final: hoarse" in error.traceback_str and "Final: hoarse" in str(error)
    assert type(error.cause).__name__ == "Final"
