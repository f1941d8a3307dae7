"""The head or the fork server is killed: drivers are told at once, nothing hangs, nothing is left, a new session can be started."""

from __future__ import annotations

import os
import signal
import textwrap

import pytest

from .drivers import Driver, allowed_s, is_alive, wait_until

_START = """
from localray.exceptions import RaySystemError
from localray.session import _session
ray.init(num_cpus=2)
head = _session.engine.head_process_id

@ray.remote
def pid():
    return os.getpid()

@ray.remote
def forker():
    return os.getppid()

@ray.remote
def work(seconds):
    print("under way")
    time.sleep(seconds)

@ray.remote
def native():
    print("under way")
    return len(str(7 ** (10 ** 9)))

print(f"head={head}")
print(f"forker={ray.get(forker.remote())}")
"""

_RECOVER = """
ray.shutdown()
assert not ray.is_initialized()
ray.init(num_cpus=2)
assert ray.get([pid.remote() for _ in range(3)])
ray.shutdown()
print("recovered")
"""

_CALLS = {
    "get": "ray.get(ref)",
    "get_with_timeout": "ray.get(ref, timeout=50)",
    "get_list": "ray.get([ref, pid.remote()])",
    "wait": "ray.wait([ref])",
    "wait_with_timeout": "ray.wait([ref], timeout=50)",
    "future": "ref.future().result()",
    "await": "import asyncio\nasync def main(): return await ref\nasyncio.run(main())",
    "gather": "import asyncio\nasync def main(): return await asyncio.gather(*[work.remote(100) for _ in range(3)])\nasyncio.run(main())",
    "available_resources_loop": "while True: ray.available_resources()",
    "submit_loop": "while True: ray.get(pid.remote())",
    "put_loop": "while True: ray.put(bytes(200_000))",
    "named_actor_loop": "while True:\n    try: ray.get_actor('nobody')\n    except ValueError: continue",
}


def _expecting_an_error(call: str) -> str:
    """Source that makes a call, expects a clear error, and says how long after the kill it came."""
    return f"""
print("calling")
try:
{textwrap.indent(call, "    ")}
except RaySystemError as error:
    assert "head process" in str(error), error
    print("told", flush=True)
else:
    print("no error")
"""


@pytest.mark.parametrize("victim", ["head", "forker"])
@pytest.mark.parametrize("call", _CALLS)
def test_a_blocked_driver_is_told_at_once(call: str, victim: str) -> None:
    program = _START + "ref = work.remote(1000)\n" + _expecting_an_error(_CALLS[call]) + "sys.stdin.readline()\n" + _RECOVER
    with Driver(program, stdin=-1) as driver:
        head, forker = driver.wait_for_number("head"), driver.wait_for_number("forker")
        driver.wait_for_all({"calling": 1, "under way": 1})
        os.kill(head if victim == "head" else forker, signal.SIGKILL)
        took_s = wait_until(lambda: "told" in driver.output(), "the driver is told")
        assert took_s <= allowed_s()
        wait_until(lambda: set(driver.processes()) == {driver.process.pid}, "workers and fork server are gone", 1.0 * allowed_s())
        driver.say("go on")
        driver.wait_for("recovered")
        assert driver.end().code == 0


@pytest.mark.parametrize("victim", ["head", "forker"])
def test_threads_that_wait_are_all_told(victim: str) -> None:
    program = _START + """
def wait(number):
    try:
        ray.get(refs[number])
    except RaySystemError:
        # In one piece: `print` writes the end of the line by itself, and three threads may come in between.
        sys.stdout.write("told\\n")
refs = [work.remote(1000), work.remote(1000), pid.options(num_cpus=2).remote()]
threads = [threading.Thread(target=wait, args=(number,)) for number in range(3)]
for thread in threads: thread.start()
futures = [ref.future() for ref in refs]
for thread in threads: thread.join()
for future in futures:
    assert isinstance(future.exception(20), RaySystemError), future
print("all told")
""" + _RECOVER
    with Driver(program) as driver:
        head, forker = driver.wait_for_number("head"), driver.wait_for_number("forker")
        driver.wait_for("under way", 2)
        os.kill(head if victim == "head" else forker, signal.SIGKILL)
        driver.wait_for("told", 3)
        driver.wait_for("recovered")
        assert driver.end().code == 0


