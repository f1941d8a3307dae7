"""Exceptions: names, bases and signatures of Ray's; errors that are the user's exception too."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from localray import exceptions as errors
from localray.exceptions import RayError, RayTaskError

# Every class of `ray.exceptions`, with its bases.
BASES: dict[str, tuple[str, ...]] = {
    "RayError": ("Exception",),
    "CrossLanguageError": ("RayError",),
    "TaskCancelledError": ("RayError",),
    "RayTaskError": ("RayError",),
    "LocalRayletDiedError": ("RayError",),
    "WorkerCrashedError": ("RayError",),
    "RayActorError": ("RayError",),
    "ActorDiedError": ("RayActorError",),
    "ActorUnavailableError": ("RayActorError",),
    "RaySystemError": ("RayError",),
    "AuthenticationError": ("RayError",),
    "UserCodeException": ("RayError",),
    "ObjectStoreFullError": ("RayError",),
    "OutOfDiskError": ("RayError",),
    "OutOfMemoryError": ("RayError",),
    "NodeDiedError": ("RayError",),
    "ObjectLostError": ("RayError",),
    "ObjectFetchTimedOutError": ("ObjectLostError",),
    "RpcError": ("RayError",),
    "ReferenceCountingAssertionError": ("ObjectLostError", "AssertionError"),
    "ObjectFreedError": ("ObjectLostError",),
    "OwnerDiedError": ("ObjectLostError",),
    "ObjectReconstructionFailedError": ("ObjectLostError",),
    "GetTimeoutError": ("RayError", "TimeoutError"),
    "PlasmaObjectNotAvailable": ("RayError",),
    "AsyncioActorExit": ("RayError",),
    "RuntimeEnvSetupError": ("RayError",),
    "TaskPlacementGroupRemoved": ("RayError",),
    "ActorPlacementGroupRemoved": ("RayError",),
    "PendingCallsLimitExceeded": ("RayError",),
    "TaskUnschedulableError": ("RayError",),
    "ActorUnschedulableError": ("RayError",),
    "ObjectRefStreamEndOfStreamError": ("RayError",),
    "StreamingGeneratorReplayInconsistentError": ("RaySystemError",),
    "OufOfBandObjectRefSerializationException": ("RayError",),
    "RayChannelError": ("RaySystemError",),
    "RayChannelTimeoutError": ("RayChannelError", "TimeoutError"),
    "RayCgraphCapacityExceeded": ("RaySystemError",),
    "RayDirectTransportError": ("RaySystemError",),
    "UnserializableException": ("RayError",),
    "ActorAlreadyExistsError": ("ValueError", "RayError"),
    "ActorHandleNotFoundError": ("ValueError", "RayError"),
}


def _task_error(cause: BaseException, text: str = "Traceback (most recent call last):\n  here\nE: x") -> RayTaskError:
    return RayTaskError("f", text, cause, "ray::f", 7, "127.0.0.1")


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BASES)
def test_bases(name: str) -> None:
    cls = getattr(errors, name)
    assert tuple(base.__name__ for base in cls.__bases__) == BASES[name]
    assert (cls.__module__, cls.__doc__ is not None) == ("localray.exceptions", True)
    assert name in errors.__all__


SAMPLES: list[RayError] = [
    RayError("a", 1),
    errors.TaskCancelledError(task_id="t", error_message="why"),
    errors.LocalRayletDiedError(),
    errors.WorkerCrashedError(),
    errors.WorkerCrashedError("signal 9"),
    errors.RayActorError(actor_id="ab", error_msg="gone", actor_init_failed=True, preempted=True),
    errors.ActorDiedError(),
    errors.ActorDiedError(errors.ActorDiedErrorContext("A", b"\xab", "killed", pid=7, never_started=True)),
    errors.ActorDiedError.from_text("killed", "ab"),
    errors.ActorUnavailableError("restarting", b"\xab"),
    errors.RaySystemError("broken", "trace"),
    errors.InternalError("a task is in one place", ["submitted", "lost"]),
    errors.AuthenticationError("no token"),
    errors.UserCodeException("x"),
    errors.ObjectStoreFullError("100 bytes"),
    errors.OutOfDiskError("100 bytes"),
    errors.OutOfMemoryError("killed"),
    errors.NodeDiedError("gone"),
    errors.ObjectLostError(object_ref_hex="ab", owner_address=None, call_site="a | b"),
    errors.ObjectFetchTimedOutError("ab", None, ""),
    errors.RpcError("no answer", rpc_code=3),
    errors.ReferenceCountingAssertionError("ab", None, ""),
    errors.ObjectFreedError("ab", None, ""),
    errors.OwnerDiedError("ab", b"x", ""),
    errors.ObjectReconstructionFailedError("ab", errors.UnreconstructableReason.OBJECT_UNRECONSTRUCTABLE_PUT),
    errors.ObjectReconstructionFailedError("ab"),
    errors.GetTimeoutError("Get timed out: some object(s) not ready."),
    errors.RuntimeEnvSetupError("no pip"),
    errors.TaskPlacementGroupRemoved(),
    errors.ActorPlacementGroupRemoved(),
    errors.PendingCallsLimitExceeded("10"),
    errors.TaskUnschedulableError("dead node"),
    errors.ActorUnschedulableError("dead node"),
    errors.RayChannelTimeoutError("slow"),
    errors.UnserializableException("text"),
    errors.ActorAlreadyExistsError("taken"),
    errors.ActorHandleNotFoundError("old"),
    errors.CrossLanguageError("java"),
    _task_error(ValueError("x")),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_every_error_survives_a_process_boundary(error: RayError) -> None:
    for same in (pickle.loads(pickle.dumps(error)), RayError.from_bytes(error.to_bytes()), copy.copy(error)):
        assert type(same) is type(error)
        assert str(same) == str(error) != ""
        assert repr(same.args) == repr(error.args)
        assert same.__dict__.keys() == error.__dict__.keys()
        assert repr(same.__dict__) == repr(error.__dict__)


def test_messages() -> None:
    assert str(errors.TaskCancelledError("TaskID(ab)", "why")) == "Task: TaskID(ab) was cancelled. why"
    assert str(errors.TaskCancelledError()) == ""
    assert str(errors.RuntimeEnvSetupError()) == "Failed to set up runtime environment."
    assert str(errors.RaySystemError("a", "b")) == "System error: a\ntraceback: b"
    assert "\na\n  b" in str(errors.ObjectLostError("ab", None, "\na | b"))
    assert "[OBJECT_UNRECONSTRUCTABLE_PUT] The object cannot" in str(SAMPLES[24])
    assert "[UNKNOWN]" in str(SAMPLES[25])


def test_internal_error_tells_its_story() -> None:
    error = errors.InternalError("a task is in one place", ["submitted", "lost"])
    assert error.story == ("submitted", "lost")
    assert str(error).splitlines()[-2:] == ["  submitted", "  lost"]
    assert isinstance(error, errors.RaySystemError)


def test_actor_died() -> None:
    context = errors.ActorDiedErrorContext(
        "A", b"\xab\xcd", "killed", pid=7, name="n", ray_namespace="s", preempted=True
    )
    error = errors.ActorDiedError(context)
    assert (error.actor_id, error.preempted, error.actor_init_failed) == ("abcd", True, False)
    assert str(error) == (
        "The actor died unexpectedly before finishing this task.\n"
        "\tclass_name: A\n\tactor_id: abcd\n\tpid: 7\n\tname: n\n\tnamespace: s\nkilled"
    )
    assert str(errors.ActorDiedError()) == errors.ActorDiedError.BASE_ERROR_MSG
    in_init = RayTaskError("__init__", "Traceback (most recent call last):\nE: x", ValueError("x"), actor_id="abcd")
    error = errors.ActorDiedError.from_task_error(in_init)
    assert (error.actor_id, error.actor_init_failed) == ("abcd", True)
    assert str(error) == f"The actor died because of an error raised in its creation task, {in_init}"


# --- as in Ray -------------------------------------------------------------------------------------------------------


@pytest.mark.ray
def test_names_bases_and_signatures_as_in_ray() -> None:
    theirs = pytest.importorskip("ray.exceptions")
    found = {
        name: tuple(base.__name__ for base in cls.__bases__)
        for name, cls in vars(theirs).items()
        if isinstance(cls, type) and issubclass(cls, theirs.RayError)
    }
    assert found == BASES
    assert [cls.__name__ for cls in errors.RAY_EXCEPTION_TYPES] == [cls.__name__ for cls in theirs.RAY_EXCEPTION_TYPES]
    for name in BASES:
        ours, real = (inspect.signature(getattr(module, name).__init__) for module in (errors, theirs))
        assert list(ours.parameters) == list(real.parameters), name
        defaults = [[each.default for each in sig.parameters.values()] for sig in (ours, real)]
        assert defaults[0] == defaults[1], name
