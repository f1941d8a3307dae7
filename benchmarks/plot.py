"""Plots of a few lines, written as SVG without any library: axes, ticks that a person would choose, a legend, marks.

    from plot import Chart, Line

    Chart("Title", "nodes", "tasks/s", [Line("measured", [(1, 10), (10, 95)])], log_x=True).write(Path("figure.svg"))

Must not live here: measuring, tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 74, 20, 66, 56
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")
"""Okabe's and Ito's, which people who confuse red and green can tell apart."""
INK, FAINT = "#333333", "#dddddd"
CHARACTER_WIDTH = 6.6
"""About what a letter of 12 px takes: text cannot be measured without a font."""

Scale = Callable[[float], float]


@dataclass(frozen=True)
class Line:
    """Points that belong together.

    ``is_step``: the value holds until the next point. ``is_dashed``: an ideal, or something to compare with.
    ``has_dots``: the points themselves are drawn, for few of them.
    """

    name: str
    points: Sequence[tuple[float, float]]
    is_step: bool = False
    is_dashed: bool = False
    has_dots: bool = True


@dataclass(frozen=True)
class Chart:
    """One plot. ``marks`` are moments on the x axis, each with a short text: a vertical line through the plot."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)

    def write(self, path: Path) -> None:
        """Write the plot; the folder is made where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_svg())

    def to_svg(self) -> str:
        """The plot as text.

        Raises:
            ValueError: there is nothing to draw, or something that a logarithmic axis cannot show.
        """
        points = [point for line in self.lines for point in line.points]
        if not points:
            raise ValueError("There are no points to draw.")
        x_ticks = ticks([x for x, _ in points] + [x for x, _ in self.marks], is_log=self.log_x)
        y_ticks = ticks([y for _, y in points] + ([] if self.log_y else [0.0]), is_log=self.log_y)
        across = _scale(x_ticks, LEFT, WIDTH - RIGHT, is_log=self.log_x)
        up = _scale(y_ticks, HEIGHT - BOTTOM, TOP, is_log=self.log_y)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'font-family="sans-serif" font-size="12" fill="{INK}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            _text(LEFT, 22, self.title, size=15),
            *self._legend(),
            *self._axes(x_ticks, y_ticks, across, up),
            *self._marks(across),
        ]
        for number, line in enumerate(self.lines):
            parts += _drawn(line, COLOURS[number % len(COLOURS)], across, up)
        return "\n".join([*parts, "</svg>", ""])

    def _legend(self) -> list[str]:
        parts, x = [], float(LEFT)
        for number, line in enumerate(self.lines):
            colour = COLOURS[number % len(COLOURS)]
            parts.append(f'<line x1="{x:.1f}" y1="42" x2="{x + 22:.1f}" y2="42" {_stroke(colour, line.is_dashed)}/>')
            parts.append(_text(x + 28, 46, line.name))
            x += 28 + CHARACTER_WIDTH * len(line.name) + 18
        return parts

    def _axes(self, x_ticks: Sequence[float], y_ticks: Sequence[float], across: Scale, up: Scale) -> list[str]:
        parts = []
        for value in y_ticks:
            y = up(value)
            parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="{FAINT}"/>')
            parts.append(_text(LEFT - 8, y + 4, short(value), anchor="end"))
        for value in x_ticks:
            x = across(value)
            parts.append(f'<line x1="{x:.1f}" y1="{HEIGHT - BOTTOM}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM + 5}" '
                         f'stroke="{INK}"/>')
            parts.append(_text(x, HEIGHT - BOTTOM + 19, short(value), anchor="middle"))
        bottom = HEIGHT - BOTTOM
        parts.append(f'<line x1="{LEFT}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}" stroke="{INK}"/>')
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, self.x_label, anchor="middle"))
        middle = (TOP + HEIGHT - BOTTOM) / 2
        turned = f' transform="rotate(-90 18 {middle:.1f})"'
        parts.append(_text(18, middle, self.y_label, anchor="middle", more=turned))
        return parts

    def _marks(self, across: Scale) -> list[str]:
        parts = []
        for value, text in self.marks:
            x = across(value)
            parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="{INK}" '
                         'stroke-dasharray="2 3"/>')
            parts.append(_text(x + 4, TOP + 10, text, size=11))
        return parts


def ticks(values: Sequence[float], *, is_log: bool) -> list[float]:
    """Where an axis has its marks, the first and last of which are its ends: powers of ten, or multiples of 1, 2 or 5.

    Example:
        >>> ticks([0, 37], is_log=False)
        [0.0, 10.0, 20.0, 30.0, 40.0]
        >>> ticks([3, 900], is_log=True)
        [1.0, 10.0, 100.0, 1000.0]
    """
    low, high = min(values), max(values)
    if is_log:
        if low <= 0:
            raise ValueError(f"A logarithmic axis cannot show {low}.")
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [10.0**power for power in range(first, max(last, first + 1) + 1)]
    rough = (high - low or abs(high) or 1.0) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.999)
    start, end = math.floor(low / step), math.ceil(high / step - 1e-9)
    return [step * number for number in range(start, max(end, start + 1) + 1)]


def short(value: float) -> str:
    """A number as people write it on an axis.

    Example:
        >>> short(1_800_000.0), short(20_000), short(0.5)
        ('1.8M', '20k', '0.5')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:.6g}"


def _scale(values: Sequence[float], start: float, end: float, *, is_log: bool) -> Scale:
    convert: Scale = math.log10 if is_log else float
    low, high = convert(values[0]), convert(values[-1])
    return lambda value: start + (convert(value) - low) / (high - low) * (end - start)


def _drawn(line: Line, colour: str, across: Scale, up: Scale) -> list[str]:
    places = [(across(x), up(y)) for x, y in line.points]
    path = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
    for x, y in places[1:]:
        path += f"H{x:.1f}V{y:.1f}" if line.is_step else f"L{x:.1f} {y:.1f}"
    parts = [f'<path d="{path}" fill="none" {_stroke(colour, line.is_dashed)}/>']
    if line.has_dots and not (line.is_dashed or line.is_step):
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>' for x, y in places]
    return parts


def _stroke(colour: str, is_dashed: bool) -> str:
    return f'stroke="{colour}" stroke-width="2"' + (' stroke-dasharray="6 4"' if is_dashed else "")


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{more}>{escape(text)}</text>'
