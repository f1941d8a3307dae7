"""Programs of every kind in the simulator, that the conformance suite leaves out: their own threads, crashes, nodes."""

from __future__ import annotations

import concurrent.futures
import os
import queue
import sys
import threading
import time
from types import ModuleType

import pytest

from localray import sim


def run(program: object, **options: object) -> sim.Report:
    """Run under three seeds; the program must not fail."""
    for seed in range(3):
        report = sim.run(program, seed=seed, **options)  # type: ignore[arg-type]
        if report.error is not None:
            raise report.error
    return report


def test_an_asyncio_actor_that_waits_may_end_its_process() -> None:
    """Found by a seed: what was called back when it ended waited for an answer, and its death was never told."""

    def program(ray: ModuleType) -> None:
        @ray.remote
        class Slow:
            def answer(self) -> int:
                time.sleep(1)
                return 1

        @ray.remote(max_restarts=1, max_task_retries=1)
        class Concurrent:
            async def wait(self, slow: object) -> int:
                return await slow.answer.remote()  # type: ignore[attr-defined, no-any-return]

            async def die(self) -> None:
                os._exit(1)

        actor, slow = Concurrent.remote(), Slow.remote()
        waiting = [actor.wait.remote(slow) for _ in range(3)]
        assert ray.wait(waiting, timeout=0.1)[0] == []
        with pytest.raises(ray.exceptions.ActorUnavailableError):
            ray.get(actor.die.options(max_task_retries=0).remote())
        assert ray.get(waiting) == [1, 1, 1]

    run(program)


def test_nested_gets_deeper_than_there_are_cpus() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def fibonacci(number: int) -> int:
            if number < 2:
                return number
            return sum(ray.get([fibonacci.remote(number - 1), fibonacci.remote(number - 2)]))

        assert ray.get(fibonacci.remote(7)) == 13

    run(program, num_cpus=1)


def test_threads_of_the_driver_and_of_tasks() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def leaf(number: int) -> int:
            time.sleep(1)
            return number + 1

        @ray.remote
        def parent() -> list[int]:
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                return list(pool.map(lambda number: ray.get(leaf.remote(number)), range(6)))

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda number: ray.get(leaf.remote(number)), range(8))) == list(range(1, 9))
        assert ray.get(parent.remote()) == [1, 2, 3, 4, 5, 6]

    run(program)


def test_locks_conditions_and_queues_between_threads() -> None:
    def program(ray: ModuleType) -> None:
        lock, results, inbox = threading.Lock(), [], queue.Queue(2)

        def work(name: int) -> None:
            with lock:
                time.sleep(10)
                results.append(name)

        def produce() -> None:
            for item in range(10):
                inbox.put(item)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
        threads.append(threading.Thread(target=produce))
        started_s = time.monotonic()
        for thread in threads:
            thread.start()
        assert [inbox.get(timeout=5) for _ in range(10)] == list(range(10))
        with pytest.raises(queue.Empty):
            inbox.get(timeout=1)
        threads[0].join(0.5)
        for thread in threads:
            thread.join()
            assert not thread.is_alive()
        assert sorted(results) == [0, 1, 2]
        assert time.monotonic() - started_s == pytest.approx(30)
        assert lock.acquire(timeout=1)
        assert not lock.acquire(timeout=2)

    run(program)


def test_a_threaded_actor_may_hold_a_lock_while_it_waits() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote(max_concurrency=4)
        class Counter:
            def __init__(self) -> None:
                self.lock = threading.Lock()
                self.count = 0

            def add(self) -> int:
                with self.lock:
                    count = self.count
                    time.sleep(0.1)
                    self.count = count + 1
                    return self.count

        counter = Counter.remote()
        assert sorted(ray.get([counter.add.remote() for _ in range(8)])) == list(range(1, 9))

    run(program)


def test_a_worker_that_crashes_is_replaced() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote(num_cpus=0)
        class Attempts:
            def __init__(self) -> None:
                self.count = 0

            def next(self) -> int:
                self.count += 1
                return self.count

        @ray.remote(max_retries=2)
        def flaky(attempts: object) -> int:
            count = ray.get(attempts.next.remote())  # type: ignore[attr-defined]
            if count < 3:
                os._exit(1)
            return count

        @ray.remote(max_retries=0)
        def exits() -> None:
            sys.exit(3)

        assert ray.get(flaky.remote(Attempts.remote())) == 3
        with pytest.raises(ray.exceptions.WorkerCrashedError):
            ray.get(exits.remote())

    run(program)


def test_a_killed_actors_code_does_not_go_on() -> None:
    went_on: list[str] = []

    def program(ray: ModuleType) -> None:
        @ray.remote
        class Sleeper:
            def ping(self) -> None:
                """Up."""

            def sleep(self) -> None:
                sim_went_on = sys.modules[test_a_killed_actors_code_does_not_go_on.__module__]
                time.sleep(100)
                sim_went_on.went_on_after_kill.append("slept")

        sleeper = Sleeper.remote()
        ray.get(sleeper.ping.remote())
        ref = sleeper.sleep.remote()
        assert ray.wait([ref], timeout=10) == ([], [ref])
        ray.kill(sleeper)
        with pytest.raises(ray.exceptions.RayActorError):
            ray.get(ref)
        time.sleep(1000)

    run(program)
    assert went_on == went_on_after_kill == []


went_on_after_kill: list[str] = []


def test_a_running_task_can_be_cancelled() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def sleep() -> None:
            time.sleep(10**6)

        ref = sleep.remote()
        time.sleep(1)
        ray.cancel(ref)
        with pytest.raises(ray.exceptions.TaskCancelledError):
            ray.get(ref)
        assert time.monotonic() < 10_000

    run(program)


def test_an_exception_of_the_program_is_reported() -> None:
    def program(ray: ModuleType) -> None:
        raise KeyError("mine")

    report = sim.run(program, seed=0)
    assert isinstance(report.error, KeyError)
    assert report.digest


def test_a_cancelled_tasks_calls_in_an_actors_line_never_begin() -> None:
    """Real Ray most often runs them: the conformance program leaves it open."""

    def program(ray: ModuleType) -> None:
        @ray.remote
        class Log:
            def __init__(self) -> None:
                self.names: list[str] = []

            def wait(self) -> None:
                time.sleep(10)

            def note(self, name: str) -> list[str]:
                self.names.append(name)
                return self.names

        @ray.remote
        def parent() -> None:
            ray.get(log.note.remote("child"))

        log = Log.remote()
        log.wait.remote()
        family = parent.remote()
        assert ray.wait([family], timeout=1)[0] == []
        ray.cancel(family)
        with pytest.raises(ray.exceptions.TaskCancelledError):
            ray.get(family)
        assert ray.get(log.note.remote("later")) == ["later"]

    run(program)
