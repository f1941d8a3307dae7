"""`ray.util.ray_debugpy`: stopping in a task. There is no server for editors to attach to here; pdb takes its place."""

from __future__ import annotations

import sys

from localray.runtime.breakpoints import stop


def set_trace(breakpoint_uuid: bytes | None = None) -> None:
    """As `localray.util.rpdb.set_trace`."""
    stop(sys._getframe(1))
