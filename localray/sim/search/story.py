"""A failing run told in words: what it took, what then happened in which order, and how it ended.

Must not live here: reading a trace (`chronicle`).
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from itertools import zip_longest

from localray.sim.program import Report
from localray.sim.schedule import Key
from localray.sim.search.case import in_words
from localray.sim.search.chronicle import DRIVER, Chronicle, chronicle
from localray.sim.trace import Entry

_MOST_LINES = 120
_MOST_DEVIATIONS = 20
_CONTEXT = 4


@dataclass(frozen=True, slots=True)
class About:
    """Which run is told of: ``title`` is such as "seed 7 of prog.py"; ``nodes`` is 0 where the program says what there
    is; ``deviations`` of the schedule from the plain one are None where they are not known. ``seeds_error`` is what the
    seed's own run fails with, where this is a smaller one."""

    title: str
    nodes: int = 0
    deviations: tuple[tuple[Key, float], ...] | None = None
    seeds_error: str = ""


def tell(about: About, report: Report, passing: Report | None = None) -> str:
    """The story of a failing run.

    Args:
        about: what was run.
        report: of it, with its trace kept.
        passing: of the nearest run that passes, likewise.
    """
    found = chronicle(report)
    parts = [_ending(about, report), _takes(about, report), _course(found)]
    if passing is not None:
        parts.append(_parting(report, passing))
    return "\n\n".join(filter(None, parts)) + "\n"


def _ending(about: About, report: Report) -> str:
    if report.error is None:
        return f"{about.title[:1].upper()}{about.title[1:]} passes."
    error = "".join(traceback.format_exception_only(type(report.error), report.error)).strip()
    if not about.seeds_error:
        return f"{about.title[:1].upper()}{about.title[1:]} fails:\n{_indented(error)}"
    told = f"A smaller run than that of {about.title} fails, too:\n{_indented(error)}"
    if in_words(report.error) != about.seeds_error:
        told += f"\nThe seed's own run, which is another, fails with:\n{_indented(about.seeds_error)}"
    return told


def _takes(about: About, report: Report) -> str:
    lines = [f"{happened.at_ns / 1e9:.6f} s: {happened.text}" for happened in report.happened]
    faults = _count(len(report.happened), "fault")
    if about.deviations is None:
        return f"It had {faults}{':' if lines else '.'}\n{_indented(chr(10).join(lines))}".rstrip()
    parts = [_count(about.nodes or 1, "node"), faults]
    parts.append(f"{_count(len(about.deviations), 'deviation')} of the schedule from the plain one")
    if len(about.deviations) <= _MOST_DEVIATIONS:
        for (kind, party, number), drawn in about.deviations:
            lines.append(f"{kind} of {party}, number {number}: {drawn:.3f}")
        lines = lines or ["nothing else: every run of it does this"]
    # More nobody looks through: it is a run as the seed has it.
    return f"It takes {', '.join(parts)}{':' if lines else '.'}\n{_indented(chr(10).join(lines))}".rstrip()


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _course(found: Chronicle) -> str:
    lines: list[tuple[int, str]] = []
    for attempt in found.tries:
        where = f"worker {attempt.worker} on node {found.nodes.get(attempt.worker, 0)}"
        again = f", try {attempt.attempt + 1}" if attempt.attempt else ""
        lines.append((attempt.submitted_ns, f"{name_of(attempt.submitter)} submits {attempt.name}"))
        lines.append((attempt.sent_ns, f"{attempt.name} goes to {where}{again}"))
        if attempt.ended_ns >= 0:
            lines.append((attempt.ended_ns, f"{attempt.name} on worker {attempt.worker}: {attempt.how}"))
        else:
            lines.append((found.end_ns, f"{attempt.name} on worker {attempt.worker} never ended"))
    lines += [(mark.at_ns, f"{mark.kind.upper()}: {mark.text}") for mark in found.marks]
    for wait in found.waits:
        if wait.answered_ns < 0:
            object_id = wait.object_id.hex()
            lines.append((wait.asked_ns, f"{name_of(wait.waiter)} asks for object {object_id}, and has no answer"))
    # One line for each thing: a task that is tried again was submitted once.
    ordered = list(dict.fromkeys(sorted(lines, key=lambda line: line[0])))
    cut = [] if len(ordered) <= _MOST_LINES else [f"... {len(ordered) - _MOST_LINES} lines before"]
    told = [*cut, *(f"{at_ns / 1e9:.6f} {text}" for at_ns, text in ordered[-_MOST_LINES:])]
    return "What happened, in seconds of virtual time:\n" + _indented("\n".join(told))


def _parting(report: Report, passing: Report) -> str:
    """Where a failing run and the nearest one that passes part."""
    number = common_length(report.entries, passing.entries)
    lines = []
    pairs = list(zip_longest(report.trace, passing.trace, fillvalue="(the end)"))
    for entry, other in pairs[number : number + _CONTEXT]:
        lines += [f"fails:  {entry}", f"passes: {other}"]
    return (
        f"The nearest run that passes is the same for {number} events, and then:\n" + _indented("\n".join(lines))
        if lines
        else ""
    )


def common_length(entries: tuple[Entry, ...], others: tuple[Entry, ...]) -> int:
    """For how many events two runs are the same, whatever the time."""
    length = 0
    for entry, other in zip(entries, others, strict=False):
        if (entry[1], entry[2]) != (other[1], other[2]):
            break
        length += 1
    return length


def name_of(lane: int) -> str:
    """A lane in words."""
    return "the driver" if lane == DRIVER else f"worker {lane}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
