"""What workers print: each line with the task's or actor's name and the process id in front, as Ray shows it on the
driver.

Workers share the driver's own standard output and error; a line is written with one call, so lines of different workers
do not tear.
"""

from __future__ import annotations

import io
import os
import sys
from typing import BinaryIO, TextIO

from localray.client.context import current_task

_COLOUR_START = "\x1b[36m"
_COLOUR_END = "\x1b[0m"


class PrefixedOutput(io.TextIOBase):
    """A text stream that puts a prefix in front of each line."""

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self._line = ""
        self._coloured = target.isatty()

    def write(self, text: str) -> int:
        """Write whole lines now, keep the rest for later."""
        *lines, self._line = (self._line + text).split("\n")
        if lines:
            prefix = self._prefix()
            self._target.write("".join(f"{prefix}{line}\n" for line in lines))
            self._target.flush()
        return len(text)

    def flush(self) -> None:
        """Write an unfinished line too, ended: another worker may write next."""
        if self._line:
            self.write("\n")

    def _prefix(self) -> str:
        context = current_task.get()
        name = context.name.split(".")[0] if context is not None else "worker"
        text = f"({name} pid={os.getpid()})"
        return f"{_COLOUR_START}{text}{_COLOUR_END} " if self._coloured else f"{text} "

    def writable(self) -> bool:
        """Always."""
        return True

    def isatty(self) -> bool:
        """What is behind it."""
        return self._target.isatty()

    def fileno(self) -> int:
        """The descriptor behind it, for programs that want to be told."""
        return self._target.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of what is behind it."""
        return self._target.encoding

    @property
    def buffer(self) -> BinaryIO:
        """The bytes behind it, unprefixed."""
        return self._target.buffer


def prefix_output() -> None:
    """Give this process's standard output and error their prefixes, unless switched off as in Ray."""
    if os.environ.get("RAY_DISABLE_WORKER_LOG_PREFIX", "0") == "1":
        return
    # A driver may have been started with its output closed; then there is nothing to write to, here as there.
    if sys.stdout is not None:
        sys.stdout = PrefixedOutput(sys.stdout)
    if sys.stderr is not None:
        sys.stderr = PrefixedOutput(sys.stderr)
