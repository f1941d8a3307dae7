"""`ray.util.iter`: streams of items that actors make and work on in parallel, and that one process reads. Deprecated
in Ray.

The names users take; what stands behind them lives in `localray.util._iterators`.
"""

from __future__ import annotations

from localray.util._iterators.joining import _randomized_int_cast as _randomized_int_cast
from localray.util._iterators.local import LocalIterator
from localray.util._iterators.not_ready import _NextValueNotReady as _NextValueNotReady
from localray.util._iterators.parallel import ParallelIterator
from localray.util._iterators.parallel import _ActorSet as _ActorSet
from localray.util._iterators.sources import from_actors, from_items, from_iterators, from_range
from localray.util._iterators.worker import ParallelIteratorWorker
from localray.util.annotations import Deprecated
from localray.util.iter_metrics import MetricsContext as MetricsContext
from localray.util.iter_metrics import SharedMetrics as SharedMetrics

__all__ = [
    "LocalIterator",
    "ParallelIterator",
    "ParallelIteratorWorker",
    "from_actors",
    "from_items",
    "from_iterators",
    "from_range",
]

_public = (from_items, from_range, from_iterators, from_actors, ParallelIterator, LocalIterator, ParallelIteratorWorker)
_private = (_ActorSet, _NextValueNotReady, _randomized_int_cast)

for _marked in _public:
    Deprecated(_marked)  # Not as a decorator: what that returns has no type.
for _named in (*_public, *_private):
    _named.__module__ = __name__  # Texts of errors and of actors name the module that users know.
