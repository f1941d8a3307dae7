"""`ray.util.pdb` and `ray.util.rpdb`: stopping in a task. `breakpoint()` does the same."""

from __future__ import annotations

import pdb
import sys
from types import TracebackType

from localray.absent.catalogue import missing_in
from localray.runtime.breakpoints import stop


def set_trace(breakpoint_uuid: bytes | None = None) -> None:
    """Stop here: in a task on the driver's terminal.

    Args:
        breakpoint_uuid: accepted.
    """
    stop(sys._getframe(1))


def post_mortem(traceback: TracebackType | None = None) -> None:
    """Look at the traceback of an exception, by default of the one that is being handled."""
    pdb.post_mortem(traceback)


__getattr__ = missing_in(__name__)
