"""Which of several running sessions a command means. Where there are several, the user is told which one it is, so that
nobody looks at a stranger's unawares.

Must not live here: which one "auto" means (`localray.runtime.session_facts`), talking to a session.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable

from localray.host import line_of_this_process
from localray.runtime.session_facts import Facts, by_preference, our_dialect, why_not_understood
from localray.runtime.session_home import living

_LONGEST_COMMAND = 60


def tell_which(address: str | None) -> None:
    """Say on standard error which session is looked at, and which others there are, if the user has not said which."""
    if address not in (None, "auto") or os.environ.get("RAY_ADDRESS", "auto") != "auto":
        return
    found = [each.facts for each in living()]
    line = line_of_this_process()
    if len(found) < 2 or any(facts.keeper_process in line for facts in found):
        return
    chosen, *others = by_preference(found, line, our_dialect())
    print(
        f"{len(found)} sessions are running. This is the one\n{_lines([chosen])}\n"
        f"and these are others, to be chosen with --address:\n{_lines(others)}\n",
        file=sys.stderr,
    )


def lines_of(found: Iterable[Facts]) -> str:
    """Sessions, a line for each, the youngest first."""
    return _lines(sorted(found, key=lambda facts: -facts.started_at_s))


def _lines(found: Iterable[Facts]) -> str:
    return "\n".join(f"  {_told(facts)}" for facts in found)


def _told(facts: Facts) -> str:
    """A session's address, since when it is there, and whose it is; people know theirs by its command line."""
    since = time.strftime("%H:%M", time.localtime(facts.started_at_s))
    foreign = why_not_understood(facts, our_dialect())
    told = f"{facts.address}  since {since}, {foreign}{', ' if foreign else ''}"
    if not facts.of_driver:
        return f"{told}started to be joined"
    return f"{told}of process {facts.keeper_process}{_command_of(facts.keeper_process)}"


def _command_of(process: int) -> str:
    # psutil takes 50 ms to import, and is needed only where there are several sessions.
    import psutil

    try:
        command = " ".join(psutil.Process(process).cmdline())
    except psutil.Error:
        return ""  # It has gone meanwhile.
    return f": {command if len(command) <= _LONGEST_COMMAND else command[: _LONGEST_COMMAND - 1] + '…'}"
