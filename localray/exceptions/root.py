"""The root of Ray's exceptions, how an exception crosses a process boundary, and errors of Ray's own.

What lives here: `RayError` and what every other module of this package builds on. What must not: errors of tasks,
actors and objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_Error = TypeVar("_Error", bound="RayError")


def _rebuild(cls: type[_Error], args: tuple[object, ...], state: dict[str, object]) -> _Error:
    """Unpickle without `__init__`: constructor arguments given by keyword are not in `args`."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class RayError(Exception):
    """The root of all exceptions of Ray."""

    def to_bytes(self) -> bytes:
        """This exception as bytes, with its text beside it in case it can't be loaded where it arrives.

        Raises:
            Exception: whatever pickling an attribute raises.
        """
        import pickle
        import traceback

        import cloudpickle

        text = "\n".join(traceback.format_exception(type(self), self, self.__traceback__))
        return pickle.dumps((cloudpickle.dumps(self), text))

    @staticmethod
    def from_bytes(b: bytes) -> RayError:
        """The exception that `to_bytes` made; an `UnserializableException` with its text when it can't be loaded."""
        import pickle

        return RayError.from_ray_exception(pickle.loads(b))

    @staticmethod
    def from_ray_exception(ray_exception: tuple[bytes, str]) -> RayError:
        """The exception of a pair of its pickle and its text."""
        import pickle

        pickled, text = ray_exception
        try:
            error: RayError = pickle.loads(pickled)
        except Exception:  # noqa: BLE001 - the user's class may raise anything; the text below says what was lost
            return UnserializableException(text)
        return error

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class UnserializableException(RayError):
    """An exception arrived that can't be loaded here; its text did arrive.

    Args:
        original_stack_trace: that text.
    """

    def __init__(self, original_stack_trace: str) -> None:
        self._original_stack_trace = original_stack_trace

    def __str__(self) -> str:
        return (
            "Failed to deserialize exception. Its class must be importable here, and its `__init__` must accept its "
            f"`args`; or give it a `__reduce__`.\nOriginal exception:\n{self._original_stack_trace}"
        )


class RaySystemError(RayError):
    """Something of Ray's own went wrong."""

    _of_arguments = False
    """Whether it is about a task's arguments: then the task has not run."""

    def __init__(self, client_exc: object, traceback_str: str | None = None) -> None:
        self.client_exc = client_exc
        self.traceback_str = traceback_str

    def __str__(self) -> str:
        traceback = f"\ntraceback: {self.traceback_str}" if self.traceback_str else ""
        return f"System error: {self.client_exc}{traceback}"


class LocalEngineNeeded(RaySystemError, AttributeError):
    """Something that only localray's own engines have was used while real Ray has the program.

    Args:
        name: of what was used.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} needs one of localray's own engines, and real Ray has this program. Unset LOCALRAY_ENGINE and "
            "RAY_ADDRESS, and call ray.init() without an address, to run it on this machine."
        )


class InternalError(RaySystemError):
    """An invariant of localray does not hold: a bug in localray, never in the program that runs on it.

    Args:
        message: what should hold and does not.
        story: what happened to the task, object or actor concerned, oldest first.
    """

    def __init__(self, message: str, story: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.story: tuple[str, ...] = tuple(story)

    def __str__(self) -> str:
        lines = [f"Internal error: {self.client_exc}", "This is a bug in localray. Please report it with these lines."]
        return "\n".join([*lines, *(f"  {line}" for line in self.story)])


class CrossLanguageError(RayError):
    """Raised by code in another language; never by localray, which runs Python only."""

    def __init__(self, ray_exception: object) -> None:
        language = getattr(ray_exception, "language", "another language")
        text = getattr(ray_exception, "formatted_exception_string", ray_exception)
        super().__init__(f"An exception raised from {language}:\n{text}")


class RpcError(RayError):
    """A message could not be sent or was not answered."""

    def __init__(self, message: str, rpc_code: int | None = None) -> None:
        self.message = message
        self.rpc_code = rpc_code

    def __str__(self) -> str:
        return self.message


class AuthenticationError(RayError):
    """Access was refused; never raised by localray, whose sessions belong to the user who started them."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.__suppress_context__ = True
        super().__init__(message)

    def __str__(self) -> str:
        return self.message
