"""A run as one HTML page without anything from outside: a lane for each worker, by nodes; bars for tasks, arrows from
where they were submitted and to who waited for them, faults marked. A click on a bar tells what was decided about the
task, and why.

Time is drawn so that short things can be seen beside long waits: gaps are shown by their logarithm. Must not live here:
reading a trace (`chronicle`), the story in words (`story`).
"""

from __future__ import annotations

from bisect import bisect_right
from html import escape
from math import log1p

from localray.sim.search.chronicle import DRIVER, Chronicle, Mark, Try

_LANE_PIXELS = 34
_BAR_PIXELS = 18
_LEFT_PIXELS = 150
_TOP_PIXELS = 46
_WIDTH_PIXELS = 1500
_GAP_NS = 10_000
"""Gaps much shorter than this are drawn in proportion, longer ones by their logarithm."""

_COLOURS = {"done": "#4c8c5a", "raised": "#c9822b", "lost with its worker": "#b3372f", "never ended": "#7a4fa3"}
_OTHER_COLOUR = "#8a8f98"
_MARK_COLOURS = {"fault": "#d2281e", "death": "#7d1a14", "node": "#1f5fa8"}

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --paper: #fff; --faint: #d9dde3; --panel: #f4f6f8 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ec; --paper: #16191e; --faint: #363c45; --panel: #20252c } }
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 1.5rem }
h1 { font-size: 1.2rem } pre { background: var(--panel); padding: .8rem; overflow: auto; border-radius: 4px }
svg text { fill: var(--ink); font-size: 11px } .lane { stroke: var(--faint) } .bar { cursor: pointer }
.bar:hover rect, .bar:focus rect { stroke: var(--ink); stroke-width: 2 } .node { font-weight: 600 }
.arrow { fill: none; stroke: #6f7c8f; stroke-opacity: .55 } #chart { overflow-x: auto } .bar text { fill: #fff }
.key span { display: inline-block; margin-right: 1rem } .key i { display: inline-block; width: .8em; height: .8em;
margin-right: .35em; border-radius: 2px; vertical-align: -1px }
"""
_SCRIPT = """
const detail = document.getElementById("detail");
const show = bar => { detail.textContent = bar.dataset.detail; };
for (const bar of document.querySelectorAll(".bar")) {
  bar.addEventListener("click", () => show(bar));
  bar.addEventListener("keydown", event => { if (event.key === "Enter") show(bar); });
}
"""


def to_page(found: Chronicle, title: str, story: str) -> str:
    """The page.

    Args:
        found: what happened.
        title: of the page.
        story: the run in words.
    """
    drawing = _Drawing(found)
    key = "".join(f'<span><i style="background:{colour}"></i>{how}</span>' for how, colour in _COLOURS.items())
    key += "".join(f'<span><i style="background:{colour}"></i>{kind}</span>' for kind, colour in _MARK_COLOURS.items())
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n"
        f'<p class="key">{key}</p>\n<div id="chart">{drawing.svg()}</div>\n'
        '<pre id="detail" aria-live="polite">Click on a task: what was decided about it, and why.</pre>\n'
        f"<pre>{escape(story)}</pre>\n<script>{_SCRIPT}</script>\n</html>\n"
    )


class _Drawing:
    def __init__(self, found: Chronicle) -> None:
        self._found = found
        used = {attempt.worker for attempt in found.tries} | {mark.worker for mark in found.marks if mark.worker > 0}
        workers = sorted(used, key=lambda worker: (found.nodes.get(worker, 0), worker))
        self._rows = {lane: row for row, lane in enumerate([DRIVER, *workers])}
        times = {0, found.end_ns}
        for attempt in found.tries:
            times |= {attempt.submitted_ns, attempt.sent_ns, self._end_ns(attempt)}
        times |= {mark.at_ns for mark in found.marks}
        self._times = sorted(times)
        self._places = [0.0]
        for before, after in zip(self._times, self._times[1:], strict=False):
            self._places.append(self._places[-1] + log1p((after - before) / _GAP_NS))
        self._scale = (_WIDTH_PIXELS - _LEFT_PIXELS - 20) / max(self._places[-1], 1e-9)

    def _end_ns(self, attempt: Try) -> int:
        return attempt.ended_ns if attempt.ended_ns >= 0 else self._found.end_ns

    def _x(self, at_ns: int) -> float:
        index = max(0, bisect_right(self._times, at_ns) - 1)
        inside = log1p((at_ns - self._times[index]) / _GAP_NS)
        return _LEFT_PIXELS + (self._places[index] + inside) * self._scale

    def _y(self, lane: int) -> float:
        return _TOP_PIXELS + self._rows.get(lane, 0) * _LANE_PIXELS

    def svg(self) -> str:
        """The drawing."""
        height = _TOP_PIXELS + len(self._rows) * _LANE_PIXELS + 16
        parts = [
            f'<svg width="{_WIDTH_PIXELS}" height="{height}" role="img" aria-label="What ran where and when">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
            '<path d="M0 0 8 4 0 8z" fill="#6f7c8f"/></marker></defs>',
            *self._lanes(),
            *self._axis(height),
            *(self._arrow(attempt) for attempt in self._found.tries),
            *(self._bar(attempt) for attempt in self._found.tries),
            *(self._mark(mark) for mark in self._found.marks),
            "</svg>",
        ]
        return "\n".join(parts)

    def _lanes(self) -> list[str]:
        parts, node = [], -1
        for lane in self._rows:
            y = self._y(lane) + _BAR_PIXELS / 2
            here = self._found.nodes.get(lane, 0)
            if here != node and lane != DRIVER:
                node = here
                parts.append(f'<text class="node" x="4" y="{y + 4:.0f}">node {node}</text>')
            name = "driver" if lane == DRIVER else f"worker {lane}"
            parts.append(f'<text x="62" y="{y + 4:.0f}">{name}</text>')
            parts.append(f'<line class="lane" x1="{_LEFT_PIXELS}" x2="{_WIDTH_PIXELS}" y1="{y:.0f}" y2="{y:.0f}"/>')
        return parts

    def _axis(self, height: int) -> list[str]:
        parts, last_x = [], -1000.0
        for at_ns in self._times:
            x = self._x(at_ns)
            if x - last_x > 90:
                last_x = x
                line = f'x1="{x:.0f}" x2="{x:.0f}" y1="30" y2="{height}" stroke-dasharray="2 4"'
                parts.append(f'<line class="lane" {line}/>')
                parts.append(f'<text x="{x:.0f}" y="24" text-anchor="middle">{at_ns / 1e9:.6g} s</text>')
        return parts

    def _arrow(self, attempt: Try) -> str:
        x1, y1 = self._x(attempt.submitted_ns), self._y(attempt.submitter) + _BAR_PIXELS / 2
        x2, y2 = self._x(attempt.sent_ns), self._y(attempt.worker) + _BAR_PIXELS / 2
        bend = max(12.0, (x2 - x1) / 2)
        curve = f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        return f'<path class="arrow" marker-end="url(#tip)" d="{curve}"/>'

    def _bar(self, attempt: Try) -> str:
        x, y = self._x(attempt.sent_ns), self._y(attempt.worker)
        width = max(4.0, self._x(self._end_ns(attempt)) - x)
        again = f", try {attempt.attempt + 1}" if attempt.attempt else ""
        head = f"{attempt.name}{again}: {attempt.how}\ntask {attempt.task_id.hex()}"
        detail = escape("\n".join([head, *self._found.reasons(attempt.task_id)]), quote=True)
        label = escape(attempt.name[: int(width / 7)])
        return (
            f'<g class="bar" tabindex="0" data-detail="{detail}"><title>{escape(head)}</title>'
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_BAR_PIXELS}" rx="3" '
            f'fill="{_COLOURS.get(attempt.how, _OTHER_COLOUR)}"/>'
            f'<text x="{x + 4:.1f}" y="{y + 13:.1f}">{label}</text></g>'
        )

    def _mark(self, mark: Mark) -> str:
        x, colour = self._x(mark.at_ns), _MARK_COLOURS[mark.kind]
        if mark.worker in self._rows:
            y = self._y(mark.worker) - 3
            shape = f'<path d="M{x:.1f} {y:.1f}l6 12h-12z" fill="{colour}"/>'
        else:
            bottom = _TOP_PIXELS + len(self._rows) * _LANE_PIXELS
            shape = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="32" y2="{bottom}" stroke="{colour}" stroke-width="2"/>'
        return f"<g>{shape}<title>{escape(f'{mark.at_ns / 1e9:.6f} s: {mark.text}')}</title></g>"
