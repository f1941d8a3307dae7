"""Noticing that one large value is passed to many calls, each of which stores a copy of it: the user should `put` it
once. Real Ray stays silent about it; its documentation calls it an anti-pattern.

Works on the bytes that travel, looked at here and there, and not on identities: whatever the type, and without keeping
anything alive. Must not live here: storing, printing.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from localray.client.layout import Serialized

WARN_AFTER_CALLS = 10
WARN_ABOVE_BYTES = 50 * 2**20
"""As much memory must have been copied to be worth a word."""

_SAMPLES = 64
_SAMPLE_BYTES = 64


class _Seen(NamedTuple):
    fingerprint: int
    calls: int


class RepeatedArguments:
    """What each function was last given that was large, and how often in a row."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._told: set[str] = set()

    def note(self, name: str, serialized: Serialized) -> str | None:
        """A call with large arguments; returns what to tell the user, once for each function."""
        if name in self._told:
            return None
        fingerprint = fingerprint_of(serialized)
        last = self._seen.get(name)
        calls = last.calls + 1 if last is not None and last.fingerprint == fingerprint else 1
        self._seen[name] = _Seen(fingerprint, calls)
        if calls < WARN_AFTER_CALLS or calls * serialized.size_bytes < WARN_ABOVE_BYTES:
            return None
        self._told.add(name)
        del self._seen[name]
        return (
            f"The same {serialized.size_bytes / 2**20:.1f} MiB of arguments were passed by value to {name} {calls} "
            "times; each call stores a copy of its own. Store it once with ref = ray.put(value) and pass ref."
        )


def fingerprint_of(serialized: Serialized) -> int:
    """A number that differs where the bytes do, in all likelihood: their lengths and samples of them.

    >>> from localray.client.serialization import serialize
    >>> fingerprint_of(serialize("x" * 1000)) == fingerprint_of(serialize("x" * 999 + "y"))
    False
    """
    crc = 0
    for piece in serialized.pieces:
        view = memoryview(piece).cast("B")
        crc = zlib.crc32(view.nbytes.to_bytes(8, "little"), crc)
        stride = max(_SAMPLE_BYTES, view.nbytes // _SAMPLES)
        for start in range(0, view.nbytes, stride):
            crc = zlib.crc32(view[start : start + _SAMPLE_BYTES], crc)
        crc = zlib.crc32(view[-_SAMPLE_BYTES:], crc)
    return crc
