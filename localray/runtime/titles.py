"""What a process is called in `ps`, `top` and psutil: Ray's workers say there what they run, as ``ray::name``.

Linux lets a process write over its own command line, which `/proc/self/stat` says the place of, and over its short
name. Elsewhere nothing changes. Must not live here: what a worker is called when.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

_SHORT_NAME_BYTES = 15
# Of the fields behind the name in /proc/self/stat: where the command line begins and ends.
_BEGINS, _ENDS = 45, 46


class ProcessTitle:
    """That of this process. A title is written when it differs from the last: two system calls, 6 µs."""

    def __init__(self) -> None:
        self._shown = ""
        try:
            fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
            self._place, self._length = int(fields[_BEGINS]), int(fields[_ENDS]) - int(fields[_BEGINS])
            self._memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
            self._short = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
        except (OSError, ValueError, IndexError):
            # Not Linux, or not allowed here: it goes by the name that it has.
            self._length = 0

    def show(self, name: str, short: str = "") -> None:
        """From now on this process is called ``ray::name``; where ``short`` is given, its short name is made of that.
        """
        if name is self._shown or not self._length:
            return
        self._shown = name
        title = f"ray::{name}".encode(errors="replace")
        try:
            os.pwrite(self._memory, title[: self._length - 1].ljust(self._length, b"\0"), self._place)
            if threading.get_native_id() == os.getpid():
                # As in Ray: the short name is a thread's own, and calls on other threads leave the first one's.
                os.write(self._short, f"ray::{short or name}".encode(errors="replace")[:_SHORT_NAME_BYTES])
        except OSError:
            self._length = 0


def title_of_this_process() -> str:
    """What this process is called: as `ps` shows its command line."""
    try:
        return Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
