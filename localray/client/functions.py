"""The functions and classes that a worker has been sent, each unpickled at its first use.

Must not live here: how they are made and sent (`localray.client.definitions`), calling them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from localray.client.serialization import deserialize
from localray.exceptions import RaySystemError
from localray.protocol import DefineFunction


def method_of(instance: object, name: str) -> Callable[..., object]:
    """A method of an actor, bound to it: its class's, as in Ray, whatever the actor has stored under that name.

    >>> class Light:
    ...     def on(self) -> str:
    ...         return "a method"
    >>> light = Light()
    >>> light.on = True
    >>> method_of(light, "on")()
    'a method'
    """
    if name in getattr(instance, "__dict__", ()):
        cls = type(instance)
        stored = inspect.getattr_static(cls, name, None)
        if hasattr(stored, "__get__"):
            return stored.__get__(instance, cls)  # type: ignore[no-any-return]
    return getattr(instance, name)  # type: ignore[no-any-return]


class Functions:
    """Those of one worker."""

    def __init__(self) -> None:
        self._definitions: dict[bytes, DefineFunction] = {}
        self._loaded: dict[bytes, Callable[..., object]] = {}

    def define(self, message: DefineFunction) -> None:
        """One more has come."""
        self._definitions[message.function_id] = message

    def load(self, function_id: bytes) -> Callable[..., object]:
        """The function or class itself.

        Raises:
            RaySystemError: it cannot be unpickled here.
        """
        function = self._loaded.get(function_id)
        if function is None:
            definition = self._definitions[function_id]
            try:
                function = deserialize(definition.blob)  # type: ignore[assignment]
            except Exception as error:
                raise RaySystemError(
                    f"{definition.name} could not be loaded in the worker: {type(error).__name__}: {error}. "
                    "A module it needs must be importable from the driver's sys.path."
                ) from error
            self._loaded[function_id] = function  # type: ignore[assignment]
        return function  # type: ignore[return-value]
