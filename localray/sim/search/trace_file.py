"""A failing run in a file: what it takes to play it back exactly, on any machine with the same minor version of Python
and the same version of localray.

Must not live here: what is in a run (`case`, `shrink`).
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from localray.faults.injector import Firing
from localray.sim.nodes import SimulatedNode
from localray.sim.program import Report
from localray.sim.search.case import Case, Outcome, Settings, Target
from localray.sim.search.shrink import NotReproducedError, Shrunk
from localray.version import VERSION


class UnreadableTraceError(Exception):
    """The file is no trace, or one of another Python or localray."""


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run, what came of it, and the folder in which it was: the program's path may be a relative one."""

    run: Shrunk
    outcome: Outcome
    folder: str


def save(path: Path, run: Shrunk, report: Report) -> None:
    """Write a run down."""
    content = {
        "localray": VERSION,
        "python": _python(),
        "target": asdict(run.case.target),
        "settings": asdict(run.case.settings),
        "seed": run.case.seed,
        "nodes": [asdict(node) for node in run.nodes],
        "firings": [list(firing) for firing in run.firings],
        "deviations": [[*key, drawn] for key, drawn in run.deviations],
        "outcome": Outcome.of(report).to_mapping(),
        "seeds_error": run.seeds_error,
        "folder": str(Path.cwd()),
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def load(path: Path) -> SavedRun:
    """Read a run.

    Raises:
        UnreadableTraceError: it cannot be played back here; the text says why.
    """
    try:
        content = json.loads(path.read_text())
        made_by = (content["localray"], content["python"])
    except OSError as error:
        raise UnreadableTraceError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableTraceError(
            f"{path} is no trace of a simulation. The page beside one is for browsers: replay the file whose name ends "
            "in .trace.json, as --save writes it, or the log that LOCALRAY_KERNEL_LOG has written."
        ) from error
    if made_by != (VERSION, _python()):
        raise UnreadableTraceError(
            f"{path} was made by localray {made_by[0]} on Python {made_by[1]}; this is localray {VERSION} on Python "
            f"{_python()}. The same seed gives another run there: install those versions, or search anew."
        )
    return SavedRun(_run(content), Outcome.from_mapping(content["outcome"]), content["folder"])


def _run(content: dict[str, Any]) -> Shrunk:
    target = Target(content["target"]["program"], tuple(content["target"]["arguments"]))
    return Shrunk(
        Case(target, Settings.from_mapping(content["settings"]), content["seed"]),
        tuple(SimulatedNode(**node) for node in content["nodes"]),
        tuple(Firing(*firing) for firing in content["firings"]),
        tuple(((kind, party, number), drawn) for kind, party, number, drawn in content["deviations"]),
        seeds_error=content["seeds_error"],
    )


def replay(saved: SavedRun) -> Report:
    """Play a run back, with its trace kept.

    Raises:
        UnreadableTraceError: its program is not there.
        NotReproducedError: it comes out otherwise.
    """
    target = saved.run.case.target
    if target.is_script and not Path(target.program).is_file():
        where = "" if Path(target.program).is_absolute() else f" It was recorded in {saved.folder}: play it back there."
        raise UnreadableTraceError(f"The program of this run is not there: there is no file {target.program}.{where}")
    report = saved.run.run(keep_trace=True)
    if report.digest != saved.outcome.digest:
        raise NotReproducedError(
            f"The run comes out otherwise than it was saved: digest {report.digest}, not {saved.outcome.digest}. Has "
            f"{target.program} been changed?"
        )
    return report


def _python() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"
