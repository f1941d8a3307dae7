"""`localray.Executor`: what programs expect of an executor of the standard library, on processes."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, CancelledError, Future
from pathlib import Path

import pytest
from crash.drivers import Driver

import localray
from localray.exceptions import RayTaskError, WorkerCrashedError


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    localray.init(num_cpus=2)
    yield
    localray.shutdown()


@pytest.fixture
def executor() -> Iterator[localray.Executor]:
    with localray.Executor(2) as made:
        yield made


def add(a: int, b: int = 0) -> int:
    return a + b


def fail() -> None:
    raise ZeroDivisionError("as ever")


def wait_for(path: Path) -> str:
    while not path.exists():
        time.sleep(0.005)
    return "seen"


def test_submit(executor: localray.Executor) -> None:
    assert executor.submit(add, 1, b=2).result() == 3
    assert executor.submit(lambda: os.getpid()).result() != os.getpid()
    futures = [executor.submit(add, number) for number in range(100)]
    assert [future.result() for future in futures] == list(range(100))
    assert {future.result() for future in concurrent.futures.as_completed(futures)} == set(range(100))


def test_errors_are_what_was_raised(executor: localray.Executor) -> None:
    error = executor.submit(fail).exception()
    assert type(error) is ZeroDivisionError and str(error) == "as ever"
    assert isinstance(error.__cause__, RayTaskError) and "in fail" in str(error.__cause__)
    with pytest.raises(ZeroDivisionError):
        executor.submit(fail).result()
    assert isinstance(executor.submit(ValueError, "returned").result(), ValueError)


def test_what_cannot_be_sent_is_the_futures_error(executor: localray.Executor) -> None:
    assert isinstance(executor.submit(add, threading.Lock()).exception(), TypeError)  # type: ignore[arg-type]
    assert executor.submit(add, 1).result() == 1


def test_a_worker_that_dies_takes_its_call_only() -> None:
    with localray.Executor(2, max_retries=0) as executor:
        assert isinstance(executor.submit(os._exit, 1).exception(), WorkerCrashedError)
        assert executor.submit(add, 1).result() == 1


def test_map(executor: localray.Executor) -> None:
    for size in (1, 3, 100):
        assert list(executor.map(pow, range(10), range(10), chunksize=size)) == [n**n for n in range(10)]
        assert list(executor.map(add, [1, 2, 3], [1, 1], chunksize=size)) == [2, 3]
        results = executor.map(divmod, [1, 1, 1, 1], [1, 1, 0, 1], chunksize=size)
        with pytest.raises(ZeroDivisionError):
            list(results)
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(add, [1], chunksize=0)


def test_map_times_out(executor: localray.Executor, tmp_path: Path) -> None:
    with pytest.raises(concurrent.futures.TimeoutError):
        list(executor.map(wait_for, [tmp_path / "gate"], timeout=0.05))
    (tmp_path / "gate").touch()


def test_waiting(executor: localray.Executor, tmp_path: Path) -> None:
    slow, quick = executor.submit(wait_for, tmp_path / "gate"), executor.submit(add, 1)
    done, left = concurrent.futures.wait([slow, quick], return_when=FIRST_COMPLETED)
    assert (done, left) == ({quick}, {slow})
    with pytest.raises(concurrent.futures.TimeoutError):
        slow.result(timeout=0.01)
    failing = executor.submit(fail)
    done, left = concurrent.futures.wait([slow, failing], return_when=FIRST_EXCEPTION)
    assert (done, left) == ({failing}, {slow}) and slow.running()
    (tmp_path / "gate").touch()
    assert slow.result() == "seen" and slow.done() and not slow.running()


def test_what_has_not_begun_can_be_cancelled(tmp_path: Path) -> None:
    with localray.Executor(1) as executor:
        first = executor.submit(wait_for, tmp_path / "gate")
        while not first.running():
            time.sleep(0.005)
        later = [executor.submit(add, number) for number in range(3)]
        assert not first.cancel() and later[1].cancel() and later[1].cancelled()
        with pytest.raises(CancelledError):
            later[1].result()
        (tmp_path / "gate").touch()
        assert (later[0].result(), later[2].result()) == (0, 2)


def test_no_more_run_at_a_time_than_there_are_workers(tmp_path: Path) -> None:
    def alone() -> int:
        (tmp_path / "running").mkdir()
        (tmp_path / "running").rmdir()
        return 1

    with localray.Executor(1) as executor:
        assert sum(executor.submit(alone).result() for _ in range(3)) + sum(executor.map(lambda _: alone(), range(20))) == 23


def test_callbacks_may_use_the_executor(executor: localray.Executor) -> None:
    told: list[object] = []

    def go_on(future: Future[int]) -> None:
        told.append(executor.submit(add, future.result(), 1))
        told.append(localray.get(localray.put(5)))

    future = executor.submit(add, 1)
    future.add_done_callback(go_on)
    future.result()
    while len(told) < 2:
        time.sleep(0.005)
    assert isinstance(told[0], Future) and told[0].result() == 2 and told[1] == 5


def test_shutting_down(tmp_path: Path) -> None:
    executor = localray.Executor(1)
    futures = [executor.submit(add, number) for number in range(10)]
    executor.shutdown()
    assert [future.result() for future in futures] == list(range(10))
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(add, 1)
    executor.shutdown()
    executor = localray.Executor(1)
    running = executor.submit(wait_for, tmp_path / "gate")
    while not running.running():
        time.sleep(0.005)
    waiting = [executor.submit(add, number) for number in range(10)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert not running.done() and all(future.cancelled() for future in waiting)
    (tmp_path / "gate").touch()
    assert running.result() == "seen"
    executor.shutdown()


def test_an_executor_that_nobody_has_ends_its_thread() -> None:
    executor = localray.Executor(1)
    assert executor.submit(add, 1).result() == 1
    thread = executor._work._thread
    assert thread is not None and thread.is_alive()
    del executor
    thread.join(10)
    assert not thread.is_alive()


def test_initializers_run_once_in_each_worker(tmp_path: Path) -> None:
    def begin(folder: Path) -> None:
        (folder / f"{os.getpid()}").mkdir()

    with localray.Executor(2, initializer=begin, initargs=(tmp_path,)) as executor:
        used = {str(number) for number in executor.map(lambda _: os.getpid(), range(50))}
    assert {path.name for path in tmp_path.iterdir()} == used


def test_workers_are_replaced() -> None:
    with localray.Executor(1, max_tasks_per_child=2) as executor:
        numbers = [executor.submit(os.getpid).result() for _ in range(4)]
    assert len(set(numbers)) == 2, numbers


@pytest.mark.parametrize("arguments", [{"max_workers": 0}, {"max_workers": -1}, {"max_tasks_per_child": 0}])
def test_numbers_that_make_no_sense(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        localray.Executor(**arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        localray.Executor(initializer=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        localray.Executor(no_such_option=1)


def test_what_was_submitted_is_finished_at_the_end_of_the_program() -> None:
    program = """
    import localray, pathlib, time
    def work(name):
        time.sleep(0.1)
        pathlib.Path(name).touch()
    executor = localray.Executor(1)
    futures = [executor.submit(work, f"done{n}") for n in range(3)]
    print("submitted")
    """
    with Driver(program) as driver:
        driver.wait_for("submitted")
        assert driver.end().code == 0
        assert len(list(driver.working_directory.glob("done*"))) == 3


def test_an_executor_of_a_session_that_has_ended_says_so() -> None:
    program = """
    import localray
    localray.init(num_cpus=1)
    executor = localray.Executor(1)
    future = executor.submit(time.sleep, 60)
    while not future.running(): time.sleep(0.01)
    waiting = executor.submit(abs, -1)
    localray.shutdown()
    for each in (future, waiting, executor.submit(abs, -1)):
        assert isinstance(each.exception(timeout=10), localray.exceptions.RaySystemError), each
    assert not localray.is_initialized()
    print("all right")
    """
    with Driver(program) as driver:
        driver.wait_for("all right")
        assert driver.end().code == 0
