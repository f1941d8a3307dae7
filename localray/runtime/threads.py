"""Threads that are used again: what a program keeps in `threading.local` stays with its thread, as in the pools that
real Ray runs a threaded actor's calls on; and handing work to a thread that is there takes a fraction of what starting
one does.

Must not live here: how many calls may run at once (`localray.client.threaded_actor`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

Work = Callable[[], None]


class KeptThreads:
    """All such threads of a process, in pools by their names."""

    def __init__(self) -> None:
        self._pools: dict[str, _Pool] = {}

    def run(self, work: Work, name: str, at_most: int | None) -> None:
        """Run something on a thread of this name: the one that was used last of those that have nothing to do; else a
        new one, a daemon, unless there are so many; else the first that has nothing to do, which will be at once if
        whoever calls this never has more than so many run."""
        pool = self._pools.get(name)
        if pool is None:
            # Two threads may come here at once: one of their pools is the one.
            pool = self._pools.setdefault(name, _Pool(name))
        pool.run(work, at_most)


class _Pool:
    """The threads of one name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._threads = 0
        self._idle: list[_Thread] = []
        self._waiting: deque[Work] = deque()
        self._lock = threading.Lock()

    def run(self, work: Work, at_most: int | None) -> None:
        with self._lock:
            if self._idle:
                self._idle.pop().wake_for(work)
                return
            if at_most is not None and self._threads >= at_most:
                self._waiting.append(work)
                return
            self._threads += 1
        thread = _Thread(work)
        threading.Thread(target=self._serve, args=(thread,), name=self._name, daemon=True).start()

    def _serve(self, thread: _Thread) -> None:
        try:
            while True:
                thread.take()()
                with self._lock:
                    if self._waiting:
                        thread.wake_for(self._waiting.popleft())
                    else:
                        self._idle.append(thread)
        finally:
            # Only by an error that nobody catches, which is shown as that of any thread.
            with self._lock:
                self._threads -= 1
                left = self._waiting.popleft() if self._waiting else None
            if left is not None:
                self.run(left, None)


class _Thread:
    """What one of the threads runs next. Nothing that has run is kept alive from here."""

    __slots__ = ("_wake", "_work")

    def __init__(self, work: Work) -> None:
        self._work: Work | None = work
        self._wake = threading.Lock()

    def wake_for(self, work: Work) -> None:
        self._work = work
        self._wake.release()

    def take(self) -> Work:
        """Wait until there is something, and take it."""
        self._wake.acquire()
        work, self._work = self._work, None
        assert work is not None
        return work
