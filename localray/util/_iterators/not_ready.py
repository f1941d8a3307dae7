"""The mark in a stream of items that there is none yet, so that whoever asks can do something else meanwhile."""

from __future__ import annotations


class _NextValueNotReady(Exception):
    """Stands where an item is still to come. It is yielded, not raised, and each step hands it on."""


def is_not_ready(item: object) -> bool:
    """Whether this is no item, but the mark that the next one is not there yet."""
    return isinstance(item, _NextValueNotReady)
