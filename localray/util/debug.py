"""`ray.util.debug`: telling something once per process."""

from __future__ import annotations

import time

from localray.absent.catalogue import missing_in

_PERIOD_S = 60.0


class _Log:
    """What has been told."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.disabled = False
        self.periodic = False
        self.last_told_s = 0.0


_log = _Log()


def log_once(key: str) -> bool:
    """Whether this is the first call with this key in this process: then it is time to tell.

    >>> log_once("an example"), log_once("an example")
    (True, False)
    """
    if _log.disabled:
        return False
    if key not in _log.keys:
        _log.keys.add(key)
        _log.last_told_s = time.time()
        return True
    if _log.periodic and time.time() - _log.last_told_s > _PERIOD_S:
        _log.keys.clear()
        _log.last_told_s = time.time()
    return False


def disable_log_once_globally() -> None:
    """Make `log_once` False from now on."""
    _log.disabled = True


def enable_periodic_logging() -> None:
    """Let everything be told again when nothing has been for a minute."""
    _log.periodic = True


def reset_log_once(key: str | None = None) -> None:
    """Forget that this key, or all of them, have been told."""
    if key is None:
        _log.keys.clear()
    else:
        _log.keys.discard(key)


__getattr__ = missing_in(__name__)
