"""How results are shown: a table for people, JSON for programs.

Only presentation lives here: which digits, which columns, what is said of the goals. Every number has been measured
elsewhere.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from statistics import median

import psutil

from .comparison import MeasuredRow, Outcome, Results, State
from .systems import SystemName
from .workloads import MEMCPY_ROW_OF, Row, Unit

SCHEMA_VERSION = 1
ROW_INDENT = "  "
LONGEST_BAR = 7
SUFFIXES = ((1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The few signs outside ASCII, and what stands for them where the terminal cannot show them."""

    bar: str
    worse: str
    times: str
    at_least: str
    met: str
    missed: str
    dash: str
    to: str


FANCY = Glyphs(bar="█", worse="◁", times="×", at_least="≥", met="✓", missed="✗", dash="–", to="–")
PLAIN = Glyphs(bar="#", worse="<", times="x", at_least=">=", met="yes", missed="NO", dash="-", to="-")


def glyphs_for(encoding: str | None) -> Glyphs:
    """Return the signs that an output encoding can carry."""
    try:
        "".join(getattr(FANCY, name) for name in FANCY.__slots__).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return FANCY


def format_value(value: float, unit: Unit) -> str:
    """Show a value with about three digits, in a row's unit: `1.23k`, `45.6`, `0.25`; only rates get a suffix."""
    shown = value / unit.base_units
    if unit is Unit.PROCESSES:
        return f"{shown:.0f}"
    for size, suffix in SUFFIXES if unit.higher_is_better else ():
        if shown >= size * 0.9995:
            return _three_digits(shown / size) + suffix
    return _three_digits(shown)


def _three_digits(value: float) -> str:
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def format_ratio(ratio: float) -> str:
    """Show a ratio with two or three digits: `0.45`, `1.3`, `12`."""
    if ratio >= 9.95:
        return f"{ratio:.0f}"
    return f"{ratio:.1f}" if ratio >= 0.95 else f"{ratio:.2f}"


def bar_of(ratio: float, glyphs: Glyphs) -> str:
    """One block for each doubling; a pointer the other way for what is worse than the peer."""
    if ratio < 1:
        return glyphs.worse * min(LONGEST_BAR, max(1, round(-log2(ratio))))
    return glyphs.bar * min(LONGEST_BAR, round(log2(ratio)))


def goal_is_met(measured: MeasuredRow) -> bool | None:
    """Whether a row reaches its goal; None where it has none, or where it is not localray beside Ray.

    A row that failed misses its goal.
    """
    if measured.row.goal is None or list(measured.outcomes) != [SystemName.LOCALRAY, SystemName.RAY]:
        return None
    ratio = measured.ratio()
    return ratio is not None and ratio.median >= measured.row.goal


def render_table(results: Results, glyphs: Glyphs = FANCY) -> str:
    """Return the whole report for a terminal, without a final newline."""
    names = [contestant.name for contestant in results.plan.contestants]
    lines = [_headline(results), ""]
    table = [_column_heads(names)]
    group = None
    for measured in results.rows:
        if measured.row.group is not group:
            group = measured.row.group
            table.append([group.value])
        table.append(_cells(measured, names, results.plan.processors, glyphs))
    lines += _aligned(table)
    for closing in (_memcpy_lines(results, names, glyphs), _goal_lines(results, glyphs), _failure_lines(results)):
        if closing:
            lines += ["", *closing]
    return "\n".join(lines)


def _headline(results: Results) -> str:
    plan = results.plan
    systems = " against ".join(
        " ".join(filter(None, (contestant.name.value, results.versions.get(contestant.name, ""))))
        for contestant in plan.contestants
    )
    turns = "turn" if plan.turns == 1 else "turns"
    return (
        f"{systems}\n{plan.processors} processors, Python {platform.python_version()}; "
        f"median of {plan.turns} {turns} of {plan.seconds:g} s for each row and system"
    )


def _column_heads(names: Sequence[SystemName]) -> list[str]:
    heads = ["", *(name.value for name in names), "unit"]
    return heads + ["better by", "range", "", "goal", ""] if len(names) > 1 else heads


def _cells(measured: MeasuredRow, names: Sequence[SystemName], processors: int, glyphs: Glyphs) -> list[str]:
    row = measured.row
    cells = [ROW_INDENT + row.title.format(n=processors)]
    cells += [_value_cell(measured.outcomes[name], row.unit, glyphs) for name in names]
    cells.append(row.unit.label)
    ratio = measured.ratio()
    if ratio is None:
        cells += ["", "", ""]
    else:
        cells.append(format_ratio(ratio.median) + glyphs.times)
        cells.append(f"{format_ratio(ratio.lowest)}{glyphs.to}{format_ratio(ratio.highest)}")
        cells.append(bar_of(ratio.median, glyphs))
    met = goal_is_met(measured)
    if met is not None and row.goal is not None:
        cells += [f"{glyphs.at_least} {row.goal:g}{glyphs.times}", glyphs.met if met else glyphs.missed]
    return cells


