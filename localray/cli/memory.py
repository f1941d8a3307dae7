"""The command `localray memory`: who holds which objects of a session that this process is no driver of. Where somebody
looks, in a layout of our own (`localray.cli.held`); in a pipe in Ray's, that of `memory_summary`, as what reads `ray
memory` expects it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from localray._private.internal_api import memory_summary
from localray.cli.fitting import terminal_width
from localray.cli.held import Wishes, describe, store_line
from localray.cli.parsing import at_least_one
from localray.protocol import HeldObject, Query, StoreTotals
from localray.session import connect

_DESCRIPTION = """\
Show which objects a running session has, who holds each and why, and its
store: on a terminal a line for each object, in a pipe Ray's table, a line for
each reference.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.add_argument("--address", default="auto", help="of the session (default: the youngest)")
    parser.add_argument("--group-by", default="NODE_ADDRESS", choices=["NODE_ADDRESS", "STACK_TRACE"])
    parser.add_argument("--sort-by", default="OBJECT_SIZE", choices=["OBJECT_SIZE", "PID", "REFERENCE_TYPE"])
    parser.add_argument("--units", choices=["B", "KB", "MB", "GB"])
    parser.add_argument("--layout", choices=["objects", "ray"], help="default: objects on a terminal, ray in a pipe")
    parser.add_argument("--full", action="store_true", help="ids and places whole, however narrow the terminal is")
    parser.add_argument("--no-format", action="store_true", help="Ray's table in wide lines, for programs to read")
    parser.add_argument("-n", "--num-entries", type=at_least_one, help="rows of each group (default: all)")
    parser.add_argument("--stats-only", action="store_true", help="only the totals of the store")


def run(options: argparse.Namespace) -> int:
    """Print the table; 1 without a session."""
    try:
        text = _by_objects(options) if _is_by_objects(options) else _as_ray(options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        print(f"localray memory: {error}", file=sys.stderr)
        return 1
    print(text)
    return 0


def _is_by_objects(options: argparse.Namespace) -> bool:
    if options.layout is not None or options.no_format:
        return bool(options.layout == "objects")
    return sys.stdout.isatty()


def _as_ray(options: argparse.Namespace) -> str:
    return memory_summary(
        options.address,
        options.group_by,
        options.sort_by,
        options.units or "B",
        not options.no_format,
        options.stats_only,
        options.num_entries,
    )


def _by_objects(options: argparse.Namespace) -> str:
    with connect(options.address) as session:
        entries: Any = session.ask(Query.OBJECTS)
        store: Any = session.ask(Query.STORE)
    totals = StoreTotals(*store)
    if options.stats_only:
        return store_line(totals, options.units)
    width = terminal_width(full=options.full)
    wishes = Wishes(options.group_by, options.sort_by, options.units, options.num_entries, width)
    return describe([HeldObject(*row) for row in entries], totals, wishes)
