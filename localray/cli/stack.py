"""The command `localray stack`: where each worker of a running session is in its Python code."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from localray.runtime.stacks import stacks_of
from localray.util.state.api import list_actors, list_tasks, list_workers
from localray.util.state.common import RAY_MAX_LIMIT_FROM_API_SERVER
from localray.util.state.exception import RayStateApiException

_DESCRIPTION = """\
Show the Python stacks of a session's workers, also of those that are stuck or
busy in native code, as far as they are in the program's own code. They go on
undisturbed.
"""
_OURS = re.compile(
    rf'File "(?:{re.escape(str(Path(__file__).parent.parent))}{os.sep}.*|<frozen .*)"'
    r'|File "<string>", line 1 in <module>$|File ".*threading\.py", line \d+ in (?:run|_bootstrap|_bootstrap_inner)$'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.add_argument("--address", help="of the session")
    parser.add_argument("--pid", type=int, help="of one worker (default: all that run something)")
    parser.add_argument("--all", action="store_true", help="idle workers too")
    parser.add_argument("--full", action="store_true", help="all threads and frames, those of localray too")


def run(options: argparse.Namespace) -> int:
    """Print the stacks; 1 without a session, when there is no such worker, or when one does not answer."""
    try:
        running = _running(options.address)
        workers = list_workers(
            options.address,
            filters=[("is_alive", "=", True), ("worker_type", "=", "WORKER")],
            limit=RAY_MAX_LIMIT_FROM_API_SERVER,
        )
    except (RayStateApiException, RuntimeError, ValueError) as error:
        print(f"localray stack: {error}", file=sys.stderr)
        return 1
    processes = [worker.pid for worker in workers]
    chosen = [process for process in processes if options.all or process in running]
    if options.pid is not None:
        if options.pid not in processes:
            print(
                f"localray stack: there is no worker {options.pid}; `localray list workers` shows which there are.",
                file=sys.stderr,
            )
            return 1
        chosen = [options.pid]
    if not chosen:
        print("No worker runs anything (--all shows idle ones too).")
    shown = [_show(process, running.get(process, "idle"), is_full=options.full) for process in chosen]
    return max(shown, default=0)


def _running(address: str | None) -> dict[int, str]:
    """What runs in which process."""
    found = {
        task.worker_pid or 0: f"runs {task.name}"
        for task in list_tasks(
            address, filters=[("state", "=", "RUNNING")], detail=True, limit=RAY_MAX_LIMIT_FROM_API_SERVER
        )
    }
    for actor in list_actors(address, filters=[("state", "=", "ALIVE")], limit=RAY_MAX_LIMIT_FROM_API_SERVER):
        process = actor.pid or 0
        doing = found.get(process, "waits for calls")
        found[process] = f"actor {actor.class_name} {actor.actor_id}, {doing}"
    return found


def of_the_program(text: str) -> str:
    r"""What of a process's stacks is in the program's own code: no frame of ours or of what starts threads, and no
    thread that has none but these.

    Example:
        >>> ours = 'Thread 0x1 (most recent call first):\n  File "/python/threading.py", line 982 in run'
        >>> theirs = 'Current thread 0x2 (most recent call first):\n  File "bank.py", line 5 in pay'
        >>> print(of_the_program(f'{ours}\n\n{theirs}\n  File "<string>", line 1 in <module>'))
        Current thread 0x2 (most recent call first):
          File "bank.py", line 5 in pay
    """
    shown = []
    for thread in text.split("\n\n"):
        title, *frames = thread.strip("\n").split("\n")
        theirs = [frame for frame in frames if not _OURS.search(frame)]
        if theirs:
            shown.append("\n".join([title, *theirs]))
    return "\n\n".join(shown)


def _show(process: int, what: str, *, is_full: bool) -> int:
    print(f"Worker {process}: {what}")
    try:
        text = stacks_of(process)
    except (OSError, RuntimeError) as error:
        print(f"  {error}\n")
        return 1
    if not is_full:
        text = of_the_program(text) or "Not in the program's code (--full shows where)."
    print("\n".join(f"  {line}".rstrip() for line in text.splitlines()) + "\n", flush=True)
    return 0
