"""The command `localray microbenchmark`: its options, and nothing of the measuring itself (see localray/benchmark/)."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

from localray.cli.parsing import at_least_one, new_file

if TYPE_CHECKING:
    from localray.benchmark.comparison import Contestant, Plan, Progress

PEERS = ("ray", "pool", "executor", "loky", "dask")
DEFAULT_SECONDS = 1.0
DEFAULT_REPEATS = 5

_DESCRIPTION = """\
Measure localray on this machine, alone or beside another system, in turns.
Each row of the table is measured in processes of their own, A B A B ...; the
ratio is the median over the pairs of turns, with its range beside it.
"""
_EPILOG = """\
examples:
  localray microbenchmark
  localray microbenchmark --vs ray --ray-python /path/to/venv/bin/python
  localray microbenchmark --vs pool --rows 'tasks*' --seconds 0.2
"""


class UsageError(Exception):
    """Options that cannot be followed; the message says what to do instead."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument("--vs", choices=PEERS, metavar="SYSTEM", help=f"the system to compare with: {', '.join(PEERS)}")
    parser.add_argument(
        "--ray-python", metavar="PATH", help="a python that has real Ray (default: this one)", default=sys.executable
    )
    parser.add_argument(
        "--rows", action="append", metavar="PATTERN", help="measure only rows whose key matches; may be repeated"
    )
    parser.add_argument("--list", action="store_true", help="list the rows and their keys, and measure nothing")
    parser.add_argument(
        "--seconds", type=_seconds, default=DEFAULT_SECONDS, metavar="S",
        help=f"how long to measure a row in each turn (default: {DEFAULT_SECONDS:g})",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=at_least_one, default=DEFAULT_REPEATS, metavar="N",
        help=f"how many turns each system gets on a row (default: {DEFAULT_REPEATS})",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=new_file, metavar="FILE", help="also write the results and facts of the machine there"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        0; 1 when a row failed; 2 when the options cannot be followed.
    """
    from localray.benchmark.comparison import run_plan
    from localray.benchmark.report import glyphs_for, machine_facts, render_table, to_json

    if arguments.list:
        print(_list_of_rows())
        return 0
    try:
        plan = _plan(arguments)
    except UsageError as error:
        print(f"localray microbenchmark: {error}", file=sys.stderr)
        return 2
    machine = machine_facts()
    progress = _progress()
    results = run_plan(plan, progress)
    progress("")
    print(render_table(results, glyphs_for(sys.stdout.encoding)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(to_json(results, machine), indent=2) + "\n")
    return 1 if results.failures() or results.stop_errors else 0


def _plan(arguments: argparse.Namespace) -> Plan:
    from localray.benchmark.comparison import Contestant, Plan, chosen_rows
    from localray.benchmark.systems import SystemName

    contestants = [Contestant(SystemName.LOCALRAY, sys.executable)]
    if arguments.vs is not None:
        contestants.append(_peer(arguments))
    plan = Plan(
        contestants=tuple(contestants),
        patterns=tuple(arguments.rows or ["*"]),
        seconds=arguments.seconds,
        turns=arguments.repeats,
        processors=os.cpu_count() or 1,
    )
    if not chosen_rows(plan):
        raise UsageError(f"no row matches {' or '.join(plan.patterns)}; see localray microbenchmark --list")
    return plan


def _peer(arguments: argparse.Namespace) -> Contestant:
    from localray.benchmark.comparison import Contestant
    from localray.benchmark.systems import SystemName, missing_module

    name = SystemName(arguments.vs)
    if name is SystemName.RAY and arguments.ray_python != sys.executable:
        if shutil.which(arguments.ray_python) is None:
            raise UsageError(f"--ray-python {arguments.ray_python} is not a program that can be run")
        return Contestant(name, arguments.ray_python)
    missing = missing_module(name)
    if missing is None:
        return Contestant(name, sys.executable)
    remedy = f"install it (pip install {missing})"
    if name is SystemName.RAY:
        remedy = "give the path of a python that has it with --ray-python, or " + remedy
    raise UsageError(f"{missing} cannot be imported by {sys.executable}: {remedy}")


def _list_of_rows() -> str:
    from localray.benchmark.workloads import ROWS

    width = max(len(row.key) for row in ROWS)
    return "\n".join(f"{row.key:{width}}  {row.group.value}: {row.title.strip().format(n='n')}" for row in ROWS)


def _progress() -> Progress:
    """Return what shows, on a terminal only, which row is being measured."""
    if not sys.stderr.isatty():
        return lambda _line: None
    return lambda line: print(f"\r\x1b[K{line}", end="\r", file=sys.stderr, flush=True)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not how long: seconds, above 0")
    return value
