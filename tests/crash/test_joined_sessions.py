"""Sessions of a plain `init` that another program has joined, when one of their processes dies or leaves."""

from __future__ import annotations

import os
import signal

import pytest

from .drivers import Driver, allowed_s, wait_until

_JOINED_BY_ANOTHER = """
address = ray.init(num_cpus=2, namespace="shared").address_info["address"]
OTHER = '''
import os, sys, time
import localray as ray
ray.init(sys.argv[1], namespace="shared")
@ray.remote(num_cpus=1)
def work():
    print("under way", flush=True)
    time.sleep(1000)
@ray.remote(num_cpus=0)
def forker():
    return os.getppid()
ref = work.remote()
print(f"forker={ray.get(forker.remote())}", flush=True)
print(f"other={os.getpid()}", flush=True)
try:
    ray.get(ref)
except ray.exceptions.RaySystemError as error:
    assert sys.argv[1] in str(error), error
    print("told", flush=True)
'''
import subprocess
other = subprocess.Popen([sys.executable, "-c", OTHER, address])
from localray.session import _session
print(f"head={_session.engine.head_process_id}", flush=True)
"""


def _ready(driver: Driver) -> dict[str, int]:
    """The head, the fork server and the other driver, whose task runs."""
    wait_until(lambda: "under way" in driver.output() and "other=" in driver.output(), "work is under way", 60)
    words = [line.rpartition(" ")[2].partition("=") for line in driver.output().splitlines()]
    return {name: int(number) for name, _, number in words if name in ("head", "forker", "other")}


def test_nothing_is_left_when_the_driver_that_started_it_is_killed() -> None:
    with Driver(_JOINED_BY_ANOTHER + "signal.pause()") as driver:
        _ready(driver)
        driver.signal(signal.SIGKILL)
        driver.process.wait()
        driver.wait_until_gone()
        assert "told" in driver.output()


def test_the_other_is_told_when_the_driver_that_started_it_leaves() -> None:
    with Driver(_JOINED_BY_ANOTHER + "sys.stdin.readline(); ray.shutdown(); other.wait()", stdin=-1) as driver:
        _ready(driver)
        driver.say("leave")
        driver.wait_for("told")
        assert driver.end().code == 0


@pytest.mark.parametrize("victim", ["head", "forker"])
def test_both_are_told_when_the_head_dies(victim: str) -> None:
    program = """
try:
    ray.get(ray.remote(lambda: time.sleep(1000)).remote())
except ray.exceptions.RaySystemError:
    print("both are", flush=True)
other.wait()
ray.shutdown()
"""
    with Driver(_JOINED_BY_ANOTHER + program) as driver:
        os.kill(_ready(driver)[victim], signal.SIGKILL)
        took_s = wait_until(lambda: all(text in driver.output() for text in ("told", "both are")), "both are told")
        assert took_s <= allowed_s()
        assert driver.end().code == 0


def test_it_goes_on_when_the_other_crashes() -> None:
    program = """
other.wait()
deadline_s = time.monotonic() + 30
while ray.available_resources().get("CPU") != 2.0:
    assert time.monotonic() < deadline_s
assert ray.get([ray.remote(lambda: 1).remote() for _ in range(4)]) == [1] * 4
"""
    with Driver(_JOINED_BY_ANOTHER + program) as driver:
        os.kill(_ready(driver)["other"], signal.SIGKILL)
        assert driver.end().code == 0


def test_the_next_session_removes_what_is_left_when_all_are_killed_at_once() -> None:
    program = """
ray.init(num_cpus=1)
print("ready", flush=True)
if len(sys.argv) == 1:
    signal.pause()
print("files:", *sorted(os.listdir(f"{os.environ['TMPDIR']}/localray-{os.getuid()}")))
"""
    with Driver(program) as first:
        first.wait_for("ready")
        # Stopped first, so that none of them sees another's end.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in first.processes():
                os.kill(process, number)
        wait_until(lambda: not first.processes(), "all are gone")
        assert list(first.temporary.iterdir())
        with Driver(program, arguments=[str(first.script), "again"], temporary=first.temporary) as second:
            (files,) = second.wait_for("files:")
            assert len(files.split()) == 3, "a directory and a lock, of the new session only"
            assert second.end().code == 0
