"""Standing sessions when processes die: the keeper, the head, the fork server, a driver that has joined; and strangers at the door."""

from __future__ import annotations

import os
import signal
import socket
import textwrap
from pathlib import Path

import pytest

from localray.runtime.session_home import SessionHome

from .drivers import Driver, allowed_s, is_alive, wait_until

_KEEPER = """
from localray.cluster_utils import Cluster
from localray.exceptions import RaySystemError
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
node = cluster.add_node(num_cpus=1, resources={"there": 1})

JOINED = '''
import os, sys, time
import localray as ray
ray.init("auto")
@ray.remote(num_cpus=1)
def work():
    print("under way", flush=True)
    time.sleep(1000)
@ray.remote(num_cpus=0)
def forker():
    return os.getppid()
refs = [work.remote(), work.remote()]
print(f"forker={ray.get(forker.remote())}", flush=True)
print(f"joined={os.getpid()}", flush=True)
try:
    ray.get(refs)
except ray.exceptions.RaySystemError as error:
    print("told", flush=True)
'''
import subprocess
joined = subprocess.Popen([sys.executable, "-c", JOINED])
print(f"head={cluster._session.head_process_id}")
"""


def _ready(driver: Driver) -> tuple[int, int, int]:
    """The head, the fork server and the driver that has joined, whose tasks run."""
    found: dict[str, int] = {}
    driver.wait_for("head=")
    wait_until(lambda: "under way" in driver.output() and "joined=" in driver.output(), "work is under way", 60)
    for line in driver.output().splitlines():
        name, _, number = line.rpartition(" ")[2].partition("=")
        if name in ("head", "forker", "joined"):
            found[name] = int(number)
    return found["head"], found["forker"], found["joined"]


def test_everything_goes_with_the_keeper() -> None:
    with Driver(_KEEPER + "signal.pause()") as driver:
        _ready(driver)
        driver.signal(signal.SIGKILL)
        driver.process.wait()
        # The driver that had joined is told and ends by itself.
        driver.wait_until_gone()
        assert "told" in driver.output()


@pytest.mark.parametrize("victim", ["head", "forker"])
def test_everything_goes_with_the_head(victim: str) -> None:
    program = """
    joined.wait()
    assert not cluster.remaining_processes_alive()
    try:
        cluster.add_node()
    except ConnectionError:
        print("the keeper is told")
    cluster.shutdown()
    """
    with Driver(_KEEPER + textwrap.dedent(program)) as driver:
        head, forker, _ = _ready(driver)
        os.kill(head if victim == "head" else forker, signal.SIGKILL)
        took_s = wait_until(lambda: "told" in driver.output(), "the driver that joined is told")
        assert took_s <= allowed_s()
        driver.wait_for("the keeper is told")
        assert driver.end().code == 0


def test_the_session_outlives_a_driver_that_crashes() -> None:
    program = """
joined.wait()
ray.init()
deadline_s = time.monotonic() + 30
while ray.available_resources().get("CPU") != 2.0:
    assert time.monotonic() < deadline_s
assert ray.get([ray.remote(lambda: 1).remote() for _ in range(4)]) == [1] * 4
ray.shutdown()
cluster.shutdown()
"""
    with Driver(_KEEPER + program) as driver:
        head, _, joined = _ready(driver)
        os.kill(joined, signal.SIGKILL)
        assert driver.end().code == 0
        assert not is_alive(head)


def test_strangers_are_turned_away() -> None:
    """Whoever does not know the key hears nothing, and holds nobody up."""
    program = """
print(f"home={cluster._session.home.number}")
sys.stdin.readline()
joined.kill(); joined.wait()
ray.init()
assert ray.get(ray.remote(lambda: 1).remote()) == 1
ray.shutdown(); cluster.shutdown()
"""
    with Driver(_KEEPER + program, stdin=-1) as driver:
        _ready(driver)
        directory = driver.temporary / f"localray-{os.getuid()}"
        (entry,) = [path for path in directory.iterdir() if path.is_dir()]
        home = SessionHome(entry, int(entry.name.rpartition("_")[2]))
        assert directory.stat().st_mode & 0o077 == 0
        assert Path(home.path, "key").stat().st_mode & 0o077 == 0
        for _ in range(50):
            # Gone before it is greeted.
            _stranger(home).close()
        for _ in range(100):
            _stranger(home).close()
        strangers = [_stranger(home) for _ in range(200)]
        for position, stranger in enumerate(strangers):
            try:
                stranger.sendall(b"\x00" * (1 + position))
            except OSError:
                continue  # Turned away for others that came later.
        answers = [_all_of(stranger) for stranger in strangers[:40] + strangers[-1:]]
        assert all(len(answer) <= 56 for answer in answers)
        for stranger in strangers:
            stranger.close()
        driver.say("go on")
        assert driver.end().code == 0


def _stranger(home: SessionHome) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(home.socket_path)
    stream.settimeout(1.0)
    return stream


def _all_of(stream: socket.socket) -> bytes:
    """What it hears until it is turned away; somebody who has not said enough yet is not."""
    heard = b""
    try:
        while more := stream.recv(4096):
            heard += more
    except (TimeoutError, ConnectionResetError):
        return heard
    return heard
