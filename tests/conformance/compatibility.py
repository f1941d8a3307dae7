"""Writes the table of conformance results into ``docs/compatibility.md``, from what runs have left.

    python -m pytest tests/conformance --backend processes --backend sim --junitxml here.xml
    python -m pytest tests/conformance --backend ray --junitxml ray.xml         # where real Ray is installed
    python -m pytest tests/conformance --backend engine-ray --junitxml engine.xml
    python -m tests.conformance.compatibility here.xml ray.xml engine.xml

A program counts as what its last result in the files says, so that several runs may add up. Must not live here: what a
program is (`registry`), running them (`backends`).
"""

from __future__ import annotations

import argparse
import enum
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

from .registry import Engine, Program, load_programs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
BEGIN = "<!-- results: written by tests/conformance/compatibility.py -->"
END = "<!-- end of results -->"
SHOWN = (Engine.PROCESSES, Engine.SIMULATION, Engine.RAY)
_CASE = re.compile(r"test_program\[(?P<case>.+)\]")


class Result(enum.Enum):
    """How a program ended on one engine."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"
    NOT_RUN = "not run"


Results = Mapping[tuple[str, Engine], Result]
"""By a program's name and an engine."""


def read(files: Iterable[Path], programs: Iterable[Program]) -> tuple[dict[tuple[str, Engine], Result], str]:
    """The results in JUnit files, and the day of the last run on real Ray, empty when there was none."""
    cases = {
        f"{engine.value}-{program.topic}-{program.name}": (program.name, engine)
        for program in programs
        for engine in Engine
    }
    results: dict[tuple[str, Engine], Result] = {}
    day = ""
    for file in files:
        for suite in ElementTree.parse(file).getroot().iter("testsuite"):
            for case in suite.iter("testcase"):
                found = _CASE.fullmatch(case.get("name") or "")
                key = cases.get(found["case"]) if found else None
                if key is not None:
                    results[key] = _result_of(case)
                    if key[1] is Engine.RAY:
                        day = max(day, (suite.get("timestamp") or "")[:10])
    return results, day


def _result_of(case: ElementTree.Element) -> Result:
    if case.find("failure") is not None or case.find("error") is not None:
        return Result.FAILED
    return Result.LEFT_OUT if case.find("skipped") is not None else Result.PASSED


def table(programs: list[Program], results: Results, day: str) -> list[str]:
    """The lines between the marks: what passed for each topic, then every program that is left out, and why."""
    headings = ["topic", "programs", "processes", "simulation", f"real Ray 2.60.0 ({day or 'not run'})"]
    lines = [_row(headings), _row(["---", *["---:"] * 4])]
    for topic in sorted({program.topic for program in programs}):
        lines.append(_row([topic.replace("_", " "), *_counts([each for each in programs if each.topic == topic], results)]))
    lines += [_row(["**all**", *_counts(programs, results)]), ""]
    left_out = sorted((program for program in programs if program.reason), key=lambda program: program.name)
    lines += ["Left out on an engine, and why:", "", _row(["program", "not on", "because"]), _row(["---"] * 3)]
    for program in left_out:
        missing = [engine.value for engine in SHOWN if engine not in program.engines]
        lines.append(_row([f"`{program.name}`", ", ".join(missing), program.reason or ""]))
    failed = sorted(f"`{name}` on {engine.value}" for (name, engine), result in results.items() if result is Result.FAILED)
    if failed:
        lines += ["", "Failed in the last run: " + ", ".join(failed) + "."]
    lines += ["", " ".join(_reach(programs, results))]
    return lines


def _reach(programs: list[Program], results: Results) -> list[str]:
    """How far the runs went, which the table does not tell from failures; and how the way through the engine did."""
    sentences = []
    for engine in SHOWN:
        meant = [program for program in programs if engine in program.engines]
        run = sum(results.get((program.name, engine), Result.NOT_RUN) is not Result.NOT_RUN for program in meant)
        if run != len(meant):
            sentences.append(f"On {engine.value} {run} of {len(meant)} programs were run; the others count as not passed.")
    handed_over = [result for (_, engine), result in results.items() if engine is Engine.HANDED_OVER]
    run = [result for result in handed_over if result is not Result.LEFT_OUT]
    passed = sum(result is Result.PASSED for result in run)
    sentences.append(f"Through `LOCALRAY_ENGINE=ray` {len(run)} programs were run, and {passed} passed.")
    return sentences


def _counts(programs: list[Program], results: Results) -> list[str]:
    """How many programs there are, and for each engine how many passed of those that are for it."""
    shown = [str(len(programs))]
    for engine in SHOWN:
        meant = [program for program in programs if engine in program.engines]
        passed = sum(results.get((program.name, engine), Result.NOT_RUN) is Result.PASSED for program in meant)
        shown.append(f"{passed} of {len(meant)}" if passed != len(meant) else str(passed))
    return shown


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write(lines: list[str]) -> None:
    """Put the lines between the marks on the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{PAGE} has no marks for the results: {BEGIN} and {END}")
    PAGE.write_text("\n".join([before + BEGIN, "", *lines, "", END + after]))


def main() -> int:
    """Read the files named on the command line and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="results in JUnit's format, the later ones count")
    options = parser.parse_args()
    programs = list(load_programs())
    results, day = read(options.files, programs)
    write(table(programs, results, day))
    return 0


if __name__ == "__main__":
    sys.exit(main())
