"""What of the real world a simulated program reaches for, as data: it is told of each line that does, or, where the
simulation is strict, the line raises.

What is here happens in real time, or is different in every run, so that no seed decides what comes of it. Most of it is
noticed where the program calls it. What is written in C and belongs to a class (`datetime.now`), or was got hold of
before the session (``from time import time`` as a default argument), can only be noticed by looking at every call: that
is slow, so only strict simulations do it. Must not live here: what is virtual instead (`localray.sim.patches`)."""

from __future__ import annotations

import datetime
import os  # noqa: F401 - looked up by name, like all modules of the table
import signal  # noqa: F401
import socket  # noqa: F401
import subprocess  # noqa: F401
import sys
import threading
import uuid  # noqa: F401
from collections.abc import Callable
from types import FrameType
from typing import Final, NamedTuple, TypeAlias

from localray.sim import threads
from localray.sim.errors import NotSimulatedError
from localray.sim.places import is_users, place

_Function: TypeAlias = "Callable[..., object]"


class Fence(NamedTuple):
    """A function by its name; what it brings into the run, and what to do instead."""

    name: str
    what: str
    instead: str


FENCED: Final = (
    Fence("socket.socket.__init__", "opens a socket", "let an actor stand for the other side"),
    Fence("subprocess.Popen.__init__", "starts a process", "use a task, or a modelled one (`sim.task`)"),
    Fence("_posixsubprocess.fork_exec", "starts a process", "use a task, or a modelled one (`sim.task`)"),
    Fence("os.system", "starts a process", "use a task, or a modelled one (`sim.task`)"),
    Fence("os.posix_spawn", "starts a process", "use a task, or a modelled one (`sim.task`)"),
    Fence("os.fork", "forks the whole simulation", "use a task"),
    Fence("_thread.start_new_thread", "starts a thread that takes no turns", "use `threading.Thread`"),
    Fence("signal.alarm", "asks for a signal in real time", "use `threading.Timer`"),
    Fence("signal.setitimer", "asks for a signal in real time", "use `threading.Timer`"),
    Fence("os.path.getmtime", "reads a real file's time", "write the time into the file"),
    Fence("os.path.getatime", "reads a real file's time", "write the time into the file"),
    Fence("os.path.getctime", "reads a real file's time", "write the time into the file"),
    Fence("uuid.uuid1", "makes an id of the real time and the machine's address", "use `uuid.uuid4`"),
)
"""Noticed in every simulation."""

FENCED_WHERE_STRICT: Final = (
    Fence("datetime.datetime.now", "reads the real calendar", "use `datetime.fromtimestamp(time.time())`"),
    Fence("datetime.datetime.utcnow", "reads the real calendar", "use `datetime.fromtimestamp(time.time(), tz)`"),
    Fence("datetime.datetime.today", "reads the real calendar", "use `datetime.fromtimestamp(time.time())`"),
    Fence("datetime.date.today", "reads the real calendar", "use `date.fromtimestamp(time.time())`"),
    Fence("time.time", "is the real one, got hold of before the session", "call it as `time.time()`"),
    Fence("time.monotonic", "is the real one, got hold of before the session", "call it as `time.monotonic()`"),
    Fence("time.perf_counter", "is the real one, got hold of before the session", "call it as `time.perf_counter()`"),
    Fence("time.sleep", "is the real one, got hold of before the session", "call it as `time.sleep()`"),
)
"""Noticed in strict simulations only."""

_SPIN = "looks at the clock over and over until time has passed, which takes 0.1 ms a look; use `time.sleep`"
_current: Fences | None = None


class Fences:
    """The fences of one simulation.

    Args:
        strict: raise instead of telling.
        notify: tells the user.
    """

    def __init__(self, notify: Callable[[str], None], *, strict: bool) -> None:
        self._notify = notify
        self._strict = strict
        self._told: set[str] = set()
        self._hidden: dict[object, Fence] = {}

    def enter(self) -> None:
        """From now on the program is watched."""
        global _current
        _current = self
        if self._strict:
            hidden = (fence for fence in FENCED_WHERE_STRICT if fence.name in threads.real)
            self._hidden = {threads.real[fence.name]: fence for fence in hidden}
            threading.setprofile(self._look)
            sys.setprofile(self._look)

    def leave(self) -> None:
        """The simulation is over."""
        global _current
        _current = None
        if self._strict:
            sys.setprofile(None)
            threading.setprofile(None)

    def tell(self, fence: Fence) -> None:
        """The program has called this.

        Raises:
            NotSimulatedError: where the simulation is strict.
        """
        where = place(sys._getframe(1))
        text = f"{where}: {fence.name} {fence.what}, of which no seed decides; {fence.instead}."
        if self._strict:
            raise NotSimulatedError(text)
        # One may be built on another: on Python 3.10 `subprocess.Popen` is, on what starts the process.
        self._tell_once(f"{where}: {fence.what}", text)

    def tell_of_spin(self) -> None:
        """The program waits by looking at the clock. Nothing is wrong with the run, only slow: no reason to raise."""
        text = f"{place(sys._getframe(1))}: {_SPIN}."
        self._tell_once(text, text)

    def _tell_once(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._notify(text)

    def _look(self, frame: FrameType, event: str, called: object) -> None:
        """A profile function: every call of something in C by a line of the program."""
        if event != "c_call" or not is_users(frame.f_code.co_filename) or threads.simulated() is None:
            return
        owner = getattr(called, "__self__", None)
        name = getattr(called, "__name__", "")
        if isinstance(owner, type) and issubclass(owner, datetime.date) and name in ("now", "utcnow", "today"):
            kind = "datetime" if issubclass(owner, datetime.datetime) else "date"
            self.tell(next(fence for fence in FENCED_WHERE_STRICT if fence.name == f"datetime.{kind}.{name}"))
        elif name in ("time", "monotonic", "perf_counter", "sleep") and called in self._hidden:
            self.tell(self._hidden[called])


def _guard(fence: Fence) -> _Function:
    def guarded(*arguments: object, **keywords: object) -> object:
        if _current is not None and threads.simulated() is not None:
            _current.tell(fence)
        return threads.real[fence.name](*arguments, **keywords)

    # It is pickled by the name under which it is found.
    path, _, name = fence.name.rpartition(".")
    module, _, kind = (path, "", "") if path in sys.modules else path.rpartition(".")
    guarded.__module__, guarded.__name__ = module, name
    guarded.__qualname__ = f"{kind}.{name}" if kind else name
    return guarded


GUARDS: Final = tuple((fence.name, _guard(fence)) for fence in FENCED)
"""What stands in the place of what is fenced."""
