"""What a policy may know: nodes, read-only. The kernel's records are such nodes, and so are the plain ones of tests.

Must not live here: policies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class NodeView(Protocol):
    """One node. ``number`` counts nodes in the order they joined and breaks ties; one that is ``draining`` lives and
    gets nothing new; ``gpu_free`` is what is free of each device."""

    @property
    def number(self) -> int: ...
    @property
    def node_id(self) -> bytes: ...
    @property
    def alive(self) -> bool: ...
    @property
    def draining(self) -> bool: ...
    @property
    def total(self) -> Mapping[str, int]: ...
    @property
    def available(self) -> Mapping[str, int]: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def gpu_free(self) -> Sequence[int]: ...


class Dice(Protocol):
    """Seeded dice; a policy has none of its own."""

    def randrange(self, stop: int, /) -> int:
        """A number from 0 up to, not including, ``stop``."""
        ...
