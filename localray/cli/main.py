"""The command `localray`: picks a subcommand and runs it.

Each subcommand is a module of this package, named in the table, with `add_arguments(parser)` and `run(options) -> int`.
Only the chosen one is imported. Nothing else lives here.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from localray.cli.parsing import Parser
from localray.version import RAY_VERSION, VERSION

SUBCOMMANDS = {
    "doctor": "say what this machine offers, and what of a program a cluster would not have",
    "get": "show all that is known of one task, actor, object, node, worker, …",
    "job": "run commands as jobs of a running session",
    "list": "list tasks, actors, objects, nodes, workers, … of a running session",
    "logs": "list the log files of a running session, or show one",
    "memory": "show who holds which objects of a running session",
    "microbenchmark": "measure localray on this machine, alone or beside another system",
    "run": "run a program in which `ray` means localray",
    "sim": "run a program on a simulated cluster, under many seeds, with faults",
    "stack": "show where each worker of a running session is in its Python code",
    "start": "start a session that others join, or add a node to one",
    "status": "show a running session: nodes, what is in use, what waits and why",
    "stop": "end running sessions",
    "summary": "count the tasks, actors or objects of a running session",
    "timeline": "write the tasks that ran as a trace for Perfetto",
    "why": "say why a task or an actor has not started, or its story",
}
"""What ``localray --help`` says of each; one line for each, in alphabetical order. A dash in a name is an underscore in
its module's."""

LOOKS = frozenset(("get", "list", "logs", "memory", "stack", "status", "summary", "timeline", "why"))
"""Those that look at a running session, the youngest unless the user says which."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = Parser(prog="localray", description="Ray's core on one machine, in pure Python.")
    parser.add_argument("--version", action="version", version=f"localray {VERSION}, which follows Ray {RAY_VERSION}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in SUBCOMMANDS.items():
        chosen = name in words[:1]
        subparser = subparsers.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if chosen:
            module = import_module(f"localray.cli.{name.replace('-', '_')}")
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    if not words:
        parser.print_help()
        return 0
    options = parser.parse_args(words)
    if words[0] in LOOKS:
        from localray.cli.choice import tell_which

        tell_which(options.address)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
    except KeyboardInterrupt:
        # Whoever interrupts it needs no traceback; the code is that of a process which the signal has ended.
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Who read has seen enough, as `head` has. What is still in the buffer would complain once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
