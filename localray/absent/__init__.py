"""Names of Ray that mean nothing on one machine, but that programs import beside those which they need: they can be
imported, and say why they are not there when they are used. Must not live here: which names those are
(`localray.absent.catalogue`, or the module itself)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_MARK = "__why_absent__"


class _Absent(type):
    """The class of stand-ins: what is looked for in them is not there either, and the error says why."""

    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"{cls.__name__}.{name}: {getattr(cls, _MARK)}")


def stand_in(module: str, name: str, reason: str, members: Mapping[str, object] | None = None) -> type:
    """A class in the place of something that is not here: it can be imported, named as a base and passed around.

    Args:
        module: where it is looked for.
        name: what it is called there.
        reason: why it is not there, and what to use.
        members: what can be looked at in it all the same.

    Example:
        >>> stand_in("testing", "start_redis", "There is no Redis here.")(port=1)
        Traceback (most recent call last):
        NotImplementedError: start_redis: There is no Redis here.
    """

    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError(f"{name}: {reason}")

    own = {"__new__": refuse, "__module__": module, "__doc__": f"Not here. {reason}", _MARK: reason}
    return _Absent(name, (), {**(members or {}), **own})


def is_stand_in(value: object) -> bool:
    """Whether this stands in for something that is not here."""
    return isinstance(value, _Absent)


class Finder:
    """Finds modules of Ray that are not here: what `sys.meta_path` asks last. They are full of stand-ins."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """A spec, or None where Ray has no such module either."""
        if not fullname.startswith("localray."):
            return None
        from localray.absent.catalogue import spec_of

        return spec_of(fullname)
