"""How the examples lay out a page of plain text, and the closing verdict they all share.

Only strings in and out: no task, no actor, no arithmetic of any one example.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest

PAGE_WIDTH = 96
SPARKS = "▁▂▃▄▅▆▇█"
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


def bar(share: float, width: int) -> str:
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


def verdict(equal: bool) -> int:
    """Print whether the parallel answer is the serial one, as the last line; return the exit code that says the same."""
    print(f"\n{VERDICT}{'equal' if equal else 'DIFFERENT'}")
    return 0 if equal else 1
