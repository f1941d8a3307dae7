"""Real processes, killed from outside at any moment: a checkpointed actor's state is its acknowledged calls."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator

import pytest

import localray as ray
from localray.leaks import check_no_leaks, mark_environment, take_snapshot

KILLS = 12
CALLS_BETWEEN = 15


@pytest.fixture
def session() -> Iterator[None]:
    mark_environment()
    before = take_snapshot()
    ray.init(num_cpus=2)
    yield
    ray.shutdown()
    check_no_leaks(before)


@pytest.mark.parametrize("retries", [0, -1], ids=["at most once", "retried"])
def test_the_state_is_the_acknowledged_calls(session: None, retries: int) -> None:
    @ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=retries, checkpoint_interval=4)
    class Keeper:
        def __init__(self):
            self.numbers = []

        def keep(self, number):
            self.numbers.append(number)
            return number

        def read(self):
            return os.getpid(), list(self.numbers)

        def checkpoint(self):
            return self.numbers

        def restore(self, numbers):
            self.numbers = numbers

    def read() -> tuple[int, list[int]]:
        while True:
            try:
                found: tuple[int, list[int]] = ray.get(keeper.read.remote())
            except ray.exceptions.ActorUnavailableError:
                continue
            return found

    dice = random.Random(7)
    keeper = Keeper.remote()
    acknowledged = []
    for first in range(0, KILLS * CALLS_BETWEEN, CALLS_BETWEEN):
        process_id, _ = read()
        refs = [keeper.keep.remote(number) for number in range(first, first + CALLS_BETWEEN)]
        ray.wait(refs, num_returns=1 + dice.randrange(CALLS_BETWEEN), timeout=0.001 * dice.random())
        os.kill(process_id, signal.SIGKILL)
        for ref in refs:
            try:
                acknowledged.append(ray.get(ref))
            except ray.exceptions.ActorUnavailableError:
                assert retries == 0
    assert read()[1] == acknowledged
    if retries:
        assert acknowledged == list(range(KILLS * CALLS_BETWEEN))
