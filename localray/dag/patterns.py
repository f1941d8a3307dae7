"""Arguments with holes: finding the nodes that hang anywhere in a value, and making the value anew with other things
in their places.

A value is taken apart by the pickler, which reaches whatever a task's arguments may be made of: containers, attributes
of objects, closures. Must not live here: what a node is (whoever asks says which things are holes).
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle

from localray.object_ref import Reference


class _Picker(cloudpickle.Pickler):  # type: ignore[misc]
    """Takes a value apart; holes, references and handles are kept as they are."""

    def __init__(self, file: io.BytesIO, is_hole: Callable[[object], bool], buffers: list[pickle.PickleBuffer]) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffers.append)
        self.holes: list[Any] = []
        self.kept: list[Any] = []
        self._is_hole = is_hole

    def persistent_id(self, value: Any) -> tuple[bool, int] | None:
        if self._is_hole(value):
            return True, _place(self.holes, value)
        # A reference that is pickled by itself would be counted for ever.
        return (False, _place(self.kept, value)) if isinstance(value, Reference) else None


def _place(known: list[Any], value: object) -> int:
    for place, each in enumerate(known):
        if each is value:
            return place
    known.append(value)
    return len(known) - 1


class _Filler(pickle.Unpickler):
    def __init__(
        self, file: io.BytesIO, buffers: list[pickle.PickleBuffer], lookup: Callable[[bool, int], Any]
    ) -> None:
        super().__init__(file, buffers=buffers)
        self._lookup = lookup

    def persistent_load(self, pid: tuple[bool, int]) -> Any:
        return self._lookup(*pid)


class Pattern:
    """A value with holes in it.

    Args:
        value: anything that can be an argument of a task.
        is_hole: tells what is to be replaced.

    Raises:
        Exception: whatever pickling the value raises.

    Example:
        >>> pattern = Pattern({"a": [1, ...], "b": ...}, lambda each: each is ...)
        >>> pattern.holes, pattern.fill(lambda hole: 7)
        ([Ellipsis], {'a': [1, 7], 'b': 7})
    """

    def __init__(self, value: Any, is_hole: Callable[[object], bool]) -> None:
        file = io.BytesIO()
        self._buffers: list[pickle.PickleBuffer] = []
        picker = _Picker(file, is_hole, self._buffers)
        picker.dump(value)
        self.holes = picker.holes
        self._kept = picker.kept
        self._pickled = file.getvalue()

    def fill(self, replace: Callable[[Any], object]) -> Any:
        """The value with what `replace` gives for each hole in its places."""
        filled = [replace(hole) for hole in self.holes]
        lookup = lambda is_hole, place: (filled if is_hole else self._kept)[place]  # noqa: E731
        return _Filler(io.BytesIO(self._pickled), self._buffers, lookup).load()
