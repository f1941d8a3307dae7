"""`ray.util.register_serializer` and its kin: how instances of a class travel, and why something does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from localray.client.diagnosis import problem_with, short, trail
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


class FailureTuple:
    """What could not be serialized.

    Args:
        obj: the object at fault.
        path: names that lead to it, the name of what was looked at first.
        parent: the object that refers to it; None when it is what was looked at.
    """

    def __init__(self, obj: object, path: tuple[str, ...], parent: object) -> None:
        self.obj = obj
        self.path = path
        self.parent = parent

    @property
    def name(self) -> str:
        """The last name of the path."""
        return self.path[-1] if self.path else "unknown"

    def __repr__(self) -> str:
        what = f"path={' -> '.join(self.path)}, obj={short(self.obj)}, parent={short(self.parent)}"
        return f"FailTuple({self.name} [{what}])"


def inspect_serializability(
    base_obj: object, name: str | None = None, depth: int = 3, print_file: object = None
) -> tuple[bool, set[FailureTuple]]:
    """Find out whether something can be serialized, and what in it cannot.

    Args:
        base_obj: what to look at.
        name: what to call it in the report.
        depth: how many steps into it the search goes at most.
        print_file: where the report goes; standard output by default.

    Returns:
        Whether it can, and the innermost part at fault that was found.

    Example:
        >>> import os
        >>> with open(os.devnull, "w") as nowhere:
        ...     inspect_serializability([1, 2], print_file=nowhere)
        (True, set())
    """
    title = f"Checking Serializability of {short(base_obj)}"
    line = "=" * min(len(title), 80)
    lines = [line, title, line]
    problem = problem_with(base_obj)
    if problem is None:
        _print(lines, print_file)
        return True, set()
    lines.append(f"!!! FAIL serialization: {problem}")
    steps = trail(base_obj, depth)
    for level, step in enumerate(steps, 1):
        lines.append(f"{'    ' * level}Serializing '{step.name}' {short(step.part)}...")
        lines.append(f"{'    ' * level}!!! FAIL serialization: {problem_with(step.part)}")
    parents = [base_obj, *(step.part for step in steps)]
    path = (*(() if name is None else (name,)), *(step.name for step in steps))
    failure = FailureTuple(parents[-1], path, parents[-2] if steps else None)
    lines += [
        line,
        f"Variable: \n\n\t{failure}\n",
        "was found to be non-serializable. There may be others.",
        "Make it inside the function or class that is sent, or leave it out of what it captures.",
        line,
    ]
    _print(lines, print_file)
    return False, {failure}


def _print(lines: list[str], print_file: object) -> None:
    print("\n".join(lines), file=print_file)  # type: ignore[call-overload]


if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)
