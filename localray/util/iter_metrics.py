"""`ray.util.iter_metrics`: what the steps of one local iterator count and note, in a place that all of them reach.

Must not live here: which iterator is running at the moment (`localray.util._iterators.in_use`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from localray.util.annotations import Deprecated
from localray.util.timer import _Timer


class MetricsContext:
    """The metrics of a local iterator. Its functions get them by `LocalIterator.get_metrics()`.

    ``counters`` are numbers that grow, ``timers`` measure blocks, ``info`` is for anything else, and
    ``current_actor`` is the actor that the item at hand came from, where `gather_async` has read it.

    Example:
        >>> metrics = MetricsContext()
        >>> metrics.counters["items"] += 2
        >>> metrics.save()
        {'counters': {'items': 2}, 'info': {}, 'timers': None}
    """

    def __init__(self) -> None:
        self.counters: defaultdict[Any, int] = defaultdict(int)
        self.timers: defaultdict[Any, _Timer] = defaultdict(_Timer)
        self.info: dict[Any, Any] = {}
        self.current_actor: Any = None

    def save(self) -> dict[str, Any]:
        """Counters and notes, to be restored later; timers are not kept."""
        return {"counters": dict(self.counters), "info": dict(self.info), "timers": None}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Be what `save` has returned; timers start anew."""
        self.counters.clear()
        self.counters.update(values["counters"])
        self.timers.clear()
        self.info = dict(values["info"])


class SharedMetrics:
    """Where an iterator looks for its metrics: a union points all that it is made of to one place.

    Args:
        metrics: the metrics; new ones if there are none.
        parents: who has the same metrics from now on.
    """

    def __init__(self, metrics: MetricsContext | None = None, parents: Sequence[SharedMetrics] | None = None) -> None:
        self.metrics = metrics or MetricsContext()
        self.parents = list(parents or ())
        self.set(self.metrics)

    def set(self, metrics: MetricsContext) -> None:
        """Use these metrics, here and in all parents."""
        self.metrics = metrics
        for parent in self.parents:
            parent.set(metrics)

    def get(self) -> MetricsContext:
        """The metrics."""
        return self.metrics


for _marked in (MetricsContext, SharedMetrics):
    Deprecated(_marked)  # Not as a decorator: what that returns has no type.
