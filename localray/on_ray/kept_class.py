"""The class of a checkpointed actor as real Ray sees it: the user's methods, each of them saved.

It has the user's object instead of being one, so that methods that call each other are one call. Must not live here:
what saving means (`localray.on_ray.saving`), creating actors (`localray.on_ray.actor_class`).
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from localray.on_ray.saving import Saving, is_async

_OWN = ("_instance", "_saving")


class Kept:
    """What all such classes have in common.

    Args:
        rule: the keeper's name and namespace, and after how many calls and seconds a checkpoint is due. Not its handle:
            Ray would warn that it must not be lost.
    """

    _class: type

    def __init__(self, rule: tuple[tuple[str, str], int, float], *args: Any, **kwargs: Any) -> None:
        import ray

        (name, namespace), every_calls, period_s = rule
        keeper = ray.get_actor(name, namespace=namespace)
        self._instance = self._class(*args, **kwargs)
        self._saving = Saving(keeper, self._instance, every_calls, period_s)

    def __ray_shutdown__(self) -> None:
        try:
            end = getattr(self._instance, "__ray_shutdown__", None)
            if end is not None:
                end()
        finally:
            self._saving.leave()

    # For `__ray_call__`, whose function gets this object. Ray makes objects of subclasses that are no actors.
    def __getattr__(self, name: str) -> Any:
        if name in _OWN:
            raise AttributeError(name)
        return getattr(self._instance, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _OWN and "_instance" in vars(self):
            setattr(self._instance, name, value)
        else:
            object.__setattr__(self, name, value)


def kept_class(cls: type) -> type:
    """The class that Ray is given for a class that defines ``checkpoint`` and ``restore``."""
    members = {
        name: member
        for name, member in inspect.getmembers(
            cls, lambda member: inspect.isfunction(member) or inspect.ismethod(member)
        )
        if not name.startswith("__") or name == "__call__"
    }
    is_asyncio = any(is_async(member) for member in members.values())
    methods: dict[str, object] = {
        name: _like(cls, member, _method(name, member, is_asyncio)) for name, member in members.items()
    }
    if "__repr__" in vars(cls):
        methods["__repr__"] = lambda kept: repr(kept._instance)
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls.__name__, (Kept,), {"_class": cls, **names, **methods})


def _method(name: str, member: object, is_asyncio: bool) -> Callable[..., Any]:
    """A method of that name that saves the call, of the kind that Ray expects."""
    yields = inspect.isgeneratorfunction(member) or inspect.isasyncgenfunction(member)
    if is_asyncio and yields:

        async def stream_async(kept: Any, *args: Any, **kwargs: Any) -> AsyncIterator[object]:
            async for item in kept._saving.stream_async(name, args, kwargs):
                yield item

        return stream_async
    if is_asyncio:

        async def run_async(kept: Any, *args: Any, **kwargs: Any) -> object:
            return await kept._saving.run_async(name, args, kwargs)

        return run_async
    if yields:

        def stream(kept: Any, *args: Any, **kwargs: Any) -> Iterator[object]:
            yield from kept._saving.stream(name, args, kwargs)

        return stream

    def run(kept: Any, *args: Any, **kwargs: Any) -> object:
        return kept._saving.run(name, args, kwargs)

    return run


def _like(cls: type, member: Any, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method with the name, the signature and the options (`ray.method`) of the user's."""
    signature = inspect.signature(member)
    if inspect.ismethod(member) or isinstance(inspect.getattr_static(cls, member.__name__, None), staticmethod):
        kept = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        signature = signature.replace(parameters=[kept, *signature.parameters.values()])
    method.__name__, method.__qualname__, method.__doc__ = member.__name__, member.__qualname__, member.__doc__
    method.__dict__.update(getattr(member, "__dict__", {}))
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method
