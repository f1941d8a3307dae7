"""Tables of the state of a session, made to be read: which columns are shown of what, and how.

Must not live here: asking, what gives way where the terminal is too narrow (`localray.cli.fitting`).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from enum import Enum
from typing import Any

from localray.util.state.common import Humanify, StateSchema

RESOURCES = ("tasks", "actors", "objects", "nodes", "workers", "placement-groups", "jobs")

COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "tasks": (
        ("TASK ID", "task_id"),
        ("ATTEMPT", "attempt_number"),
        ("NAME", "name"),
        ("STATE", "state"),
        ("PID", "worker_pid"),
        ("NODE", "node_id"),
        ("ERROR", "error_type"),
    ),
    "actors": (
        ("ACTOR ID", "actor_id"),
        ("CLASS", "class_name"),
        ("STATE", "state"),
        ("NAME", "name"),
        ("PID", "pid"),
        ("NODE", "node_id"),
        ("NAMESPACE", "ray_namespace"),
    ),
    "objects": (
        ("OBJECT ID", "object_id"),
        ("SIZE", "object_size"),
        ("REFERENCE", "reference_type"),
        ("TASK", "task_status"),
        ("HOLDER", "type"),
        ("PID", "pid"),
        ("MADE AT", "call_site"),
    ),
    "nodes": (
        ("NODE ID", "node_id"),
        ("NAME", "node_name"),
        ("STATE", "state"),
        ("HEAD", "is_head_node"),
        ("RESOURCES", "resources_total"),
        ("LABELS", "labels"),
    ),
    "workers": (
        ("WORKER ID", "worker_id"),
        ("TYPE", "worker_type"),
        ("ALIVE", "is_alive"),
        ("PID", "pid"),
        ("NODE", "node_id"),
        ("EXIT", "exit_type"),
    ),
    "placement-groups": (
        ("PLACEMENT GROUP ID", "placement_group_id"),
        ("NAME", "name"),
        ("STATE", "state"),
        ("JOB", "creator_job_id"),
    ),
    "jobs": (
        ("JOB ID", "job_id"),
        ("SUBMISSION", "submission_id"),
        ("TYPE", "type"),
        ("STATUS", "status"),
        ("ENTRYPOINT", "entrypoint"),
    ),
}
"""For each kind of thing, titles and columns; the first is its id."""

LEAST: dict[str, tuple[str, ...]] = {
    "tasks": ("NODE", "ATTEMPT", "ERROR", "PID"),
    "actors": ("NAMESPACE", "NODE", "PID", "NAME"),
    "objects": ("MADE AT", "HOLDER", "PID", "TASK"),
    "nodes": ("LABELS", "HEAD", "NAME"),
    "workers": ("NODE", "EXIT", "TYPE"),
    "placement-groups": ("JOB",),
    "jobs": ("SUBMISSION", "TYPE"),
}
"""Which columns a narrow terminal can do without, those of least interest first."""

NUMBERS = frozenset(("ATTEMPT", "MB", "OBJECTS", "PID", "PROCESSES", "SIZE", "TOTAL"))
"""Titles of columns that are aligned to the right, and never cut."""

LISTS = frozenset(("HELD BY", "LABELS", "REFERENCES", "RESOURCES", "STATES"))
"""Titles of columns whose cells are lists, which can go on in the next line."""

_DIGITS_OF_ID = 12
_LENGTH_OF_UUID = 36
_HIDDEN_RESOURCES = ("node:",)
_HIDDEN_LABELS = ("ray.io/",)


def cell(state: StateSchema, name: str, *, whole: bool) -> str:
    """One column of a state, as it is shown in a table: whole, or with ids and names made by chance shortened."""
    value: Any = state.get(name)
    if value is None or value == "disabled":
        return "-"
    if name == "object_size":
        return Humanify.memory(value) if value >= 0 else "?"
    if name == "resources_total":
        value = {key: amount for key, amount in value.items() if not key.startswith(_HIDDEN_RESOURCES)}
        return ", ".join(f"{key}: {_amount(key, amount)}" for key, amount in value.items())
    if name == "labels":
        return ", ".join(f"{key}={each}" for key, each in value.items() if not key.startswith(_HIDDEN_LABELS)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # A program given to `python -c` has lines of its own.
    text = " ".join(str(value.value if isinstance(value, Enum) else value).split()) or "-"
    by_chance = name == "node_id" or (name == "ray_namespace" and _is_uuid(text))
    if by_chance and not whole and name != state.list_columns()[0]:
        return text[:_DIGITS_OF_ID]
    return text


def _is_uuid(text: str) -> bool:
    return len(text) == _LENGTH_OF_UUID and text.count("-") == 4


def _amount(name: str, amount: float) -> str:
    return Humanify.memory(amount).replace(".000", "") if "memory" in name else f"{amount:g}"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns, as wide as they need to be; numbers are to the right.

    Example:
        >>> table(["NAME", "PID"], [["train", "7"], ["f", "1234"]])
        ['NAME    PID', 'train     7', 'f      1234']
    """
    widths = [max(len(row[place]) for row in (titles, *rows)) for place in range(len(titles))]
    to_right = [title in NUMBERS for title in titles]
    lines = []
    for row in (titles, *rows):
        cells = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, to_right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def plain(state: StateSchema) -> dict[str, Any]:
    """A state as JSON can hold it."""
    return {key: _plain(value) for key, value in state.asdict().items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value


def now() -> str:
    """The date and time, for the head of a summary."""
    return datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
