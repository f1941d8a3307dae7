"""`ray.experimental.tqdm_ray`: progress bars that work in tasks and actors too. The driver draws them all, below what
is printed. Must not live here: drawing (`localray.client.progress_bars`)."""

from __future__ import annotations

import builtins
import json
import os
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sized
from typing import Any, Generic, TypeVar

from localray.absent.catalogue import missing_in
from localray.client.context import current_task
from localray.client.progress_bars import DISPLAY, TOKEN, BarDisplay

T = TypeVar("T")


def safe_print(*args: Any, **kwargs: Any) -> None:
    """As `print`, without tearing the bars that are drawn here."""
    if kwargs.get("file") not in (sys.stdout, sys.stderr, None):
        builtins.print(*args, **kwargs)
        return
    with DISPLAY.out_of_the_way():
        builtins.print(*args, **kwargs)


def instance() -> BarDisplay:
    """What draws the bars of this process."""
    return DISPLAY


class tqdm(Generic[T]):
    """A progress bar.

    Args:
        iterable: what to go through, if anything; each item counts one.
        desc: the text before the bar.
        total: how many there will be; by default the iterable's length.
        unit: of what.
        position: accepted; bars are drawn in the order in which they began.
        flush_interval_s: a worker tells of changes this often; by default ``RAY_TQDM_FLUSH_INTERVAL_S``, or 1 s.

    Raises:
        ValueError: an argument is None that must not be.

    Example:
        >>> sum(tqdm(range(4), desc="adding"))
        6
    """

    def __init__(
        self,
        iterable: Iterable[T] | None = None,
        desc: str | None = None,
        total: int | None = None,
        unit: str | None = None,
        position: int | None = None,
        flush_interval_s: float | None = None,
    ) -> None:
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        self._iterable = iterable
        self._desc = desc or ""
        self._total = total
        self._unit = unit or "it"
        self._position = position or 0
        default_s = float(os.environ.get("RAY_TQDM_FLUSH_INTERVAL_S", "1.0"))
        self._interval_s = default_s if flush_interval_s is None else flush_interval_s
        self._uuid = uuid.uuid4().hex
        self._n = 0
        self._closed = False
        self._told_at_s = float("-inf")
        self._tell()

    def set_description(self, desc: str) -> None:
        """Change the text before the bar."""
        self._desc = desc
        self._tell()

    def update(self, n: int = 1) -> None:
        """So many more are done."""
        self._n += n
        self._tell()

    def close(self) -> None:
        """It is over."""
        if not self._closed:
            self._closed = True
            self._tell(at_once=True)

    def refresh(self) -> None:
        """Show it as it is now."""
        self._tell(at_once=True)

    @property
    def total(self) -> int | None:
        """How many there will be."""
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        self._tell()

    @property
    def n(self) -> int:
        """How many are done."""
        return self._n

    @n.setter
    def n(self, n: int) -> None:
        self._n = n
        self._tell()

    def __iter__(self) -> Iterator[T]:
        if self._iterable is None:
            raise ValueError("No iterable provided")
        for item in self._iterable:
            self.update(1)
            yield item
        self.close()

    def _tell(self, *, at_once: bool = False) -> None:
        now_s = time.monotonic()
        if not at_once and now_s - self._told_at_s < self._interval_s:
            return
        self._told_at_s = now_s
        state = {
            "__magic_token__": TOKEN,
            "x": self._n,
            "pos": self._position,
            "desc": self._desc,
            "total": self._total,
            "unit": self._unit,
            "pid": os.getpid(),
            "uuid": self._uuid,
            "closed": self._closed,
        }
        if current_task.get() is None:
            DISPLAY.update(state)
        else:
            # One write: no other print of this worker comes in between.
            sys.stdout.write(f"\n{TOKEN}{json.dumps(state)}\n")
            sys.stdout.flush()


__getattr__ = missing_in(__name__)

__all__ = ["instance", "safe_print", "tqdm"]
