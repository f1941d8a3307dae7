"""The command `localray stop`: end running sessions of this user's."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from localray.cli.choice import lines_of
from localray.runtime.session_home import SessionHome, find, living
from localray.runtime.standing import end_session

CLEANED_AFTER_S = 5.0
"""A head removes its directory last; a fork server takes a fraction of a second to notice that its head is dead."""
_DESCRIPTION = """\
End a running session that was started to be joined, with all that works in
it; where there are several, say which, or --all. A session that a program has
started for itself ends with the program, or here by its address.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--address", help="of the session to end")
    chosen.add_argument("--all", action="store_true", help="end all of yours that were started to be joined")
    parser.add_argument("-f", "--force", action="store_true", help="kill what does not end by itself at once")
    parser.add_argument("-g", "--grace-period", type=float, default=10.0, metavar="SECONDS", help="before it is killed")


def run(options: argparse.Namespace) -> int:
    """End what is asked for; 1 when there is no such session, or several and nobody says which."""
    try:
        homes = _standing() if options.address is None else [find(options.address)]
    except (ConnectionError, ValueError) as error:
        print(f"localray stop: {error}", file=sys.stderr)
        return 1
    if not homes:
        print(_why_none())
    if len(homes) > 1 and not options.all:
        facts = [each for each in (home.facts() for home in homes) if each is not None]
        print(f"localray stop: several sessions are running:\n{lines_of(facts)}", file=sys.stderr)
        print("Say which is to end with --address, or --all.", file=sys.stderr)
        return 1
    for home in homes:
        became = _end(home, 0.0 if options.force else options.grace_period)
        _wait_until_gone(home)
        print(f"The session at {home.address} {became}.")
    return 0


def _standing() -> list[SessionHome]:
    return [each.home for each in living() if not each.facts.of_driver]


def _why_none() -> str:
    of_programs = [each.facts for each in living()]
    if not of_programs:
        return "No session is running."
    return f"No session is running but those of programs, which end with them:\n{lines_of(of_programs)}"


def _end(home: SessionHome, patience_s: float) -> str:
    """End one session; what became of it."""
    facts = home.facts()
    try:
        if end_session(home, patience_s):
            return "has ended"
    except (ConnectionError, RuntimeError) as error:
        # One of another version, say: it can't be told, but it can be killed.
        if facts is None or not home.is_alive():
            return "has ended"
        print(f"localray stop: {error}", file=sys.stderr)
    if facts is not None and home.is_alive():
        # Its fork server sees that, and ends the rest.
        os.kill(facts.head_process, signal.SIGKILL)
    return "was killed"


def _wait_until_gone(home: SessionHome) -> None:
    """Until nothing is left of a session that has let go of us, or nobody is there any more who could see to that."""
    give_up_at_s = time.monotonic() + CLEANED_AFTER_S
    while home.path.exists() and time.monotonic() < give_up_at_s:
        time.sleep(0.01)
