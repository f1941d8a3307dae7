"""Coverage sees what workers run, though they are killed when the session ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

coverage = pytest.importorskip("coverage")
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import localray as ray
def seen_in_a_task():
    return 1
@ray.remote
def task():
    return seen_in_a_task()
@ray.remote
class Actor:
    async def call(self):
        return 2
ray.init(num_cpus=2)
assert ray.get(task.remote()) == 1
assert ray.get(Actor.remote().call.remote()) == 2
ray.shutdown()
"""


def test_lines_of_tasks_and_actors_are_covered(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    settings = tmp_path / "settings"
    settings.write_text(f"[run]\nparallel = True\nsource = {tmp_path}\ndata_file = {tmp_path / 'data'}\n")
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "COVERAGE_PROCESS_START": str(settings)}
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", str(program)]
    subprocess.run(command, env=variables, check=True, timeout=60)
    measured = coverage.Coverage(config_file=str(settings))
    measured.combine()
    _, _, missed, _ = measured.analysis(str(program))
    assert missed == []