@pytest.mark.parametrize("victim", ["head", "forker"])
def test_a_driver_that_was_busy_is_told_at_its_next_call(victim: str) -> None:
    """And at every later one; what it has already stays usable."""
    program = _START + """
import numpy
array = ray.get(ray.put(numpy.arange(1_000_000)))
known = pid.remote()
ray.get(known)
handle = ray.remote(type("A", (), {"m": lambda self: 1})).remote()
ray.get(handle.m.remote())
print("ready")
sys.stdin.readline()
calls = [
    lambda: ray.get(pid.remote()), lambda: ray.wait([work.remote(1)], timeout=1), lambda: ray.get(ray.put(bytes(200_000))),
    lambda: ray.available_resources(), lambda: ray.get(handle.m.remote()), lambda: ray.get_actor("a"),
    lambda: ray.get(pid.remote(), timeout=1),
]
for _ in range(3):
    for number, call in enumerate(calls):
        try:
            print("no error from call", number, call())
        except RaySystemError as error:
            assert "head process" in str(error), error
assert ray.get(known) and array.sum() == 499999500000
print("told every time")
""" + _RECOVER + "assert array.sum() == 499999500000\n"
    with Driver(program, stdin=-1) as driver:
        head, forker = driver.wait_for_number("head"), driver.wait_for_number("forker")
        driver.wait_for("ready")
        os.kill(head if victim == "head" else forker, signal.SIGKILL)
        wait_until(lambda: set(driver.processes()) == {driver.process.pid}, "workers and fork server are gone", 1.0 * allowed_s())
        driver.say("go on")
        driver.wait_for("recovered")
        ended = driver.end()
        assert ended.code == 0
        assert "no error" not in ended.output


@pytest.mark.parametrize("victim", ["head", "forker"])
def test_native_code_does_not_keep_a_worker_alive(victim: str) -> None:
    program = _START + "refs = [native.remote(), native.remote()]\n" + _expecting_an_error("ray.get(refs)")
    with Driver(program) as driver:
        head, forker = driver.wait_for_number("head"), driver.wait_for_number("forker")
        driver.wait_for("under way", 2)
        os.kill(head if victim == "head" else forker, signal.SIGKILL)
        driver.wait_for("told")
        assert driver.end().code == 0


def test_workers_go_although_all_that_would_end_them_is_gone() -> None:
    """The head, the fork server and the driver die at the same moment, while a task only waits."""
    program = "worker = ray.get(pid.remote())\nref = work.remote(1000)\nprint(f'worker={worker}')\nray.get(ref)\n"
    with Driver(_START + program) as driver:
        head, forker, worker = (driver.wait_for_number(name) for name in ("head", "forker", "worker"))
        driver.wait_for("under way")
        for process in (driver.process.pid, forker, head):
            os.kill(process, signal.SIGKILL)
        wait_until(lambda: not is_alive(worker), "the worker is gone", allowed_s(1))


def test_a_head_that_is_killed_again_and_again() -> None:
    """Ten sessions of one driver, each one's head killed at another moment; descriptors and threads do not grow."""
    program = _START + """
import random
moments = random.Random(7)
counts = []
for round in range(10):
    head = _session.engine.head_process_id
    refs = [pid.remote() for _ in range(20)]
    timer = threading.Timer(moments.uniform(0, 0.02), os.kill, (head, signal.SIGKILL))
    timer.start()
    try:
        while True:
            ray.get(refs)
            refs = [pid.remote() for _ in range(20)]
    except RaySystemError as error:
        assert "head process" in str(error), error
    timer.join()
    ray.shutdown()
    counts.append((len(os.listdir("/proc/self/fd")), threading.active_count()))
    ray.init(num_cpus=2)
    assert ray.get(pid.remote())
ray.shutdown()
assert len(set(counts)) == 1, counts
print("ten times")
"""
    with Driver(program) as driver:
        driver.wait_for("ten times")
        assert driver.end().code == 0


def test_the_driver_of_a_dead_head_ends_as_ever() -> None:
    with Driver(_START + "os.kill(head, signal.SIGKILL)\n") as driver:
        assert driver.end().code == 0
    assert not is_alive(driver.process.pid)
