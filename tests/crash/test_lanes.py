"""Lanes and deaths: whichever end of a lane goes while a call is on it, whoever waits is told, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from localray.client.current import current_client
from localray.exceptions import ActorDiedError
from localray.kernel.lanes import LANES_OF_A_CLIENT
from localray.session import _session

from .drivers import Driver, allowed_s, is_alive, wait_until

DEADLINE_S = 30


def make_counter(ray: ModuleType) -> Any:
    """An actor that a lane leads to."""

    @ray.remote(num_cpus=0)
    class Counter:
        def __init__(self) -> None:
            self.value = 0

        def add(self) -> int:
            self.value += 1
            return self.value

        def pid(self) -> int:
            return os.getpid()

        def nap(self, duration_s: float) -> int:
            time.sleep(duration_s)
            return self.value

    before = lanes()
    counter = Counter.remote()
    for _ in range(6):
        ray.get(counter.pid.remote())
    assert lanes() == before + 1
    return counter


def lanes() -> int:
    """How many lanes this process has."""
    client = current_client()
    assert client is not None
    return len(client.channel._lanes)  # type: ignore[attr-defined]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_lane_goes_with_its_actor(ray: ModuleType) -> None:
    make_counter(ray)
    wait_until(lambda: ray.available_resources() and lanes() == 0, "the first lane is closed")
    before = descriptors()
    for _ in range(10):
        counter = make_counter(ray)
        ray.kill(counter)
        with pytest.raises(ActorDiedError):
            ray.get(counter.add.remote())
    wait_until(lambda: ray.available_resources() and lanes() == 0, "all lanes are closed")
    assert descriptors() <= before


def test_so_many_lanes_and_no_more(ray: ModuleType) -> None:
    """Where a driver has as many lanes as it may, further actors are called by way of the head, until one goes."""
    one = ray.remote(num_cpus=0)(type("One", (), {"get": lambda self: 1}))

    def call(actor: Any) -> None:
        for _ in range(6):
            assert ray.get(actor.get.remote()) == 1

    actors = [one.remote() for _ in range(LANES_OF_A_CLIENT + 1)]
    for actor in actors:
        call(actor)
    assert lanes() == LANES_OF_A_CLIENT
    del actors[0], actor
    wait_until(lambda: ray.available_resources() and lanes() == LANES_OF_A_CLIENT - 1, "its lane is closed")
    call(actors[-1])
    assert lanes() == LANES_OF_A_CLIENT


def test_the_worker_is_killed_under_a_call(ray: ModuleType) -> None:
    counter = make_counter(ray)
    process = ray.get(counter.pid.remote())
    threading.Timer(0.2, os.kill, (process, signal.SIGKILL)).start()
    with pytest.raises(ActorDiedError, match="SIGKILL"):
        ray.get(counter.nap.remote(100), timeout=DEADLINE_S)
    with pytest.raises(ActorDiedError):
        ray.get(counter.add.remote(), timeout=DEADLINE_S)


@pytest.mark.parametrize("seed", range(8))
def test_the_worker_is_killed_at_some_moment_of_a_series(ray: ModuleType, seed: int) -> None:
    """Each call is answered or fails, and none is answered after one has failed."""
    counter = make_counter(ray)
    process = ray.get(counter.pid.remote())
    killer = threading.Timer(random.Random(seed).uniform(0.0, 0.02), os.kill, (process, signal.SIGKILL))
    killer.start()
    number = 0
    references = []
    with pytest.raises(ActorDiedError):
        for number in range(1, 1_000_000):
            references.append(counter.add.remote())
            assert ray.get(references[-1], timeout=DEADLINE_S) == number
    killer.join()
    # What was answered stays, whoever asks.
    assert ray.get(references[:-1]) == list(range(1, number))
    same = ray.remote(num_cpus=0)(lambda value: value)
    if number > 1:
        assert ray.get(same.remote(references[number - 2]), timeout=DEADLINE_S) == number - 1


def test_a_call_does_not_overtake_a_kill(ray: ModuleType) -> None:
    """By way of the head what is called after `ray.kill` fails at once; on a lane it could have been faster."""
    for _ in range(20):
        counter = make_counter(ray)
        ray.kill(counter)
        with pytest.raises(ActorDiedError):
            ray.get(counter.add.remote())


def test_an_interrupted_wait_leaves_the_lane_usable(ray: ModuleType) -> None:
    counter = make_counter(ray)
    for number in range(1, 4):
        reference = counter.nap.remote(0.5)
        timer = threading.Timer(0.05 * number, signal.raise_signal, (signal.SIGINT,))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            ray.get(reference)
        timer.join()
        assert ray.get(counter.add.remote(), timeout=DEADLINE_S) == number
        assert ray.get(reference) == number - 1


def test_a_fork_of_the_driver_leaves_its_lanes_alone(ray: ModuleType) -> None:
    counter = make_counter(ray)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    for number in range(1, 6):
        assert ray.get(counter.add.remote(), timeout=DEADLINE_S) == number


def test_where_no_more_files_can_be_open_calls_go_by_the_head(ray: ModuleType) -> None:
    """The head, or the actor's process, has no descriptor left for a lane."""
    head = _session.engine.head_process_id  # type: ignore[union-attr]
    limits = resource.prlimit(head, resource.RLIMIT_NOFILE)
    counter = ray.remote(num_cpus=0)(_Filled).remote()
    assert ray.get(counter.get.remote()) == 1
    in_use = len(list(Path(f"/proc/{head}/fd").iterdir()))
    resource.prlimit(head, resource.RLIMIT_NOFILE, (in_use + 1, limits[1]))
    try:
        assert [ray.get(counter.get.remote()) for _ in range(20)] == [1] * 20
    finally:
        resource.prlimit(head, resource.RLIMIT_NOFILE, limits)
    filled = ray.remote(num_cpus=0)(_Filled).remote()
    assert ray.get(filled.fill.remote()) > 0
    assert [ray.get(filled.get.remote()) for _ in range(20)] == [1] * 20
    assert ray.get(filled.empty.remote()) == 0


