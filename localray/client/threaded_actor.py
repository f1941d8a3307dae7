"""Actors that run several calls at once on threads: calls start as they arrive, up to ``max_concurrency``; the rest
waits here, in order."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from localray.protocol import RunTask

if TYPE_CHECKING:
    from localray.client.executor import Executor


class ThreadedActor:
    """Runs an actor's calls on up to ``max_concurrency`` threads."""

    def __init__(self, executor: Executor, max_concurrency: int) -> None:
        self._executor = executor
        self._limit = max_concurrency
        self._waiting: deque[RunTask] = deque()
        self._running = 0
        self._lock = threading.Lock()

    def accept(self, message: RunTask) -> None:
        """Take a call in: start it, or let it wait for a thread."""
        with self._lock:
            if self._running >= self._limit:
                self._waiting.append(message)
                return
            self._running += 1
        self._executor.client.channel.spawn(lambda: self._work(message), "localray-call")

    def _work(self, message: RunTask) -> None:
        """Run a call, and then those that wait, until none does."""
        current: RunTask | None = message
        while current is not None:
            self._executor.run(current)
            with self._lock:
                if self._waiting:
                    current = self._waiting.popleft()
                else:
                    current = None
                    self._running -= 1
        self._executor.client.channel.flush()
