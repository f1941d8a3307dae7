"""Progress bars of many workers, drawn by their driver below everything else that is printed.

A worker tells of a bar by a line of its standard output that begins with `TOKEN` and goes on in JSON; whoever shows
workers' output takes such lines out. On a terminal all bars are drawn anew whenever one changes, and are taken away
while something else is printed, so that nothing is torn; elsewhere only what a bar came to is written, when it closes.
Must not live here: the bars of programs (`localray.experimental.tqdm_ray`).
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

TOKEN = "__ray_tqdm_magic_token__"
_LEAST_INTERVAL_S = 0.05
_CELLS = 20
_PARTS = " ▏▎▍▌▋▊▉█"


@dataclass(slots=True)
class Bar:
    """One bar as it was last told of; ``total`` is None where it is not known."""

    uuid: str
    desc: str
    done: int
    total: int | None
    unit: str
    started_s: float
    who: str

    def text(self, now_s: float, width: int) -> str:
        """The bar as one line of at most so many characters.

        Example:
            >>> Bar("1", "load", 5, 10, "it", 0.0, "").text(2.0, 80)
            'load:  50%|██████████          | 5/10 [00:02<00:02, 2.5it/s]'
        """
        elapsed_s = max(0.0, now_s - self.started_s)
        rate = self.done / elapsed_s if elapsed_s > 0 else 0.0
        speed = f"{rate:.3g}{self.unit}/s" if rate else f"?{self.unit}/s"
        head = f"{self.who}{self.desc}: " if self.desc else self.who
        if not self.total:
            return f"{head}{self.done}{self.unit} [{_clock(elapsed_s)}, {speed}]"[:width]
        share = min(1.0, self.done / self.total)
        eighths = round(share * _CELLS * 8)
        drawn = (_PARTS[8] * (eighths // 8) + _PARTS[eighths % 8].strip()).ljust(_CELLS)
        left = _clock((self.total - self.done) / rate) if rate else "?"
        return f"{head}{share:4.0%}|{drawn}| {self.done}/{self.total} [{_clock(elapsed_s)}<{left}, {speed}]"[:width]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


class BarDisplay:
    """All bars of this process and its workers. Thread-safe.

    Args:
        stream: gives where to draw; the standard error of the moment.
        now_s: a clock.
    """

    def __init__(
        self, stream: Callable[[], TextIO | None] = lambda: sys.stderr, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._now_s = now_s
        self._lock = threading.RLock()
        self._bars: dict[str, Bar] = {}
        self._drawn = 0
        self._hidden = 0
        self._drawn_at_s = -1.0

    def take(self, line: str, who: str = "") -> None:
        """Take in what a worker's line says; one that is garbled is left out."""
        try:
            state = json.loads(line.removeprefix(TOKEN))
        except ValueError:
            return  # Another print of the worker's has cut it in two; the next tells all again.
        self.update(state, who)

    def update(self, state: dict[str, Any], who: str = "") -> None:
        """Take in the state of one bar: draw it, or for the last time."""
        with self._lock:
            uuid = str(state["uuid"])
            bar = self._bars.get(uuid)
            started_s = self._now_s() if bar is None else bar.started_s
            bar = Bar(uuid, state["desc"], state["x"], state["total"], state.get("unit") or "it", started_s, who)
            self._bars[uuid] = bar
            if state.get("closed"):
                self._finish(bar)
            elif self._now_s() - self._drawn_at_s >= _LEAST_INTERVAL_S:
                self._redraw()

    @contextmanager
    def out_of_the_way(self) -> Iterator[None]:
        """While something else is printed there are no bars."""
        with self._lock:
            self._erase()
            self._hidden += 1
            try:
                yield
            finally:
                self._hidden -= 1
                self._draw()

    def _finish(self, bar: Bar) -> None:
        """A closed bar stays where it is, as a line above the others."""
        self._erase()
        del self._bars[bar.uuid]
        self._write(bar.text(self._now_s(), self._width()) + "\n")
        self._draw()

    def _redraw(self) -> None:
        self._erase()
        self._draw()

    def _draw(self) -> None:
        if self._hidden or not self._bars or not self._is_terminal():
            return
        self._drawn_at_s = self._now_s()
        width = self._width()
        self._write("".join(bar.text(self._drawn_at_s, width) + "\n" for bar in self._bars.values()))
        self._drawn = len(self._bars)

    def _erase(self) -> None:
        if self._drawn:
            # Up to the first bar's line, and clear from there to the end of the screen.
            self._write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0

    def _is_terminal(self) -> bool:
        stream = self._stream()
        is_terminal = None if stream is None or getattr(stream, "closed", False) else getattr(stream, "isatty", None)
        return bool(is_terminal and is_terminal())

    @staticmethod
    def _width() -> int:
        return shutil.get_terminal_size((100, 24)).columns - 1

    def _write(self, text: str) -> None:
        stream = self._stream()
        if stream is None:
            return
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):
            return  # It is closed: nobody is there to see it.


DISPLAY = BarDisplay()
"""The one of this process."""
