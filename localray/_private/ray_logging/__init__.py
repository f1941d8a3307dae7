"""`ray._private.ray_logging`: the folding of equal lines, with the interface that suites and tools call in Ray.

Must not live here: how lines are folded (`localray.client.folding`), what a driver shows
(`localray.client.worker_output`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from localray.absent.catalogue import missing_in
from localray.client.folding import Folded, Folding
from localray.util.debug import log_once

LogBatch = dict[str, Any]
"""Lines of one process: its address under ``ip``, its number under ``pid``, the lines under ``lines``."""

_GREEN, _RESET = "\x1b[32m", "\x1b[0m"
_HINT = (
    " (Ray deduplicates logs by default. Set RAY_DEDUP_LOGS=0 to disable log deduplication, or see "
    "https://docs.ray.io/en/master/ray-observability/user-guides/configure-logging.html#log-deduplication for more "
    "options.)"
)
"""Ray's words: suites compare them."""


class LogDeduplicator:
    """Folds lines that several processes print and that differ in numbers alone.

    Args:
        agg_window_s: how many seconds lines are held back.
        allow_re: what is never folded.
        skip_re: what is left out.
        _timesource: a clock, in seconds.

    Example:
        >>> fold = LogDeduplicator(5, None, None)
        >>> fold.deduplicate({"ip": "a", "pid": 1, "lines": ["step 1"]})
        [{'ip': 'a', 'pid': 1, 'lines': ['step 1']}]
        >>> fold.deduplicate({"ip": "a", "pid": 2, "lines": ["step 2", "done"]})
        [{'ip': 'a', 'pid': 2, 'lines': ['done']}]
        >>> fold.flush()
        [{'ip': 'a', 'pid': 2, 'lines': ['step 2']}]
    """

    def __init__(
        self,
        agg_window_s: float,
        allow_re: str | None,
        skip_re: str | None,
        *,
        _timesource: Callable[[], float] | None = None,
    ) -> None:
        self._now_s = _timesource or time.time
        self._folding: Folding[LogBatch] = Folding(agg_window_s, allow_re or "", skip_re or "")

    def deduplicate(self, batch: LogBatch) -> list[LogBatch]:
        """What is to be shown now: first what is new of this batch, then what has been held back for long enough."""
        if os.environ.get("RAY_DEDUP_LOGS", "1") in ("0", ""):
            return [batch]
        now_s = self._now_s()
        origin = {name: value for name, value in batch.items() if name != "lines"}
        source = (batch.get("ip"), batch.get("pid"))
        new = [line for line in batch["lines"] if self._folding.is_new(line, source, origin, now_s)]
        return [{**origin, "lines": new}, *map(_shown, self._folding.aged(now_s))]

    def flush(self) -> list[LogBatch]:
        """All that is held back."""
        return [_shown(each) for each in self._folding.flush()]


def _shown(folded: Folded[LogBatch]) -> LogBatch:
    line = folded.line
    if folded.count > 1:
        hint = _HINT if log_once("log_dedup_warning") else ""
        line += f"{_GREEN} [repeated {folded.count}x across cluster]{hint}{_RESET}"
    return {**folded.origin, "lines": [line]}


__getattr__ = missing_in(__name__)
