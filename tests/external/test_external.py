"""Programs of packages that nobody here wrote, unchanged, with `localray run`. Each is skipped where its packages are not
installed; CI has none of them. They check their results themselves.

To run them, in an environment of its own, without real Ray:

    pip install cloudpickle numpy psutil pytest pandas scikit-learn modin sf-hamilton sktime pymoo datatrove orjson deephyper
    pip install daft "pyarrow<26" flwr
    pip install --no-deps easy-ray-threads rayorch raylings && python -m pytest -q tests/external
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.external

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
DEADLINE_S = 180

CHAPTERS = ("0[1-79]_*/*.py", "13_*/*.py")
"""Of raylings, a course on Ray with checked solutions: those about Ray's core."""
NOT_HERE = {
    "basics05": "expects that three tasks run at a time, so more than two CPUs",
}


def run(words: list[str], folder: Path, variables: dict[str, str]) -> str:
    """Run a program as a user would; returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "localray", "run", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def stated(program: Path, what: str) -> list[str]:
    """The words behind ``needs:`` or ``environment:`` at the top of a program."""
    found = re.search(rf"^(?:\"\"\")?{what}: (.*)$", program.read_text(), re.MULTILINE)
    return found.group(1).split() if found else []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_package(program: Path, tmp_path: Path) -> None:
    absent = [name for name in stated(program, "needs") if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
    variables = dict(pair.split("=", 1) for pair in stated(program, "environment"))
    # Lines of workers may still come after the program's own last one.
    assert "all right" in run([str(program)], tmp_path, variables).splitlines()


def solutions() -> list[Path]:
    """Programs of the course, if it is installed."""
    spec = importlib.util.find_spec("raylings")
    if spec is None or not spec.submodule_search_locations:
        return []
    folder = Path(spec.submodule_search_locations[0], "solutions")
    return sorted(path for chapter in CHAPTERS for path in folder.glob(chapter))


@pytest.mark.parametrize("program", solutions(), ids=lambda path: path.stem)
def test_a_solution_of_the_course(program: Path, tmp_path: Path) -> None:
    if program.stem in NOT_HERE:
        pytest.skip(NOT_HERE[program.stem])
    run([str(program)], tmp_path, {})
