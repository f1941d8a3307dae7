"""The table that `memory_summary` prints: rows of references, grouped, sorted, and totalled. Text only."""

from __future__ import annotations

import enum
import shutil
from collections.abc import Sequence
from typing import TypeVar

from localray.node_description import NODE_ADDRESS
from localray.protocol import HeldObject, ReferenceKind, StoreTotals

_MIB = 2**20
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_WIDE_TERMINAL = 137
_LABELS = ("IP Address", "PID", "Type", "Call Site", "Status", "Attempt", "Size", "Reference Type", "Object Ref")
_NARROW = "{:<13} | {:<8} | {:<7} | {:<9} | {:<9} | {:<8} | {:<8} | {:<14} | {:<10}\n"
_WIDE = "{:<15}  {:<5}  {:<6}  {:<22}  {:<14}  {:<8}  {:<6}  {:<18}  {:<56}\n"
_CUT = (0, 0, 0, 22, 12, 0, 0, 0, 0)
"""In a wide terminal a call site and a status go on in the next line after so many characters."""
_SUMMARY_LABELS = (
    "Mem Used by Objects",
    "Local References",
    "Pinned",
    "Used by task",
    "Captured in Objects",
    "Actor Handles",
)
_SUMMARY = "{:<19}  {:<16}  {:<12}  {:<13}  {:<19}  {:<13}\n"


class GroupBy(enum.Enum):
    """What a group of rows has in common."""

    NODE_ADDRESS = "node address"
    STACK_TRACE = "stack trace"


class SortBy(enum.Enum):
    """What rows are sorted by, smallest first."""

    PID = "pid"
    OBJECT_SIZE = "object size"
    REFERENCE_TYPE = "reference type"


Choice = TypeVar("Choice", GroupBy, SortBy)


def choose(kinds: type[Choice], name: str, what: str) -> Choice:
    """The member of this name.

    Raises:
        Exception: there is none; as in Ray, of no more special class.
    """
    try:
        return kinds[name]
    except KeyError:
        names = " or ".join(kind.name for kind in kinds)
        raise Exception(f"The {what} input provided is not one of {names}.") from None


def format_table(
    entries: Sequence[HeldObject],
    group_by: GroupBy,
    sort_by: SortBy,
    unit: str,
    *,
    line_wrap: bool,
    num_entries: int | None,
) -> str:
    """The whole table.

    Raises:
        KeyError: there is no such unit.
    """
    scale = _UNITS[unit]
    wide = line_wrap and shutil.get_terminal_size((80, 20)).columns > _WIDE_TERMINAL
    shown = "all" if num_entries is None else str(num_entries)
    parts = [
        f"Grouping by {group_by.value}...        Sorting by {sort_by.value}...        "
        f"Display {shown} entries per group...\n\n\n"
    ]
    for key, group in _groups(_sorted(entries, sort_by), group_by).items():
        parts.append(f"--- Summary for {group_by.value}: {key} ---\n")
        parts.append(_SUMMARY.format(*_SUMMARY_LABELS))
        parts.append(_SUMMARY.format(*_totals(group, unit, scale)) + "\n")
        parts.append(f"--- Object references for {group_by.value}: {key} ---\n")
        parts.append((_WIDE if wide else _NARROW).format(*_LABELS))
        for entry in group[:num_entries]:
            cells = _cells(entry, unit, scale)
            parts.append(_wrapped(cells) if wide else "\n" + _NARROW.format(*cells))
            parts.append("\n")
    parts.append(
        "To record callsite information for each ObjectRef created, set env variable "
        "RAY_record_ref_creation_sites=1\n\n"
    )
    return "".join(parts)


def format_totals(totals: StoreTotals) -> str:
    """The store's totals, in Ray's words: what has a file of its own counts as in memory."""
    used_bytes, objects = totals.used_bytes + totals.own_files_bytes, totals.objects + totals.own_files
    full = round(100 * used_bytes / max(1, totals.capacity_bytes), 2)
    text = (
        "--- Aggregate object store stats across all nodes ---\n"
        f"Plasma memory usage {used_bytes // _MIB} MiB, {objects} objects, {full}% full, {full}% needed\n"
    )
    if totals.own_files_bytes:
        text += f"Plasma filesystem mmap usage: {totals.own_files_bytes // _MIB} MiB\n"
    if totals.spilling_took_s > 0:
        bytes_per_s = totals.spilled_bytes / totals.spilling_took_s
        text += (
            f"Spilled {totals.spilled_bytes // _MIB} MiB, {totals.spilled_objects} objects, "
            f"avg write throughput {int(bytes_per_s / _MIB)} MiB/s\n"
        )
    return text


def _sorted(entries: Sequence[HeldObject], sort_by: SortBy) -> list[HeldObject]:
    if sort_by is SortBy.PID:
        return sorted(entries, key=lambda entry: entry.process_id)
    if sort_by is SortBy.OBJECT_SIZE:
        return sorted(entries, key=lambda entry: entry.size_bytes)
    return sorted(entries, key=lambda entry: entry.kind)


def _groups(entries: list[HeldObject], group_by: GroupBy) -> dict[str, list[HeldObject]]:
    groups: dict[str, list[HeldObject]] = {}
    for entry in entries:
        key = NODE_ADDRESS if group_by is GroupBy.NODE_ADDRESS else _site(entry)
        groups.setdefault(key, []).append(entry)
    return groups


def _totals(group: list[HeldObject], unit: str, scale: int) -> list[str]:
    """All bytes, then for each kind of reference how many there are and the bytes behind them."""
    kinds = (
        ReferenceKind.LOCAL_REFERENCE,
        ReferenceKind.PINNED_IN_MEMORY,
        ReferenceKind.USED_BY_PENDING_TASK,
        ReferenceKind.CAPTURED_IN_OBJECT,
        ReferenceKind.ACTOR_HANDLE,
    )
    found = [f"{sum(max(0, entry.size_bytes) for entry in group) / scale} {unit}"]
    for kind in kinds:
        sizes = [max(0, entry.size_bytes) for entry in group if entry.kind == kind.name]
        found.append(f"{len(sizes)}, ({sum(sizes) / scale} {unit})")
    return found


def _cells(entry: HeldObject, unit: str, scale: int) -> list[str]:
    return [
        NODE_ADDRESS,
        str(entry.process_id),
        "Driver" if entry.is_driver else "Worker",
        _site(entry),
        entry.status,
        str(entry.attempt),
        _size(entry, unit, scale),
        entry.kind,
        entry.object_id.hex(),
    ]


def _size(entry: HeldObject, unit: str, scale: int) -> str:
    if entry.size_bytes < 0:
        return "?"
    # What has a file of its own is in the totals under Ray's name for that.
    where = " (spilled)" if entry.is_spilled else " (filesystem mmap)" if entry.has_own_file else ""
    return f"{entry.size_bytes / scale} {unit}{where}"


def _site(entry: HeldObject) -> str:
    return entry.site or "disabled"


def _wrapped(cells: list[str]) -> str:
    """A row over as many lines as its longest cell needs."""
    columns = [
        [cell[start : start + width] for start in range(0, len(cell), width)] if width else [cell]
        for cell, width in zip(cells, _CUT, strict=True)
    ]
    height = max(len(column) for column in columns)
    lines = zip(*([*column, *[""] * (height - len(column))] for column in columns), strict=True)
    return "".join(_WIDE.format(*line) for line in lines)
