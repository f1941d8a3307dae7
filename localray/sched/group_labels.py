"""What a bundle asks of its node's labels, and whether a node meets it. Must not live here: checks of what users write
(`localray.options`)."""

from __future__ import annotations

from collections.abc import Mapping

from localray.protocol import Conditions

IN, NOT_IN = 0, 1


def meets(labels: Mapping[str, str], conditions: Conditions) -> bool:
    """Whether all conditions hold; a node without the label is not in any list.

    >>> meets({"zone": "a"}, parse_selector({"zone": "in(a, b)", "disk": "!ssd"}))
    True
    """
    return all((labels.get(key) in values) == (operator == IN) for key, operator, values in conditions)


def parse_selector(selector: Mapping[str, str]) -> Conditions:
    """The conditions of a checked selector: ``v``, ``!v``, ``in(v, w)``, ``!in(v, w)``.

    >>> parse_selector({"zone": "!in(a, b)"})
    (('zone', 1, ('a', 'b')),)
    """
    return tuple(_parse(key, text) for key, text in sorted(selector.items()))


def _parse(key: str, text: str) -> tuple[str, int, tuple[str, ...]]:
    operator = NOT_IN if text.startswith("!") else IN
    text = text.removeprefix("!")
    if text.endswith(")"):
        listed = text[text.index("(") + 1 : -1]
        return key, operator, tuple(value.strip() for value in listed.split(","))
    return key, operator, (text,)
