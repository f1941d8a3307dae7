"""Why something cannot be serialized: finds the attribute, element or closure variable at fault and the path that leads
to it.

Works by trying: each part of what fails is pickled by itself, and the search goes on inside the first part that fails
too. Runs only after a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType

_DEPTH = 4


def explain_argument(name: str, args: tuple[object, ...], kwargs: Mapping[str, object], error: Exception) -> str:
    """The text of the `TypeError` for an argument that can't be serialized.

    Args:
        name: of the function that was called.
        args, kwargs: its arguments.
        error: what pickling all of them raised.
    """
    named = [(f"argument {position}", value) for position, value in enumerate(args)]
    named += [(f"argument {key!r}", value) for key, value in kwargs.items()]
    for label, value in named:
        problem = problem_with(value)
        if problem is not None:
            return (
                f"Could not serialize the {label} {_short(value)} for a task or actor {name}: {problem}\n"
                f"{report(value, label)}"
            )
    return f"Could not serialize the arguments for a task or actor {name}: {error}"


def explain_value(what: str, value: object, error: Exception) -> str:
    """The text of the `TypeError` for a value or function that can't be serialized."""
    return f"Could not serialize {what} {_short(value)}: {error}\n{report(value, what)}"


def report(value: object, name: str) -> str:
    """A few lines that lead to what is at fault."""
    lines = [f"Checking serializability of {_short(value)}", f"  FAIL {name}: {problem_with(value)}"]
    path, culprit = locate(value, name)
    if culprit is not value:
        lines.append(f"  FAIL {path}: {problem_with(culprit)}")
    lines.append(f"The object at fault is {path} = {_short(culprit)} (type {type(culprit).__name__}).")
    lines.append("Make it inside the task, leave it out of what is passed, or give its class a __reduce__ method.")
    return "\n".join(lines)


def problem_with(value: object) -> str | None:
    """What pickling this by itself raises, in words; None when it works."""
    from localray.client.serialization import serialize

    try:
        serialize(value)
    except Exception as error:  # noqa: BLE001 - a __reduce__ of the user's may raise anything; the text is the answer
        return f"{type(error).__name__}: {error}"
    return None


def locate(value: object, name: str) -> tuple[str, object]:
    """The innermost part that can't be pickled, and the path to it."""
    path, current = name, value
    for _ in range(_DEPTH):
        for label, part in _parts(current):
            if part is not current and problem_with(part) is not None:
                path, current = f"{path}{label}", part
                break
        else:
            return path, current
    return path, current


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """What a value is made of, with how to write each part."""
    if isinstance(value, FunctionType):
        # Imported here: only a failure needs it.
        import inspect

        closure = inspect.getclosurevars(value)
        for name, part in (*closure.nonlocals.items(), *closure.globals.items()):
            yield f" captures {name!r}", part
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield f"[{key!r}]", part
    elif isinstance(value, (list, tuple, set, frozenset)):
        for position, part in enumerate(value):
            yield f"[{position}]", part
    else:
        for name, part in getattr(value, "__dict__", {}).items():
            yield f".{name}", part


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a broken __repr__ must not hide the real problem
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= 120 else text[:117] + "..."
