"""`ray._private.worker`: facts about the process, and the functions of `ray` under the names by which old programs know
them."""

from __future__ import annotations

from localray.actor import get_actor, kill
from localray.api import cancel, get, get_gpu_ids, put, remote, wait
from localray.session import init, is_initialized, shutdown
from localray.session_context import RayContext
from localray.worker import (
    RESTORE_WORKER_MODE,
    SCRIPT_MODE,
    SPILL_WORKER_MODE,
    WORKER_MODE,
    Worker,
    global_worker,
)

__all__ = [
    "RESTORE_WORKER_MODE",
    "SCRIPT_MODE",
    "SPILL_WORKER_MODE",
    "WORKER_MODE",
    "RayContext",
    "Worker",
    "cancel",
    "get",
    "get_actor",
    "get_gpu_ids",
    "global_worker",
    "init",
    "is_initialized",
    "kill",
    "put",
    "remote",
    "shutdown",
    "wait",
]
