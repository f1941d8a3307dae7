"""Ctrl-C without a torn stream: SIGINT is held back while the main thread is in code that must not be cut, and raised
right after.

A `KeyboardInterrupt` may otherwise come between receiving bytes and keeping them, or between taking a lock and the
`try` that gives it back, which would leave the session unusable. Two rules keep that away: a stretch marked by
``with guard:`` raises at its end, whatever it calls; and anywhere else in this package's own code the signal is sent
again a moment later, unless the thread only waits there (`interruptible`). User code is interrupted at once, as ever.
Only Python's own handler is replaced, and it is put back at the end of the session.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # its `getsignal` costs a tenth of `signal.getsignal`
import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import TypeVar

AGAIN_AFTER_S = 0.001
GIVE_UP_AFTER = 1000
"""So many times a signal is put off; then it is raised wherever the thread is, for it seems to stay there."""

Function = TypeVar("Function", bound=Callable[..., object])

_PACKAGE = Path(__file__).resolve().parent.parent
_OURS = (
    *(f"{_PACKAGE / folder}{os.sep}" for folder in ("client", "runtime", "shm")),
    *(
        str(_PACKAGE / f"{name}.py")
        for name in ("object_ref", "remote_function", "actor", "api", "session", "protocol")
    ),
)
_waiting_code: set[CodeType] = set()


def interruptible(function: Function) -> Function:
    """Mark a function that only waits: a signal that finds the main thread in it loses nothing and is raised at
    once."""
    _waiting_code.add(function.__code__)
    return function


class InterruptGuard:
    """``with guard:`` marks a stretch that SIGINT must not cut; re-entrant; costs nothing in other threads."""

    def __init__(self) -> None:
        self._depth = 0
        self._pending = False
        self._put_off = 0
        self._main = threading.main_thread().ident or 0
        self._wanted = False
        self._interrupt: Callable[[], None] = _raise
        self._unraisable: Callable[[sys.UnraisableHookArgs], object] = sys.unraisablehook

    def install(self, interrupt: Callable[[], None] | None = None) -> None:
        """Take over SIGINT if Python's own handler has it; from another thread, as soon as the main one waits.

        Args:
            interrupt: what to do when the signal may be raised; by default raise `KeyboardInterrupt`. Given one, the
                signal is taken over whoever has it, and comes again where what it raised went nowhere.
        """
        self._main = threading.main_thread().ident or 0
        if interrupt is not None:
            self._interrupt = interrupt
            self._unraisable = sys.unraisablehook
            sys.unraisablehook = self._on_swallowed
            signal.signal(signal.SIGINT, self.on_signal)
        else:
            self._wanted = True
            self.keep_installed()

    def keep_installed(self) -> None:
        """Take SIGINT over, if wanted, where Python's own handler has it: notebooks put that back for each cell."""
        if (
            self._wanted
            and _signal.getsignal(signal.SIGINT) is signal.default_int_handler
            and threading.get_ident() == self._main
        ):
            signal.signal(signal.SIGINT, self.on_signal)

    def uninstall(self) -> None:
        """Give SIGINT back to Python's own handler, unless somebody else has it by now."""
        self._wanted = False
        # Bound methods are equal, not identical, each time they are looked up.
        if threading.get_ident() == self._main and signal.getsignal(signal.SIGINT) == self.on_signal:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_signal(self, number: int, stack: FrameType | None) -> None:
        """The handler: raise now, at the end of the guarded stretch, or a little later."""
        if self._depth:
            self._pending = True
        elif stack is not None and self._put_off < GIVE_UP_AFTER and _in_our_code(stack):
            self._put_off += 1
            _thread.start_new_thread(self._send_again, ())
        else:
            self._put_off = 0
            self._interrupt()

    def _on_swallowed(self, what: sys.UnraisableHookArgs) -> None:
        """An exception went nowhere, because a finalizer or the callback of a weak reference raised it. An interrupt,
        which may find these as well as any other code (importing a module leads through one), is sent again."""
        if what.exc_type is KeyboardInterrupt:
            _thread.start_new_thread(self._send_again, ())
        else:
            self._unraisable(what)

    def _send_again(self) -> None:
        time.sleep(AGAIN_AFTER_S)
        # To that very thread, so that a system call it may wait in by then is interrupted.
        signal.pthread_kill(self._main, signal.SIGINT)

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if threading.get_ident() == self._main:
            self._depth -= 1
            if self._pending and self._depth == 0:
                self._pending = False
                self._interrupt()


def _in_our_code(stack: FrameType) -> bool:
    while stack.f_back is not None and stack.f_code.co_filename.startswith("<frozen importlib"):
        stack = stack.f_back  # Who imports here is what counts.
    code = stack.f_code
    return code not in _waiting_code and code.co_filename.startswith(_OURS)


def _raise() -> None:
    raise KeyboardInterrupt


guard = InterruptGuard()
