"""Ctrl-C interrupts the call it finds, and nothing else: no worker dies, no message is lost, the session goes on."""

from __future__ import annotations

import os
import pty
import signal
import sys
import threading
from types import FrameType, ModuleType
from typing import Any

import pytest

import localray
from localray.exceptions import TaskCancelledError

from .drivers import Driver, wait_until

PACKAGE = os.path.dirname(localray.__file__) + os.sep

_SESSION = """
from localray.session import _session
ray.init(num_cpus=2)

@ray.remote
def echo(value, seconds=0.0):
    time.sleep(seconds)
    return value

@ray.remote(num_cpus=0)
class Memory:
    def __init__(self):
        self.items = []
    def add(self, item):
        self.items.append(item)
        return len(self.items)
    def get(self):
        return self.items

def workers():
    return {pid for pid in ray.get([ray.remote(os.getpid).remote() if False else pid_of.remote() for _ in range(8)])}

@ray.remote
def pid_of():
    return os.getpid()

head = _session.engine.head_process_id
memory = Memory.remote()
ray.get([echo.remote(n) for n in range(20)])
"""


def test_ctrl_c_in_get_again_and_again() -> None:
    """50 interrupts at random moments of small and large gets; every later answer is right, and no process was replaced."""
    program = _SESSION + """
import random
moments = random.Random(3)
before = workers()
interrupted = 0
for round in range(50):
    refs = [echo.remote((round, n), 0.004 if n % 5 == 0 else 0) for n in range(25)]
    timer = threading.Timer(moments.uniform(0.0, 0.02), os.kill, (os.getpid(), signal.SIGINT))
    got = None
    try:
        timer.start()
        got = ray.get(refs)
        while timer.is_alive():
            ray.get(echo.remote(1))
        timer.join()
        time.sleep(0.01)
    except KeyboardInterrupt:
        interrupted += 1
    timer.join()
    assert ray.get(refs) == [(round, n) for n in range(25)]
    assert ray.get(memory.add.remote(round)) == round + 1
assert interrupted == 50, interrupted
assert ray.get(memory.get.remote()) == list(range(50))
assert _session.engine.head_process_id == head and before & workers()
print("all right")
"""
    with Driver(program) as driver:
        driver.wait_for("all right")
        assert driver.end().code == 0


def test_ctrl_c_during_bursts_of_submissions() -> None:
    """What was submitted before the interrupt runs, exactly once and in order; what was not does not."""
    program = _SESSION + """
import random
moments = random.Random(5)
for round in range(50):
    timer = threading.Timer(moments.uniform(0.0, 0.01), os.kill, (os.getpid(), signal.SIGINT))
    refs = []
    count = 0
    try:
        timer.start()
        while True:
            ref = echo.remote((round, len(refs)))
            refs.append(ref)
            memory.add.remote((round, count))
            count += 1
    except KeyboardInterrupt:
        pass
    timer.join()
    assert ray.get(refs) == [(round, n) for n in range(len(refs))]
    items = [item for item in ray.get(memory.get.remote()) if item[0] == round]
    assert items == [(round, n) for n in range(len(items))], items[:10]
    assert len(items) in (count, count + 1), (len(items), count)
print("all right")
"""
    with Driver(program) as driver:
        driver.wait_for("all right")
        assert driver.end().code == 0


def test_an_interrupt_at_every_line_of_ours(ray: ModuleType) -> None:
    """The signal handler is called at each line that our code executes for a few calls, one line in each round.

    A tracer stands in for the kernel: what it raises is raised where the traced code is, as a signal handler's would be.
    """
    import numpy

    @ray.remote
    def echo(value: Any) -> Any:
        return value

    @ray.remote(num_cpus=0)
    class Counter:
        def __init__(self) -> None:
            self.count = 0

        def add(self) -> int:
            self.count += 1
            return self.count

    counter = Counter.remote()

    def calls() -> None:
        ref = echo.remote([1, "two"])
        nested = ray.put([ref])
        assert ray.get(ray.get(nested)[0]) == [1, "two"]
        counter.add.remote()
        ready, _ = ray.wait([echo.remote(n) for n in range(3)], num_returns=2)
        assert len(ready) == 2
        assert ray.get(ray.put(numpy.arange(50_000)))[-1] == 49_999
        ray.get([echo.remote(n) for n in range(3)])

    calls()
    handler = signal.getsignal(signal.SIGINT)
    assert callable(handler)
    lines_seen = 0
    target = 0
    interrupted = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines_seen
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return trace if frame.f_code.co_filename == __file__ else None
        if event == "line":
            lines_seen += 1
            if lines_seen == target:
                sys.settrace(None)
                handler(signal.SIGINT, frame)
        return trace

    finished = False
    while not finished:
        lines_seen = 0
        target += 1 if target < 60 else 7
        try:
            sys.settrace(trace)
            calls()
            sys.settrace(None)
            finished = lines_seen < target
            # Put off, it comes a moment later, to user code.
            wait_until(lambda: finished, "the interrupt that was put off")
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            sys.settrace(None)
        assert ray.get([echo.remote(n) for n in range(3)], timeout=30) == [0, 1, 2], target
    assert interrupted > 100
    assert ray.get(counter.add.remote(), timeout=30) > 50
    calls()


