"""What it means to survive: a call may fail with an error meant for users, never with a lost head or a timeout."""

from __future__ import annotations

from collections.abc import Callable
from pickle import PicklingError

from localray.exceptions import RayError

DEADLINE_S = 30
LONE_SURROGATE = "\ud800"


_FOR_USERS = (
    ValueError, TypeError, OverflowError, AssertionError, AttributeError, RayError, KeyError, MemoryError,
    # What cloudpickle makes of a RecursionError; as in Ray it is raised as it is.
    PicklingError,
)  # fmt: skip


def survive(call: Callable[[], object]) -> BaseException | None:
    """Call; returns what was raised. Only an error meant for users is allowed, never a lost head or a timeout."""
    try:
        call()
    except _FOR_USERS as error:
        assert "head process" not in str(error), error
        return error
    return None
