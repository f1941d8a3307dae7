"""Checkpointed actors on real Ray: the same program gives the same results there, though processes are killed.

One session of real Ray takes long to start, so each test is one program with much in it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

DEADLINE_S = 300

ACTORS = """
import asyncio, os, signal, sys, time
import localray as ray

@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Counter:
    checkpoint_interval = 3

    def __init__(self, start=0):
        self.count = start
        self.restored = 0

    def add(self, amount=1):
        self.count += amount
        return self.count

    def twice(self):
        self.add()
        return self.add()

    def process(self):
        return os.getpid()

    def fail(self):
        self.count += 100
        raise KeyError("the key")

    @ray.method(num_returns=2)
    def two(self):
        return 1, 2

    def some(self, number):
        for _ in range(number):
            self.count += 1
            yield self.count

    @staticmethod
    def next_to(number):
        return number + 1

    def how_often_restored(self):
        return self.restored, "localray.client" in sys.modules

    def checkpoint(self):
        return self.count

    def restore(self, count):
        self.count = count
        self.restored += 1

@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, checkpoint_interval=4)
class Numbers:
    def __init__(self):
        self.numbers = []

    async def add(self, number):
        await asyncio.sleep(0.001)
        self.numbers.append(number)
        return number

    def read(self):
        return os.getpid(), sorted(self.numbers)

    async def some(self, number):
        for each in range(number):
            yield each

    def checkpoint(self):
        return self.numbers

    def restore(self, numbers):
        self.numbers = numbers

def say(*values):
    print("=", *values)

def crash(process):
    os.kill(process, signal.SIGKILL)

ray.init(num_cpus=2, log_to_driver=False)
"""

SAME = (
    ACTORS
    + """
counter = Counter.remote(5)
say(ray.get([counter.add.remote() for _ in range(5)]), ray.get(counter.twice.remote()))
say(ray.get(counter.two.remote()), ray.get(counter.next_to.remote(4)), [ray.get(ref) for ref in counter.some.remote(2)])
try:
    ray.get(counter.fail.remote())
except KeyError as error:
    say(error.args)
crash(ray.get(counter.process.remote()))
say(ray.get(counter.add.remote()), ray.get(counter.how_often_restored.remote())[0])
refs = [counter.add.remote() for _ in range(20)]
crash(ray.get(counter.process.remote()))
say(ray.get(refs)[-1], ray.get(counter.add.remote()))

numbers = Numbers.remote()
say(sorted(ray.get([numbers.add.remote(each) for each in range(10)])), [ray.get(ref) for ref in numbers.some.remote(2)])
crash(ray.get(numbers.read.remote())[0])
say(ray.get(numbers.read.remote())[1])
ray.get([numbers.add.remote(each) for each in range(10, 13)])
crash(ray.get(numbers.read.remote())[0])
say(ray.get(numbers.read.remote())[1])

@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Stubborn:
    checkpoint_interval = 0

    def __init__(self):
        self.steps = 0
        self.how = None

    def go(self):
        while self.steps < 5:
            self.steps += 1
            ray.checkpoint_now()
            if self.steps == 3:
                os._exit(1)
        return self.steps

    def process(self):
        return os.getpid()

    def checkpoint(self):
        return self.steps

    def restore(self, steps):
        self.steps = steps

say(ray.get(Stubborn.remote().go.remote()))

@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Unlucky(Stubborn.__ray_actor_class__):
    checkpoint_interval = 1

    def fail_in(self, how):
        self.how = how
        self.steps += 1
        return self.steps

    def checkpoint(self):
        if self.how == "checkpoint":
            raise ValueError("not now")
        if self.how == "pickling":
            return (each for each in ())
        return self.how, self.steps

    def restore(self, state):
        self.how, self.steps = state
        if self.how == "restore":
            raise ValueError("not this")

for how in ("checkpoint", "pickling", "restore"):
    unlucky = Unlucky.remote()
    ray.get(unlucky.fail_in.remote("nowhere"))
    process = ray.get(unlucky.process.remote())
    ray.get(unlucky.fail_in.remote(how))
    crash(process)
    try:
        say(how, ray.get(unlucky.fail_in.remote("nowhere")))
    except ray.exceptions.RayActorError as error:
        say(how, type(error).__name__, "not this" in str(error))

@ray.remote
def elsewhere(Counter):
    counter = Counter.remote()
    ray.get(counter.add.remote(7))
    os.kill(ray.get(counter.process.remote()), signal.SIGKILL)
    return ray.get(counter.add.remote())
say(ray.get(elsewhere.remote(Counter)))

kept = Counter.options(name="kept", lifetime="detached").remote()
ray.get(kept.add.remote(3))
del kept
crash(ray.get(ray.get_actor("kept").process.remote()))
say(ray.get(ray.get_actor("kept").add.remote()))
ray.kill(ray.get_actor("kept"))

plain = Counter.options(max_restarts=0, max_task_retries=0).remote()
say(ray.get(plain.add.remote()))
for wrong in (lambda: Counter.remote(1, 2, 3), lambda: Counter.options(max_restarts=0, checkpoint_interval=3).remote()):
    try:
        wrong()
    except (TypeError, ValueError) as error:
        say(type(error).__name__, error)
print("end", ray.get(counter.how_often_restored.remote())[1], file=sys.stderr)
ray.shutdown()
"""
)

KILLED_AT_ANY_MOMENT = (
    ACTORS
    + """
import random
dice = random.Random(7)
for retries in (-1, 0):
    counter = Counter.options(max_task_retries=retries).remote()

    def ask(method):
        while True:
            try:
                return ray.get(method.remote())
            except ray.exceptions.ActorUnavailableError:
                time.sleep(0.01)

    acknowledged = 0
    for _ in range(KILLS):
        process = ask(counter.process)
        refs = [counter.add.remote() for _ in range(CALLS)]
        ray.wait(refs, num_returns=1 + dice.randrange(CALLS), timeout=0.02 * dice.random())
        crash(process)
        for ref in refs:
            try:
                ray.get(ref)
                acknowledged += 1
            except ray.exceptions.ActorUnavailableError:
                assert retries == 0
    final = ask(counter.add) - 1
    say(retries, acknowledged, final)
    assert acknowledged <= final <= KILLS * CALLS + 1, (acknowledged, final)
    if retries:
        assert acknowledged == final == KILLS * CALLS, (acknowledged, final)
ray.shutdown()
say("held")
"""
)


def run(source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an interpreter of its own; real Ray starts a cluster of its own."""
    return subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={**os.environ, "RAY_ADDRESS": "local", **environment},
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What a program said, without what Ray prints of its own accord."""
    return [line.removeprefix("= ") for line in done.stdout.splitlines() if line.startswith("= ")]


@pytest.mark.ray
def test_a_program_gives_the_same_on_real_ray() -> None:
    pytest.importorskip("ray")
    here = run(SAME)
    assert here.returncode == 0, here.stderr
    there = run(SAME, LOCALRAY_ENGINE="ray")
    assert there.returncode == 0, there.stderr
    assert said(there) == said(here)
    assert "end False" in there.stderr, "the workers of real Ray have imported localray"


@pytest.mark.ray
def test_the_state_is_the_acknowledged_calls_whenever_a_process_is_killed() -> None:
    pytest.importorskip("ray")
    done = run(KILLED_AT_ANY_MOMENT.replace("KILLS", "6").replace("CALLS", "15"), LOCALRAY_ENGINE="ray")
    assert done.returncode == 0, done.stderr
    assert said(done)[-1] == "held"
