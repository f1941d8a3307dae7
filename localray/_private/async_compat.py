"""`ray._private.async_compat`: which functions and classes are asynchronous."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any

from localray.absent.catalogue import missing_in


def get_new_event_loop() -> asyncio.AbstractEventLoop:
    """A new loop: Python's own. That of uvloop is not used here."""
    return asyncio.new_event_loop()


def is_async_func(func: Any) -> bool:
    """Whether a function is a coroutine function or an asynchronous generator."""
    return inspect.iscoroutinefunction(func) or inspect.isasyncgenfunction(func)


def has_async_methods(cls: object) -> bool:
    """Whether one of a class's methods is asynchronous: then its actors are."""
    return bool(inspect.getmembers(cls, predicate=is_async_func))


def sync_to_async(func: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself if it is asynchronous, else a coroutine function that calls it."""
    if is_async_func(func):
        return func

    @functools.wraps(func)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return call


__getattr__ = missing_in(__name__)

__all__ = ["get_new_event_loop", "has_async_methods", "is_async_func", "sync_to_async"]
