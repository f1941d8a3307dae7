"""Reading a child's output line by line with a deadline, and noticing its death.

Only the pipe is handled here; what the lines mean is known to the callers.
"""

from __future__ import annotations

import os
import select
import time

from .messages import ChildFailedError
from .processes import MarkedProcess

_CHUNK_BYTES = 65536


class LineReader:
    """The two pipes of a child, with deadlines."""

    def __init__(self, child: MarkedProcess) -> None:
        assert child.process.stdin is not None and child.process.stdout is not None
        self._child = child
        self._input = child.process.stdin.fileno()
        self._output = child.process.stdout.fileno()
        self._buffer = b""

    def write(self, line: bytes) -> None:
        """Send a line.

        Raises:
            ChildFailedError: the child is gone.
        """
        try:
            os.write(self._input, line)
        except BrokenPipeError:
            raise self._failure("ended before it answered") from None

    def read_line(self, timeout_s: float) -> str:
        """Return the next line without its end.

        Raises:
            ChildFailedError: none came in time, or the child closed its output.
        """
        deadline_s = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            self._fill(deadline_s, timeout_s)
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode(errors="replace")

    def read_until(self, start: str, timeout_s: float) -> str:
        """Return the next line that begins with `start`, passing over others.

        Raises:
            ChildFailedError: none came in time, or the child closed its output.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            line = self.read_line(max(0.0, deadline_s - time.monotonic()))
            if line.startswith(start):
                return line

    def _fill(self, deadline_s: float, timeout_s: float) -> None:
        readable, _, _ = select.select([self._output], [], [], max(0.0, deadline_s - time.monotonic()))
        if not readable:
            raise self._failure(f"did not answer within {timeout_s:.0f} s")
        chunk = os.read(self._output, _CHUNK_BYTES)
        if not chunk:
            raise self._failure("ended before it answered")
        self._buffer += chunk

    def _failure(self, what: str) -> ChildFailedError:
        return ChildFailedError(f"the measured process {what}\n{self._child.last_errors()}".strip())
