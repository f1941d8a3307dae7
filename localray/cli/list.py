"""The command `localray list`: what there is in a running session, one line each.

Where somebody looks, a table is as wide as the terminal; what goes into a pipe is whole.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from localray.cli.fitting import fit, said_below, terminal_width
from localray.cli.named import LISTERS, RESOURCE_OF, ids_of, meant
from localray.cli.parsing import at_least_one
from localray.cli.short_ids import shortened
from localray.cli.state_tables import COLUMNS, LEAST, RESOURCES, cell, plain, table
from localray.util.state.common import StateResource, StateSchema, resource_to_schema
from localray.util.state.exception import RayStateApiException

_DESCRIPTION = """List tasks, actors, objects, nodes, workers, placement groups or jobs of a running session.

examples:
  localray list tasks --filter state=FAILED
  localray list actors --filter state!=DEAD --limit 10
  localray list tasks --filter actor_id=trainer
  localray list workers --format json --detail"""


_TIMES = ("_time", "_time_ms")
"""A column called so is 0 while that has not happened."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.add_argument("resource", choices=RESOURCES, help="what to list")
    parser.add_argument("--address", help="of the session (default: the youngest)")
    parser.add_argument(
        "--filter", "-f", action="append", default=[], metavar="KEY=VALUE", help="or KEY!=VALUE; all must fit"
    )
    parser.add_argument("--limit", type=at_least_one, default=100, help="so many at most (default: 100)")
    parser.add_argument("--detail", action="store_true", help="all columns; a block of lines for each")
    parser.add_argument("--full", action="store_true", help="whole, however narrow the terminal is, as in a pipe")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(options: argparse.Namespace) -> int:
    """Print the list; 1 without a session, or when a filter is none."""
    try:
        given = [_checked(parse_filter(text), options.resource) for text in options.filter]
        filters = [_with_whole_id(each, options.address) for each in given]
        states = LISTERS[options.resource](
            address=options.address,
            filters=filters,
            limit=options.limit,
            detail=options.detail,
            raise_on_missing_output=False,
        )
    except (RayStateApiException, RuntimeError, ValueError) as error:
        print(f"localray list: {error}", file=sys.stderr)
        return 1
    if options.format == "json" or options.detail:
        if options.format == "json":
            print(json.dumps([plain(state) for state in states], indent=2))
        else:
            print("\n\n".join(block(state) for state in states))
        if len(states) == options.limit:
            # Beside the list, which a program may read.
            print(f"localray list: {_first(options.limit)}", file=sys.stderr)
    else:
        width = terminal_width(full=options.full)
        print(describe(options.resource, states, options.limit, width, options.address))
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


def _checked(given: tuple[str, str, str], resource: str) -> tuple[str, str, str]:
    """A filter whose column there is: the state API's own words for one that there is not are Ray's, for Ray's command.

    Raises:
        ValueError: there is no such column, or it cannot be filtered by.
    """
    allowed = resource_to_schema(StateResource(resource.replace("-", "_"))).filterable_columns()
    if given[0].lower() not in allowed:
        raise ValueError(
            f"To filter {resource.replace('-', ' ')} by {given[0]!r} is not supported. Write --filter KEY=VALUE or "
            f"--filter KEY!=VALUE, where KEY is one of: {', '.join(sorted(allowed))}."
        )
    return given


def _with_whole_id(given: tuple[str, str, str], address: str | None) -> tuple[str, str, str]:
    """A filter with the id that is meant, where an id is asked for by a name or by as much of it as tables show.

    Raises:
        ValueError: it is the beginning of several ids.
    """
    key, predicate, text = given
    resource = RESOURCE_OF.get(key.removeprefix("parent_").removeprefix("creator_"))
    found = None if resource is None else meant(text, [resource], address)
    return given if found is None else (key, predicate, found[1])


def describe(
    resource: str, states: Sequence[StateSchema], limit: int, width: int | None = None, address: str | None = None
) -> str:
    """The list as a table: whole, or of this width."""
    if not states:
        return f"No {resource.replace('-', ' ')}."
    columns = COLUMNS[resource]
    titles = [title for title, _ in columns]
    rows = [[cell(state, name, whole=True) for _, name in columns] for state in states]
    lines = table(titles, rows)
    if width is not None and max(map(len, lines)) > width:
        short = shortened([*ids_of(resource, address), *(row[0] for row in rows)])
        rows = [[short[whole[0]], *cells] for whole, cells in zip(rows, _cells(resource, states), strict=True)]
        fitted = fit(titles, rows, width, LEAST[resource])
        lines = fitted.lines + said_below(fitted, width, ids_are_short=True)
    if len(states) == limit:
        lines.append(f"({_first(limit)})")
    return "\n".join(lines)


def _first(limit: int) -> str:
    return f"the first {limit}; --limit shows more, --filter fewer"


def _cells(resource: str, states: Sequence[StateSchema]) -> list[list[str]]:
    """All columns but that of the ids, shortened."""
    return [[cell(state, name, whole=False) for _, name in COLUMNS[resource][1:]] for state in states]


def block(state: StateSchema) -> str:
    """All that is known of one thing, a line for each column."""
    told = {name: value for name, value in plain(state).items() if not (value == 0 and name.endswith(_TIMES))}
    known = {name: value for name, value in state.humanify(told).items() if value not in (None, {}, [], "")}
    width = max(map(len, known), default=0)
    lines = []
    for name, value in known.items():
        shown: Any = value if isinstance(value, str) else json.dumps(value, default=str)
        lines.append(f"{name:<{width}}  {str(shown).replace(chr(10), chr(10) + ' ' * (width + 2))}")
    return "\n".join(lines)
