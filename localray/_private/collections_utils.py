"""`ray._private.collections_utils`: lists in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def split(items: list[T], chunk_size: int) -> Iterator[list[T]]:
    """A list in pieces of this length; the last may be shorter.

    Raises:
        AssertionError: they are to have no length.
    """
    assert chunk_size > 0, "Chunk size has to be > 0"
    for start in range(0, len(items), chunk_size):
        yield items[start : start + chunk_size]
