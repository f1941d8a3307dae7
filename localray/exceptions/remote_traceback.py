"""How an exception of a task is shown elsewhere, and how it is made to be both a task's error and the user's exception.

What lives here: the text of a remote traceback, and the building of the class that inherits from two exception classes.
What must not: any public exception class, and any import of the package: `exceptions` is built on this module.
"""

from __future__ import annotations

import builtins
import os
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import traceback

_TRACEBACK_HEADER = "Traceback (most recent call last):"
_GROUP_HEADER = "Exception Group " + _TRACEBACK_HEADER
# `None` before Python 3.11, which has no exception groups.
_EXCEPTION_GROUP: type | None = getattr(builtins, "ExceptionGroup", None)

_OWN_NAMES = __name__.rpartition(".")[0] + "."
_UNDER_THE_NAME_RAY = "LOCALRAY_PYTHON"
"""A variable of every process in which the name `ray` means us."""

_Error = TypeVar("_Error", bound=BaseException)


# --- text ------------------------------------------------------------------------------------------------------------


def remote_header(label: str, pid: int, ip: str, actor_id: str | None = None, actor_repr: str | None = None) -> str:
    """The line that says where a traceback was taken.

    Args:
        label: what ran there, such as `ray::f()` or `ray::A.method()`.
        pid: the process id.
        ip: the address of the machine.
        actor_id: hexadecimal id of the actor, shown only together with `actor_repr`.
        actor_repr: `repr` of the actor's instance; when empty, nothing is said of an actor.

    >>> remote_header("ray::f()", 7, "127.0.0.1")
    'ray::f() (pid=7, ip=127.0.0.1)'
    """
    actor = f", actor_id={actor_id}, repr={actor_repr}" if actor_repr else ""
    return f"{label} (pid={pid}, ip={ip}{actor})"


def replace_headers(text: str, header: str) -> str:
    """The text of a traceback with each of Python's own header lines replaced by `header`."""
    lines = text.strip().split("\n")
    return "\n".join(header if line.startswith("Traceback ") else line for line in lines)


def format_remote_traceback(
    exception: BaseException,
    label: str,
    pid: int,
    ip: str,
    hidden_directory: str,
    *,
    actor_id: str | None = None,
    actor_repr: str | None = None,
) -> str:
    """The traceback of an exception as the process that asked for the result will show it.

    Causes and contexts are included as Python would include them. An exception that is itself a remote error shows the
    remote traceback it carries, so nested tasks read from the outermost to the innermost.

    Args:
        exception: the exception, with its traceback still attached.
        label: what ran, such as `ray::f()` or `ray::A.method()`.
        pid: the process id.
        ip: the address of the machine.
        hidden_directory: frames whose file is under this directory are left out; they are not the user's.
        actor_id: hexadecimal id of the actor that ran it.
        actor_repr: `repr` of the actor's instance.

    Returns:
        Lines joined with newlines, no newline at the end; the first line is `remote_header(...)`.

    >>> try:
    ...     1 / 0
    ... except ZeroDivisionError as error:
    ...     text = format_remote_traceback(error, "ray::f()", 7, "127.0.0.1", "/nowhere")
    >>> text.splitlines()[0], text.splitlines()[-1]
    ('ray::f() (pid=7, ip=127.0.0.1)', 'ZeroDivisionError: division by zero')
    """
    import traceback

    header = remote_header(label, pid, ip, actor_id, actor_repr)
    described = traceback.TracebackException(type(exception), exception, exception.__traceback__, compact=True)
    for part in _parts(described):
        part.stack = _visible(part.stack, os.path.join(hidden_directory, ""))  # noqa: PTH118
    lines = "".join(described.format()).rstrip("\n").split("\n")
    shown = [_with_header(_with_known_name(line), header) for line in lines]
    if not any(header in line for line in shown):
        # Python prints no header for an exception without frames; the reader still needs to know where it came from.
        shown.insert(0, header)
    return "\n".join(shown)


def known_name(kind: type) -> str:
    """The full name of an exception class; one of ours by the name by which programs know it, where `ray` means us."""
    return _with_known_name(f"{kind.__module__}.{kind.__qualname__}")


def _with_known_name(line: str) -> str:
    """A line of a traceback that may name one of our exceptions."""
    if _OWN_NAMES not in line or _UNDER_THE_NAME_RAY not in os.environ:
        return line
    # An exception group draws bars in front of its members.
    drawing, _, rest = line.partition(_OWN_NAMES)
    return line if drawing.strip(" +-|") else f"{drawing}ray.exceptions.{rest}"


def _with_header(line: str, header: str) -> str:
    for python_header in (_GROUP_HEADER, _TRACEBACK_HEADER):
        # An exception group draws a frame of bars and pluses around the headers of its members.
        drawing, found, rest = line.partition(python_header)
        if found and not rest and not drawing.strip(" +-|"):
            return drawing + header
    return line


