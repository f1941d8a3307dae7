"""The functions and classes that a worker has been sent, each unpickled at its first use.

Must not live here: how they are made and sent (`localray.client.definitions`), calling them.
"""

from __future__ import annotations

from collections.abc import Callable

from localray.client.serialization import deserialize
from localray.exceptions import RaySystemError
from localray.protocol import DefineFunction


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
