"""The command `localray summary`: how many tasks, actors or objects there are of which kind and in which state."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Callable
from typing import Any

from localray.cli.fitting import fit, said_below, terminal_width
from localray.cli.state_tables import now, table
from localray.util.state import api
from localray.util.state.exception import RayStateApiException

_SUMMARIES: dict[str, Callable[..., dict[str, Any]]] = {
    "actors": api.summarize_actors,
    "objects": api.summarize_objects,
    "tasks": api.summarize_tasks,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = "Count the tasks, actors or objects of a running session, by name or class and by state."
    parser.add_argument("resource", choices=sorted(_SUMMARIES), help="what to count")
    parser.add_argument("--address", help="of the session (default: the youngest)")
    parser.add_argument("--full", action="store_true", help="whole, however narrow the terminal is, as in a pipe")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(options: argparse.Namespace) -> int:
    """Print the counts; 1 without a session."""
    try:
        counted = _SUMMARIES[options.resource](address=options.address, raise_on_missing_output=False)["cluster"]
    except (RayStateApiException, RuntimeError, ValueError) as error:
        print(f"localray summary: {error}", file=sys.stderr)
        return 1
    if options.format == "json":
        print(json.dumps(counted, indent=2))
    else:
        print(describe(options.resource, counted, terminal_width(full=options.full)))
    return 0


def describe(resource: str, counted: dict[str, Any], width: int | None = None) -> str:
    """The counts as a table: whole, or of this width."""
    lines = [f"{resource.capitalize()} at {now()}", ""]
    summary = counted["summary"]
    if not summary:
        return "\n".join([*lines, "none"])
    if resource == "objects":
        titles = ["MADE AT", "OBJECTS", "MB", "PROCESSES", "REFERENCES"]
        rows = [
            [
                "not recorded" if place == "disabled" else place,
                str(row["total_objects"]),
                f"{row['total_size_mb']:.3g}",
                str(row["total_num_workers"]),
                _states(row["ref_type_counts"]),
            ]
            for place, row in summary.items()
        ]
    else:
        titles = ["CLASS" if resource == "actors" else "NAME", "TOTAL", "STATES"]
        rows = [
            [name, str(sum(row["state_counts"].values())), _states(row["state_counts"])]
            for name, row in sorted(summary.items(), key=lambda item: -sum(item[1]["state_counts"].values()))
        ]
    totals = ", ".join(
        f"{key.removeprefix('total_').replace('_', ' ')}: {value:g}"
        for key, value in counted.items()
        if key.startswith("total_")
    )
    fitted = table(titles, rows) if width is None else _fitted(titles, rows, width)
    if set(summary) == {"disabled"}:
        totals += ". RAY_record_ref_creation_sites=1 in the program's environment records where objects are made."
    last = [totals] if width is None else textwrap.wrap(totals, width)
    return "\n".join([*lines, *fitted, "", *last])


def _fitted(titles: list[str], rows: list[list[str]], width: int) -> list[str]:
    """The table, with names cut and states in several lines where the terminal is narrow."""
    fitted = fit(titles, rows, width, [])
    return fitted.lines + said_below(fitted, width, ids_are_short=False)


def _states(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items(), key=lambda item: -item[1]))
