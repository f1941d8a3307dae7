"""`breakpoint()` in a task or an actor: pdb on the driver's terminal.

Workers have no standard input and no terminal of their own, but may open the driver's by its name. Of several that stop
at the same time each has the terminal to itself while it asks for a command.
"""

from __future__ import annotations

import os
import sys
from types import FrameType

TERMINAL = "LOCALRAY_TERMINAL"
"""In the environment of workers: the name of the driver's terminal, if it has one."""


def terminal_of_this_process() -> str:
    """The name of the terminal that it reads from; empty if that is none."""
    try:
        return os.ttyname(0)
    except OSError:
        return ""


def answer_breakpoints() -> None:
    """In a worker: make `breakpoint()` stop on the driver's terminal, unless the user has said what it does."""
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = _hook


def stop(frame: FrameType | None) -> None:
    """Stop at this frame; a driver has its own terminal, and a worker whose driver has none goes on."""
    # Not above: whoever starts a head imports this module first, and needs nothing else of the client yet.
    from localray.client.context import current_task

    if current_task.get() is None or sys.breakpointhook is not _hook:
        import pdb

        pdb.Pdb().set_trace(frame)
        return
    name = os.environ.get(TERMINAL, "")
    if not name:
        print("breakpoint() is passed over: the driver has no terminal to debug on.", file=sys.stderr)
        return
    from localray.runtime.debugger import Debugger

    terminal = os.open(name, os.O_RDWR | os.O_NOCTTY)
    # Both stay open for as long as the debugger is there, which is longer than this call.
    keyboard, screen = open(terminal), open(os.dup(terminal), "w")  # noqa: SIM115
    Debugger(keyboard, screen).set_trace(frame)


def _hook(*arguments: object, **options: object) -> None:
    stop(sys._getframe(1))
