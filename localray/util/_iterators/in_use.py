"""Whose metrics a thread is working for: those of the local iterator that it fetches an item of. Must not live here:
what metrics are (`localray.util.iter_metrics`)."""

from __future__ import annotations

import threading

from localray.util.iter_metrics import MetricsContext


class _InUse(threading.local):
    """One for each thread: iterators of different threads run at the same time."""

    metrics: MetricsContext | None = None


in_use = _InUse()


def current_metrics() -> MetricsContext:
    """The metrics of the iterator that is running.

    Raises:
        ValueError: none is.
    """
    if in_use.metrics is None:
        raise ValueError("Cannot access context outside an iterator.")
    return in_use.metrics
