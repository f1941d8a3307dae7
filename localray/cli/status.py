"""The command `localray status`: a running session at one glance, and what waits in it and why."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from localray.cli.words import count_of, size_of
from localray.options import from_units
from localray.protocol import Demand, Query, Resources
from localray.runtime.join import Control
from localray.session import connect

_DESCRIPTION = "Show a running session: its nodes, what of each is in use, and what waits for a place and why."
Row: TypeAlias = tuple[Any, ...]
_BYTES = ("memory", "object_store_memory")
_HIDDEN = "node:"
_DIGITS_OF_ID = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.add_argument("--address", default="auto", help="of the session (default: the youngest)")
    parser.add_argument("-v", "--verbose", action="store_true", help="whole ids, and resources of placement groups")


def run(options: argparse.Namespace) -> int:
    """Print the status; 1 without a session."""
    try:
        with connect(options.address) as session:
            print(describe(session, verbose=options.verbose))
    except (ConnectionError, RuntimeError, ValueError) as error:
        print(f"localray status: {error}", file=sys.stderr)
        return 1
    return 0


def describe(session: Control, *, verbose: bool = False) -> str:
    """The status of a session, in lines.

    Raises:
        ConnectionError: the session has ended.
    """
    nodes = _rows(session.ask(Query.NODES))
    use = {row[0]: row[1] for row in _rows(session.ask(Query.PER_NODE))}
    free_of_stores: dict[str, int] = dict(_rows(session.ask(Query.AVAILABLE_RESOURCES)))
    sizes: dict[str, int] = dict(_rows(session.ask(Query.TABLE_SIZES)))
    demands = [Demand(*row) for row in _rows(session.ask(Query.DEMANDS))]
    living = [row for row in nodes if row[1]]
    lines = [
        f"Session at {session.address}",
        f"  {count_of(len(living), 'node')}"
        + (f", {len(nodes) - len(living)} dead" if len(nodes) > len(living) else "")
        + f"; {count_of(sizes['workers'], 'worker')}, {count_of(sizes['actors'], 'actor')}, "
        f"{count_of(sizes['tasks'], 'task')}, {count_of(sizes['objects'], 'object')}",
        "",
        "In use",
    ]
    lines += _indented(_totals(living, use, free_of_stores, verbose=verbose))
    lines += ["", "Nodes"]
    lines += _indented(_node_rows(nodes, use, verbose=verbose))
    lines += ["", "Waiting for a place"]
    lines += _demand_lines(demands, verbose=verbose)
    return "\n".join(lines)


def _totals(
    living: Sequence[Row], use: dict[bytes, Row], free: dict[str, int], *, verbose: bool
) -> list[tuple[str, ...]]:
    """Rows of a resource and how much of it is in use."""
    sums: dict[str, list[int]] = {}
    for node_id, *_ in living:
        for name, total, available in use[node_id]:
            pair = sums.setdefault(name, [0, 0])
            pair[0] += total - available
            pair[1] += total
    capacity = sum(dict(row[2]).get("object_store_memory", 0) for row in living)
    sums["object_store_memory"] = [capacity - free.get("object_store_memory", 0), capacity]
    return [
        (name, f"{_amount(name, used)} of {_amount(name, total)}")
        for name, (used, total) in sums.items()
        if _is_shown(name, verbose=verbose)
    ]


def _node_rows(nodes: Sequence[Row], use: dict[bytes, Row], *, verbose: bool) -> list[tuple[str, ...]]:
    """Rows of a node, whether it lives, and what of it is in use."""
    rows: list[tuple[str, ...]] = []
    for node_id, alive, _, labels, name, cause, *_ in nodes:
        parts = [
            f"{_amount(resource, total - available)}/{_amount(resource, total)} {resource}"
            for resource, total, available in use.get(node_id, ())
            if _is_shown(resource, verbose=verbose) and resource != "memory"
        ]
        said = [f"{key}={value}" for key, value in labels if not key.startswith("ray.io/")]
        shown_id = node_id.hex() if verbose else node_id.hex()[:_DIGITS_OF_ID]
        state = ", ".join(parts) if alive else f"dead: {cause}"
        rows.append((f"{shown_id} {name}".rstrip(), state, " ".join(said)))
    return rows


def _demand_lines(demands: Sequence[Demand], *, verbose: bool) -> list[str]:
    if not demands:
        return ["  nothing"]
    lines = []
    for demand in demands:
        asked = " + ".join(_asked(bundle) for bundle in demand.bundles)
        number = f"{demand.waiting} x " if demand.waiting > 1 else ""
        lines.append(f"  {number}{demand.what} {demand.name}: {asked or 'nothing'}")
        lines += [f"      {_shortened(line, verbose=verbose)}" for line in demand.why.splitlines()]
    return lines


def _asked(resources: Resources) -> str:
    return ", ".join(f"{_amount(name, units)} {name}" for name, units in resources)


def _shortened(line: str, *, verbose: bool) -> str:
    """Ids as short as those in the table above."""
    if verbose:
        return line
    words = [word[:_DIGITS_OF_ID] + word[56:] if _is_id(word) else word for word in line.split(" ")]
    return " ".join(words)


def _is_id(word: str) -> bool:
    return len(word) in (56, 57) and all(digit in "0123456789abcdef" for digit in word[:56])


def _is_shown(name: str, *, verbose: bool) -> bool:
    return verbose or not (name.startswith(_HIDDEN) or "_group_" in name)


def _amount(name: str, units: int) -> str:
    amount = from_units(units)
    return size_of(amount) if name in _BYTES else f"{amount:g}"


def _indented(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows as lines whose columns are aligned."""
    table = list(rows)
    if not table:
        return ["  none"]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    ]


def _rows(answer: object) -> list[Row]:
    if not isinstance(answer, tuple):
        raise ConnectionError("the head described its session wrongly")
    return [row for row in answer if isinstance(row, tuple)]
