"""Which variables of its surroundings a function or class reads, and whether they have changed since it was sent to the
workers: there they stay what they were.

Looks at plain values only, which cost nothing to keep and are equal when nothing has changed, and at variables that did
not exist. Must not live here: when it is looked at (`remote_function`, `habits`), what users are told (`habits`).
"""

from __future__ import annotations

import builtins
import dis
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_MOST_LOOKS = 100
_LONGEST_TEXT = 60
_MISSING = object()


class Captured:
    """What one definition has captured, from when it was sent on.

    ``changed_at`` is the number of the task that had been submitted last when a change was first seen.

    Args:
        functions: its functions: itself, or a class's methods.

    >>> surroundings = {"step": 1}
    >>> captured = Captured([FunctionType((lambda: step).__code__, surroundings)])
    >>> captured.changed()
    >>> surroundings["step"] = 2
    >>> captured.changed()
    ('step', '1', '2')
    """

    def __init__(self, functions: list[FunctionType]) -> None:
        self._variables: list[tuple[str, dict[str, object] | CellType, object]] = []
        self.looks_left = _MOST_LOOKS
        self.changed_at: int | None = None
        for function in functions:
            for name, place in _variables_of(function):
                value = _read(name, place)
                if isinstance(value, _PLAIN) or (value is _MISSING and not hasattr(builtins, name)):
                    self._variables.append((name, place, value))

    def __bool__(self) -> bool:
        """Whether there is anything that may change."""
        return bool(self._variables)

    def changed(self) -> tuple[str, str, str] | None:
        """A variable that is not what it was: its name, what it was, what it is; both empty for one that did not exist.
        """
        for name, place, value in self._variables:
            now = _read(name, place)
            if value is _MISSING:
                if now is not _MISSING:
                    return name, "", ""
            elif now is not value and isinstance(now, _PLAIN) and (type(now) is not type(value) or now != value):
                return name, _text(value), _text(now)
        return None


def functions_of(definition: object) -> list[FunctionType]:
    """A function, or the methods that a class defines itself."""
    if isinstance(definition, FunctionType):
        return [definition]
    if not isinstance(definition, type):
        return []
    members = (getattr(member, "__func__", member) for member in vars(definition).values())
    return [member for member in members if isinstance(member, FunctionType)]


def _variables_of(function: FunctionType) -> Iterator[tuple[str, dict[str, object] | CellType]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        yield name, cell
    for name in _globals_read(function.__code__):
        yield name, function.__globals__


def _globals_read(code: CodeType) -> set[str]:
    names = {
        str(instruction.argval) for instruction in dis.get_instructions(code) if instruction.opname == "LOAD_GLOBAL"
    }
    # What the function assigns itself is each worker's own, and known to be.
    names -= {
        str(instruction.argval) for instruction in dis.get_instructions(code) if instruction.opname == "STORE_GLOBAL"
    }
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _globals_read(constant)
    return {name for name in names if not name.startswith("__")}


def _read(name: str, place: dict[str, object] | CellType) -> object:
    if isinstance(place, dict):
        return place.get(name, _MISSING)
    try:
        contents: object = place.cell_contents
    except ValueError:
        return _MISSING
    return contents


def _text(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."
