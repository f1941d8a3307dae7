"""`ray._common.deprecation`: saying that something will go, in the log or as an error."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

from localray.absent.catalogue import missing_in
from localray.util import log_once

DEPRECATED_VALUE = -1
"""What a setting has that nobody has set and nobody should."""
_log = logging.getLogger(__name__)


def deprecation_warning(
    old: str,
    new: str | None = None,
    *,
    help: str | None = None,
    error: bool | type[Exception] | None = None,
    stacklevel: int = 2,
) -> None:
    """Warn that something is deprecated.

    Args:
        old: what.
        new: what to use instead.
        help: what to do instead, if that is not one thing.
        error: raise instead of logging: True for a `ValueError`, or an exception's class.
        stacklevel: how far above the call to point at is, as `warnings.warn` has it.

    Raises:
        Exception: that was asked for.
    """
    advice = f" Use `{new}` instead." if new else f" {help}" if help else ""
    text = f"`{old}` has been deprecated.{advice}"
    if error:
        raise (error if inspect.isclass(error) and issubclass(error, Exception) else ValueError)(text)
    _log.warning(f"DeprecationWarning: {text} This will raise an error in the future!", stacklevel=stacklevel)


def Deprecated(
    old: str | None = None,
    *,
    new: str | None = None,
    help: str | None = None,
    error: bool | type[Exception],
) -> Callable[[Any], Any]:
    """A decorator for a class, a method or a function: the first use is warned of, or each is an error.

    Args:
        old, new, help, error: as for `deprecation_warning`; by default it is called by its own name.
    """

    def decorate(thing: Any) -> Any:
        name = old or thing.__name__

        def warn() -> None:
            if log_once(name):
                deprecation_warning(old=name, new=new, help=help, error=error, stacklevel=4)

        if inspect.isclass(thing):
            make = thing.__init__

            @functools.wraps(make)
            def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
                warn()
                make(self, *args, **kwargs)

            setattr(thing, "__init__", __init__)  # noqa: B010 - type checkers know better
            return thing

        @functools.wraps(thing)
        def call(*args: Any, **kwargs: Any) -> Any:
            warn()
            return thing(*args, **kwargs)

        return call

    return decorate


__getattr__ = missing_in(__name__)

__all__ = ["DEPRECATED_VALUE", "Deprecated", "deprecation_warning"]