def _value_cell(outcome: Outcome, unit: Unit, glyphs: Glyphs) -> str:
    if outcome.state is State.MEASURED:
        return format_value(median(outcome.values), unit)
    return "failed" if outcome.state is State.FAILED else glyphs.dash


def _aligned(table: list[list[str]]) -> list[str]:
    """Pad the columns: numbers to the right, words to the left; a row of one cell is a heading and takes no part."""
    heads = table[0]
    wide = [row for row in table if len(row) > 1]
    widths = [max(len(row[index]) for row in wide if index < len(row)) for index in range(len(heads))]
    unit_column = heads.index("unit")
    lines = []
    for row in table:
        if len(row) == 1:
            lines += ["", row[0]]
            continue
        padded = [
            cell.rjust(width) if 0 < index < unit_column or index == unit_column + 1 else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def _memcpy_lines(results: Results, names: Sequence[SystemName], glyphs: Glyphs) -> list[str]:
    """Say what share of the speed of a plain copy each put reaches."""
    by_key = {measured.row.key: measured for measured in results.rows}
    lines = []
    for put_key, copy_key in MEMCPY_ROW_OF.items():
        if put_key not in by_key or copy_key not in by_key:
            continue
        shares = []
        for name in names:
            put, copy = by_key[put_key].outcomes[name], by_key[copy_key].outcomes[name]
            if put.values and copy.values:
                share = median(put.values) / median(copy.values)
                shares.append(f"{name.value} {share:.2f} {glyphs.times} memcpy")
        if shares:
            lines.append(f"{by_key[put_key].row.title}: {', '.join(shares)}")
    return lines


def _goal_lines(results: Results, glyphs: Glyphs) -> list[str]:
    with_goal = [measured for measured in results.rows if goal_is_met(measured) is not None]
    if not with_goal:
        return []
    missed = [measured for measured in with_goal if not goal_is_met(measured)]
    line = f"goals: {len(with_goal) - len(missed)} of {len(with_goal)} met"
    if missed:
        line += "; missed: " + ", ".join(_missed(measured, glyphs) for measured in missed)
    return [line]


def _missed(measured: MeasuredRow, glyphs: Glyphs) -> str:
    ratio = measured.ratio()
    reached = "nothing" if ratio is None else format_ratio(ratio.median) + glyphs.times
    return f"{measured.row.key} ({reached} of {measured.row.goal:g}{glyphs.times})"


def _failure_lines(results: Results) -> list[str]:
    rows_by_failure: dict[tuple[SystemName, str], list[str]] = {}
    for row, name, error in results.failures():
        rows_by_failure.setdefault((name, error), []).append(row.key)
    lines = []
    for (name, error), keys in rows_by_failure.items():
        lines += [f"failed on {name.value}: {', '.join(keys)}", *("    " + line for line in error.splitlines())]
    for name, error in results.stop_errors.items():
        lines += [f"{name.value} did not stop in order:", *("    " + line for line in error.splitlines())]
    return lines


def machine_facts() -> dict[str, object]:
    """Return what someone else needs to know of this machine to judge the numbers."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "processor": _processor_name(),
        "processors": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": list(os.getloadavg()),
        "python": platform.python_version(),
    }


def _processor_name() -> str:
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def to_json(results: Results, machine: dict[str, object]) -> dict[str, object]:
    """Return the results as plain data; the values are in base units: a second, seconds, bytes, a fraction."""
    plan = results.plan
    return {
        "schema": SCHEMA_VERSION,
        "machine": machine,
        "processors_used": plan.processors,
        "seconds": plan.seconds,
        "turns": plan.turns,
        "systems": [
            {"name": one.name.value, "version": results.versions.get(one.name, ""), "python": one.python}
            for one in plan.contestants
        ],
        "rows": [_row_to_json(measured) for measured in results.rows],
        "stop_errors": {name.value: error for name, error in results.stop_errors.items()},
    }


def _row_to_json(measured: MeasuredRow) -> dict[str, object]:
    row, ratio = measured.row, measured.ratio()
    return {
        "key": row.key,
        "group": row.group.value,
        "title": row.title.strip(),
        "unit": _base_unit(row),
        "higher_is_better": row.unit.higher_is_better,
        "systems": {name.value: _outcome_to_json(outcome) for name, outcome in measured.outcomes.items()},
        "better_by": None
        if ratio is None
        else {"median": ratio.median, "lowest": ratio.lowest, "highest": ratio.highest},
        "goal": row.goal,
        "goal_met": goal_is_met(measured),
    }


def _outcome_to_json(outcome: Outcome) -> dict[str, object]:
    return {
        "state": outcome.state.value,
        "values": list(outcome.values),
        "median": median(outcome.values) if outcome.values else None,
        "error": outcome.error,
    }


def _base_unit(row: Row) -> str:
    base_units = {
        Unit.GIGABYTES: "bytes/s",
        Unit.MILLISECONDS: "s",
        Unit.MEBIBYTES: "bytes",
        Unit.PROCESSES: "processes",
        Unit.PERCENT: "cores",
    }
    return base_units.get(row.unit, row.unit.label)
