"""Virtual time: sleeping costs nothing, deadlines hold, waiting for nothing is found out."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from types import ModuleType

import pytest

from localray import sim


def run(program: object, **options: object) -> sim.Report:
    """Run under seed 1; the program must not fail."""
    report = sim.run(program, seed=1, **options)  # type: ignore[arg-type]
    if report.error is not None:
        raise report.error
    return report


def test_sleeping_costs_nothing() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def sleep(duration_s: float) -> float:
            started_s = time.monotonic()
            time.sleep(duration_s)
            return time.monotonic() - started_s

        began_s = time.time()
        assert ray.get([sleep.remote(1000.0), sleep.remote(1000.0)]) == [1000.0, 1000.0]
        time.sleep(5000)
        assert 6000 < time.time() - began_s < 6001

    started_s = time.monotonic()
    report = run(program)
    assert time.monotonic() - started_s < 30
    assert 6000 < report.virtual_time_s < 6001


def test_the_real_clock_is_back_afterwards() -> None:
    real = (time.sleep, time.time, time.monotonic, threading.Lock, threading.Thread.start, queue.SimpleQueue)
    before_s = time.time()
    run(lambda ray: time.sleep(10**6))
    assert (time.sleep, time.time, time.monotonic, threading.Lock, threading.Thread.start, queue.SimpleQueue) == real
    assert time.time() - before_s < 60


def test_timeouts_fire_when_all_wait() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def sleep(duration_s: float) -> str:
            time.sleep(duration_s)
            return "slept"

        slow = sleep.remote(100)
        started_s = time.monotonic()
        with pytest.raises(ray.exceptions.GetTimeoutError):
            ray.get(slow, timeout=2.5)
        assert 2.5 <= time.monotonic() - started_s < 2.6
        assert ray.wait([slow], timeout=10) == ([], [slow])
        assert ray.wait([slow], timeout=0) == ([], [slow])
        assert ray.get(slow, timeout=1000) == "slept"
        assert 100 <= time.monotonic() - started_s < 100.1

    run(program)


def test_polling_lets_time_pass() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def sleep() -> str:
            deadline_s = time.monotonic() + 0.5
            while time.monotonic() < deadline_s:
                continue
            return "spun"

        ref = sleep.remote()
        polls = 0
        while not ray.wait([ref], timeout=0)[0]:
            polls += 1
        assert polls > 10
        assert ray.get(ref) == "spun"

    run(program)


def test_a_deadlock_is_found_and_told() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        class Locked:
            def __init__(self) -> None:
                self.event = threading.Event()

            def wait_for_ever(self) -> None:
                self.event.wait()

        ray.get(Locked.remote().wait_for_ever.remote())

    report = sim.run(program, seed=1)
    assert isinstance(report.error, sim.DeadlockError)
    text = str(report.error)
    assert "driver waits for object" in text
    assert "Locked.wait_for_ever" in text
    assert "waits for a condition" in text


def test_a_deadlock_of_refs_is_told_with_their_story() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote(num_gpus=1)
        def never() -> None:
            """Nobody has a GPU."""

        ray.get(never.remote())

    report = sim.run(program, seed=1)
    assert isinstance(report.error, sim.DeadlockError)
    assert "never, whose task is QUEUED" in str(report.error)
    assert any("GPU" in notice for notice in report.notices)


def test_limits_end_what_does_not_end() -> None:
    def program(ray: ModuleType) -> None:
        while True:
            time.sleep(1)

    report = sim.run(program, seed=1, time_limit_s=100.0)
    assert isinstance(report.error, sim.SimulationLimitError)
    assert report.virtual_time_s <= 100.0

    def chatter(ray: ModuleType) -> None:
        while True:
            ray.get(ray.put(1))

    assert isinstance(sim.run(chatter, seed=1, step_limit=500).error, sim.SimulationLimitError)


def test_asyncio_lives_in_virtual_time() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def double(number: int) -> int:
            time.sleep(50)
            return 2 * number

        async def main() -> list[int]:
            started_s = asyncio.get_running_loop().time()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(double.remote(0).as_future()), timeout=5)
            results = await asyncio.gather(double.remote(1), double.remote(2), asyncio.to_thread(lambda: 6))
            assert 50 <= asyncio.get_running_loop().time() - started_s < 110
            return results

        assert asyncio.run(main()) == [2, 4, 6]

    run(program)


def test_modules_that_imported_functions_by_name_get_virtual_ones() -> None:
    real = naptime
    seen: list[bool] = []

    def program(ray: ModuleType) -> None:
        naptime(3600)
        seen.append(naptime is not real)

    assert run(program).virtual_time_s >= 3600
    assert seen == [True]
    assert naptime is real


naptime = time.sleep
