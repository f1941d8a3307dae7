"""`ray._private.client_mode_hook`: Ray's switch between a driver and a client of one. Every driver here is a driver, so
it is off, and the decorators change nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from localray.absent.catalogue import missing_in

is_client_mode_enabled = False
is_client_mode_enabled_by_default = False
_F = TypeVar("_F", bound=Callable[..., Any])


def client_mode_should_convert() -> bool:
    """Whether calls go to a client's server: they never do."""
    return False


def client_mode_hook(func: _F | None = None, *, local_only_kwargs: tuple[str, ...] = ()) -> Any:
    """The function itself."""
    return func if func is not None else lambda decorated: decorated


def client_mode_wrap(func: _F) -> _F:
    """The function itself."""
    return func


@contextlib.contextmanager
def disable_client_hook() -> Iterator[None]:
    """Be a driver for a while, as always."""
    yield


@contextlib.contextmanager
def enable_client_mode() -> Iterator[None]:
    """Be a client of a driver for a while.

    Raises:
        NotImplementedError: there are none here.
    """
    raise NotImplementedError("There is no Ray Client here: several programs share a session by ray.init(address=…).")
    yield


__getattr__ = missing_in(__name__)
