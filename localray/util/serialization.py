"""`ray.util.register_serializer` and its kin: how instances of a class travel, and why something does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from localray.client.diagnosis import locate, problem_with, report
from localray.client.serialization import deregister_custom, register_custom


def register_serializer(
    cls: type, *, serializer: Callable[[object], object], deserializer: Callable[[object], object]
) -> None:
    """Serialize instances of exactly this class with these functions, in this process, from now on.

    Args:
        cls: the class; subclasses are not concerned.
        serializer: turns an instance into something that can be pickled.
        deserializer: the inverse; it travels with each value, so that workers need no registration.
    """
    register_custom(cls, serializer, deserializer)


def deregister_serializer(cls: type) -> None:
    """Undo `register_serializer`; nothing happens if there is none."""
    deregister_custom(cls)


@dataclass(frozen=True)
class FailureTuple:
    """What could not be serialized: the object, what it is called, and in what it was found."""

    obj: object
    name: str
    parent: object

    def __hash__(self) -> int:
        return hash((id(self.obj), self.name))


def inspect_serializability(
    base_obj: object, name: str | None = None, depth: int = 3, print_file: object = None
) -> tuple[bool, set[FailureTuple]]:
    """Find out whether something can be serialized, and what in it cannot.

    Args:
        base_obj: what to look at.
        name: what to call it in the report.
        depth: accepted; the search always goes to the innermost part at fault.
        print_file: where the report goes; standard output by default.

    Returns:
        Whether it can, and the parts at fault.

    Example:
        >>> inspect_serializability([1, 2])
        (True, set())
    """
    if problem_with(base_obj) is None:
        return True, set()
    label = name or str(getattr(base_obj, "__name__", type(base_obj).__name__))
    print(report(base_obj, label), file=print_file)  # type: ignore[call-overload]
    path, culprit = locate(base_obj, label)
    leaf = path.rsplit("'", 2)[-2] if path.endswith("'") else path.rsplit(".", 1)[-1]
    return False, {FailureTuple(culprit, leaf, base_obj)}