def test_cancelling_at_any_moment_spares_the_neighbours(ray: ModuleType) -> None:
    """Tasks are interrupted while they submit, put and get in a worker; its stream stays whole."""

    @ray.remote
    def inner(value: int) -> int:
        return value

    @ray.remote(num_cpus=0, max_retries=0)
    def busy() -> None:
        while True:
            ref = ray.put(inner.remote(1).hex())
            assert ray.get([inner.remote(2), ref])[0] == 2

    @ray.remote
    def pid() -> int:
        return os.getpid()

    for round_number in range(25):
        ref = busy.remote()
        threading.Event().wait(0.01 + 0.001 * (round_number % 7))
        ray.cancel(ref)
        with pytest.raises(TaskCancelledError):
            ray.get(ref, timeout=30)
        assert ray.get([inner.remote(n) for n in range(5)], timeout=30) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("group", ["pty", "killpg"])
def test_ctrl_c_of_a_terminal_spares_head_and_workers(group: str) -> None:
    """The terminal signals the whole foreground process group; only the driver is in it."""
    program = _SESSION + """
before = workers()
try:
    print("ready")
    ray.get(echo.remote(1, 1000))
except KeyboardInterrupt:
    print("interrupted")
assert before & workers() and _session.engine.head_process_id == head
assert ray.get(echo.remote(5)) == 5
print("all right")
"""
    if group == "killpg":
        with Driver(program, start_new_session=True) as driver:
            driver.wait_for("ready")
            os.killpg(driver.process.pid, signal.SIGINT)
            driver.wait_for("interrupted")
            driver.wait_for("all right")
            assert driver.end().code == 0
        return
    ours, theirs = pty.openpty()
    try:
        with Driver(program, stdin=theirs, start_new_session=True, preexec_fn=_take_terminal) as driver:
            os.close(theirs)
            driver.wait_for("ready")
            os.write(ours, b"\x03")
            driver.wait_for("interrupted")
            driver.wait_for("all right")
            assert driver.end().code == 0
    finally:
        os.close(ours)


def _take_terminal() -> None:
    """In the child: make standard input the controlling terminal."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_ctrl_c_ends_an_ordinary_script() -> None:
    """Without an `except` the script ends as any Python program does, and at once."""
    program = _SESSION + "refs = [echo.remote(1, 1000) for _ in range(4)]\nprint('ready')\nray.get(refs)\n"
    with Driver(program) as driver:
        driver.wait_for("ready")
        driver.signal(signal.SIGINT)
        ended = driver.end()
        assert ended.code == -signal.SIGINT
        assert "KeyboardInterrupt" in ended.output


def test_ctrl_c_while_starting_and_stopping() -> None:
    """In `init` or `shutdown` too: nothing is left, and a new session can be started."""
    program = """
import gc, random
ray.init(num_cpus=1)
ray.shutdown()
before = len(os.listdir("/proc/self/fd"))
moments = random.Random(9)
for round in range(20):
    timer = threading.Timer(moments.uniform(0.0, 0.25), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while True:
            ray.init(num_cpus=1)
            ray.shutdown()
    except KeyboardInterrupt:
        pass
    timer.join()
    ray.shutdown()
ray.init(num_cpus=1)
assert ray.get(ray.remote(lambda: 1).remote()) == 1
ray.shutdown()
gc.collect()
print("descriptors", len(os.listdir("/proc/self/fd")) - before, "threads", threading.active_count())
print("all right")
"""
    with Driver(program) as driver:
        driver.wait_for("all right")
        assert driver.end().code == 0


def test_main_thread_interrupted_while_another_thread_works() -> None:
    """The session was made by another thread, which goes on getting while the main thread is interrupted in its own get."""
    program = """
stop = threading.Event()
count = 0
def work():
    global count
    ray.init(num_cpus=2)
    ready.set()
    while not stop.is_set():
        assert ray.get(echo.remote(count)) == count
        count += 1
@ray.remote
def echo(value, seconds=0.0):
    time.sleep(seconds)
    return value
ready = threading.Event()
thread = threading.Thread(target=work)
thread.start()
ready.wait()
round = 0
while round < 20 or count < 10:
    timer = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while True:
            ray.get(echo.remote(1))
    except KeyboardInterrupt:
        pass
    timer.join()
    assert ray.get(echo.remote(round)) == round
    round += 1
stop.set()
thread.join()
print("all right")
"""
    with Driver(program) as driver:
        driver.wait_for("all right")
        assert driver.end().code == 0


def test_cancelled_in_a_finalizer() -> None:
    """What a finalizer raises goes nowhere, also the interrupt: it comes again, after the finalizer, and is not printed."""
    program = """
import tempfile
ray.init(num_cpus=1)
class Slow:
    def __init__(self, path):
        self.path = path
    def __del__(self):
        open(self.path, "w").close()
        while True:
            time.sleep(0.01)
@ray.remote(max_retries=0)
def drop(path):
    Slow(path)
    while True:
        time.sleep(0.01)
with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "in the finalizer")
    task = drop.remote(path)
    give_up_at_s = time.monotonic() + 60
    while not os.path.exists(path):
        assert time.monotonic() < give_up_at_s
        time.sleep(0.01)
    ray.cancel(task)
    try:
        ray.get(task, timeout=60)
    except ray.exceptions.TaskCancelledError:
        print("all right")
"""
    with Driver(program) as driver:
        driver.wait_for("all right")
        end = driver.end()
        assert end.code == 0
        assert "ignored" not in end.output
