"""`ray.util.timer`: how long a block of code takes, on average over its last runs. Must not live here: what is timed,
and who reads it (`localray.util.iter_metrics`)."""

from __future__ import annotations

import time
from types import TracebackType


class _Timer:
    """Measures a block that is entered again and again.

    Args:
        window_size: how many of the last runs the averages are over.

    Example:
        >>> timer = _Timer(window_size=2)
        >>> for duration_s in (9.0, 1.0, 3.0):
        ...     timer.push(duration_s)
        >>> timer.mean, timer.count
        (2.0, 3)
    """

    def __init__(self, window_size: int = 10) -> None:
        self._window_size = window_size
        self._samples: list[float] = []
        self._units_processed: list[float] = []
        self._start_time: float | None = None
        self._total_time = 0.0
        self.count = 0

    def __enter__(self) -> None:
        assert self._start_time is None, "a timer measures one run at a time"
        self._start_time = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._start_time is not None, "a timer is left that was not entered"
        self.push(time.monotonic() - self._start_time)
        self._start_time = None

    def push(self, time_delta: float) -> None:
        """Take a run of so many seconds into account, one that was measured elsewhere, too."""
        self.count += 1
        self._total_time += time_delta
        self._keep(self._samples, time_delta)

    def push_units_processed(self, n: float) -> None:
        """Say how much the last run has done."""
        self._keep(self._units_processed, n)

    def has_units_processed(self) -> bool:
        """Whether anybody has said how much a run has done."""
        return bool(self._units_processed)

    def _keep(self, window: list[float], value: float) -> None:
        window.append(value)
        del window[: -self._window_size]

    @property
    def mean(self) -> float:
        """Seconds of a run; 0 when there was none."""
        return _mean(self._samples)

    @property
    def mean_units_processed(self) -> float:
        """What a run does; 0 when nobody has said."""
        return _mean(self._units_processed)

    @property
    def mean_throughput(self) -> float:
        """What is done in a second; 0 when no time has passed."""
        duration_s = sum(self._samples)
        return sum(self._units_processed) / duration_s if duration_s else 0.0


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
