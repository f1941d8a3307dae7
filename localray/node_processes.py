"""Processes of nodes as suites handle Ray's: to kill one, and to see it gone.

Must not live here: which processes a node has (`localray.worker`, `localray.cluster_utils`), starting them
(`localray.runtime.launch`).
"""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

_LOOKS_EVERY_S = 0.01


class ProcessHandle(ABC):
    """A process in somebody's hand, by the methods of `subprocess.Popen` that suites use; its text is what it is called
    in messages."""

    @abstractmethod
    def poll(self) -> int | None:
        """None as long as it lives."""

    @abstractmethod
    def kill(self) -> None:
        """It fails."""

    @abstractmethod
    def terminate(self) -> None:
        """It is asked to end."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it is gone, and return what `poll` then says.

        Raises:
            TimeoutError: it was not in this many seconds.
        """
        # By looking: a head may be another process's child, of whose end nobody tells, and a node is no process.
        give_up_at_s = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if give_up_at_s is not None and time.monotonic() >= give_up_at_s:
                raise TimeoutError(f"{self} lives on after {timeout} s.")
            time.sleep(_LOOKS_EVERY_S)
        return code


class HeadProcess(ProcessHandle):
    """The process that is a session's control service and its first node's manager in one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None as long as it lives."""
        # Of its end its parent is told, which may be another process than this.
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return -signal.SIGKILL
        return -signal.SIGKILL if state in ("Z", "X") else None

    def kill(self) -> None:
        """The session fails."""
        self._send(signal.SIGKILL)

    def terminate(self) -> None:
        """The session ends."""
        self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def __str__(self) -> str:
        return f"The head, process {self.pid},"


class ProcessInfo(NamedTuple):
    """A process among those of a node."""

    process: ProcessHandle
