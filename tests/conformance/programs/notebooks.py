"""A notebook as the driver: its cells are run by a kernel of Jupyter, where that is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from types import ModuleType

import pytest

from ..registry import NOT_SIMULATED, program

OWN_DRIVER = "starts a kernel of its own, which chooses no engine"
COLOURS = re.compile(r"\x1b\[\d+m")

# In a process of its own: what Jupyter's client starts, it leaves to the end of its process.
RUNNER = """
import json, sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in json.load(sys.stdin)])
NotebookClient(notebook, timeout=100, kernel_name="python3", allow_errors=True).execute()
json.dump([cell.outputs for cell in notebook.cells], sys.stdout)
"""


def run_cells(ray: ModuleType, *cells: str) -> list[str]:
    """What each cell has printed, shown as its value, and raised, as text; the first of them starts the session."""
    for name in ("nbclient", "ipykernel"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    first = f"""
        import {ray.__name__} as ray
        context = ray.init("local", num_cpus=2, include_dashboard=False)
    """
    last = "ray.shutdown()"
    texts = [textwrap.dedent(text).strip() for text in (first, *cells, last)]
    with tempfile.TemporaryDirectory(prefix="r") as directory:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "JUPYTER_RUNTIME_DIR": directory,
            "IPYTHONDIR": directory,
        }
        done = subprocess.run(
            [sys.executable, "-c", RUNNER],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            env=environment,
            cwd=directory,
            timeout=110,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return [COLOURS.sub("", "".join(map(text_of, outputs))) for outputs in json.loads(done.stdout)[1:-1]]


def text_of(output: dict) -> str:
    """One output of a cell."""
    if output["output_type"] == "stream":
        return output["text"]
    if output["output_type"] == "error":
        return "\n".join([output["ename"], *output["traceback"]])
    return output.get("data", {}).get("text/plain", "")


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def cells_of_a_notebook_share_a_session(ray: ModuleType) -> None:
    """L10, V12, V14: classes and functions of cells travel to tasks and actors and back; a cell that is run again with another
    text is what runs from then on."""
    outputs = run_cells(
        ray,
        """
        class Point:
            def __init__(self, x):
                self.x = x

        def helper(point):
            return Point(point.x + 1)

        @ray.remote
        def move(point):
            assert type(point).__name__ == "Point"
            return helper(point)

        @ray.remote
        class Mover:
            def move(self, point):
                return helper(point)
        """,
        """
        moved = ray.get(move.remote(Point(1)))
        mover = Mover.remote()
        print(type(moved) is Point, moved.x, ray.get(mover.move.remote(moved)).x)
        """,
        """
        def helper(point):
            return Point(point.x + 10)

        @ray.remote
        def move(point):
            return helper(point)
        """,
        "ray.get(move.remote(Point(1))).x, ray.get(mover.move.remote(Point(1))).x",
    )
    assert outputs == ["", "True 2 3\n", "", "(11, 2)"]


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def a_notebook_may_wait_in_both_ways(ray: ModuleType) -> None:
    """L8, L10: in a cell, where a loop runs already, `await` of references works as `get` does; so does an asyncio actor."""
    outputs = run_cells(
        ray,
        """
        import asyncio

        @ray.remote
        def double(number):
            return 2 * number

        @ray.remote(num_cpus=0)
        class Later:
            async def double(self, number):
                await asyncio.sleep(0)
                return 2 * number

        later = Later.remote()
        """,
        "ray.get([double.remote(1), later.double.remote(2)])",
        "await double.remote(3)",
        "await asyncio.gather(double.remote(4), later.double.remote(5))",
        "ready, rest = ray.wait([double.remote(6)]); len(ready), len(rest)",
    )
    assert outputs[1:] == ["[2, 4]", "6", "[8, 10]", "(1, 0)"]


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def a_notebook_shows_what_workers_say_and_raise(ray: ModuleType) -> None:
    """L4, L10, E3: in a cell's own output is what its tasks print, and the error of one that failed, with its type; later cells
    go on."""
    outputs = run_cells(
        ray,
        """
        @ray.remote
        def talk():
            print("said" + " in a task", flush=True)
            return 1

        @ray.remote
        def fail():
            raise KeyError("raised in a task")
        """,
        """
        import time
        ray.get(talk.remote())
        time.sleep(1.5)
        """,
        "ray.get(fail.remote())",
        """
        try:
            ray.get(fail.remote())
        except KeyError as error:
            print(isinstance(error, ray.exceptions.RayTaskError))
        """,
    )
    assert re.search(r"\(talk pid=\d+\) said in a task", outputs[1])
    assert outputs[2].startswith("RayTaskError(KeyError)") and "raised in a task" in outputs[2]
    assert outputs[3] == "True\n"
