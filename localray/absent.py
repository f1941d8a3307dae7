"""Names of Ray that mean nothing on one machine, but that programs import beside those which they need: they can be
imported, and say why they are not there when they are called. Must not live here: which names those are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn


def absences(module: str, reasons: Mapping[str, str]) -> Callable[[str], type]:
    """A module's ``__getattr__`` that knows such names.

    Args:
        module: its name.
        reasons: why something is not there, and the names of what is not, with spaces between.

    Example:
        >>> take = absences("testing", {"There is no Redis here.": "start_redis stop_redis"})
        >>> take("start_redis")(port=1)
        Traceback (most recent call last):
        NotImplementedError: start_redis: There is no Redis here.
    """
    known = {name: reason for reason, names in reasons.items() for name in names.split()}

    def take(name: str) -> type:
        if name not in known:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")

        def refuse(*args: object, **kwargs: object) -> NoReturn:
            raise NotImplementedError(f"{name}: {known[name]}")

        return type(name, (), {"__new__": refuse, "__module__": module, "__doc__": f"Not here. {known[name]}"})

    return take
