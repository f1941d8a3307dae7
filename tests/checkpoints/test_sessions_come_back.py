"""Real sessions with a state directory: the head is killed or stopped, a new one is started with the same directory, and
the detached actors are there again with what they had."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import localray as ray
from localray.leaks import check_no_leaks, mark_environment, take_snapshot
from localray.runtime.session_home import find

ADDRESS = "127.0.0.1:{}"
KILLS = 6


class Standing:
    """Sessions that are started one after the other with one state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.number = 20_000 + os.getpid() % 20_000

    @property
    def address(self) -> str:
        return ADDRESS.format(self.number)

    def start(self) -> str:
        """Start one and join it; returns what the head has said."""
        words = ["start", "--head", "--num-cpus=2", f"--port={self.number}", f"--state-dir={self.state}"]
        command(*words)
        ray.init(self.address, namespace="ours")
        return find(self.address).log_path.read_text()

    def kill(self) -> None:
        """Its head is killed."""
        facts = find(self.address).facts()
        assert facts is not None
        os.kill(facts.head_process, signal.SIGKILL)
        self.leave()

    def stop(self) -> None:
        """It is told to end."""
        command("stop", f"--address={self.address}")
        self.leave()

    def leave(self) -> None:
        ray.shutdown()
        deadline_s = time.monotonic() + 30
        while True:
            try:
                find(self.address)
            except ConnectionError:
                return
            assert time.monotonic() < deadline_s
            time.sleep(0.01)


def command(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "localray.cli.main", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standing]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    mark_environment()
    before = take_snapshot()
    sessions = Standing(tmp_path / "state")
    yield sessions
    if ray.is_initialized():
        sessions.stop()
    check_no_leaks(before)


def make_keeper(name: str, interval: int = 1) -> ray.actor.ActorHandle:
    @ray.remote(max_restarts=-1, max_task_retries=-1, num_cpus=0, checkpoint_interval=interval)
    class Keeper:
        def __init__(self, made_with):
            self.made_with = made_with
            self.numbers = []

        def keep(self, number):
            self.numbers.append(number)
            return number

        def save(self):
            ray.checkpoint_now()
            return len(self.numbers)

        def read(self):
            return list(self.numbers), len(self.made_with)

        def checkpoint(self):
            return self.numbers, bytes(200_000)

        def restore(self, state):
            self.numbers, padding = state
            assert padding == bytes(200_000)

    return Keeper.options(name=name, lifetime="detached").remote(bytes(300_000))


def test_stopped_in_good_order_nothing_is_lost(standing: Standing) -> None:
    standing.start()
    keeper = make_keeper("k")
    ray.get([keeper.keep.remote(number) for number in range(5)])
    assert "in use by a running session" in command("start", "--head", f"--state-dir={standing.state}", code=1)
    del keeper
    standing.stop()
    assert "actor 'k' (namespace=ours) comes back from checkpoint" in standing.start()
    assert ray.get(ray.get_actor("k").read.remote()) == (list(range(5)), 300_000)


def test_a_damaged_file_is_told_of(standing: Standing) -> None:
    standing.start()
    keeper = make_keeper("k", interval=0)
    for number in range(3):
        ray.get(keeper.keep.remote(number))
        ray.get(keeper.save.remote())
    del keeper
    standing.kill()
    newest = max(standing.state.glob("*.[0-9]*"), key=lambda path: int(path.suffix[1:]))
    os.truncate(newest, 100)
    said = standing.start()
    assert f"Checkpoint {newest.name} of actor 'k' (namespace=ours" in said
    assert "is cut off or damaged" in said
    assert ray.get(ray.get_actor("k").read.remote())[0] == [0, 1]


def test_killed_at_any_moment(standing: Standing) -> None:
    """Each time the head is killed while calls are under way, and files are being written: what comes back is what one
    of the checkpoints had, and no older than what `checkpoint_now` had returned for."""
    dice = random.Random(5)
    standing.start()
    make_keeper("k", interval=3)
    expected = 0
    for _ in range(KILLS):
        keeper = ray.get_actor("k")
        numbers, made_with = ray.get(keeper.read.remote())
        assert made_with == 300_000
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= expected
        first = len(numbers)
        refs = [keeper.keep.remote(first + number) for number in range(dice.randrange(1, 20))]
        expected = ray.get(keeper.save.remote())
        assert expected == first + len(refs)
        more = [keeper.keep.remote(expected + number) for number in range(30)]
        ray.wait(more, num_returns=1 + dice.randrange(30))
        del keeper, refs, more
        standing.kill()
        assert "comes back" in standing.start()
    assert ray.get(ray.get_actor("k").read.remote())[0][:expected] == list(range(expected))
