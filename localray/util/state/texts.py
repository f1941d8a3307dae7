"""The state API's answers as texts in Ray's layout: tables, YAML and JSON, as `ray list`, `ray get` and `ray summary`
show them. Must not live here: the commands (`state_cli`), asking the session (`api`), localray's own tables
(`localray.cli.state_tables`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import Enum, unique
from typing import Any

from localray.util.state.common import StateResource, StateSchema

Columns = dict[str, Any]
_GAP = "  "
_NOTHING = "No resource in the cluster"


@unique
class AvailableFormat(Enum):
    """How states can be shown."""

    DEFAULT = "default"
    JSON = "json"
    YAML = "yaml"
    TABLE = "table"


def as_table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, ruled: bool = False) -> str:
    """Rows with their numbers, in columns as wide as they need to be; numbers to the right, cells of several lines on
    several lines.

    Args:
        headers: the columns' titles.
        rows: what stands in them; None is empty.
        ruled: with a line under the titles.

    Example:
        >>> print(as_table(["NAME", "PID"], [["train", 7], ["f", 1234]]))
           NAME    PID
        0  train     7
        1  f      1234
    """
    titles = ["", *headers]
    numbered = [[place, *row] for place, row in enumerate(rows)]
    to_right = [all(_is_number(row[at]) for row in numbered) for at in range(len(titles))]
    cells = [[_lines_of(value) for value in row] for row in numbered]
    widths = [
        max(len(title), *(len(line) for row in cells for line in row[at])) if cells else len(title)
        for at, title in enumerate(titles)
    ]
    lines = [_aligned(titles, widths, to_right)]
    if ruled:
        lines.append(_GAP.join("-" * width for width in widths))
    for row in cells:
        for at in range(max(len(cell) for cell in row)):
            lines.append(_aligned([cell[at] if at < len(cell) else "" for cell in row], widths, to_right))
    return "\n".join(lines)


def _aligned(texts: Sequence[str], widths: Sequence[int], to_right: Sequence[bool]) -> str:
    cells = [
        text.rjust(width) if right else text.ljust(width)
        for text, width, right in zip(texts, widths, to_right, strict=True)
    ]
    return _GAP.join(cells).rstrip()


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _lines_of(value: object) -> list[str]:
    if value is None:
        return [""]
    return (f"{value:.3f}" if isinstance(value, float) else str(value)).splitlines() or [""]


def as_yaml(value: object, **options: Any) -> str:
    """A value as YAML, in the order in which it is."""
    import yaml

    return str(yaml.dump(value, sort_keys=False, **options))


def as_plain(value: object) -> Any:
    """A column as YAML and JSON can hold it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: as_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(each) for each in value]
    return value


def get_table_output(state_data: list[Columns], schema: type[StateSchema], detail: bool) -> str:
    """States as a table, under how many there are; the columns in the order of the schema."""
    known = [name for name in schema.list_columns(detail=detail) if any(name in data for data in state_data)]
    rows = [
        [as_yaml(value, indent=2) if isinstance(value, dict) else as_plain(value) for value in map(data.get, known)]
        for data in state_data
    ]
    return f"""
{_head("List")}
Stats:
------------------------------
Total: {len(state_data)}

Table:
------------------------------
{as_table([name.upper() for name in known], rows)}
"""


def _head(what: str) -> str:
    return f"{'=' * 8} {what}: {datetime.now()} {'=' * 8}"


def output_with_format(
    state_data: Any,
    *,
    schema: type[StateSchema] | None,
    format: AvailableFormat = AvailableFormat.DEFAULT,
    detail: bool = False,
) -> str:
    """States in a format.

    Raises:
        ValueError: there is no such format.
    """
    if schema is not None:
        state_data = [schema.humanify(data) for data in state_data]
    if format is AvailableFormat.YAML:
        return as_yaml(as_plain(state_data), indent=4, explicit_start=True, explicit_end=True)
    if format is AvailableFormat.JSON:
        return json.dumps(as_plain(state_data))
    if format in (AvailableFormat.DEFAULT, AvailableFormat.TABLE):
        assert schema is not None, "A table needs to know its columns."
        return get_table_output(state_data, schema, detail)
    raise ValueError(
        f"There is no format {format!r}; there are {', '.join(each.value for each in AvailableFormat)}."
    )


def format_list_api_output(
    state_data: Sequence[StateSchema],
    *,
    schema: type[StateSchema],
    format: AvailableFormat = AvailableFormat.DEFAULT,
    detail: bool = False,
) -> str:
    """What a list shows."""
    if not state_data:
        return _NOTHING
    return output_with_format([state.asdict() for state in state_data], schema=schema, format=format, detail=detail)


def format_get_api_output(
    state_data: StateSchema | list[StateSchema] | None,
    id: str,
    *,
    schema: type[StateSchema],
    format: AvailableFormat = AvailableFormat.YAML,
) -> str:
    """What a look-up by an id shows."""
    if not state_data:
        return f"Resource with id={id} not found in the cluster."
    found = state_data if isinstance(state_data, list) else [state_data]
    return output_with_format([state.asdict() for state in found], schema=schema, format=format, detail=True)


def format_summary_output(state_data: dict[str, Any], *, resource: StateResource) -> str:
    """What a summary of tasks or actors shows: the totals, and a row for each name."""
    if not state_data:
        return _NOTHING
    totals, summaries, group = _parts(state_data)
    headers = sorted({name for summary in summaries.values() for name in summary})
    rows = [_summary_row(summary, headers) for summary in summaries.values()]
    return f"""
{_head(f"{resource.value.capitalize()} Summary")}
Stats:
------------------------------------
{totals}

Table (group by {group}):
------------------------------------
{as_table([name.upper() for name in headers], rows)}
"""


def format_object_summary_output(state_data: dict[str, Any]) -> str:
    """What a summary of objects shows: the totals, and a table for each place in the program that makes some."""
    if not state_data:
        return _NOTHING
    totals, summaries, group = _parts(state_data)
    tables = []
    for site, summary in summaries.items():
        headers = sorted(summary)
        table = as_table([name.upper() for name in headers], [_summary_row(summary, headers)], ruled=True)
        tables.append(f"{site.replace('|', chr(10) + '|')}\n{table}")
    together = "\n\n\n\n".join(tables)
    return f"""
{_head("Object Summary")}
Stats:
------------------------------------
{totals}

Table (group by {group})
------------------------------------
{together}
"""


def _parts(state_data: dict[str, Any]) -> tuple[str, dict[str, Columns], str]:
    """A summary's totals as YAML, what it counts, and by what."""
    cluster = state_data["cluster"]
    totals = {name: value for name, value in sorted(cluster.items()) if name not in ("summary", "summary_by")}
    return as_yaml(totals, indent=2), cluster["summary"], cluster["summary_by"]


def _summary_row(summary: Columns, headers: Sequence[str]) -> list[object]:
    """Counts stand under their title, to the left as names do."""
    row: list[object] = []
    for name in headers:
        value = summary.get(name)
        row.append(as_yaml(value, indent=2) if isinstance(value, dict) else str(value))
    return row
