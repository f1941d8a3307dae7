"""Conditions on a node's labels: what `label_selector=` and `NodeLabelSchedulingStrategy` ask for, and whether a node
meets it.

Conditions travel as plain tuples (`localray.protocol.Conditions`). Must not live here: checks of what users write
(`localray.options`).
"""

from __future__ import annotations

from collections.abc import Mapping

from localray.protocol import Conditions, LabelOperator

NODE_ID_LABEL = "ray.io/node-id"
"""Each node has it: its id in hexadecimal digits."""


def meets(labels: Mapping[str, str], conditions: Conditions) -> bool:
    """Whether all conditions hold. A node without the label fulfils NOT_IN and ABSENT.

    >>> meets({"zone": "a"}, (("zone", LabelOperator.IN, ("a", "b")), ("disk", LabelOperator.ABSENT, ())))
    True
    """
    return all(_holds(labels, key, operator, values) for key, operator, values in conditions)


def _holds(labels: Mapping[str, str], key: str, operator: int, values: tuple[str, ...]) -> bool:
    if operator == LabelOperator.EXISTS:
        return key in labels
    if operator == LabelOperator.ABSENT:
        return key not in labels
    return (labels.get(key) in values) == (operator == LabelOperator.IN)


def parse_selector(selector: Mapping[str, str | None]) -> Conditions:
    """The conditions of a checked `label_selector`: ``v``, ``!v``, ``in(v, w)``, ``!in(v, w)``.

    >>> parse_selector({"zone": "!in(a, b)"})
    (('zone', 1, ('a', 'b')),)
    """
    return tuple(_parse(key, text or "") for key, text in sorted(selector.items()))


def _parse(key: str, text: str) -> tuple[str, int, tuple[str, ...]]:
    operator = LabelOperator.NOT_IN if text.startswith("!") else LabelOperator.IN
    text = text.removeprefix("!")
    if text.endswith(")"):
        listed = text[text.index("(") + 1 : -1]
        return key, operator.value, tuple(value.strip() for value in listed.split(","))
    return key, operator.value, (text,)


def in_words(conditions: Conditions) -> str:
    """Conditions for a person to read.

    >>> in_words((("zone", LabelOperator.NOT_IN, ("a",)), ("disk", LabelOperator.EXISTS, ())))
    'zone not in (a), disk exists'
    """
    words = {LabelOperator.EXISTS: "exists", LabelOperator.ABSENT: "does not exist"}
    parts = []
    for key, operator, values in conditions:
        listed = f"{'not ' if operator == LabelOperator.NOT_IN else ''}in ({', '.join(values)})"
        parts.append(f"{key} {words.get(LabelOperator(operator), listed)}")
    return ", ".join(parts)
