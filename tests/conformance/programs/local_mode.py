"""`ray.init(local_mode=True)`: everything in this process, at the moment it is submitted. Real Ray 2.60 refuses it."""

from __future__ import annotations

import os
import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ..registry import Engine, program

OURS: dict[str, Any] = {
    "engines": {Engine.PROCESSES},
    "reason": "real Ray has given local mode up; it is an engine of its own",
    "starts_session": False,
}


@program(**OURS)
def local_mode_runs_at_submission(ray: ModuleType) -> None:
    """A task runs on the calling thread, before remote() returns; arguments and results are copies all the same."""
    ray.init(local_mode=True, num_cpus=2)
    seen: list[Any] = []
    # A module's attribute, and no variable of a closure: that would be copied with the function.
    os.local_mode_seen = seen  # type: ignore[attr-defined]

    @ray.remote
    def note(value):
        value.append(1)
        os.local_mode_seen.append((os.getpid(), threading.get_ident(), value))
        return value

    mine = [0]
    ref = note.remote(mine)
    assert seen == [(os.getpid(), threading.get_ident(), [0, 1])]
    assert mine == [0]
    assert ray.get(ref) == [0, 1]
    assert ray.get(ref) is not ray.get(ref)
    del os.local_mode_seen  # type: ignore[attr-defined]


@program(**OURS)
def local_mode_tasks_of_tasks(ray: ModuleType) -> None:
    """Tasks submit and wait for others; wait, put and large arrays are as ever."""
    ray.init(local_mode=True, num_cpus=1)

    @ray.remote
    def fib(n):
        return n if n < 2 else sum(ray.get([fib.remote(n - 1), fib.remote(n - 2)]))

    assert ray.get(fib.remote(7)) == 13
    array = np.arange(100_000)
    ref = ray.put(array)
    ready, rest = ray.wait([ref, fib.remote(3)], num_returns=2)
    assert (len(ready), rest) == (2, [])
    found = ray.get(ref)
    assert np.array_equal(found, array)
    assert not found.flags.writeable


@program(**OURS)
def local_mode_errors(ray: ModuleType) -> None:
    """An error is raised by get(), as RayTaskError and as what it is; retries run at once."""
    ray.init(local_mode=True, num_cpus=1)

    @ray.remote
    def fail():
        raise KeyError("on purpose")

    with pytest.raises(KeyError) as raised:
        ray.get(fail.remote())
    assert isinstance(raised.value, ray.exceptions.RayTaskError)


@program(**OURS)
def local_mode_actors(ray: ModuleType) -> None:
    """Actors keep their state, have names, can be killed; coroutines run to their end."""
    ray.init(local_mode=True, num_cpus=1)

    @ray.remote
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self):
            self.count += 1
            return self.count

    @ray.remote
    class Waiter:
        async def twice(self, ref):
            import asyncio

            await asyncio.sleep(0)
            return 2 * await ref[0]

    counter = Counter.options(name="counter").remote()
    assert [ray.get(counter.add.remote()) for _ in range(3)] == [1, 2, 3]
    assert ray.get(ray.get_actor("counter").add.remote()) == 4
    assert ray.get(Waiter.remote().twice.remote([ray.put(4)])) == 8
    ray.kill(counter)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(counter.add.remote())
    with pytest.raises(ValueError):
        ray.get_actor("counter")


@program(**OURS)
def local_mode_generators(ray: ModuleType) -> None:
    """A generator's items are references, in order."""
    ray.init(local_mode=True, num_cpus=1)

    @ray.remote
    def count(n):
        yield from range(n)

    assert [ray.get(ref) for ref in count.remote(3)] == [0, 1, 2]


@program(**OURS)
def local_mode_says_what_waits_for_ever(ray: ModuleType) -> None:
    """What can never be ready is an error that says so, not a program that hangs; with a timeout it is that."""
    ray.init(local_mode=True, num_cpus=1)

    @ray.remote(num_cpus=8)
    def too_large():
        return 1

    ref = too_large.remote()
    with pytest.raises(ray.exceptions.GetTimeoutError):
        ray.get(ref, timeout=0.05)
    assert ray.wait([ref], timeout=0) == ([], [ref])
    with pytest.raises(ray.exceptions.RaySystemError, match="Nothing can run any more"):
        ray.get(ref)
