"""A thread of the head that does one thing after the other on a disk, beside the loop.

The loop hands things over and gets the answers back through a pipe that its selector watches. Reading and writing let
go of the interpreter, so the head stays responsive. The thread starts at the first need. Must not live here: what is
done (`localray.runtime.spilling`, `localray.runtime.keeping`).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

STOP_TIMEOUT_S = 5.0

Answer = TypeVar("Answer")


class DiskThread(Generic[Answer]):
    """The thread, its queue, and its answers.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: SimpleQueue[Callable[[], Answer | None] | None] = SimpleQueue()
        self._answers: deque[Answer] = deque()
        self._thread: threading.Thread | None = None
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """Readable when there are answers."""
        return self._read

    def do(self, act: Callable[[], Answer | None]) -> None:
        """Do this after what was asked for before; what it returns is an answer, unless it is None."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._queue.put(act)

    def answers(self) -> list[Answer]:
        """What has been done since the last call."""
        try:
            os.read(self._read, 4096)
        except BlockingIOError:
            return []
        return [self._answers.popleft() for _ in range(len(self._answers))]

    def finish(self) -> None:
        """Do what is still to be done, then end."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            act = self._queue.get()
            if act is None:
                return
            answer = act()
            del act
            if answer is not None:
                self._answers.append(answer)
                try:
                    os.write(self._write, b"a")
                except BlockingIOError:
                    continue  # The loop has been woken often enough.
