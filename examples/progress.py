"""One progress bar for all the examples; nothing in here knows about tasks, actors or any one example.

The bar is tqdm's. It stays silent when stderr is not a terminal, and without tqdm the examples run all the same, only
without a bar.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Protocol


class _Tqdm(Protocol):
    """The part of `tqdm.tqdm` in use here; spelled out because tqdm ships no types."""

    n: float
    total: float

    def update(self, n: float) -> object: ...
    def set_postfix_str(self, s: str, refresh: bool) -> None: ...
    def close(self) -> None: ...


class ProgressBar:
    """A bar that is told where the work stands, not how far it moved: a late or repeated report does no harm."""

    def __init__(self, bar: _Tqdm | None) -> None:
        self._bar = bar

    def advance_to(self, done: float, *, total: float | None = None, note: str = "") -> None:
        """Show that `done` units are finished in all.

        Args:
            done: units finished since the start, not since the last call.
            total: the new number of units to do, where that grows with the work.
            note: a few words to show behind the bar.
        """
        if self._bar is None:
            return
        if total is not None:
            self._bar.total = total
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)


def _load_tqdm() -> Callable[..., _Tqdm] | None:
    try:
        tqdm: Callable[..., _Tqdm] = import_module("tqdm").tqdm
    except ImportError:
        return None
    return tqdm


@contextmanager
def progress(label: str, total: float | None, unit: str) -> Iterator[ProgressBar]:
    """Show a progress bar while the block runs; it leaves the screen as it found it.

    Args:
        label: what is being done.
        total: how many units there are to do, if anybody knows.
        unit: what one unit is called, as in `" files"`.

    Example:
        with progress("reading", total=len(paths), unit=" files") as bar:
            for done, path in enumerate(paths, start=1):
                read(path)
                bar.advance_to(done)
    """
    tqdm = _load_tqdm()
    if tqdm is None:
        if sys.stderr.isatty():
            print(f"{label} ... (for a progress bar: pip install 'localray[examples]')", file=sys.stderr)
        yield ProgressBar(None)
        return
    # disable=None: tqdm itself finds out whether stderr is a terminal.
    looks = {"unit": unit, "unit_scale": unit == "B", "dynamic_ncols": True, "leave": False}
    bar = tqdm(total=total, desc=label, disable=None, **looks)
    try:
        yield ProgressBar(bar)
    finally:
        bar.close()
