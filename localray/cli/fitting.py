"""A table as wide as a terminal: what gives way, in which order, and how that is said below it.

First go columns that say the same in every row, which then is said once; then texts are cut in their middle, and lists
go on in the next line; then go columns of less interest. Ids and numbers are shown whole or not at all. Must not
live here: which columns there are and of which interest (`localray.cli.state_tables`).
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from localray.cli.state_tables import LISTS, NUMBERS, table

_GAP = 2
_SHORTEST_TEXTS = (20, 10)
"""A text is cut to so many characters, to fewer only when all columns that could are left out."""


class Fitted(NamedTuple):
    """Lines of a table; what is the same in all rows, as pairs of title and value, and titles of what is not shown and
    of what is cut."""

    lines: list[str]
    same: list[tuple[str, str]]
    left_out: list[str]
    cut: list[str]


def terminal_width(*, full: bool) -> int | None:
    """How wide tables are to be; None for as wide as they are, where nobody looks or all is asked for."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() and not full else None


def fit(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int, least: Sequence[str]) -> Fitted:
    """A table that is no wider than that, if it can be.

    Args:
        titles: of the columns; those of ids end with "ID".
        rows: the cells.
        width: of the terminal.
        least: titles of the columns that may be left out, those of least interest first.

    Example:
        >>> fit(["ID", "NAME", "NODE"], [["1", "f", "abc"], ["2", "g", "abc"]], 10, ["NODE"])
        Fitted(lines=['ID  NAME', '1   f', '2   g'], same=[('NODE', 'abc')], left_out=[], cut=[])
    """
    columns = {title: [row[place] for row in rows] for place, title in enumerate(titles)}
    same: list[tuple[str, str]] = []
    left_out: list[str] = []
    for title in least:
        if _width(columns, None) > width and _says_nothing(columns[title]):
            same.append((title, columns.pop(title)[0]))
    for shortest in _SHORTEST_TEXTS:
        for title in least:
            if _width(columns, shortest) > width and title in columns:
                del columns[title]
                left_out.append(title)
        if _width(columns, shortest) <= width:
            break
    widths = _cut(columns, width, shortest)
    shown = list(columns)
    lines = table(shown, [line for row in zip(*columns.values(), strict=True) for line in _lines(row, shown, widths)])
    cut = [title for title, wide in zip(columns, widths, strict=True) if _is_cut(title, columns[title], wide)]
    return Fitted(lines, same, [title for title in titles if title in left_out], cut)


def said_below(fitted: Fitted, width: int, *, ids_are_short: bool) -> list[str]:
    """Lines that say what a table does not, and how to see it; none if it says everything."""
    said = [f"{title} is {value} in all" for title, value in fitted.same if value != "-"]
    nothing = [title for title, value in fitted.same if value == "-"]
    if nothing:
        said.append(f"nothing has {_listed(nothing, 'or')}")
    if fitted.cut:
        said.append(f"{_listed(fitted.cut, 'and')} {'are' if len(fitted.cut) > 1 else 'is'} cut")
    if fitted.left_out:
        said.append(f"{_listed(fitted.left_out, 'and')} {'are' if len(fitted.left_out) > 1 else 'is'} left out")
    if ids_are_short:
        said.append("ids are as short as `localray get` understands them")
    if not said:
        return []
    text = f"({'; '.join(said)}. --full shows everything.)"
    return textwrap.wrap(text[0] + text[1].upper() + text[2:], width, break_on_hyphens=False)


def shorter(text: str, length: int) -> str:
    """A text without its middle, if it is longer than that.

    Example:
        >>> shorter("ParameterServer.update", 12), shorter("f", 12)
        ('Parame…pdate', 'f')
    """
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def _says_nothing(cells: Sequence[str]) -> bool:
    return len(set(cells)) == 1 and (len(cells) > 1 or cells[0] == "-")


def _is_cut(title: str, cells: Sequence[str], wide: int) -> bool:
    return title not in LISTS and max(map(len, cells), default=0) > wide


def _width(columns: dict[str, list[str]], shortest: int | None) -> int:
    """How wide a table is, with its texts cut as far as may be, or whole."""
    widths = _widths(columns)
    if shortest is not None:
        widths = {title: _least(title, wide, shortest) for title, wide in widths.items()}
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _widths(columns: dict[str, list[str]]) -> dict[str, int]:
    return {title: max(map(len, (title, *cells))) for title, cells in columns.items()}


def _least(title: str, wide: int, shortest: int) -> int:
    if title.endswith("ID") or title in NUMBERS:
        return wide
    return min(wide, max(shortest, len(title)))


def _cut(columns: dict[str, list[str]], width: int, shortest: int) -> list[int]:
    """How wide each column may be: less than it is, the widest first, until all fit or are as narrow as may be."""
    widths = _widths(columns)
    least = {title: _least(title, wide, shortest) for title, wide in widths.items()}
    for _ in range(_width(columns, None) - width):
        wider = [title for title in columns if widths[title] > least[title]]
        if wider:
            widths[max(wider, key=lambda each: widths[each])] -= 1
    return list(widths.values())


def _lines(row: Sequence[str], titles: Sequence[str], widths: Sequence[int]) -> list[list[str]]:
    """A row as lines: of texts all stands in the first, of lists as much as there is room for."""
    cells = [
        _wrapped(text, wide) if title in LISTS else [shorter(text, wide)]
        for text, title, wide in zip(row, titles, widths, strict=True)
    ]
    return [list(line) for line in zip_longest(*cells, fillvalue="")]


def _wrapped(text: str, wide: int) -> list[str]:
    """A list as lines of at most so many characters, no name of it torn in two."""
    lines = textwrap.wrap(text, wide, break_on_hyphens=False, break_long_words=False)
    return [shorter(line, wide) for line in lines]


def _listed(titles: Sequence[str], word: str) -> str:
    """Several titles as a sentence has them."""
    return f" {word} ".join(filter(None, (", ".join(titles[:-1]), titles[-1])))
