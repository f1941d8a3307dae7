"""SIGTERM ends a driver through its exit handlers, and so its session, as in Ray; the children that it forks end by it
as they would without us.

A handler of Python's makes that harder than it looks: a signal that finds a child just after the fork is noted for
Python, and what runs first in the child forgets what is noted. Whoever then waits for the child waits for ever
(`multiprocessing` does when the driver ends). So the signal is held back around a fork, and its default is the child's
again before it is let in. Must not live here: what ends with the driver (`localray.session`).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable
from types import FrameType

_ONLY_SIGTERM = (signal.SIGTERM,)


def end_when_terminated() -> None:
    """Take SIGTERM over, unless the program has a handler of its own or this is not its main thread."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end_in_order)


class Terminated(SystemExit):
    """The signal has come: not the program's own end."""


def _end_in_order(number: int, stack: FrameType | None) -> None:
    raise Terminated(number)


class _HeldBack(threading.local):
    """The signals that this thread blocks anyway; None while it does not fork with our handler installed."""

    mask: Iterable[int] | None = None


_held_back = _HeldBack()


def _before_fork() -> None:
    if signal.getsignal(signal.SIGTERM) is _end_in_order:
        _held_back.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ONLY_SIGTERM)


def _after_fork_in_parent() -> None:
    mask, _held_back.mask = _held_back.mask, None
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _after_fork_in_child() -> None:
    if _held_back.mask is not None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _after_fork_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
