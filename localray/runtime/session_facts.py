"""What a session tells of itself to those who look into its directory, and which of several they mean by "auto".

Pure. Must not live here: the directories (`session_home`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Facts(NamedTuple):
    """What a session tells of itself.

    ``keeper_process`` is the process it ends with, 0 for none; ``of_driver`` says that this is the driver whose plain
    `init` has started it; ``directory`` is where the session's log files are.
    """

    address: str
    head_process: int
    started_at_s: float
    keeper_process: int
    of_driver: bool
    directory: str


def by_preference(found: Iterable[Facts], line: Sequence[int]) -> list[Facts]:
    """Sessions in the order in which "auto" means them.

    First come those whose keeper the asking process descends from, the nearest of them first: a program started by a
    driver finds that driver's session, whatever else runs on the machine. Then those that were started to be joined,
    and last those of strangers' drivers; the youngest first.

    Args:
        found: what the sessions tell.
        line: the process that asks, its parent, and so on.
    """
    nearness = {process: steps for steps, process in enumerate(line)}

    def rank(facts: Facts) -> tuple[int, bool, float]:
        return nearness.get(facts.keeper_process, len(line)), facts.of_driver, -facts.started_at_s

    return sorted(found, key=rank)
