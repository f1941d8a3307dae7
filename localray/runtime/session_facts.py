"""What a session tells of itself to those who look into its directory, and which of several they mean by "auto".

Pure. Must not live here: the directories (`session_home`), what keeps ends apart that cannot understand each other
(`handshake`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from localray.protocol import MESSAGE_TYPES
from localray.version import VERSION

_PRIME = 2**64 - 59
OURS = f"localray {VERSION} on Python {sys.version_info.major}.{sys.version_info.minor}"
"""What this process runs, for people."""


class Facts(NamedTuple):
    """What a session tells of itself.

    ``keeper_process`` is the process it ends with, 0 for none; ``of_driver`` says that this is the driver whose plain
    `init` has started it; ``directory`` is where the session's log files are; ``runs`` is what its head runs, for
    people, and ``dialect`` which messages that speaks, both unknown of an older one.
    """

    address: str
    head_process: int
    started_at_s: float
    keeper_process: int
    of_driver: bool
    directory: str
    runs: str = ""
    dialect: int = 0


def our_dialect() -> int:
    """A number that other messages, and another Python, most likely do not have: the head writes it at each start, so
    it has to cost nothing. Who is to be let in is not decided by it."""
    messages = [(message.__name__, message._fields) for message in MESSAGE_TYPES]
    return int.from_bytes(repr((messages, sys.version_info[:2])).encode(), "big") % _PRIME


def why_not_understood(facts: Facts, dialect: int) -> str:
    """What a session runs that this process, of this dialect, cannot talk to; empty where it can."""
    if facts.dialect == dialect:
        return ""
    theirs = facts.runs if facts.runs != OURS else f"other sources of {OURS}"
    return f"of {theirs or 'another version'}, which {OURS} cannot talk to"


def by_preference(found: Iterable[Facts], line: Sequence[int], dialect: int) -> list[Facts]:
    """Sessions in the order in which "auto" means them.

    First come those whose keeper the asking process descends from, the nearest of them first: a program started by a
    driver finds that driver's session, whatever else runs on the machine. Then those that can be talked to; of these
    first those that were started to be joined, and last those of strangers' drivers; the youngest first.

    Args:
        found: what the sessions tell.
        line: the process that asks, its parent, and so on.
        dialect: the asking process's.
    """
    nearness = {process: steps for steps, process in enumerate(line)}

    def rank(facts: Facts) -> tuple[int, bool, bool, float]:
        is_foreign = facts.dialect != dialect
        return nearness.get(facts.keeper_process, len(line)), is_foreign, facts.of_driver, -facts.started_at_s

    return sorted(found, key=rank)
