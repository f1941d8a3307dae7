"""Hints on what makes programs slow: given once, by the right programs only, and not where they are not wanted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localray import ids
from localray.client.ahead import AskAhead
from localray.client.habits import (
    DEFINITIONS,
    LOST_S,
    RETURNED_PUTS,
    SMALL_PUTS,
    SPANS_OF_SMALL_PUTS,
    WAITS_IN_A_ROW,
    Habits,
)
from localray.kernel.news import SHORT_TASKS

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
        self.running = b""
        self.habits = Habits(1, lambda: self.latest, lambda: self.running, self.texts.append)

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


def test_what_each_of_many_tasks_does_once_is_no_such_loop() -> None:
    told = Told()
    for number in range(1, 3 * WAITS_IN_A_ROW):
        told.running = task(number)
        told.waits(number, number)
    assert told.texts == []


def test_get_in_a_loop() -> None:
    assert run(LOOP % (2 * WAITS_IN_A_ROW)).count("ray.get waited for each") == 1
    assert "ray.get" not in run(LOOP % (2 * WAITS_IN_A_ROW), LOCALRAY_HINTS="0")
    assert "ray.get" not in run(
        "f = ray.remote(lambda x: x)\nfor ref in [f.remote(x) for x in range(500)]: ray.get(ref)"
    )


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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is for habits: the last element."""
    times = [0.0]
    monkeypatch.setattr("localray.client.habits.time.monotonic", lambda: times[-1])
    return times


class Loop:
    """A program that takes the results of tasks one by one, as habits see it."""

    def __init__(self, clock: list[float], *, tasks: int) -> None:
        self.told = Told()
        self.told.latest = tasks
        self._clock = clock
        self._ahead = AskAhead({})

    def takes(
        self, number: int, waits_s: float, works_s: float, *, overtaken: bool = True, follows: bool = True
    ) -> None:
        """Wait for a result, while later ones are there or not, and deal with it."""
        self._ahead.follows, self._ahead.overtaken = follows, overtaken
        self.told.habits.waits_for(task(number))
        self._clock.append(self._clock[-1] + waits_s)
        self.told.habits.waited(task(number), self._ahead)
        self._clock.append(self._clock[-1] + works_s)


def test_results_taken_in_the_order_of_submission(clock: list[float]) -> None:
    loop = Loop(clock, tasks=100)
    for number in range(1, 100):
        loop.takes(number, LOST_S / 10, LOST_S / 10)
    assert len(loop.told.texts) == 1
    assert "as_completed" in loop.told.texts[0]


def test_an_order_that_costs_nothing_is_no_habit(clock: list[float]) -> None:
    for waits_s, works_s, overtaken, tasks in (
        (LOST_S, 0.0, True, 100),  # nothing is done with the results
        (0.001, LOST_S, True, 100),  # they are there in time
        (LOST_S, LOST_S, False, 100),  # later ones are not there either
    ):
        loop = Loop(clock, tasks=tasks)
        for number in range(1, 100):
            loop.takes(number, waits_s, works_s, overtaken=overtaken)
        assert loop.told.texts == []


