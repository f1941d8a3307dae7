"""Why something cannot be serialized: finds the attribute, element or closure variable at fault and the path that leads
to it.

Works by trying: each part of what fails is pickled by itself, and the search goes on inside the first part that fails
too. Runs only after a failure.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Mapping
from pickle import PicklingError
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType, MethodType
from typing import Final, NamedTuple, NoReturn

_DEPTH = 6
_USUAL_ADVICE = "Make it inside the task, leave it out of what is passed, or give its class a __reduce__ method."
_ADVICE_ON_RETURNS = "Leave it out of what is returned, or give its class a __reduce__ method."
_OF_A_TEXT: Final = (TypeError, ValueError, AttributeError, PicklingError)
_ADVICE: Final[Mapping[type, str]] = {
    GeneratorType: "A generator cannot leave its process: pass list(...) of it, or the function that makes it.",
    AsyncGeneratorType: "A generator cannot leave its process: pass a list of what it yields, or the function.",
    CoroutineType: "A coroutine cannot leave its process: await it first, and pass what it returns.",
}


def explain_argument(name: str, args: tuple[object, ...], kwargs: Mapping[str, object], error: Exception) -> Exception:
    """The error for an argument that can't be serialized, as `explain_value`.

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
            return _with_text(
                error,
                f"Could not serialize the {label} {short(value)} for a task or actor {name}: {problem}\n"
                f"{report(value, label)}",
            )
    return _with_text(error, f"Could not serialize the arguments for a task or actor {name}: {error}")


def explain_value(what: str, value: object, error: Exception, *, is_returned: bool = False) -> Exception:
    """The error for a value or function that can't be serialized: of the class that pickling raised, which programs may
    expect, with its text and the way to what is at fault; or that error itself, where nobody knows how its class is
    made."""
    if type(error) not in _OF_A_TEXT:
        return error
    told = report(value, what, _ADVICE_ON_RETURNS if is_returned else _USUAL_ADVICE)
    return _with_text(error, f"Could not serialize {what} {short(value)}: {error}\n{told}")


def raise_explained(explained: Exception, error: Exception) -> NoReturn:
    """Raise what explains an error, or the error where nothing does."""
    if explained is error:
        raise error
    raise explained from error


def _with_text(error: Exception, text: str) -> Exception:
    return type(error)(text) if type(error) in _OF_A_TEXT else error


def report(value: object, name: str, usual_advice: str = _USUAL_ADVICE) -> str:
    """A few lines that lead to what is at fault."""
    lines = [f"Checking serializability of {short(value)}", f"  FAIL {name}: {problem_with(value)}"]
    path, culprit = locate(value, name)
    if culprit is not value:
        lines.append(f"  FAIL {path}: {problem_with(culprit)}")
    kind = type(culprit).__name__
    # Ray's words are among these: programs look for them.
    fault = f"The object at fault is {path} = {short(culprit)} (type {kind})"
    lines.append(f"{fault}: it was found to be non-serializable.")
    lines.append(_ADVICE.get(type(culprit), usual_advice))
    return "\n".join(lines)


def problem_with(value: object) -> str | None:
    """What pickling this by itself raises, in words; None when it works."""
    from localray.client.serialization import serialize

    try:
        serialize(value)
    except Exception as error:  # noqa: BLE001 - a __reduce__ of the user's may raise anything; the text is the answer
        return f"{type(error).__name__}: {error}"
    return None


class Step(NamedTuple):
    """One step from a value into a part of it: how the part is written after the path so far, its name alone, and the
    part."""

    written: str
    name: str
    part: object


def locate(value: object, name: str) -> tuple[str, object]:
    """The innermost part that can't be pickled, and the path to it."""
    steps = trail(value, _DEPTH)
    return name + "".join(step.written for step in steps), steps[-1].part if steps else value


def trail(value: object, depth: int) -> list[Step]:
    """The steps from a value that can't be pickled to the innermost part that can't be either, at most so many."""
    steps: list[Step] = []
    current = value
    while len(steps) < depth:
        failing = (step for step in _parts(current) if step.part is not current and problem_with(step.part) is not None)
        step = next(failing, None)
        if step is None:
            break
        steps.append(step)
        current = step.part
    return steps


def _parts(value: object) -> Iterator[Step]:
    """What a value is made of."""
    if isinstance(value, FunctionType):
        # Imported here: only a failure needs it.
        import inspect

        closure = inspect.getclosurevars(value)
        for name, part in (*closure.globals.items(), *closure.nonlocals.items()):
            yield Step(f" captures {name!r}", name, part)
        for position, part in enumerate(value.__defaults__ or ()):
            yield Step(f" default {position}", f"default {position}", part)
    elif isinstance(value, MethodType):
        yield _attribute("__self__", value.__self__)
    elif isinstance(value, functools.partial):
        yield _attribute("func", value.func)
        yield _attribute("args", value.args)
        yield _attribute("keywords", value.keywords)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield Step(f"[{key!r}]", repr(key), part)
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        for position, part in enumerate(value):
            yield Step(f"[{position}]", str(position), part)
    else:
        for name, part in getattr(value, "__dict__", {}).items():
            # Of a class, what Python itself puts there is never at fault.
            if not (isinstance(value, type) and name.startswith("__") and name.endswith("__")):
                yield _attribute(name, part)
        for kind in type(value).__mro__:
            slots = kind.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if hasattr(value, name):
                    yield _attribute(name, getattr(value, name))


def _attribute(name: str, part: object) -> Step:
    return Step(f".{name}", name, part)


def short(value: object) -> str:
    """The `repr` of a value, cut where it is long."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a broken __repr__ must not hide the real problem
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= 120 else text[:117] + "..."
