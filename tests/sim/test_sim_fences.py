"""What a simulated program reaches for outside of the simulation is told with its line, and raises where that is
asked for."""

from __future__ import annotations

import datetime
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from types import ModuleType

import pytest

from localray import sim
from localray.sim import patches
from localray.sim.errors import NotSimulatedError
from localray.sim.fences import FENCED, FENCED_WHERE_STRICT
from localray.sim.search.case import Settings


def opens_a_socket() -> None:
    socket.socket().close()


def starts_a_process() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def reads_a_files_time() -> None:
    os.path.getmtime(__file__)  # noqa: PTH204 - what is tested


def makes_an_id_of_the_time() -> None:
    uuid.uuid1()


def reads_the_calendar() -> None:
    datetime.datetime.now()


def reads_the_day() -> None:
    datetime.date.today()


def has_kept_the_clock(clock: Callable[[], float] = time.time) -> None:
    clock()


NOTICED = (opens_a_socket, starts_a_process, reads_a_files_time, makes_an_id_of_the_time)
NOTICED_WHERE_STRICT = (reads_the_calendar, reads_the_day, has_kept_the_clock)


def line_of(function: Callable[[], None]) -> str:
    return f"{__file__}:{function.__code__.co_firstlineno + 1}: "


def twice_in_a_task(function: Callable[[], None]) -> Callable[[ModuleType], None]:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def work() -> None:
            function()

        ray.get([work.remote(), work.remote()])

    return program


@pytest.mark.parametrize("function", NOTICED)
def test_what_is_real_is_told_once(function: Callable[[], None]) -> None:
    report = sim.run(twice_in_a_task(function), seed=1)
    assert report.error is None
    told = [notice for notice in report.notices if "of which no seed decides" in notice]
    assert len(told) == 1 and told[0].startswith(line_of(function)), told


@pytest.mark.parametrize("function", [*NOTICED, *NOTICED_WHERE_STRICT])
def test_what_is_real_raises_where_the_simulation_is_strict(function: Callable[[], None]) -> None:
    error = sim.run(twice_in_a_task(function), seed=1, strict=True).error
    assert isinstance(error, NotSimulatedError), repr(error)
    assert line_of(function) in str(error)
    function()  # Afterwards nothing is fenced any more.


def test_a_strict_simulation_of_what_is_virtual_is_the_same_run() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def work() -> tuple[float, bytes, str]:
            time.sleep(0.01)
            return time.time(), os.urandom(4), str(uuid.uuid4())

        assert len(set(ray.get([work.remote() for _ in range(4)]))) == 4

    plain, strict = sim.run(program, seed=5), sim.run(program, seed=5, strict=True)
    assert plain.error is None and strict.error is None
    assert plain.digest == strict.digest
    assert sys.getprofile() is None


def test_a_spin_on_the_clock_is_named_and_ends() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def spin() -> None:
            until_s = time.monotonic() + 0.5
            while time.monotonic() < until_s:
                continue

        ray.get([spin.remote(), spin.remote()])

    report = sim.run(program, seed=1, strict=True)
    assert report.error is None
    told = [notice for notice in report.notices if "over and over" in notice]
    assert len(told) == 1 and told[0].startswith(f"{__file__}:"), report.notices


def test_what_is_fenced_can_be_pickled() -> None:
    def program(ray: ModuleType) -> None:
        system, getmtime = os.system, os.path.getmtime
        assert [function.__name__ for function in ray.get(ray.put([system, getmtime]))] == ["system", "getmtime"]

    assert sim.run(program, seed=1).error is None


def test_nobody_is_virtual_and_fenced() -> None:
    names = [name for name, _ in patches.VIRTUAL] + [fence.name for fence in FENCED]
    assert len(set(names)) == len(names)
    assert not {fence.name for fence in FENCED} & {fence.name for fence in FENCED_WHERE_STRICT}
    assert Settings(strict=True).words() == ["--strict"]
