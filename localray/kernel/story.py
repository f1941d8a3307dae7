"""The kernel's memory of what it did: a bounded log of transitions, and the story of one thing read out of it.

Kept always, in the head too, so that an error in the field can say how it came about; it costs one tuple a transition.
Must not live
here: anything that the kernel decides by.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

_KEPT_ENTRIES = 5_000
"""Few enough to stay in a CPU's cache: each new entry frees the oldest."""


class TransitionLog:
    """The last transitions, oldest first, each ``(now_s, identity, new state, reason)``."""

    __slots__ = ("_entries", "append", "now_s")

    def __init__(self, kept_entries: int = _KEPT_ENTRIES) -> None:
        self._entries: deque[tuple[float, bytes | int, Enum, str]] = deque(maxlen=kept_entries)
        self.append = self._entries.append
        self.now_s = 0.0

    def note(self, identity: bytes | int, state: Enum, reason: str) -> None:
        """Append one entry at the current time."""
        self._entries.append((self.now_s, identity, state, reason))

    def story(self, identity: bytes | int) -> tuple[str, ...]:
        """Tell what happened to one task, object, actor or worker, oldest first, a line each.

        A task's id is a prefix of the ids of what it returns, so the story of a task includes its objects' and the
        other way round.
        """
        if isinstance(identity, int):
            return tuple(describe(*entry) for entry in self._entries if entry[1] == identity)
        task_id = identity[:24]
        return tuple(
            describe(*entry) for entry in self._entries if isinstance(entry[1], bytes) and entry[1][:24] == task_id
        )

    def entries(self) -> list[tuple[float, bytes | int, Enum, str]]:
        """The whole log, oldest first."""
        return list(self._entries)

    def lines(self) -> list[str]:
        """The whole log, a line an entry; what traces are made of."""
        return [describe(*entry) for entry in self._entries]


def describe(now_s: float, identity: bytes | int, state: Enum, reason: str) -> str:
    """One entry as a line, e.g. ``0.000120 task 0100…0300… QUEUED: arguments ready``."""
    kind = type(state).__name__.removesuffix("State").lower()
    name = str(identity) if isinstance(identity, int) else identity.hex()
    return f"{now_s:.6f} {kind} {name} {state.name}: {reason}"
