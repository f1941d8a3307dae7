"""Coroutine functions as tasks, for who asks for them: Ray refuses `async def` at the decorator.

A task made of one runs it on an event loop of its own; while it awaits references its CPU is lent out, as it is while
others wait in `get`. Must not live here: asyncio actors (`localray.client.asyncio_actor`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any

_allowed = False


def allow_async_tasks(allowed: bool = True) -> None:
    """From now on `@ray.remote` takes coroutine functions in this process. Programs that use them do not run on Ray.

    Example:
        >>> localray.allow_async_tasks()                    # doctest: +SKIP
        >>> @localray.remote                                # doctest: +SKIP
        ... async def total(refs):
        ...     return sum(await asyncio.gather(*refs))
    """
    global _allowed
    _allowed = allowed


def are_allowed() -> bool:
    """Whether they are."""
    return _allowed


def as_task(function: Callable[..., Coroutine[Any, Any, object]]) -> Callable[..., object]:
    """An ordinary function that runs a coroutine function to its end."""

    @functools.wraps(function)
    def run(*args: object, **kwargs: object) -> object:
        import asyncio

        from localray.client.current import require_client

        completions = require_client().completions
        completions.lends = True
        try:
            return asyncio.run(function(*args, **kwargs))
        finally:
            completions.lends = False

    return run
