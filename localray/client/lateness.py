"""What a `get` says whose time is over: how much is missing, and why the first of it is.

Must not live here: waiting (`gets`), finding out why (`localray.kernel.pending`).
"""

from __future__ import annotations

from collections.abc import Callable

from localray.exceptions import RayError

EXPLAINED_FROM_S = 1.0
"""Whoever waits for less looks in again and again, and should not pay for an explanation each time."""
ASKED_FOR_S = 0.5
"""Whoever has set a time is not kept much longer: a head that does not answer may be why there is no value."""
_THERE = ("It is ready", "It has failed")
"""So begins what is said of something that has come meanwhile."""


def explain(why: Callable[[], object], missing: int, asked: int, timeout_s: float) -> str:
    """The text of the `GetTimeoutError`.

    Args:
        why: asks the kernel why the first that is missing is not there.
        missing, asked: numbers of objects.
        timeout_s: for how long they were waited for, in seconds.
    """
    late = f"{missing} of {asked} object(s) not ready" if asked > 1 else "the object is not ready"
    text = f"Get timed out: {late} after {timeout_s:g} s. Nothing was cancelled: a later get may succeed."
    if timeout_s < EXPLAINED_FROM_S:
        return text
    try:
        reason = why()
    except (RayError, ConnectionError):
        # The session ends in this moment: that it is late is still what has happened.
        return text
    return f"{text}\n{reason}" if isinstance(reason, str) and not reason.startswith(_THERE) else text
