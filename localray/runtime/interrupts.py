"""Ctrl-C without a torn stream: SIGINT is held back while the main thread moves bytes and messages, and raised right
after.

A `KeyboardInterrupt` may otherwise come between receiving bytes and keeping them, which would leave the session
unusable. Only Python's own handler is replaced, and it is put back at the end of the session.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class InterruptGuard:
    """``with guard:`` marks a stretch that SIGINT must not cut; re-entrant; costs nothing in other threads."""

    def __init__(self) -> None:
        self._depth = 0
        self._pending = False
        self._main = threading.main_thread().ident
        self._installed = False

    def install(self) -> None:
        """Take over SIGINT if Python's own handler has it and this is the main thread."""
        if threading.get_ident() == self._main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_interrupt)
            self._installed = True

    def uninstall(self) -> None:
        """Give SIGINT back to Python's own handler, unless somebody else has it by now."""
        if self._installed and threading.get_ident() == self._main:
            # Bound methods are equal, not identical, each time they are looked up.
            if signal.getsignal(signal.SIGINT) == self._on_interrupt:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False

    def _on_interrupt(self, number: int, stack: FrameType | None) -> None:
        if self._depth:
            self._pending = True
        else:
            signal.default_int_handler(number, stack)

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
                raise KeyboardInterrupt


guard = InterruptGuard()
