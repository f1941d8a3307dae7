"""Errors of tasks: what user code raised, and why a task could not run or finish.

What lives here: `RayTaskError`, which is raised as the user's own exception class too, and the errors of tasks as such.
What must not: errors of actors and objects.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from localray.exceptions.remote_traceback import (
    format_remote_traceback,
    known_name,
    make_dual,
    remote_header,
    replace_headers,
)
from localray.exceptions.root import RayError

if TYPE_CHECKING:
    from logging import Logger


def _logger() -> Logger:
    import logging

    # Programs configure Ray's logger by this name.
    return logging.getLogger("ray.exceptions")


def _rebuild_dual(task_error: RayTaskError, state: dict[str, object]) -> RayTaskError:
    error = task_error.as_instanceof_cause()
    for name, value in state.items():
        object.__setattr__(error, name, value)
    return error


class RayTaskError(RayError):
    """The user's code raised in a task or an actor's method.

    What `get` raises is `as_instanceof_cause()`: an instance of both this class and the user's exception class.

    Args:
        function_name: the function or method that ran.
        traceback_str: the remote traceback; each of Python's own header lines in it is shown as the remote header.
        cause: the user's exception. When it can't be pickled, a `RayError` that says so takes its place.
        proctitle: title of the process that ran it, such as `ray::f`; shown in the remote header.
        pid: its process id; this process's by default.
        ip: its address.
        actor_repr: `repr` of the actor's instance, if any.
        actor_id: hexadecimal id of the actor, if any.
    """

    cause: BaseException

    def __init__(
        self,
        function_name: str,
        traceback_str: str,
        cause: BaseException,
        proctitle: str | None = None,
        pid: int | None = None,
        ip: str | None = None,
        actor_repr: str | None = None,
        actor_id: str | None = None,
    ) -> None:
        self.proctitle = proctitle or f"ray::{function_name}"
        self.pid = pid or os.getpid()
        self.ip = ip or "127.0.0.1"
        self.function_name = function_name
        self.traceback_str = traceback_str
        self.actor_repr = actor_repr
        self._actor_id = actor_id
        self.cause = _picklable(cause, traceback_str)
        self.args = (function_name, traceback_str, self.cause, proctitle, pid, ip)

    @classmethod
    def from_exception(
        cls,
        exception: BaseException,
        function_name: str,
        proctitle: str,
        pid: int,
        ip: str,
        hidden_directory: str,
        actor_repr: str | None = None,
        actor_id: str | None = None,
    ) -> RayTaskError:
        """The error of a task that raised `exception`; if that is a remote error, both share the first cause.

        Args:
            exception: what was raised, with its traceback still attached.
            function_name, proctitle, pid, ip, actor_repr, actor_id: as in the constructor.
            hidden_directory: frames of files under this directory are left out.
        """
        text = format_remote_traceback(
            exception, f"{proctitle}()", pid, ip, hidden_directory, actor_id=actor_id, actor_repr=actor_repr
        )
        cause = exception.cause if isinstance(exception, RayTaskError) else exception
        return cls(function_name, text, cause, proctitle, pid, ip, actor_repr, actor_id)

    @classmethod
    def from_dependency(cls, error: RayError, function_name: str, proctitle: str, pid: int, ip: str) -> RayTaskError:
        """The error of a task that never ran because an argument of it is an error.

        Args:
            error: the error of the argument.
            function_name, proctitle, pid, ip: as in the constructor.
        """
        note = "  At least one of the input arguments for this task could not be computed:"
        text = f"{remote_header(f'{proctitle}()', pid, ip)}\n{note}\n{known_name(type(error))}: {error}"
        cause = error.cause if isinstance(error, RayTaskError) else error
        return cls(function_name, text, cause, proctitle, pid, ip)

    def make_dual_exception_instance(self) -> RayTaskError:
        """An instance of both this class and the class of the cause.

        Raises:
            TypeError: that class can't be subclassed. It may also raise something of its own.
        """
        return make_dual(self, self.cause, _rebuild_dual)

    def as_instanceof_cause(self) -> RayTaskError:
        """As `make_dual_exception_instance`; this error itself, with a warning, when that can't be.

        >>> error = RayTaskError("f", "", ValueError("no")).as_instanceof_cause()
        >>> isinstance(error, ValueError), isinstance(error, RayTaskError), error.args
        (True, True, (ValueError('no'),))
        """
        if issubclass(RayTaskError, type(self.cause)):
            return self
        try:
            return self.make_dual_exception_instance()
        except Exception as error:  # noqa: BLE001 - the user's class decides what it raises; the warning tells
            _logger().warning(
                f"User exception type {type(self.cause)} in RayTaskError can't be subclassed! It is raised as a plain "
                f"RayTaskError; the original is its attribute `cause`. Failure in subclassing: {error}"
            )
            return self

    def __str__(self) -> str:
        header = remote_header(f"{self.proctitle}()", self.pid, self.ip, self._actor_id, self.actor_repr)
        return replace_headers(self.traceback_str, header)


def _picklable(cause: BaseException, traceback_str: str) -> BaseException:
    import cloudpickle

    try:
        cloudpickle.dumps(cause)
    except Exception as error:  # noqa: BLE001 - a user's `__reduce__` may raise anything, and it is passed on as text
        name = f"{type(cause).__module__}.{type(cause).__name__}"
        _logger().warning(f"The original cause of the RayTaskError ({name}) isn't serializable: {error}")
        return RayError(f"Exception {name} isn't serializable: {error}.\nOriginal exception details:\n{traceback_str}")
    return cause


class UserCodeException(RayError):
    """Wraps an exception of the user's code; retries look at what it wraps."""


class TaskCancelledError(RayError):
    """The task was cancelled.

    Args:
        task_id: the id of the task that was cancelled.
        error_message: why.
    """

    def __init__(self, task_id: object = None, error_message: str | None = None) -> None:
        self.task_id = task_id
        self.error_message = error_message

    def __str__(self) -> str:
        task = f"Task: {self.task_id} was cancelled. " if self.task_id else ""
        return task + (self.error_message or "")


class LocalRayletDiedError(RayError):
    """The scheduler of the node is gone."""

    def __str__(self) -> str:
        return "The task's local raylet died. Start a new session with `shutdown()` and `init()`."


class WorkerCrashedError(RayError):
    """The process of a task died while it ran."""

    def __str__(self) -> str:
        return "The worker died unexpectedly while executing this task. " + (
            super().__str__() or "Its output, if any, is above; the usual causes are a crash in native code or a kill."
        )


class OutOfMemoryError(RayError):
    """A task or actor was killed because the machine ran out of memory."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __str__(self) -> str:
        return self.message


class NodeDiedError(RayError):
    """The node is dead or can't be reached."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __str__(self) -> str:
        return self.message


class TaskUnschedulableError(RayError):
    """No node can ever run the task."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __str__(self) -> str:
        return f"The task is not schedulable: {self.error_message}"


class TaskPlacementGroupRemoved(RayError):
    """The placement group a task was to run in is gone."""

    def __str__(self) -> str:
        return "The placement group corresponding to this task has been removed."


class RuntimeEnvSetupError(RayError):
    """A `runtime_env` can't be set up."""

    def __init__(self, error_message: str | None = None) -> None:
        self.error_message = error_message

    def __str__(self) -> str:
        reason = f"\n{self.error_message}" if self.error_message else ""
        return f"Failed to set up runtime environment.{reason}"
