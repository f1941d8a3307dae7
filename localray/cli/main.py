"""The command `localray`: picks a subcommand and runs it.

Each subcommand is a module here with `add_parser(subparsers)` and `run(arguments) -> int`; nothing else lives here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

SUBCOMMANDS = ("microbenchmark",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="localray", description="Ray's core on one machine, in pure Python.")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in SUBCOMMANDS:
        import_module(f"localray.cli.{name}").add_parser(subparsers)
    options = parser.parse_args(arguments)
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
