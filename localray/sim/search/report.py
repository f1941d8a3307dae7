"""A failing seed, all the way: shrunk, saved, told, drawn.

Must not live here: any of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from localray.sim.program import Report
from localray.sim.search.case import Case
from localray.sim.search.chrome import to_chrome
from localray.sim.search.chronicle import chronicle
from localray.sim.search.page import to_page
from localray.sim.search.shrink import Shrunk, recorded, shrink
from localray.sim.search.story import common_length, tell
from localray.sim.search.trace_file import save

_MOST_NEIGHBOURS = 8


@dataclass(frozen=True, slots=True)
class Explained:
    """What is known of a failing seed, and the files that were written."""

    run: Shrunk
    story: str
    files: tuple[Path, ...]


def explain(case: Case, folder: Path | None, told: Callable[[str], None], *, small: bool = True) -> Explained:
    """Shrink a failing case, and tell of it.

    Args:
        case: it fails.
        folder: where files go: the trace to play back, the page, Chrome's trace, the story; None for none.
        told: gets a line about each success in shrinking.
        small: shrink it; else the run is told of as it is.

    Raises:
        NotReproducedError: it does not fail.
    """
    if not small:
        whole, _ = recorded(case)
        return explain_run(whole, whole.run(keep_trace=True), folder)
    run = shrink(case, told=told)
    report = run.run(keep_trace=True)
    return explain_run(run, report, folder, nearest_passing(run, report))


def explain_run(run: Shrunk, report: Report, folder: Path | None, passing: Report | None = None) -> Explained:
    """Tell of a run whose trace was kept."""
    story = tell(run.about, report, passing)
    if folder is None:
        return Explained(run, story, ())
    name = f"{Path(run.case.target.program).stem.replace(':', '.')}-{run.case.seed}"
    files = draw(folder, name, _title(run), story, report)
    trace = folder / f"{name}.trace.json"
    save(trace, run, report)
    return Explained(run, story, (trace, *files))


def draw(folder: Path, name: str, title: str, story: str, report: Report) -> tuple[Path, ...]:
    """Write the story, the page and Chrome's trace of a run whose trace was kept; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    found = chronicle(report)
    texts = {".story.txt": story, ".html": to_page(found, title, story), ".chrome.json": to_chrome(found)}
    for ending, text in texts.items():
        (folder / (name + ending)).write_text(text)
    return tuple(folder / (name + ending) for ending in texts)


def _title(run: Shrunk) -> str:
    title = f"{run.case.target.program}, seed {run.case.seed}"
    return f"{title}: a smaller run" if run.seeds_error else title


def nearest_passing(run: Shrunk, report: Report) -> Report | None:
    """Of the runs that pass because one fault or deviation is left out, the one that stays the same for longest."""
    neighbours = [
        replace(run, firings=tuple(other for other in run.firings if other != firing)) for firing in run.firings
    ]
    neighbours += [
        replace(run, deviations=tuple(other for other in run.deviations if other != deviation))
        for deviation in run.deviations
    ]
    reports = [neighbour.run(keep_trace=True) for neighbour in neighbours[:_MOST_NEIGHBOURS]]
    passing = [other for other in reports if other.error is None]
    return max(passing, key=lambda other: common_length(report.entries, other.entries), default=None)
