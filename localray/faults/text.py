"""Rules of faults as text, e.g. ``kill_worker:nth=3,task=load;crash_node:at_s=1.5``, and as the plain dicts of files.

Must not live here: what rules mean (`localray.faults.rules`).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import fields

from localray.faults.presets import PRESETS, named
from localray.faults.rules import Fault, Phase, Rule

_DEFAULTS = {each.name: each.default for each in fields(Rule)}


def parse(faults: str | Rule | Iterable[object], seed: int = 0) -> tuple[Rule, ...]:
    """Rules from whatever a user gives: the name of a preset, text, rules, dicts, or a sequence of any of these.

    Args:
        faults: what was given.
        seed: chooses among the rules of a preset that differs from seed to seed.

    Raises:
        ValueError: there is no such preset, fault or field, or a value makes no sense; the text says which.

    Example:
        >>> [str(rule) for rule in parse("kill_worker:nth=3; crash_node:at_s=1.5")]
        ['kill_worker:nth=3', 'crash_node:at_s=1.5']
    """
    if isinstance(faults, Rule):
        return (faults,)
    if isinstance(faults, Mapping):
        return (_from_mapping(faults),)
    if not isinstance(faults, str):
        return tuple(rule for each in faults for rule in parse(each, seed))  # type: ignore[arg-type]
    rules: list[Rule] = []
    for part in filter(None, (part.strip() for part in faults.split(";"))):
        if part in PRESETS:
            rules += named(part, seed)
        else:
            rules.append(_from_text(part))
    return tuple(rules)


def placed(faults: str, chances: Mapping[str, int]) -> str:
    """Rules as text, in which those that do not say when get their moment among so many chances.

    Args:
        faults: as `parse` understands it.
        chances: that each rule had in a run in which nothing went wrong, as `Injector.chances` tells them.

    Example:
        >>> placed("crash_node:returns_s=1; kill_worker:nth=3", {"0 crash_node:returns_s=1": 212})
        'crash_node:returns_s=1,among=212;kill_worker:nth=3'
    """
    parts = [part.strip() for part in faults.split(";") if part.strip()]
    number = 0
    for at, part in enumerate(parts):
        rules = parse(part)
        many = chances.get(f"{number} {rules[0]}", 0) if rules else 0
        if part not in PRESETS and rules[0].has_no_moment and many:
            parts[at] = f"{part.rstrip(',')}{',' if ':' in part else ':'}among={many}"
        number += len(rules)
    return ";".join(parts)


def _from_text(text: str) -> Rule:
    name, _, rest = text.partition(":")
    given: dict[str, object] = {"fault": name}
    for part in filter(None, (part.strip() for part in rest.split(","))):
        field, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} in {text!r} is not of the form name=value.")
        given[field.strip()] = value.strip()
    return _from_mapping(given)


def _from_mapping(given: Mapping[str, object]) -> Rule:
    values: dict[str, object] = {}
    for field, value in given.items():
        if field not in _DEFAULTS:
            raise ValueError(f"A rule of faults has no {field!r}; there are {', '.join(_DEFAULTS)}.")
        values[str(field)] = _converted(str(field), value)
    if "fault" not in values:
        raise ValueError("A rule of faults needs its 'fault'.")
    return Rule(**values)  # type: ignore[arg-type]


_WORDS: dict[type, str] = {bool: "true or false", int: "an integer", float: "a number"}


def _converted(field: str, value: object) -> object:
    if field == "fault":
        return _member(Fault, value, f" Presets are {', '.join(PRESETS)}.")
    if field == "phase":
        return _member(Phase, value)
    default = _DEFAULTS[field]
    if not isinstance(value, str) or isinstance(default, str):
        return value
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[value.lower()]
        return int(value) if isinstance(default, int) else float(value)
    except (ValueError, KeyError):
        raise ValueError(f"{field} must be {_WORDS[type(default)]}, got {value!r}.") from None


def _member(kind: type[enum.Enum], value: object, hint: str = "") -> enum.Enum:
    try:
        return value if isinstance(value, kind) else kind(value)
    except ValueError:
        known = ", ".join(str(each.value) for each in kind)
        raise ValueError(f"There is no {kind.__name__.lower()} {value!r}; there are {known}.{hint}") from None


def to_mapping(rule: Rule) -> dict[str, object]:
    """A rule as what JSON can hold: only what differs from the defaults."""
    return {
        name: value.value if isinstance(value, enum.Enum) else value
        for name, value in ((name, getattr(rule, name)) for name in _DEFAULTS)
        if value != _DEFAULTS[name]
    }
