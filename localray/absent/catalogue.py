"""The catalogue of Ray's names that are not here: modules of which localray has nothing, and what is missing in those
that it has. ``generate_absent.py`` and ``generate_generated.py`` in tests/api/surface write `names.json` and
`generated.json` from Ray's sources; why something is not here is said in `localray.absent.reasons`.

A module of the catalogue can be imported like any other. Its numbers and texts are Ray's; the rest are stand-ins.
Must not live here: names that mean something.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypedDict, cast

from localray.absent import stand_in
from localray.absent.enumerations import Enumeration
from localray.absent.reasons import reason_for

if TYPE_CHECKING:
    # What it imports costs more than all of this module, which every session loads.
    from importlib.abc import Loader

_OWN = "localray."


Constant = bool | int | float | str | None


class Entry(TypedDict, total=False):
    """What is not here of one module."""

    names: str
    """Functions and classes, with spaces between."""
    errors: str
    """Exceptions: they can be caught and raised like any other."""
    constants: dict[str, Constant]
    """Numbers and texts, as they are in Ray."""
    variables: dict[str, tuple[str, bool | int | float | str]]
    """Numbers and texts that a variable of the environment may set: its name, and what holds without it."""
    taken_from: dict[str, str]
    """Names that the module imports, with spaces between, by the modules that it has them from."""
    enumerations: dict[str, dict[str, int]]
    """Enumerations of protocol buffers; those in a message have its name and a dot before their own."""


@cache
def entries() -> Mapping[str, Entry]:
    """All of it, by the modules' names in Ray without ``ray.``."""
    here = Path(__file__).parent
    return cast(
        "dict[str, Entry]",
        {
            name: entry
            for file in ("names.json", "generated.json")
            for name, entry in json.loads((here / file).read_text(encoding="utf-8")).items()
        },
    )


@cache
def packages() -> frozenset[str]:
    """Those names that have modules below them."""
    return frozenset(
        ".".join(parts[:depth]) for parts in (name.split(".") for name in entries()) for depth in range(1, len(parts))
    )


def spec_of(fullname: str) -> ModuleSpec | None:
    """A spec of a module that is only in the catalogue, None where Ray has no such module either.

    Args:
        fullname: with ``localray.`` before it.
    """
    name = fullname.removeprefix(_OWN)
    if name == fullname or (name not in entries() and name not in packages()):
        return None
    return ModuleSpec(fullname, cast("Loader", _Loader()), is_package=name in packages())


class _Loader:
    """Makes such a module."""

    def create_module(self, spec: ModuleSpec) -> None:
        """An ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill it."""
        name = module.__name__.removeprefix(_OWN)
        module.__doc__ = f"`ray.{name}`: not here. {reason_for(name)}"
        module.__getattr__ = missing_in(module.__name__)  # type: ignore[method-assign]


def missing_in(module: str, reasons: Mapping[str, str] | None = None) -> Callable[[str], object]:
    """A module's ``__getattr__``: modules below it, those of the catalogue too, are imported when they are first used,
    and what the catalogue has of the module itself stands in.

    Args:
        module: its whole name.
        reasons: why something is not there and what to use, where that differs from what holds for the module, and the
            names of what is not, with spaces between.
    """
    values: dict[str, object] = {}
    own_reasons = {name: reason for reason, names in (reasons or {}).items() for name in names.split()}

    def take(name: str) -> object:
        if name not in values:
            if name.startswith("__"):
                raise AttributeError(f"module {module!r} has no attribute {name!r}")
            from importlib.util import find_spec

            if hasattr(sys.modules[module], "__path__") and find_spec(f"{module}.{name}") is not None:
                return import_module(f"{module}.{name}")
            if name in own_reasons:
                values[name] = stand_in(module, name, own_reasons[name])
            else:
                values[name] = _value_of(module, name)
        return values[name]

    return take


def _value_of(module: str, name: str) -> object:
    """What the catalogue has under this name."""
    inner = module.removeprefix(_OWN)
    entry = entries().get(inner, {})
    if name in entry.get("constants", {}):
        return entry["constants"][name]
    if name in entry.get("variables", {}):
        variable, default = entry["variables"][name]
        return _parsed(os.environ.get(variable), default)
    for source, names in entry.get("taken_from", {}).items():
        if name in names.split():
            return getattr(import_module(_OWN + source), name)
    if name in entry.get("errors", "").split():
        return type(name, (Exception,), {"__module__": module})
    enumerations = entry.get("enumerations", {})
    if name in enumerations:
        return Enumeration(name, enumerations[name])
    if name in entry.get("names", "").split():
        return stand_in(module, name, reason_for(inner), _members(module, name, enumerations))
    for owner, numbers in enumerations.items():
        if "." not in owner and name in numbers:
            return numbers[name]
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def _parsed(text: str | None, default: bool | int | float | str) -> Constant:
    """What a variable says, of the kind of its default."""
    if text is None:
        return default
    return text.lower() in ("1", "true") if isinstance(default, bool) else type(default)(text)


def _members(module: str, owner: str, enumerations: Mapping[str, dict[str, int]]) -> dict[str, object]:
    """The enumerations in a message with their names, and the messages in it that have some."""
    members: dict[str, object] = {}
    for name, numbers in enumerations.items():
        inner = name.removeprefix(f"{owner}.")
        if inner == name:
            continue
        message, dot, _ = inner.partition(".")
        if dot:
            nested = _members(module, f"{owner}.{message}", enumerations)
            members[message] = stand_in(module, message, reason_for(module.removeprefix(_OWN)), nested)
        else:
            members.update({inner: Enumeration(inner, numbers), **numbers})
    return members
