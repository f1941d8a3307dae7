"""Which actors checkpoint themselves, and how often: found by looking at the class and the options. Must not live here:
taking checkpoints (`localray.client.checkpoints`, `localray.on_ray`)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from localray.options.rules import checkpoint_interval
from localray.protocol import NOT_CHECKPOINTED

if TYPE_CHECKING:
    from datetime import timedelta

INTERVAL = "checkpoint_interval"


def checkpoint_rule(cls: type, options: Mapping[str, object]) -> tuple[int, float]:
    """After how many calls an actor checkpoints itself, and after how many seconds if that is not 0.

    It does if its class defines ``checkpoint(self)`` and ``restore(self, state)``, and it may be restarted: after each
    call, unless ``checkpoint_interval``, an attribute of the class or an option of the actor, says otherwise.

    Args:
        cls: the user's class.
        options: of the actor, checked.

    Raises:
        ValueError: an interval is given for an actor that cannot checkpoint itself, or is not positive.
        TypeError: the class's interval is neither a number nor a timedelta.
    """
    chosen = options.get(INTERVAL)
    interval = getattr(cls, INTERVAL, None) if chosen is None else chosen
    if not can_checkpoint(cls):
        if chosen is not None:
            raise ValueError(
                f"{INTERVAL} is for classes that define checkpoint(self) and restore(self, state), neither of them a "
                f"coroutine; {cls.__name__} does not."
            )
        return NOT_CHECKPOINTED, 0.0
    if options.get("max_restarts") in (None, 0):
        if chosen is not None:
            raise ValueError(f"{INTERVAL} has no effect on an actor that is never restarted: set max_restarts too.")
        return NOT_CHECKPOINTED, 0.0
    problem = checkpoint_interval(INTERVAL, interval)
    if problem:
        raise ValueError(problem)
    if interval is None:
        return 1, 0.0
    if isinstance(interval, int):
        return interval, 0.0
    return 0, float(cast("timedelta", interval).total_seconds())


def can_checkpoint(cls: type) -> bool:
    """Whether a class defines ``checkpoint(self)`` and ``restore(self, state)``."""
    return _takes(cls, "checkpoint", 0) and _takes(cls, "restore", 1)


def _takes(cls: type, name: str, count: int) -> bool:
    """Whether a class has an ordinary method that can be called with so many arguments besides ``self``."""
    function = getattr(cls, name, None)
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        return False
    try:
        inspect.signature(function).bind(*range(count + 1))
    except TypeError:
        return False
    return True
