"""A failing run told in words: what it took, what then happened in which order, and how it ended.

Must not live here: reading a trace (`chronicle`).
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import NamedTuple

from localray.kernel.pending import ID_DIGITS
from localray.sim.program import Report
from localray.sim.schedule import Key
from localray.sim.search.case import in_words
from localray.sim.search.chronicle import DRIVER, GIVEN_BACK, TASK_ID_BYTES, Chronicle, Try, chronicle, first_digits
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
    ending = _ending(about, report)
    named = [
        f"Node {first_digits(node_id)} is node {number} here."
        for node_id, number in found.node_numbers.items()
        if node_id.hex()[:ID_DIGITS] in ending
    ]
    parts = ["\n".join([ending, *named]), _takes(about, report), _course(found)]
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
    faults = count_of(len(report.happened), "fault")
    if about.deviations is None:
        return f"It had {faults}{':' if lines else '.'}\n{_indented(chr(10).join(lines))}".rstrip()
    parts = [count_of(about.nodes or 1, "node"), faults]
    parts.append(f"{count_of(len(about.deviations), 'deviation')} of the schedule from the plain one")
    if len(about.deviations) <= _MOST_DEVIATIONS:
        for (kind, party, number), drawn in about.deviations:
            lines.append(f"{kind} of {party}, number {number}: {drawn:.3f}")
        lines = lines or ["nothing else: every run of it does this"]
    # More nobody looks through: it is a run as the seed has it.
    return f"It takes {', '.join(parts)}{':' if lines else '.'}\n{_indented(chr(10).join(lines))}".rstrip()


def count_of(number: int, what: str) -> str:
    """So many of something.

    Example:
        >>> count_of(1, "fault"), count_of(2, "fault")
        ('1 fault', '2 faults')
    """
    return f"{number} {what}{'s' if number != 1 else ''}"


def _course(found: Chronicle) -> str:
    lines = _together(_lines(found))
    cut = [] if len(lines) <= _MOST_LINES else [f"... {len(lines) - _MOST_LINES} lines before"]
    return "What happened, in seconds of virtual time:\n" + _indented("\n".join([*cut, *lines[-_MOST_LINES:]]))


class _Line(NamedTuple):
    """A line of the course, around the name of a task that it may be about. What happens at the same moment is told in
    the order of causes: the ``rank`` says whose turn it is."""

    at_ns: int
    rank: int
    before: str
    name: str = ""
    after: str = ""
    arguments: str = ""


def _lines(found: Chronicle) -> list[_Line]:
    lines: list[_Line] = []
    for attempt in found.tries:
        lines.append(_submission(found, attempt))
        if attempt.how == GIVEN_BACK:
            continue
        again = f", try {attempt.attempt + 1}" if attempt.attempt else ""
        anew = ": the actor begins anew, without what it held" if attempt.begins_anew else ""
        where = f" goes to worker {attempt.worker} on node {found.nodes.get(attempt.worker, 0)}{again}{anew}"
        lines.append(_Line(attempt.sent_ns, 3, "", attempt.name, where))
        if attempt.ended_ns >= 0:
            lines.append(_Line(attempt.ended_ns, 1, "", attempt.name, f" on worker {attempt.worker}: {attempt.how}"))
        else:
            lines.append(_Line(found.end_ns, 5, "", attempt.name, f" on worker {attempt.worker} never ended"))
    for task in found.unsent:
        lines.append(_submission(found, task))
        lines.append(_Line(found.end_ns, 5, "", task.name, " never began"))
    lines += [_Line(mark.at_ns, 0, f"{mark.kind.upper()}: {mark.text}") for mark in found.marks]
    names = {attempt.task_id: attempt.name for attempt in (*found.tries, *found.unsent)}
    for wait in found.waits:
        if wait.answered_ns < 0:
            name = names.get(wait.object_id[:TASK_ID_BYTES])
            asks = f"{name_of(wait.waiter)} asks for {'the result of ' if name else 'object '}"
            after = ", and has no answer"
            lines.append(_Line(wait.asked_ns, 4, asks, name or wait.object_id.hex(), after))
    # One line for each thing: a task that is tried again was submitted once.
    return list(dict.fromkeys(sorted(lines, key=lambda line: line[:2])))


def _submission(found: Chronicle, task: Try) -> _Line:
    arguments = found.report.arguments.get(task.task_id, "")
    return _Line(task.submitted_ns, 2, f"{name_of(task.submitter)} submits ", task.name, "", arguments)


def _together(lines: Iterable[_Line]) -> list[str]:
    """As text, where what happens to several tasks of a name at the same moment is one line: "f #1 to #8"."""
    told: list[str] = []
    runs: list[tuple[str, str, str, str, int, int]] = []
    arguments: list[list[str]] = []
    for line in lines:
        name, _, number = line.name.partition(" #")
        last = int(number or 0)
        run = (f"{line.at_ns / 1e9:.6f} ", line.before, name, line.after, last, last)
        if runs and number and runs[-1][:4] == run[:4] and runs[-1][5] == last - 1:
            runs[-1] = (*run[:4], runs[-1][4], last)
            arguments[-1].append(line.arguments)
        else:
            runs.append(run)
            arguments.append([line.arguments])
    for (at, before, name, after, first, last), given in zip(runs, arguments, strict=True):
        numbers = f" #{first}" if first else ""
        if last > first:
            numbers += f"{' and' if last == first + 1 else ' to'} #{last}"
        told.append(f"{at}{before}{name}{numbers}{after}{_with(given)}")
    return told


def _with(arguments: list[str]) -> str:
    """The arguments of one submission, or of the first and the last of several."""
    first, last = arguments[0], arguments[-1]
    if not (first and last):
        return ""
    if len(set(arguments)) == 1:
        return f" with {first}"
    return f" with {first} {'and' if len(arguments) == 2 else 'to'} {last}"


def _parting(report: Report, passing: Report) -> str:
    """Where a failing run and the nearest one that passes part."""
    number = common_length(report.entries, passing.entries)
    # What somebody asks for here and never gets belongs to the end.
    fails, passes = (_lines(replace(chronicle(run), waits=[])) for run in (report, passing))
    same = next((at for at, (one, two) in enumerate(zip_longest(fails, passes)) if one != two), None)
    if same is None:
        return ""
    # Put together only here: else one more of a kind would make an earlier line another.
    lines = [f"fails:  {line}" for line in _together(fails[same:])[:_CONTEXT]]
    lines += [f"passes: {line}" for line in _together(passes[same:])[:_CONTEXT] or ["(the end)"]]
    return f"The nearest run that passes is the same for {number} events, and then:\n" + _indented("\n".join(lines))


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