class _Filled:
    """An actor that can use up its process's descriptors."""

    def __init__(self) -> None:
        self.kept: list[int] = []

    def get(self) -> int:
        return 1

    def fill(self) -> int:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        with contextlib.suppress(OSError):
            while True:
                self.kept.append(os.dup(0))
        return len(self.kept)

    def empty(self) -> int:
        while self.kept:
            os.close(self.kept.pop())
        return 0


def test_threads_of_the_actor_speak_while_it_answers() -> None:
    """Whatever another thread of the worker says to the kernel meanwhile, each call is answered, once."""
    program = """
ray.init(num_cpus=2)

@ray.remote
class Talker:
    def __init__(self):
        sys.setswitchinterval(1e-5)
        self.over = False
        self.thread = threading.Thread(target=self.talk, daemon=True)
        self.thread.start()
    def talk(self):
        while not self.over:
            ray.put(1)
            time.sleep(0.0005)
    def get(self, number):
        return number

talker = Talker.remote()
for number in range(4000):
    assert ray.get(talker.get.remote(number), timeout=30) == number
print("all answered", flush=True)
"""
    with Driver(program) as driver:
        driver.wait_for("all answered")
        assert driver.end().code == 0


def test_a_joined_driver_dies_with_a_call_on_its_lane(ray: ModuleType, tmp_path: Path) -> None:
    """The actor of another driver goes on, and ends when that lets go of it."""
    begun = tmp_path / "begun"
    counter = ray.remote(num_cpus=0)(_Napper).options(name="napper", namespace="shared").remote()
    assert ray.get(counter.get.remote()) == 1
    address = ray.get_runtime_context().gcs_address
    source = f"""
ray.init(address={address!r}, namespace="shared")
napper = ray.get_actor("napper")
for _ in range(8):
    assert ray.get(napper.get.remote()) == 1
ray.get(napper.nap_noted.remote(1.5, {str(begun)!r}))
"""
    with Driver(source, temporary=Path(tempfile.gettempdir())) as driver:
        wait_until(begun.exists, "the call runs")
        os.kill(driver.process.pid, signal.SIGKILL)
        driver.process.wait()
        assert ray.get(counter.get.remote(), timeout=DEADLINE_S) == 1
        process = ray.get(counter.pid.remote())
        del counter
        wait_until(lambda: not is_alive(process), "the actor has ended")


class _Napper:
    def get(self) -> int:
        return 1

    def pid(self) -> int:
        return os.getpid()

    def nap_noted(self, duration_s: float, begun: str) -> None:
        Path(begun).touch()
        time.sleep(duration_s)


_SERIES = """
ray.init(num_cpus=2)
from localray.session import _session
from localray.exceptions import RaySystemError

@ray.remote
class Counter:
    def __init__(self):
        self.value = 0
    def add(self):
        self.value += 1
        return self.value
    def nap(self, duration_s):
        time.sleep(duration_s)
    def say(self, text):
        print(text)
        return text

counter = Counter.remote()
for _ in range(10):
    ray.get(counter.add.remote())
print(f"head={_session.engine.head_process_id}", flush=True)
"""

_CALLS = {"series": "while True: ray.get(counter.add.remote())", "long": "ray.get(counter.nap.remote(100))"}


@pytest.mark.parametrize("call", _CALLS)
def test_the_head_is_killed_under_a_call(call: str) -> None:
    program = f"""
print("calling", flush=True)
try:
    {_CALLS[call]}
except RaySystemError as error:
    assert "head process" in str(error), error
    print("told", flush=True)
"""
    with Driver(_SERIES + program) as driver:
        head = driver.wait_for_number("head")
        driver.wait_for("calling")
        os.kill(head, signal.SIGKILL)
        took_s = wait_until(lambda: "told" in driver.output(), "the driver is told")
        assert took_s <= allowed_s()
        assert driver.end().code == 0


@pytest.mark.parametrize("call", _CALLS)
def test_the_driver_is_killed_under_a_call(call: str) -> None:
    with Driver(_SERIES + f"print('calling', flush=True)\n{_CALLS[call]}\n") as driver:
        driver.wait_for("calling")
        os.kill(driver.process.pid, signal.SIGKILL)
        wait_until(lambda: not set(driver.processes()) - {driver.process.pid}, "nothing is left", allowed_s(2))


def test_what_is_printed_comes_before_the_answer() -> None:
    program = """
for number in range(40):
    ray.get(counter.add.remote())
    ray.get(counter.say.remote(f"line {number}"))
    print(f"answer {number}", flush=True)
"""
    with Driver(_SERIES + program) as driver:
        driver.wait_for("answer 39")
        ended = driver.end()
    said = [line.split()[-2:] for line in ended.output.splitlines() if "line " in line or "answer " in line]
    assert said == [[what, str(number)] for number in range(40) for what in ("line", "answer")]
