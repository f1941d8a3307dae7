"""Patterns that say which files of a directory are left behind, as ``.gitignore`` files write them.

Must not live here: reading files or walking directories (`localray.runtime_env.packages`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable


class Patterns:
    """The patterns of one list or file.

    Args:
        lines: one pattern each; empty ones and comments are skipped.

    Example:
        >>> patterns = Patterns(["*.log", "!kept.log", "/build", "data/"])
        >>> [patterns.excludes(name, is_directory=False) for name in ("a.log", "x/kept.log", "x/build", "data")]
        [True, False, False, False]
        >>> patterns.excludes("data", is_directory=True), patterns.excludes("build", is_directory=True)
        (True, True)
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules: list[tuple[re.Pattern[str], bool, bool]] = []
        for line in lines:
            pattern = line.rstrip("\n").rstrip(" ")
            if not pattern or pattern.startswith("#"):
                continue
            wanted = pattern.startswith("!")
            pattern = pattern.removeprefix("!").removeprefix("\\")
            only_directories = pattern.endswith("/")
            pattern = pattern.rstrip("/")
            anchored = "/" in pattern
            regex = _translate(pattern.removeprefix("/"))
            self._rules.append((re.compile(regex if anchored else f"(?:.*/)?{regex}"), only_directories, wanted))

    def excludes(self, name: str, *, is_directory: bool) -> bool:
        """Whether a path, relative to where the patterns are and with slashes, is left behind: the last that fits
        decides."""
        for regex, only_directories, wanted in reversed(self._rules):
            if (is_directory or not only_directories) and regex.fullmatch(name):
                return not wanted
        return False


def _translate(pattern: str) -> str:
    """A regular expression for one pattern without its leading and trailing slash."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern.startswith("**/", position):
            parts.append("(?:.*/)?")
            position += 3
        elif pattern.startswith("**", position):
            parts.append(".*")
            position += 2
        elif pattern[position] == "*":
            parts.append("[^/]*")
            position += 1
        elif pattern[position] == "?":
            parts.append("[^/]")
            position += 1
        elif pattern[position] == "[" and "]" in pattern[position + 2 :]:
            end = pattern.index("]", position + 2)
            inner = pattern[position + 1 : end].replace("\\", "\\\\")
            parts.append(f"[{'^' + inner[1:] if inner.startswith('!') else inner}]")
            position = end + 1
        else:
            parts.append(re.escape(pattern[position]))
            position += 1
    return "".join(parts)
