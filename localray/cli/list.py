"""The command `localray list`: what there is in a running session, one line each."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from localray.cli.state_tables import COLUMNS, RESOURCES, cell, plain, table
from localray.util.state import api
from localray.util.state.common import StateSchema
from localray.util.state.exception import RayStateApiException

_DESCRIPTION = """List tasks, actors, objects, nodes, workers, placement groups or jobs of a running session.

examples:
  localray list tasks --filter state=FAILED
  localray list actors --filter state!=DEAD --limit 10
  localray list workers --format json --detail"""

_LISTERS: dict[str, Callable[..., Sequence[StateSchema]]] = {
    "actors": api.list_actors,
    "jobs": api.list_jobs,
    "nodes": api.list_nodes,
    "objects": api.list_objects,
    "placement-groups": api.list_placement_groups,
    "tasks": api.list_tasks,
    "workers": api.list_workers,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.add_argument("resource", choices=RESOURCES, help="what to list")
    parser.add_argument("--address", help="of the session (default: the youngest)")
    parser.add_argument(
        "--filter", "-f", action="append", default=[], metavar="KEY=VALUE", help="KEY=VALUE or KEY!=VALUE; all must fit"
    )
    parser.add_argument("--limit", type=int, default=100, help="so many at most (default: 100)")
    parser.add_argument("--detail", action="store_true", help="all columns; a block of lines for each")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(options: argparse.Namespace) -> int:
    """Print the list; 1 without a session, or when a filter is none."""
    try:
        filters = [parse_filter(text) for text in options.filter]
        states = _LISTERS[options.resource](
            address=options.address,
            filters=filters,
            limit=options.limit,
            detail=options.detail,
            raise_on_missing_output=False,
        )
    except (RayStateApiException, RuntimeError, ValueError) as error:
        print(f"localray list: {error}", file=sys.stderr)
        return 1
    if options.format == "json":
        print(json.dumps([plain(state) for state in states], indent=2))
    elif options.detail:
        print("\n\n".join(block(state) for state in states))
    else:
        print(describe(options.resource, states, options.limit))
    return 0


def parse_filter(text: str) -> tuple[str, str, str]:
    """A filter as it is typed.

    Raises:
        ValueError: it is none.

    Example:
        >>> parse_filter("state!=DEAD"), parse_filter("name=train")
        (('state', '!=', 'DEAD'), ('name', '=', 'train'))
    """
    for predicate in ("!=", "="):
        key, found, value = text.partition(predicate)
        if found and key:
            return key.strip(), predicate, value.strip()
    raise ValueError(f"{text!r} is no filter; write KEY=VALUE or KEY!=VALUE.")


def describe(resource: str, states: Sequence[StateSchema], limit: int) -> str:
    """The list as a table."""
    if not states:
        return f"No {resource.replace('-', ' ')}."
    columns = COLUMNS[resource]
    lines = table([title for title, _ in columns], [[cell(state, name) for _, name in columns] for state in states])
    if len(states) == limit:
        lines.append(f"(the first {limit}; --limit shows more, --filter fewer)")
    return "\n".join(lines)


def block(state: StateSchema) -> str:
    """All that is known of one thing, a line for each column."""
    known = {name: value for name, value in state.humanify(plain(state)).items() if value not in (None, {}, [], "")}
    width = max(map(len, known), default=0)
    lines = []
    for name, value in known.items():
        shown: Any = value if isinstance(value, str) else json.dumps(value, default=str)
        lines.append(f"{name:<{width}}  {str(shown).replace(chr(10), chr(10) + ' ' * (width + 2))}")
    return "\n".join(lines)