def test_work_between_rounds_is_no_work_on_results(clock: list[float]) -> None:
    loop = Loop(clock, tasks=0)
    for number in range(1, 200):
        loop.told.latest = -(-number // 10) * 10
        loop.takes(number, LOST_S / 10, LOST_S if number % 10 == 0 else 0.0)
    assert loop.told.texts == []


def test_results_of_many_actors_are_no_sequence(clock: list[float]) -> None:
    loop = Loop(clock, tasks=100)
    for number in range(1, 100):
        loop.takes(number, LOST_S, LOST_S, overtaken=False, follows=False)
    assert loop.told.texts == []


def test_many_small_puts(clock: list[float]) -> None:
    told = Told()
    for pause_s, expected in ((2.0, 0), (0.5, 1)):
        for _ in range(3 * SPANS_OF_SMALL_PUTS):
            clock.append(clock[-1] + pause_s)
            told.habits.puts_small()
        assert len(told.texts) == expected


def test_small_puts_are_those_of_a_program() -> None:
    small = f"for number in range({SMALL_PUTS * (SPANS_OF_SMALL_PUTS + 2)}): ray.put(number)"
    assert run(small).count("small values, without a pause") == 1
    assert "small values" not in run(small, LOCALRAY_HINTS="0")
    assert "small values" not in run(f"for number in range({SMALL_PUTS}): ray.put(number)")


def test_tasks_that_are_too_short() -> None:
    program = """
@ray.remote
def work(duration_s):
    import time
    end = time.perf_counter() + duration_s
    while time.perf_counter() < end:
        pass
ray.get([work.remote(%f) for _ in range(%d)])
"""
    hints = run(program % (0, 2 * SHORT_TASKS))
    assert hints.count(f"{SHORT_TASKS} tasks like work took less than 0.1 ms") == 1
    assert "tasks like work" not in run(program % (0, 2 * SHORT_TASKS), LOCALRAY_HINTS="0")
    assert "tasks like work" not in run(program % (0, SHORT_TASKS // 2))
    assert "tasks like work" not in run(program % (0.0005, 2 * SHORT_TASKS))


VARIABLES = """
step = 1
@ray.remote
def add(x):
    return x + step
@ray.remote
class Adder:
    def add(self, x):
        return x + step
adder = Adder.remote()
assert ray.get([add.remote(1), adder.add.remote(1)]) == [2, 2]
"""


def test_variables_that_change_after_they_were_sent() -> None:
    hints = run(VARIABLES + "step = 2\nassert ray.get([add.remote(1), add.remote(1)]) == [2, 2]")
    assert hints.count("__main__.add reads the variable step, which was 1") == 1
    assert "is 2 here by now" in hints
    assert "Adder" not in hints
    changes = VARIABLES + "step = 2\nfor _ in range(4): assert ray.get(adder.add.remote(1)) == 2"
    assert run(changes).count("__main__.Adder reads the variable step") == 1
    assert "step" not in run(changes, LOCALRAY_HINTS="0")


def test_variables_that_did_not_exist_when_they_were_sent() -> None:
    program = """
@ray.remote
def read():
    return later, len("x")
def fails():
    try:
        ray.get(read.remote())
    except NameError:
        return True
assert fails()
"""
    assert "reads the variable" not in run(program + "assert fails()")
    hints = run(program + "later = {}\nassert fails() and fails()")
    assert hints.count("__main__.read reads the variable later, which did not exist when") == 1
    again = "later = 3\nread = ray.remote(read._function)\nassert ray.get(read.remote()) == (3, 1)"
    assert "reads the variable" not in run(program + again)


def test_variables_that_do_no_harm() -> None:
    for program in (
        # Nobody calls them afterwards.
        "step = 2",
        "refs = [adder.add.remote(1) for _ in range(20)]\nstep = 2\nfor ref in refs: ray.get(ref)",
        # Each is sent with the value it is to see.
        "refs = []\nfor step in range(5):\n    refs.append(ray.remote(lambda: step).remote())\nray.get(refs)",
        # A worker's own.
        "calls = 0\n@ray.remote\ndef count():\n    global calls\n    calls += 1\nray.get(count.remote())\ncalls = 5\n"
        "ray.get(count.remote())",
        # Another variable of that name, an attribute, and equal values.
        "value = 3.0\nclass Thing:\n    step = 1\n@ray.remote\ndef own(thing):\n    value = 1\n    return thing.step\n"
        "ray.get(own.remote(Thing()))\nvalue = step = 4\nray.get(own.remote(Thing()))",
        "text = 'a' * 100\n@ray.remote\ndef read():\n    return text\nray.get(read.remote())\ntext = 'a' * 100\n"
        "ray.get(read.remote())",
    ):
        assert "reads the variable" not in run(VARIABLES + program), program
