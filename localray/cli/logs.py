"""The command `localray logs`: the log files of a running session, and what stands in one."""

from __future__ import annotations

import argparse
import fnmatch
import sys

from localray.cli.named import meant
from localray.util.state.api import list_nodes
from localray.util.state.exception import RayStateApiException
from localray.util.state.logs import get_log, list_logs

_DESCRIPTION = """\
List the log files of a running session, or show one: by its name, or that of
an actor's or a process's worker.

examples:
  localray logs
  localray logs 'worker*.err'
  localray logs --actor-id 5f1c... --follow
  localray logs --pid 4711 --err --tail 20
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.add_argument("name", nargs="?", help="of a file, or a pattern of which names are listed")
    parser.add_argument("--actor-id", help="of this actor's worker; its name or the beginning of its id does")
    parser.add_argument("--pid", type=int, help="the file of this worker")
    parser.add_argument("--err", action="store_true", help="of these what went to standard error")
    parser.add_argument("--tail", type=int, default=-1, metavar="LINES", help="only the last ones (default: all)")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what is written later")
    parser.add_argument("--address", help="of the session")


def run(options: argparse.Namespace) -> int:
    """Print names or lines; 1 without a session, or when there is no such file."""
    try:
        nodes = list_nodes(options.address, raise_on_missing_output=False)
        by_kind = list_logs(options.address, node_id=nodes[0].node_id)
        names = [name for kind in sorted(by_kind) for name in by_kind[kind]]
        of_worker = options.actor_id is not None or options.pid is not None
        if not of_worker and (options.name is None or options.name not in names):
            return _list(names, options.name)
        _show(options)
    except (RayStateApiException, RuntimeError, ValueError) as error:
        print(f"localray logs: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _list(names: list[str], pattern: str | None) -> int:
    fitting = fnmatch.filter(names, pattern or "*")
    if pattern is not None and not fitting:
        print(f"localray logs: there is no log file {pattern}; `localray logs` lists them.", file=sys.stderr)
        return 1
    print("\n".join(fitting) if fitting else "No worker has printed anything yet.")
    return 0


def _show(options: argparse.Namespace) -> None:
    actor = None if options.actor_id is None else meant(options.actor_id, ["actors"], options.address)
    pieces = get_log(
        options.address,
        filename=options.name,
        actor_id=actor[1] if actor else options.actor_id,
        pid=options.pid,
        follow=options.follow,
        tail=options.tail,
        suffix="err" if options.err else "out",
        errors="replace",
    )
    for piece in pieces:
        print(piece, end="", flush=True)
