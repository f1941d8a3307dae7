"""`ray._private.worker`: facts about the process, and the functions of `ray` under the names by which old programs know
them."""

from __future__ import annotations

import os

from localray import cloudpickle as pickle
from localray._private.generators import _wait_generators_bulk
from localray._private.ray_constants import RAY_OVERRIDE_DASHBOARD_URL
from localray.absent.catalogue import missing_in
from localray.actor import get_actor, kill
from localray.api import cancel, get, get_gpu_ids, put, remote, wait
from localray.client.context import current_task
from localray.client.failures import log_unhandled, on_unhandled
from localray.runtime_context import get_runtime_context
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


def _unhandled_error_handler(error: Exception) -> None:
    """What becomes of a task's error that nobody has looked at. Test suites put another function in its place."""
    log_unhandled(error)


def get_dashboard_url() -> str:
    """Where the dashboard is: nowhere, unless the variable ``RAY_OVERRIDE_DASHBOARD_URL`` says so.

    Raises:
        RaySystemError: there is no session.
    """
    if RAY_OVERRIDE_DASHBOARD_URL in os.environ:
        return os.environ[RAY_OVERRIDE_DASHBOARD_URL].rpartition("://")[2]
    global_worker.check_connected()
    return ""


def get_resource_ids() -> dict[str, list[tuple[int, float]]]:
    """What the running task or actor holds: for each resource pairs of a device's number and how much of it; what is no
    device has the number 0.

    Raises:
        RaySystemError: there is no session.
    """
    global_worker.check_connected()
    context = current_task.get()
    if context is None:
        return {}
    held = get_runtime_context().get_assigned_resources()
    found = {name: [(0, amount)] for name, amount in held.items()}
    if context.devices and "GPU" in held:
        found["GPU"] = [(device, min(1.0, held["GPU"])) for device in context.devices]
    return found


# Looked up when there is one: what stands in this module then.
on_unhandled(lambda error: _unhandled_error_handler(error))

__all__ = [
    "RESTORE_WORKER_MODE",
    "SCRIPT_MODE",
    "SPILL_WORKER_MODE",
    "WORKER_MODE",
    "RayContext",
    "Worker",
    "_wait_generators_bulk",
    "cancel",
    "get",
    "get_actor",
    "get_dashboard_url",
    "get_gpu_ids",
    "get_resource_ids",
    "global_worker",
    "init",
    "is_initialized",
    "kill",
    "pickle",
    "put",
    "remote",
    "shutdown",
    "wait",
]


_missing = missing_in(
    __name__,
    {
        "Drivers print what workers print by themselves: see log_to_driver of ray.init.": (
            "print_worker_logs print_to_stdstream listen_error_messages process_tqdm hide_tqdm restore_tqdm"
        ),
        "Use ray.init and ray.shutdown.": "connect disconnect",
    },
)


def __getattr__(name: str) -> object:
    if name == "_global_node":
        # The node that this process is on, asked anew each time; None without a session.
        return global_worker.node
    return _missing(name)
