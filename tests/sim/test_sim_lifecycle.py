"""A simulated session comes and goes: by `ray.init`, without a trace, a hundred times."""

from __future__ import annotations

import gc
import os
import threading
import time
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

import localray as ray
from localray import sim


def busy_program(ray: ModuleType) -> None:
    """Leaves a blocked task, a sleeping thread, three kinds of actors and a large object behind."""

    @ray.remote
    class Asynchronous:
        async def ping(self) -> int:
            return 1

    @ray.remote(max_concurrency=2)
    class Threaded:
        def sleep(self) -> None:
            time.sleep(10**9)

    @ray.remote
    def sleep() -> None:
        try:
            time.sleep(10**9)
        finally:
            time.sleep(1)

    actor, threaded = Asynchronous.remote(), Threaded.remote()
    assert ray.get(actor.ping.remote()) == 1
    left = [threaded.sleep.remote(), sleep.remote(), ray.put(bytes(1_000_000))]
    threading.Thread(target=lambda: time.sleep(10**9)).start()
    assert ray.wait(left, num_returns=2, timeout=5)[0] == [left[2]]


def descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_init_with_the_simulation() -> None:
    ray.init(engine="sim", seed=7, num_cpus=2)
    try:
        assert ray.is_initialized()
        assert ray.cluster_resources()["CPU"] == 2
        started_s = time.monotonic()
        time.sleep(500)
        assert time.monotonic() - started_s == pytest.approx(500)
        with pytest.raises(RuntimeError, match="twice"):
            sim.run(busy_program, seed=1)
    finally:
        ray.shutdown()
    assert not ray.is_initialized()
    with pytest.raises(ray.exceptions.RaySystemError):
        ray.cluster_resources()


def test_a_hundred_sessions_leave_nothing() -> None:
    for seed in range(10):
        assert sim.run(busy_program, seed=seed).error is None
    gc.collect()
    frozen = gc.get_freeze_count()
    threads, files, objects = set(threading.enumerate()), descriptors(), len(gc.get_objects())
    resident = [resident_bytes()]
    for _ in range(3):
        for seed in range(30):
            assert sim.run(busy_program, seed=seed).error is None
        resident.append(resident_bytes())
    gc.collect()
    assert set(threading.enumerate()) == threads
    assert descriptors() == files
    assert len(gc.get_objects()) < objects + 1000
    # The allocator may take more from the system once; a leak would take more in each round.
    assert min(after - before for before, after in pairwise(resident)) < 3 * 2**20, resident
    assert gc.isenabled()
    assert gc.get_freeze_count() <= frozen


def test_a_thread_from_before_is_told_that_it_cannot_wait() -> None:
    errors: list[BaseException] = []
    go = threading.Event()

    def outside() -> None:
        go.wait(60)
        try:
            ray.get(ray.put(1))
            ray.available_resources()
        except ray.exceptions.RayError as error:
            errors.append(error)

    thread = threading.Thread(target=outside)
    thread.start()
    ray.init(engine="sim", seed=1, num_cpus=1)
    try:
        go.set()
        deadline_s = thread_deadline_s()
        while not errors and thread_deadline_s() < deadline_s + 60:
            os.sched_yield()
    finally:
        ray.shutdown()
    thread.join()
    assert isinstance(errors[0], sim.NotSimulatedError)
    assert "started before" in str(errors[0])


def thread_deadline_s() -> float:
    """Real seconds, also during a simulation."""
    return os.times().elapsed
