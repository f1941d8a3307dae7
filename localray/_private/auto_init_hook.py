"""`ray._private.auto_init_hook`: starting a session with the first call that needs one."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from localray.absent.catalogue import missing_in
from localray.session import init, is_initialized

P = ParamSpec("P")
R = TypeVar("R")
auto_init_lock = threading.Lock()
enable_auto_connect = os.environ.get("RAY_ENABLE_AUTO_CONNECT", "") != "0"


def auto_init_ray() -> None:
    """Start a session, unless there is one or ``RAY_ENABLE_AUTO_CONNECT`` is 0."""
    if enable_auto_connect and not is_initialized():
        with auto_init_lock:
            if not is_initialized():
                init()


def wrap_auto_init(fn: Callable[P, R]) -> Callable[P, R]:
    """A decorator: the first call starts a session."""

    @functools.wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        auto_init_ray()
        return fn(*args, **kwargs)

    return call


__getattr__ = missing_in(__name__)

__all__ = ["auto_init_lock", "auto_init_ray", "enable_auto_connect", "wrap_auto_init"]
