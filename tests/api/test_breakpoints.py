"""`breakpoint()` in tasks and actors, on the terminal of the driver."""

from __future__ import annotations

import os
import pty
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from crash.drivers import Driver

_PROGRAM = """
@ray.remote
def work(number):
    doubled = 2 * number
    STOP
    return doubled

@ray.remote
class Keeper:
    def keep(self, number):
        STOP
        return number

ray.init(num_cpus=2)
print("got", ray.get(work.remote(21)))
print("got", ray.get(Keeper.remote().keep.remote(7)))
print("all right")
"""


class Terminal:
    """A terminal, seen by who types."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._seen = ""

    def wait_for(self, text: str, deadline_s: float = 60.0) -> None:
        """Read until this has been shown."""
        give_up_at_s = time.monotonic() + deadline_s
        while text not in self._seen:
            assert time.monotonic() < give_up_at_s, self._seen
            try:
                self._seen += os.read(self._descriptor, 4096).decode()
            except BlockingIOError:
                time.sleep(0.005)
        self._seen = self._seen.partition(text)[2]

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._descriptor, f"{text}\n".encode())


@contextmanager
def terminal_and_driver(program: str, **options: object) -> Iterator[tuple[Terminal, Driver]]:
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    try:
        with Driver(program, stdin=theirs, **options) as driver:
            os.close(theirs)
            yield Terminal(ours), driver
    finally:
        os.close(ours)


@pytest.mark.parametrize("stop", ["breakpoint()", "ray.util.pdb.set_trace()", "ray.util.ray_debugpy.set_trace()"])
def test_a_task_stops_on_the_drivers_terminal(stop: str) -> None:
    with terminal_and_driver(_PROGRAM.replace("STOP", stop)) as (terminal, driver):
        terminal.wait_for("(work pid=")
        terminal.type("doubled + 1")
        terminal.wait_for("43")
        terminal.type("doubled = 5")
        terminal.type("continue")
        driver.wait_for("got 5")
        terminal.wait_for("(Keeper.keep pid=")
        terminal.type("c")
        driver.wait_for("all right")
        assert driver.end().code == 0


def test_two_tasks_stop_one_after_the_other() -> None:
    program = """
    @ray.remote
    def work(number):
        breakpoint()
        return number
    ray.init(num_cpus=2)
    print("got", sum(ray.get([work.remote(1), work.remote(2)])))
    """
    with terminal_and_driver(program) as (terminal, driver):
        for _ in range(2):
            terminal.wait_for("(work pid=")
            terminal.type("c")
        driver.wait_for("got 3")
        assert driver.end().code == 0


def test_a_driver_without_a_terminal_goes_on() -> None:
    with Driver(_PROGRAM.replace("STOP", "breakpoint()")) as driver:
        driver.wait_for("breakpoint() is passed over")
        driver.wait_for("all right")
        assert driver.end().code == 0


def test_pythons_own_switch_is_followed() -> None:
    with Driver(_PROGRAM.replace("STOP", "breakpoint()"), env={**os.environ, "PYTHONBREAKPOINT": "0"}) as driver:
        driver.wait_for("all right")
        assert "passed over" not in driver.end().output
