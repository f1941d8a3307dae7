"""Which client a call on the public API belongs to: the process's one, or in a simulation the one of the carrier
thread.

Must not live here: making or ending clients (`localray.session`, `localray.runtime`, `localray.sim`).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from localray.exceptions import RaySystemError
from localray.object_ref import set_holder_finder

if TYPE_CHECKING:
    from localray.client.client import Client
    from localray.client.references import ReferenceTable


class _ThreadState(threading.local):
    """The calling thread's own client; a class attribute, because a missing one would cost every call an exception."""

    client: Client | None = None


_thread = _ThreadState()
_process_client: Client | None = None
_start_session: Callable[[], None] | None = None
_handed_over_to: ModuleType | None = None


class HandedOver(RaySystemError):
    """Real Ray has the program: whoever wants a client is to ask that instead.

    Args:
        ray: its package.
    """

    def __init__(self, ray: ModuleType) -> None:
        super().__init__(
            "Real Ray has this program. A name that was imported from localray before (`from localray import get`) "
            "knows nothing of it: use `import localray as ray` and `ray.get`, or set LOCALRAY_ENGINE=ray at the start."
        )
        self.ray = ray


def handed_over_to() -> ModuleType | None:
    """Real Ray's package while it has the program, else None."""
    return _handed_over_to


def set_handed_over(ray: ModuleType | None) -> None:
    """Say that real Ray has the program, or has no more."""
    global _handed_over_to
    _handed_over_to = ray


def current_client() -> Client | None:
    """The client of the calling thread, else the process's, else None."""
    return _thread.client or _process_client


def require_client() -> Client:
    """The current client.

    Raises:
        RaySystemError: there is no session.
    """
    client = current_client()
    if client is None:
        raise RaySystemError("Ray has not been started yet. Call ray.init() first.")
    return client


def starts_by_itself() -> bool:
    """Whether a session is started where one is needed: not where the variable ``RAY_ENABLE_AUTO_CONNECT`` is 0, or
    somebody has switched it off where Ray has the switch."""
    if os.environ.get("RAY_ENABLE_AUTO_CONNECT", "") == "0":
        return False
    return bool(getattr(sys.modules.get("localray._private.auto_init_hook"), "enable_auto_connect", True))


def connected_client() -> Client:
    """The current client; starts a session where there is none and auto-init is allowed.

    Raises:
        RaySystemError: there is no session, and ``RAY_ENABLE_AUTO_CONNECT`` is 0.
    """
    client = _thread.client or _process_client
    if client is not None:
        return client
    if _handed_over_to is not None:
        raise HandedOver(_handed_over_to)
    if _start_session is not None and starts_by_itself():
        _start_session()
        if _handed_over_to is not None:
            # By an address in the environment.
            raise HandedOver(_handed_over_to)
    return require_client()


def set_session_starter(start: Callable[[], None]) -> None:
    """Say how a session is started when somebody needs one: called by `localray.session`, which stands above."""
    global _start_session
    _start_session = start


def set_process_client(client: Client | None) -> None:
    """Make this the client of every thread that has none of its own."""
    global _process_client
    _process_client = client


def thread_client() -> Client | None:
    """The calling thread's own client, if it has one."""
    return _thread.client


def set_thread_client(client: Client | None) -> None:
    """Make this the client of the calling thread: how a simulation lets many clients live in one process."""
    _thread.client = client


def _current_references() -> ReferenceTable | None:
    client = _thread.client or _process_client
    return None if client is None else client.references


set_holder_finder(_current_references)
