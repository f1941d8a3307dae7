"""Enumerations of protocol buffers: numbers and names that tests compare with. Must not live here: which there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace


@dataclass(frozen=True)
class Enumeration:
    """Names and their numbers; each name is an attribute, too. As Ray's are, without protocol buffers.

    Example:
        >>> status = Enumeration("TaskStatus", {"NIL": 0, "RUNNING": 7})
        >>> status.RUNNING, status.Name(0), status.Value("RUNNING"), status.keys()
        (7, 'NIL', 7, ['NIL', 'RUNNING'])
    """

    name: str
    numbers: Mapping[str, int]

    def Name(self, number: int) -> str:
        """The first name of a number.

        Raises:
            TypeError: this is no number.
            ValueError: no name has it.
        """
        if not isinstance(number, int):
            raise TypeError(f"Enum value for {self.name} must be an int, but got {type(number)} {number!r}.")
        for name, value in self.numbers.items():
            if value == number:
                return name
        raise ValueError(f"Enum {self.name} has no name defined for value {number!r}")

    def Value(self, name: str) -> int:
        """The number of a name.

        Raises:
            ValueError: there is no such name.
        """
        if name not in self.numbers:
            raise ValueError(f"Enum {self.name} has no value defined for name {name!r}")
        return self.numbers[name]

    def keys(self) -> list[str]:
        """All names."""
        return list(self.numbers)

    def values(self) -> list[int]:
        """All numbers."""
        return list(self.numbers.values())

    def items(self) -> list[tuple[str, int]]:
        """Names with their numbers."""
        return list(self.numbers.items())

    @property
    def DESCRIPTOR(self) -> SimpleNamespace:
        """The name, and entries by names and by numbers."""
        entries = [
            SimpleNamespace(name=name, number=number, index=at) for at, (name, number) in enumerate(self.items())
        ]
        return SimpleNamespace(
            name=self.name,
            values=entries,
            values_by_name={entry.name: entry for entry in entries},
            values_by_number={entry.number: entry for entry in reversed(entries)},
        )

    def __getattr__(self, name: str) -> int:
        if name.startswith("__") or name not in self.numbers:
            raise AttributeError(f"Enum {self.__dict__.get('name')} has no value {name!r}")
        return self.numbers[name]
