"""Lines of several printers that are equal but for numbers, folded into one as in Ray: the first is shown at once, and
after a window's time how many there were.

Must not live here: prefixes, colours and streams (`localray.client.worker_output`), the reader's own words for the
count.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

_NUMBER = re.compile(r"(\d+|0x[0-9a-fA-F]+)")

Origin = TypeVar("Origin")
"""What is known of who printed a line, for whoever shows it."""


@dataclass(slots=True)
class Pattern(Generic[Origin]):
    """Lines that are equal but for numbers: since when, how many are not shown, the last of them and who printed it,
    and who did so at all."""

    since_s: float
    line: str
    origin: Origin
    sources: set[Hashable]
    unshown: int = 0


@dataclass(slots=True)
class Folded(Generic[Origin]):
    """Lines that were held back, as they are to be shown: the last, and how many there were; 1 is no repetition."""

    line: str
    origin: Origin
    count: int


class Folding(Generic[Origin]):
    """The patterns of one stream, oldest first.

    Args:
        window_s: how long lines are held back.
        never: lines in which this is found are shown at once, each.
        hidden: lines in which this is found are shown not at all.
    """

    def __init__(self, window_s: float, never: str = "", hidden: str = "") -> None:
        self._window_s = window_s
        self._never = re.compile(never) if never else None
        self._hidden = re.compile(hidden) if hidden else None
        self._patterns: dict[str, Pattern[Origin]] = {}

    def is_new(self, line: str, source: Hashable, origin: Origin, now_s: float) -> bool:
        """Whether a line is to be shown now; if not, it is counted."""
        if self._never is not None and self._never.search(line):
            return True
        if self._hidden is not None and self._hidden.search(line):
            return False
        key = " ".join(word for word in line.split() if not _NUMBER.search(word))
        if not key:
            return True
        pattern = self._patterns.get(key)
        if pattern is None:
            self._patterns[key] = Pattern(now_s, line, origin, {source})
            return True
        pattern.sources.add(source)
        if len(pattern.sources) == 1:
            return True
        pattern.unshown += 1
        pattern.line, pattern.origin = line, origin
        return False

    def aged(self, now_s: float) -> list[Folded[Origin]]:
        """What is held back since a window's time; patterns that go on are counted anew."""
        found: list[Folded[Origin]] = []
        while self._patterns:
            key, pattern = next(iter(self._patterns.items()))
            if now_s - pattern.since_s < self._window_s:
                break
            del self._patterns[key]
            if pattern.unshown:
                found.append(Folded(pattern.line, pattern.origin, pattern.unshown))
            if pattern.unshown > 1:
                pattern.since_s, pattern.unshown = now_s, 0
                self._patterns[key] = pattern
        return found

    def flush(self) -> list[Folded[Origin]]:
        """All that is held back; nothing is any more."""
        held = [each for each in self._patterns.values() if each.unshown]
        self._patterns.clear()
        return [Folded(each.line, each.origin, each.unshown) for each in held]
