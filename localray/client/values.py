"""What a finished object becomes in the hands of its reader: its value, or the exception that says what went wrong."""

from __future__ import annotations

import os
import zlib

from localray.client.serialization import deserialize
from localray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    ActorUnschedulableError,
    NodeDiedError,
    ObjectFreedError,
    ObjectLostError,
    ObjectReconstructionFailedError,
    ObjectRefStreamEndOfStreamError,
    ObjectStoreFullError,
    OutOfDiskError,
    OutOfMemoryError,
    OwnerDiedError,
    RayError,
    RaySystemError,
    RayTaskError,
    RuntimeEnvSetupError,
    TaskCancelledError,
    TaskPlacementGroupRemoved,
    TaskUnschedulableError,
    UnreconstructableReason,
    UnserializableException,
    WorkerCrashedError,
)
from localray.ids import TaskID
from localray.protocol import INLINE, PREEMPTED_WORDS, FailedArgument, Status, Value


def load(data: bytes | memoryview, object_id: bytes) -> object:
    """Deserialize a value.

    Raises:
        RaySystemError: its class can't be imported here, or its own unpickling raised; the cause is chained.
    """
    try:
        return deserialize(data)
    except Exception as error:
        raise RaySystemError(
            f"Object {object_id.hex()} could not be deserialized: {type(error).__name__}: {error}"
        ) from error


def checksum_of(data: memoryview) -> bytes:
    """The checksum of an object's bytes, as it travels in debug mode."""
    return zlib.crc32(data).to_bytes(4, "little")


def checksums_wanted() -> bool:
    """Whether this process was told to write and check checksums of large objects."""
    return os.environ.get("LOCALRAY_CHECKSUMS") == "1"


def error_of(object_id: bytes, value: Value) -> RayError:
    """The exception that reading a failed object raises.

    Args:
        object_id: of the object; the id of an actor's object holds the actor's.
        value: with a status other than VALUE; see `localray.protocol.Status` for what the payload then is.
    """
    status, payload = value[0], value[1]
    if status == Status.TASK_ERROR:
        return _task_error(payload).as_instanceof_cause()
    if status == Status.ACTOR_CREATION_FAILED:
        return ActorDiedError.from_task_error(_task_error(payload))
    if status == Status.ACTOR_ARGUMENT_FAILED:
        return ActorDiedError.from_task_error(_argument_failed(payload))
    if status == Status.ARGUMENT_FAILED:
        return _argument_failed(payload).as_instanceof_cause()
    text = payload.decode(errors="replace")
    if status == Status.ACTOR_DIED:
        return _actor_died(object_id, text)
    if status == Status.ACTOR_UNAVAILABLE:
        return ActorUnavailableError(text, object_id[8:24])
    if status in (Status.CANCELLED, Status.INTERRUPTED):
        cancelled = TaskCancelledError(TaskID(object_id[:24]), text)
        if status == Status.CANCELLED:
            return cancelled
        # As in Ray, what was interrupted has failed, too.
        return RayTaskError("", str(cancelled), cancelled).as_instanceof_cause()
    if status == Status.FREED:
        return ObjectFreedError(object_id.hex(), b"", "")
    if status == Status.UNRECONSTRUCTABLE:
        name, _, cause = text.partition("\n")
        reason = UnreconstructableReason[name]
        return ObjectReconstructionFailedError(object_id.hex(), reason, f"{reason.value}\n\n{cause}", b"", "")
    if status == Status.OWNER_DIED:
        return OwnerDiedError(object_id.hex(), b"", "", text)
    if status == Status.LOST:
        return ObjectLostError(object_id.hex(), b"", "", text)
    if status == Status.STORE_FULL:
        return ObjectStoreFullError(text)
    if status == Status.OUT_OF_MEMORY:
        return OutOfMemoryError(text)
    if status == Status.OUT_OF_DISK:
        return OutOfDiskError(text)
    if status == Status.GROUP_REMOVED:
        return TaskPlacementGroupRemoved()
    if status == Status.ACTOR_UNSCHEDULABLE:
        return ActorUnschedulableError(text)
    if status == Status.UNSCHEDULABLE:
        return TaskUnschedulableError(text)
    if status == Status.RUNTIME_ENV_FAILED:
        return RuntimeEnvSetupError(text)
    if status == Status.NODE_DIED:
        return NodeDiedError(text)
    if status == Status.END_OF_STREAM:
        return ObjectRefStreamEndOfStreamError(text)
    return WorkerCrashedError(text)


def _task_error(payload: bytes) -> RayTaskError:
    """The error of a task; one whose exception can't be rebuilt here arrives as an error with the text of why."""
    error = RayError.from_bytes(payload)
    if isinstance(error, RayTaskError):
        return error
    if isinstance(error, UnserializableException):
        raise error
    raise RaySystemError(f"a task's error arrived as {type(error).__name__}")


def _argument_failed(payload: bytes) -> RayTaskError:
    """The error of a task that never ran: as in Ray one of a task, and of what became of its argument, too."""
    task_name, object_id, status, cause, _ = FailedArgument.unpack(payload)
    if status == Status.TASK_ERROR:
        error: RayError = _task_error(cause)
    elif status == Status.ARGUMENT_FAILED:
        error = _argument_failed(cause)
    else:
        error = error_of(object_id, (status, cause, INLINE, len(cause)))
    return RayTaskError.from_dependency(error, task_name, f"ray::{task_name}", os.getpid(), "127.0.0.1")


def _actor_died(object_id: bytes, text: str) -> ActorDiedError:
    error = ActorDiedError.from_text(text, object_id[8:24].hex())
    error._preempted = PREEMPTED_WORDS in text
    return error
