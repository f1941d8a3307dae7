"""The command `localray timeline`: the tasks of a running session as a trace for Perfetto or Chrome."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from localray.chrome_trace import to_chrome_trace
from localray.cli.parsing import new_file
from localray.cli.words import count_of
from localray.protocol import Query
from localray.session import connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = "Write the tasks that ran lately as a trace, to be opened at https://ui.perfetto.dev."
    parser.add_argument("--address", help="of the session (default: the youngest)")
    parser.add_argument("-o", "--output", type=new_file, help="the file (default: localray-timeline-<time>.json here)")


def run(options: argparse.Namespace) -> int:
    """Write the trace; 1 without a session, or where it cannot be written."""
    path = options.output or Path(f"localray-timeline-{time.strftime('%Y%m%d-%H%M%S')}.json")
    try:
        with connect(options.address) as session:
            events = to_chrome_trace(session.ask(Query.LIST_TASKS))
        path.write_text(json.dumps(events))
    except (OSError, RuntimeError, ValueError) as error:
        print(f"localray timeline: {error}", file=sys.stderr)
        return 1
    # A task has an event for each attempt, and for each part of it.
    tasks = {event["args"]["task_id"] for event in events if event["ph"] == "X"}
    print(f"{path}: {count_of(len(tasks), 'task')}. Open it at https://ui.perfetto.dev.")
    return 0
