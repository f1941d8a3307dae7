"""Actors that run several calls at once on threads: calls start as they arrive, up to the limit of their concurrency
group; the rest waits here, in order. A group that is full holds up no other."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from localray.protocol import DefineTemplate, RunTask

if TYPE_CHECKING:
    from localray.client.executor import Executor


class ThreadedActor:
    """Runs an actor's calls on threads. Each concurrency group has its own; calls without a group have up to
    ``max_concurrency``."""

    def __init__(self, executor: Executor, template: DefineTemplate) -> None:
        self._executor = executor
        limits = {"": template.max_concurrency, **dict(template.concurrency_groups)}
        self._groups = {name: GroupThreads(executor, limit, name) for name, limit in limits.items()}

    def accept(self, message: RunTask) -> None:
        """Take a call in: start it, or let it wait for a thread."""
        name = self._executor.template(message).concurrency_group
        # A group that is not there is an error of the call's.
        self._groups.get(name, self._groups[""]).accept(message)


class GroupThreads:
    """The threads of one concurrency group: no more than there are calls at once."""

    def __init__(self, executor: Executor, limit: int, group: str) -> None:
        self._executor = executor
        self._limit = limit
        self._name = f"localray-call-{group}" if group else "localray-call"
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
        self._executor.client.channel.spawn(lambda: self._work(message), self._name, self._limit)

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
