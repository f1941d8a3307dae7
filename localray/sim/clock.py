"""The virtual clock: integer nanoseconds since the start of the simulation, so that no rounding depends on how long it
has run.

Must not live here: who moves it (`localray.sim.carriers`), who reads it instead of the real ones
(`localray.sim.patches`)."""

from __future__ import annotations

from typing import Final

NANOSECONDS: Final = 1_000_000_000
EPOCH_NS: Final = 1_704_067_200 * NANOSECONDS
"""What `time.time_ns()` says at the start: 2024-01-01 00:00 UTC, in every simulation."""
MONOTONIC_START_NS: Final = 1000 * NANOSECONDS
"""What `time.monotonic_ns()` says at the start; not zero, which would hide programs that mix clocks."""


def to_ns(seconds: float) -> int:
    """Seconds as nanoseconds, rounded up: what waits for a moment must not wake before it."""
    scaled = seconds * NANOSECONDS
    whole = int(scaled)
    return whole + 1 if scaled > whole else whole


class VirtualClock:
    """The time of one simulation."""

    __slots__ = ("now_ns",)

    def __init__(self) -> None:
        self.now_ns = 0

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return self.now_ns / NANOSECONDS


class VirtualClockSince:
    """The time of one simulation, counted from some moment of it."""

    __slots__ = ("_clock", "_origin_ns")

    def __init__(self, clock: VirtualClock, origin_ns: int) -> None:
        self._clock = clock
        self._origin_ns = origin_ns

    @property
    def now_ns(self) -> int:
        """Nanoseconds since then."""
        return self._clock.now_ns - self._origin_ns
