"""However a driver ends and whatever its session is doing: within a second no process, shared memory or temporary file is left."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from .drivers import Driver, allowed_s, wait_until


@dataclass(frozen=True, slots=True)
class Situation:
    """What the session is doing when its driver ends. ``running`` lines tell that everything is under way."""

    name: str
    program: str
    running: int = 0


def _tasks(body: str, imports: str = "") -> str:
    """A program whose tasks say that they are under way and then do this."""
    return f"""
{imports}
ray.init(num_cpus=2)
@ray.remote
def work():
    print("under way")
    {body}
refs = [work.remote() for _ in range(6)]
"""


SITUATIONS = [
    Situation("idle", "ray.init(num_cpus=2)"),
    Situation("after_tasks", "ray.init(num_cpus=2)\nassert ray.get(ray.remote(lambda: 1).remote()) == 1"),
    Situation("python_loop", _tasks("while True: pass"), 2),
    Situation("sleeping", _tasks("time.sleep(1000)"), 2),
    # One bytecode that takes minutes and never lets another thread of its process run.
    Situation("native_code", _tasks("return len(str(7 ** (10 ** 9)))"), 2),
    Situation("signals_blocked", _tasks("signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); time.sleep(1000)"), 2),
    Situation("nested_get", """
        ray.init(num_cpus=1)
        @ray.remote
        def work(depth):
            if depth:
                return ray.get(work.remote(depth - 1))
            print("under way")
            time.sleep(1000)
        ref = work.remote(3)
    """, 1),
    Situation("actors", """
        ray.init(num_cpus=2)
        @ray.remote(num_cpus=0)
        class Serial:
            def wait(self):
                print("under way")
                time.sleep(1000)
        @ray.remote(num_cpus=0, max_concurrency=3)
        class Threaded(Serial.__ray_actor_class__):
            pass
        @ray.remote(num_cpus=0)
        class Asyncio:
            async def wait(self):
                import asyncio
                print("under way")
                await asyncio.sleep(1000)
        actors = [kind.remote() for kind in (Serial, Threaded, Asyncio)]
        detached = Serial.options(name="kept", lifetime="detached").remote()
        refs = [actor.wait.remote() for actor in (*actors, detached)]
    """, 4),
    Situation("large_objects", """
        import numpy
        ray.init(num_cpus=2)
        @ray.remote
        def hold(array, ref):
            mine = ray.put(numpy.ones(100 << 17))
            print("under way", array.nbytes)
            time.sleep(1000)
        big = ray.put(numpy.zeros(100 << 17))
        view = ray.get(big)
        refs = [hold.remote(big, [big]) for _ in range(2)]
    """, 2),
    Situation("many_queued", """
        ray.init(num_cpus=2)
        @ray.remote
        def work(number):
            if number == 0:
                print("under way")
            return number
        refs = [work.remote(number) for number in range(20_000)]
    """, 1),
    Situation("children_of_the_driver", """
        import multiprocessing
        ray.init(num_cpus=2)
        ray.get(ray.remote(lambda: 1).remote())
        # A forked child has the driver's stream open, and outlives a driver that is killed.
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,), daemon=True)
        child.start()
        print(f"child={child.pid}")
    """),
    Situation("children_of_tasks", _tasks("subprocess.run(['sleep', '1000'])", "import subprocess"), 2),
    Situation("grandchildren_of_tasks", _tasks("subprocess.Popen('sleep 1000 & sleep 1000', shell=True); os.fork() or time.sleep(1000); time.sleep(1000)", "import subprocess"), 2),
    Situation("thread_in_get", """
        ray.init(num_cpus=2)
        @ray.remote
        def work():
            print("under way")
            time.sleep(1000)
        threads = [threading.Thread(target=ray.get, args=(work.remote(),), daemon=True) for _ in range(2)]
        for thread in threads: thread.start()
    """, 2),
]


@dataclass(frozen=True, slots=True)
class Ending:
    """How the driver ends: by what it does itself, or by a signal."""

    name: str
    statement: str
    code: int
    number: signal.Signals | None = None


_WAIT = "threading.Event().wait()"
ENDINGS = [
    Ending("returns", "pass", 0),
    Ending("raises", "raise ValueError('on purpose')", 1),
    Ending("sys_exit", "sys.exit(3)", 3),
    Ending("os_exit", "os._exit(4)", 4),
    Ending("sigterm", _WAIT, 15, signal.SIGTERM),
    Ending("sighup", _WAIT, -1, signal.SIGHUP),
    Ending("sigint", _WAIT, -2, signal.SIGINT),
    Ending("sigkill", _WAIT, -9, signal.SIGKILL),
]
THOROUGH = ("returns", "sigkill")
"""Endings tried in every situation; the others in some that differ."""
SOME = ("idle", "native_code", "actors", "large_objects")


def _cases() -> list[object]:
    return [
        pytest.param(situation, ending, id=f"{situation.name}-{ending.name}")
        for situation in SITUATIONS
        for ending in ENDINGS
        if ending.name in THOROUGH or situation.name in SOME
    ]


@pytest.mark.parametrize(("situation", "ending"), _cases())
def test_nothing_is_left(
    situation: Situation, ending: Ending, record_property: Callable[[str, object], None]
) -> None:
    program = textwrap.dedent(situation.program)
    program += f"\nprint('set up')\nsys.stdin.readline()\n{ending.statement}\n"
    with Driver(program, stdin=subprocess.PIPE) as driver:
        child = driver.wait_for_number("child") if "child=" in program else None
        driver.wait_for_all({"set up": 1, "under way": situation.running})
        if ending.number is not None:
            driver.signal(ending.number)
        else:
            driver.say("end")
        if child is not None and ending.number is not None:
            driver.process.wait()
            # It is the user's process, not the session's.
            took_s = wait_until(lambda: set(driver.processes()) == {child}, "only the driver's own child is left")
            assert took_s <= allowed_s()
            os.kill(child, signal.SIGKILL)
        ended = driver.end()
        assert ended.code == ending.code
        record_property("cleaned_up_s", round(ended.cleaned_up_s, 3))


def test_a_driver_killed_while_it_starts() -> None:
    """Whenever the kill comes, early or late in `init`, nothing is left."""
    for delay_ms in range(0, 200, 10):
        with Driver("ray.init(num_cpus=2)\nthreading.Event().wait()") as driver:
            time.sleep(0.02 + delay_ms / 1000)
            driver.signal(signal.SIGKILL)
            driver.process.wait()
            took_s = wait_until(lambda driver=driver: not driver.processes(), "its processes are gone")
            assert took_s <= allowed_s()
            driver.end()


_MOMENTS = {
    "before_the_head": ("launch._spawn", ""),
    "as_the_head_is_started": ("launch._spawn", "made(*arguments)"),
    "before_the_head_answers": ("launch.HeadProcess.await_home", ""),
    "when_the_head_has_answered": ("launch.HeadProcess.await_home", "made(*arguments)"),
    "before_it_registers": ("driver._register", ""),
    "when_it_is_registered": ("driver._register", "made(*arguments)"),
}


@pytest.mark.parametrize(("where", "first"), _MOMENTS.values(), ids=_MOMENTS)
def test_a_driver_killed_at_each_step_of_its_start(where: str, first: str) -> None:
    program = f"""
    from localray.runtime import driver, launch
    made = {where}
    def die(*arguments):
        {first or "pass"}
        os.kill(os.getpid(), signal.SIGKILL)
    {where} = die
    ray.init(num_cpus=1)
    """
    with Driver(program) as driver:
        # It came to that step: a name that is not used any more would kill nobody.
        assert driver.process.wait() == -signal.SIGKILL
        wait_until(lambda: not driver.processes(), "its processes are gone")
        driver.end()


def test_a_start_that_is_interrupted_leaves_nothing() -> None:
    """Ctrl-C while the head comes up: the driver kills it, and removes what it has made until then."""
    program = """
    from localray.runtime import launch
    def interrupted(head):
        for _ in range(int(sys.stdin.readline())):
            time.sleep(0.001)
        raise KeyboardInterrupt
    launch.HeadProcess.await_home = interrupted
    try:
        ray.init(num_cpus=1)
    except KeyboardInterrupt:
        print("interrupted")
    """
    for delay_ms in range(0, 64, 8):
        with Driver(program, stdin=subprocess.PIPE) as driver:
            driver.say(str(delay_ms))
            driver.wait_for("interrupted")
            assert driver.end().code == 0


def test_a_child_that_is_terminated_just_after_the_fork_ends() -> None:
    """Whoever waits for it would wait for ever, `multiprocessing` for instance when the driver ends."""
    with Driver("""
        import pathlib
        ray.init(num_cpus=1)
        mine = pathlib.Path(f"/proc/self/task/{os.getpid()}/children")
        def terminate_the_newest():
            os.kill(int(mine.read_text().split()[-1]), signal.SIGTERM)
        os.register_at_fork(after_in_parent=terminate_the_newest)
        for _ in range(50):
            child = os.fork()
            if child == 0:
                time.sleep(1000)
            print(os.waitpid(child, 0)[1])
    """) as driver:
        driver.wait_for("15", 50)
        assert driver.end().code == 0
