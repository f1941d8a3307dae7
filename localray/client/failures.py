"""What becomes of an exception in a worker: the error that travels, whether it is a cancellation, whether it is to be
retried."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from localray.client.serialization import deserialize
from localray.exceptions import ActorDiedError, RayError, RaySystemError, RayTaskError, RuntimeEnvSetupError

_PACKAGE_DIRECTORY = str(Path(__file__).resolve().parent.parent)
_OWN_ADDRESS = "127.0.0.1"


def pack_error(error: BaseException, name: str, actor_id: str | None, instance: object) -> bytes:
    """The error of a task as it travels.

    Args:
        error: what the user's code raised; loses its traceback, whose frames hold the arguments and with them
            references.
        name: of the task.
        actor_id: of the actor it belongs to, if any, in hexadecimal digits.
        instance: the actor itself, None where there is none.
    """
    actor_repr = None if instance is None else _repr_of_actor(instance)
    described = RayTaskError.from_exception(
        error, name, f"ray::{name}", os.getpid(), _OWN_ADDRESS, _PACKAGE_DIRECTORY, actor_repr, actor_id
    )
    error.__traceback__ = None
    return described.to_bytes()


def under_construction(error: BaseException, actor_class: type) -> object:
    """The actor whose constructor has raised, from the constructor's frame; None if it did not come so far."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == "__init__" and code.co_argcount:
            first = trace.tb_frame.f_locals.get(code.co_varnames[0])
            if isinstance(first, actor_class):
                return first
        trace = trace.tb_next
    return None


def wants_retry(retry_exceptions: bytes, error: Exception) -> bool:
    """Whether a template's ``retry_exceptions`` covers an error, which as in Ray means what the task itself raises."""
    if not retry_exceptions or (isinstance(error, RaySystemError) and error._of_arguments):
        return False
    kinds = deserialize(retry_exceptions)
    if kinds is True:
        return True
    cause = error.cause if isinstance(error, RayTaskError) else error
    return isinstance(cause, tuple(kinds))  # type: ignore[arg-type]


def why_not_set_up(error: Exception) -> str:
    """Why a worker could not be set up, whose tasks fail with it: of what nobody foresaw, all that is known."""
    if isinstance(error, RuntimeEnvSetupError):
        return error.error_message or ""
    return str(error) if isinstance(error, RaySystemError) else "".join(traceback.format_exception(error))


def report_unhandled(payload: bytes) -> None:
    """Say that the error of a task was never looked at, unless the user has asked for silence."""
    if os.environ.get("RAY_IGNORE_UNHANDLED_ERRORS") != "1":
        _take_unhandled(RayError.from_bytes(payload))


def tell_of_construction(payload: bytes) -> None:
    """Say in the actor's output that its constructor has failed, in Ray's words: whoever has made it may never ask."""
    error = RayError.from_bytes(payload)
    told = ActorDiedError.from_task_error(error) if isinstance(error, RayTaskError) else error
    print(f"Exception raised in creation task: {told}", file=sys.stderr, flush=True)


def with_error(text: str, payload: bytes) -> str:
    """What the user is told, and the error that it is about."""
    return f"{text}\n{RayError.from_bytes(payload)}"


def log_unhandled(error: Exception) -> None:
    """Log it."""
    import logging

    logging.getLogger("ray").error("Unhandled error (suppress with 'RAY_IGNORE_UNHANDLED_ERRORS=1'): %s", error)


def on_unhandled(take: Callable[[Exception], None]) -> None:
    """Give errors that were never looked at to somebody else than the log."""
    global _take_unhandled
    _take_unhandled = take


_take_unhandled: Callable[[Exception], None] = log_unhandled


class NeverBegan(KeyboardInterrupt):
    """A task was cancelled before any of its code ran."""


def is_cancellation(error: BaseException, *, of_coroutine: bool) -> bool:
    """Whether an exception is how what was cancelled ends: asyncio's own is that for coroutines only."""
    if isinstance(error, KeyboardInterrupt) or not of_coroutine:
        return isinstance(error, KeyboardInterrupt)
    # Looked up, not imported: where nobody has imported asyncio, nobody can have raised its exception.
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def _repr_of_actor(instance: object) -> str | None:
    """The actor's own `repr`, as Ray shows it in errors; None where it raises."""
    try:
        return repr(instance)
    except Exception as error:  # noqa: BLE001 - a broken __repr__ must not hide the error that is being reported
        print(f"repr of actor {type(instance).__name__} raised {type(error).__name__}", file=sys.stderr)
        return None
