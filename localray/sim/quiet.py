"""Keeping what programs print from the terminal, where they are run again and again.

Must not live here: when that is wanted (`localray.cli.sim`).
"""

from __future__ import annotations

import io
import sys
from typing import TextIO


class _Kept(io.TextIOWrapper):
    """Stands where a program finds a stream of its own."""

    beyond: TextIO


class Quiet:
    """While it is entered, the standard output and errors are kept; it may be entered again and again.

    The streams stay the same, so that whoever holds one from an earlier run (a handler of `logging`) is kept too.

    Example:
        >>> quiet = Quiet()
        >>> with quiet:
        ...     print("by the program")
        >>> quiet.take()
        'by the program\\n'
    """

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._streams = [
            _Kept(self._bytes, encoding="utf-8", errors="backslashreplace", write_through=True) for _ in range(2)
        ]
        self._before: list[tuple[TextIO, TextIO]] = []

    def __enter__(self) -> Quiet:
        self.take()
        out, errors = self._streams
        out.beyond, errors.beyond = sys.stdout, users_errors()
        self._before.append((sys.stdout, sys.stderr))
        sys.stdout, sys.stderr = out, errors
        return self

    def __exit__(self, *exception: object) -> None:
        sys.stdout, sys.stderr = self._before.pop()

    def take(self) -> str:
        """What has been printed since the last time that it was entered or taken."""
        text = self._bytes.getvalue().decode("utf-8", "replace")
        self._bytes.seek(0)
        self._bytes.truncate()
        return text


def users_errors() -> TextIO:
    """Where our own words to the user go, whoever is quiet."""
    return sys.stderr.beyond if isinstance(sys.stderr, _Kept) else sys.stderr
