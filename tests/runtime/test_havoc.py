"""A rule that spares what would not be tried again looks once more, while its victim is stopped, before it kills."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import psutil
import pytest

from localray.client.client import Client
from localray.faults import Fault, Rule
from localray.protocol import BusyWorker, Query
from localray.runtime.havoc import ProcessHavoc

DEADLINE_S = 30.0


class Answers:
    """A client that says of the worker what it is told to, and whether its process was stopped when it was asked."""

    def __init__(self, process: psutil.Process, come_again: list[bool]) -> None:
        self._process = process
        self._come_again = come_again
        self.was_stopped: list[bool] = []
        self.all_given = threading.Event()

    def ask(self, query: Query, argument: str = "") -> object:
        assert query is Query.BUSY_WORKERS
        if not self._come_again:
            self.all_given.set()
            return ()
        self.was_stopped.append(self._process.status() == psutil.STATUS_STOPPED)
        comes_again = self._come_again.pop(0)
        return (tuple(BusyWorker(1, self._process.pid, 0, b"task", 1, ("work",), int(comes_again))),)


@pytest.fixture
def worker() -> Iterator[psutil.Process]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield psutil.Process(process.pid)
        process.kill()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    give_up_at_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up_at_s, what
        time.sleep(0.005)


def unleash(answers: Answers) -> ProcessHavoc:
    rule = Rule(Fault.KILL_WORKER, probability=1.0, times=0, by_s=0.0, only_retriable=True)
    return ProcessHavoc(cast("Client", answers), [rule], seed=1)


def test_who_has_begun_its_last_attempt_meanwhile_lives(worker: psutil.Process) -> None:
    answers = Answers(worker, [True, False])
    havoc = unleash(answers)
    havoc.begin()
    assert answers.all_given.wait(DEADLINE_S)
    havoc.end()
    assert answers.was_stopped == [False, True]
    assert not havoc.happened
    wait_until(lambda: worker.status() == psutil.STATUS_SLEEPING, "it goes on")


def test_who_would_come_again_dies(worker: psutil.Process) -> None:
    answers = Answers(worker, [True, True])
    havoc = unleash(answers)
    havoc.begin()
    wait_until(lambda: bool(havoc.happened), "it is told")
    havoc.end()
    assert answers.was_stopped == [False, True]
    wait_until(lambda: worker.status() == psutil.STATUS_ZOMBIE, "it is dead")
