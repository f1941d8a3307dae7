"""pdb on a terminal that is not this process's own. Imported by who stops (`localray.runtime.breakpoints`): pdb takes
10 ms."""

from __future__ import annotations

import fcntl
import os
import pdb
from types import FrameType, TracebackType
from typing import Any, TextIO

from localray.client.context import current_task


class Debugger(pdb.Pdb):
    """pdb on a terminal that is not this process's own.

    Args:
        keyboard, screen: the terminal.
    """

    def __init__(self, keyboard: TextIO, screen: TextIO) -> None:
        # Without a handler for SIGINT: Ctrl-C is the driver's, and cancels.
        super().__init__(stdin=keyboard, stdout=screen, nosigint=True)
        context = current_task.get()
        self.prompt = f"({'worker' if context is None else context.name} pid={os.getpid()}) "
        self._keyboard = keyboard

    def interaction(self, frame: FrameType | None, traceback: TracebackType | Any) -> None:
        """Ask for commands, alone on the terminal."""
        fcntl.flock(self._keyboard, fcntl.LOCK_EX)
        try:
            super().interaction(frame, traceback)
        finally:
            fcntl.flock(self._keyboard, fcntl.LOCK_UN)
