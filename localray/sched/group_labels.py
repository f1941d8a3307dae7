"""Whether a node's labels are what a bundle asks for. Must not live here: the syntax of selectors, which
`localray.options` has checked."""

from __future__ import annotations

from collections.abc import Mapping


def satisfies(labels: Mapping[str, str], selector: tuple[tuple[str, str], ...]) -> bool:
    """Whether labels meet all conditions: ``value``, ``!value``, ``in(a, b)``, ``!in(a, b)``.

    >>> satisfies({"zone": "a"}, (("zone", "in(a, b)"),)), satisfies({}, (("zone", "!a"),))
    (True, True)
    """
    return all(_holds(labels.get(key), condition) for key, condition in selector)


def _holds(label: str | None, condition: str) -> bool:
    positive = not condition.startswith("!")
    text = condition.removeprefix("!")
    values = [value.strip() for value in text[3:-1].split(",")] if text.startswith("in(") else [text]
    return (label in values) == positive
