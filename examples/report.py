"""How the examples lay out a page of plain text, and the closing verdict they all share.

Only strings in and out: no task, no actor, no arithmetic of any one example.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest

PAGE_WIDTH = 96
SPARKS = "▁▂▃▄▅▆▇█"
BRAILLE_BLANK = 0x2800
BRAILLE_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
VERDICT = "answer checked against the serial one: "


def open_page(title: str, subtitle: str) -> None:
    """Print the head of a report, and make sure that an odd terminal encoding cannot break the rest of it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    print(f"\n{title}\n{'═' * len(title)}\n{subtitle}")


def section(title: str) -> None:
    """Print a heading that runs over the width of the page."""
    print(f"\n── {title} {'─' * (PAGE_WIDTH - len(title) - 4)}")


def clip(text: str, width: int) -> str:
    """Return `text` in at most `width` characters, with an ellipsis where something was cut off."""
    return text if len(text) <= width else text[: width - 1] + "…"


def horizontal_bar(share: float, width: int) -> str:
    """Return a horizontal bar; `share` is the part of `width` to fill, from 0 to 1."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """Return one block per value, from `low` (the smallest block) to `high` (the tallest)."""
    scale = (len(SPARKS) - 1) / ((high - low) or 1.0)
    return "".join(SPARKS[max(0, min(len(SPARKS) - 1, round((value - low) * scale)))] for value in values)


def side_by_side(columns: Sequence[Iterable[str]], width: int) -> str:
    """Return blocks of lines next to each other, each `width` characters wide."""
    rows = zip_longest(*columns, fillvalue="")
    return "\n".join("".join(f"{cell:<{width}}" for cell in row).rstrip() for row in rows)


def map_of(route: Sequence[tuple[int, int]], columns: int, rows: int) -> list[str]:
    """Return a drawing of a round trip: a line from each point to the next and back to the first.

    A character of braille is a grid of 2 by 4 dots, so the lines are finer than the text they are made of.
    """
    left, right = min(x for x, _ in route), max(x for x, _ in route)
    low, high = min(y for _, y in route), max(y for _, y in route)
    dots_x, dots_y = 2 * columns - 1, 4 * rows - 1
    points = [
        (round((x - left) * dots_x / ((right - left) or 1)), round((high - y) * dots_y / ((high - low) or 1)))
        for x, y in route
    ]
    cells = [[0] * columns for _ in range(rows)]
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        steps = max(abs(x1 - x0), abs(y1 - y0)) or 1
        for step in range(steps + 1):
            x, y = x0 + round((x1 - x0) * step / steps), y0 + round((y1 - y0) * step / steps)
            cells[y // 4][x // 2] |= BRAILLE_DOTS[y % 4][x % 2]
    lines = [[chr(BRAILLE_BLANK + cell) for cell in row] for row in cells]
    for x, y in points:
        lines[y // 4][x // 2] = "●"
    return ["".join(line) for line in lines]


def verdict(equal: bool) -> int:
    """Print, as the last line, whether the parallel answer is the serial one; return the exit code that says so."""
    print(f"\n{VERDICT}{'equal' if equal else 'DIFFERENT'}")
    return 0 if equal else 1
