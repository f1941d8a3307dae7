"""The command `localray memory`: the table of `memory_summary`, of a session that this process is no driver of."""

from __future__ import annotations

import argparse
import sys

from localray._private.internal_api import memory_summary
from localray.cli.parsing import at_least_one

_DESCRIPTION = "Show which objects a running session has, who holds each and why, and its store."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.add_argument("--address", default="auto", help="of the session (default: the youngest)")
    parser.add_argument("--group-by", default="NODE_ADDRESS", choices=["NODE_ADDRESS", "STACK_TRACE"])
    parser.add_argument("--sort-by", default="OBJECT_SIZE", choices=["OBJECT_SIZE", "PID", "REFERENCE_TYPE"])
    parser.add_argument("--units", default="B", choices=["B", "KB", "MB", "GB"])
    parser.add_argument("--no-format", action="store_true", help="wide lines, for programs to read")
    parser.add_argument("-n", "--num-entries", type=at_least_one, help="rows of each group (default: all)")
    parser.add_argument("--stats-only", action="store_true", help="only the totals of the store")


def run(options: argparse.Namespace) -> int:
    """Print the table; 1 without a session."""
    try:
        text = memory_summary(
            options.address,
            options.group_by,
            options.sort_by,
            options.units,
            not options.no_format,
            options.stats_only,
            options.num_entries,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        print(f"localray memory: {error}", file=sys.stderr)
        return 1
    print(text)
    return 0