def _parts(described: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """An exception with its causes, contexts and members, each once; a loop, as chains can be very long."""
    waiting: list[traceback.TracebackException | None] = [described]
    while waiting:
        part = waiting.pop()
        if part is not None:
            yield part
            waiting += [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())]


def _visible(stack: traceback.StackSummary, hidden_prefix: str) -> traceback.StackSummary:
    kept = [frame for frame in stack if not frame.filename.startswith(hidden_prefix)]
    visible = type(stack)()
    visible.extend(kept)
    return visible


# --- an exception of two classes -------------------------------------------------------------------------------------


def make_dual(
    task_error: _Error,
    cause: BaseException,
    rebuild: Callable[[_Error, dict[str, object]], BaseException],
) -> _Error:
    """An exception that is an instance of both `type(task_error)` and the class of `cause`.

    Its class is named `RayTaskError(ValueError)`, its `args` are `(cause,)`, its text is that of `task_error`, and what
    it does not have itself is looked up on `cause`, then on `task_error`.

    Args:
        task_error: the remote error.
        cause: the user's exception.
        rebuild: a module-level function that makes the dual again from `task_error` and extra attributes; it is what
            the dual pickles as, because its class can't be found by name.

    Raises:
        Exception: whatever the cause's class raises when it is subclassed or instantiated; most often `TypeError`.
    """
    task_class: type[_Error] = type(task_error)
    cause_class = type(cause)
    name = f"{task_class.__name__}({cause_class.__name__})"
    namespace: dict[str, object] = {
        "__module__": task_class.__module__,
        "__qualname__": name,
        "__init__": _dual_init,
        "__getattr__": _dual_getattr,
        "__str__": lambda self: str(self._task_error),
        "__reduce__": lambda self: (rebuild, (self._task_error, _extra_attributes(self))),
        "__reduce_ex__": lambda self, protocol: self.__reduce__(),
        "_task_error": task_error,
        "args": property(lambda self: self._ray_task_error_args, _set_dual_args),
    }
    if _EXCEPTION_GROUP is not None and isinstance(cause, _EXCEPTION_GROUP):
        namespace["__new__"] = _new_group
    # One argument only, as the user's class may have a `__new__` of its own.
    dual_class: Callable[[BaseException], _Error] = type(name, (task_class, cause_class), namespace)
    return dual_class(cause)


_DUAL_ATTRIBUTES = frozenset({"cause", "_ray_task_error_args"})


def _dual_init(self: BaseException, cause: BaseException) -> None:
    # `object.__setattr__`: the user's class may forbid setting attributes, as a frozen dataclass does.
    object.__setattr__(self, "cause", cause)
    object.__setattr__(self, "_ray_task_error_args", (cause,))
    for name in (*_native_attributes(type(cause)), *_shadowed_attributes(cause)):
        if hasattr(cause, name):
            object.__setattr__(self, name, getattr(cause, name))


def _shadowed_attributes(cause: BaseException) -> Iterator[str]:
    """Attributes that have a default on the class, which would be found before the cause is asked."""
    return (name for name in cause.__dict__ if name not in _DUAL_ATTRIBUTES and hasattr(type(cause), name))


def _native_attributes(cause_class: type) -> Iterator[str]:
    """Attributes kept in the object itself (`OSError.errno`, `__slots__`): there, even unset, they hide the cause's."""
    for owner in cause_class.__mro__:
        # An exception group's are set when it is made, and can't be set again.
        if owner in (object, BaseException) or owner.__name__ == "BaseExceptionGroup":
            continue
        for name, descriptor in vars(owner).items():
            native = isinstance(descriptor, types.MemberDescriptorType | types.GetSetDescriptorType)
            if native and not name.startswith("__"):
                yield name


def _dual_getattr(self: BaseException, name: str) -> object:
    state = object.__getattribute__(self, "__dict__")
    if "cause" not in state:
        raise AttributeError(name)
    try:
        return getattr(state["cause"], name)
    except AttributeError:
        task_state = type(self)._task_error.__dict__  # type: ignore[attr-defined]
        if name in task_state:
            return task_state[name]
        raise


def _set_dual_args(self: BaseException, value: tuple[object, ...]) -> None:
    object.__setattr__(self, "_ray_task_error_args", value)


def _new_group(cls: type[BaseException], cause: BaseException) -> BaseException:
    base: type[BaseException] = cls.__mro__[1]
    new: Callable[..., BaseException] = super(base, cls).__new__
    return new(cls, cause.message, cause.exceptions)  # type: ignore[attr-defined]


def _extra_attributes(dual: BaseException) -> dict[str, object]:
    """What was added to a dual after it was made."""
    of_cause = dual.__dict__["cause"].__dict__
    return {
        name: value
        for name, value in dual.__dict__.items()
        if name not in _DUAL_ATTRIBUTES and not (name in of_cause and of_cause[name] is value)
    }
