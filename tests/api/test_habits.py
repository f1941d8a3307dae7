"""Hints on what makes programs slow: given once, by the right programs only, and not where they are not wanted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localray import ids
from localray.client.habits import DEFINITIONS, RETURNED_PUTS, WAITS_IN_A_ROW, Habits

ROOT = Path(__file__).resolve().parents[2]
START = "import os, localray as ray\nray.init(num_cpus=2)\n"
LOOP = """
@ray.remote
def f(x):
    return x
for x in range(%d):
    assert ray.get(f.remote(x)) == x
"""


def run(program: str, **environment: str) -> str:
    """What the program prints on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", START + program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def task(number: int, client: int = 1) -> bytes:
    """What a task returns."""
    return ids.object_id_bytes(ids.task_id_bytes(client, number, ids.nil_actor_id(1)), 1)


class Told:
    """Habits, and what they say."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.latest = 0
        self.habits = Habits(1, lambda: self.latest, self.texts.append)

    def waits(self, number: int, latest: int) -> None:
        self.latest = latest
        self.habits.waits_for(task(number))


def test_waiting_for_each_task_before_the_next() -> None:
    told = Told()
    for number in range(1, 3 * WAITS_IN_A_ROW):
        told.waits(number, number)
    assert len(told.texts) == 1
    assert "refs = [f.remote(x) for x in items]" in told.texts[0]


@pytest.mark.parametrize("count", [WAITS_IN_A_ROW, WAITS_IN_A_ROW + 1, 1000])
def test_waiting_for_what_was_submitted_before_is_no_such_loop(count: int) -> None:
    told = Told()
    for number in range(1, count + 1):
        told.waits(number, count)
    assert told.texts == []


def test_calls_of_actors_and_tasks_of_others_do_not_count() -> None:
    told = Told()
    for number in range(1, 3 * WAITS_IN_A_ROW):
        told.latest = number
        call = ids.task_id_bytes(1, number, ids.actor_id_bytes(1, 1, 1))
        told.habits.waits_for(ids.object_id_bytes(call, 1) if number % 2 else task(number, client=2))
    assert told.texts == []


def test_get_in_a_loop() -> None:
    assert run(LOOP % (2 * WAITS_IN_A_ROW)).count("ray.get waited for each") == 1
    assert "ray.get" not in run(LOOP % (2 * WAITS_IN_A_ROW), LOCALRAY_HINTS="0")
    assert "ray.get" not in run("f = ray.remote(lambda x: x)\nfor ref in [f.remote(x) for x in range(500)]: ray.get(ref)")


def test_defining_a_function_again_and_again() -> None:
    program = f"""
for number in range({DEFINITIONS + 5}):
    @ray.remote
    def same():
        return number
    same.remote()
"""
    assert run(program).count("__main__.same (<string>:5) has been defined") == 1
    others = f"""
for number in range({DEFINITIONS + 5}):
    exec(f"def function_{{number}}(): pass")
    ray.remote(globals()[f"function_{{number}}"]).remote()
"""
    assert "has been defined" not in run(others)


def test_returning_references_of_put() -> None:
    program = f"""
@ray.remote
def stores():
    return ray.put(1)
@ray.remote
def passes(refs):
    return refs
got = ray.get(ray.get([stores.remote() for _ in range({4 * RETURNED_PUTS})]))
ray.get([passes.remote([ray.put(1)]) for _ in range({4 * RETURNED_PUTS})])
"""
    hints = run(program)
    assert "stores returns references that it has made with ray.put" in hints
    assert "passes returns" not in hints


def test_a_forked_child_that_starts_a_session() -> None:
    program = """
if os.fork() == 0:
    assert ray.get(ray.remote(lambda: 1).remote()) == 1
    ray.shutdown()
    os._exit(0)
assert os.wait()[1] == 0
"""
    assert run(program).count("this process was forked from one that has a session") == 1
    assert "forked" not in run(program, LOCALRAY_HINTS="0")
    assert "forked" not in run(program.replace("assert ray.get", "ray.init(num_cpus=1); assert ray.get", 1))
