"""`ray._common.retry`: calling something again when it fails for a reason that may pass."""

from __future__ import annotations

import functools
import logging
import random
import re
import time
import traceback
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from localray.absent.catalogue import missing_in

P = ParamSpec("P")
R = TypeVar("R")
_JITTER = 0.2
_log = logging.getLogger(__name__)


def format_exception(exc: BaseException, include_cause: bool = False) -> str:
    """An exception as ``Class: message``.

    Args:
        exc: the exception.
        include_cause: let what it was raised from follow.

    Example:
        >>> format_exception(ValueError("no"))
        'ValueError: no'
    """
    chain = [exc, exc.__cause__] if include_cause and exc.__cause__ is not None else [exc]
    return " ".join("".join(traceback.format_exception_only(each)).rstrip("\n") for each in chain if each is not None)


def matches_error(pattern: str, error_str: str) -> bool:
    """Whether a text has this in it, or something that this regular expression describes."""
    if pattern in error_str:
        return True
    try:
        return re.search(pattern, error_str) is not None
    except re.error:
        return False  # It is no regular expression, and the text was not there.


def call_with_retry(
    f: Callable[P, R],
    description: str,
    match: Sequence[str] | None = None,
    max_attempts: int = 10,
    max_backoff_s: int = 32,
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Call a function, and again while it fails: after 1, 2, 4 ... seconds, more or less.

    Args:
        f: the function.
        description: what it does, such as "open the file"; for the log.
        match: only errors that match one of these (`matches_error`) are worth another attempt; all by default.
        max_attempts: how many calls there may be.
        max_backoff_s: the longest pause, in seconds.
        args, kwargs: for the function.

    Returns:
        What it returned at last.

    Raises:
        Exception: that of the last attempt, or one that does not match.
    """
    assert max_attempts >= 1, f"`max_attempts` must be positive. Got {max_attempts}."
    attempt = 1
    while True:
        try:
            return f(*args, **kwargs)
        except Exception as error:
            text = format_exception(error)
            is_worth_it = match is None or any(matches_error(pattern, text) for pattern in match)
            if not is_worth_it or attempt == max_attempts:
                _log.debug("Failed to %s in %d attempts: %s", description, attempt, text)
                raise error from None
        pause_s = min(2 ** (attempt - 1), max_backoff_s) * random.uniform(1 - _JITTER, 1 + _JITTER)
        _log.debug("Attempt %d to %s failed; the next in %.1f s.", attempt, description, pause_s)
        time.sleep(pause_s)
        attempt += 1


def retry(
    description: str, match: Sequence[str] | None = None, max_attempts: int = 10, max_backoff_s: int = 32
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: calls go through `call_with_retry`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return call_with_retry(function, description, match, max_attempts, max_backoff_s, *args, **kwargs)

        return call

    return decorate


__getattr__ = missing_in(__name__)

__all__ = ["call_with_retry", "format_exception", "matches_error", "retry"]
