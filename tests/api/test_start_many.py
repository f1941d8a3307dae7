"""Sessions one after the other, and all the ways to begin and end one: nothing grows, nothing is left, nothing hangs."""

from __future__ import annotations

import contextlib
import gc
import threading
import time

import psutil
import pytest
from crash.drivers import allowed_s, wait_until

import localray as ray
from localray.exceptions import RaySystemError
from localray.leaks import take_snapshot

ROUNDS = 100
GROWTH_ALLOWED_BYTES = 4 * 2**20


@ray.remote
def double(value: int) -> int:
    return 2 * value


@ray.remote(num_cpus=0)
class Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> int:
        self.count += 1
        return self.count


@ray.remote
def sleep(seconds: float) -> None:
    time.sleep(seconds)


def _session(number: int) -> None:
    import numpy

    ray.init(num_cpus=1)
    assert ray.get(double.remote(number)) == 2 * number
    counter = Counter.remote()
    assert ray.get(counter.add.remote()) == 1
    assert ray.get(ray.put(numpy.full(50_000, number)))[0] == number
    assert double.remote(1).future().result(30) == 2
    if number % 3 == 0:
        kept.append(double.remote(1))
    ray.shutdown()


kept: list[object] = []


def test_a_hundred_sessions_in_one_process(nothing_left: None) -> None:
    """No growth in descriptors, threads, processes or memory; references of ended sessions do no harm."""
    for number in range(10):
        _session(number)
    kept.clear()
    gc.collect()
    before = take_snapshot()
    memory_bytes: list[int] = []
    for number in range(ROUNDS):
        _session(number)
        memory_bytes.append(psutil.Process().memory_info().rss)
    kept.clear()
    gc.collect()
    after = take_snapshot()
    assert after.descriptors == before.descriptors
    assert after.threads == before.threads
    assert after.processes == before.processes
    # The first ones also fill the allocator's pools; what leaks goes on leaking.
    grown_bytes = memory_bytes[-1] - memory_bytes[ROUNDS // 2]
    print(f"memory after {ROUNDS // 2} and {ROUNDS} sessions: {[memory_bytes[at] >> 10 for at in (ROUNDS // 2, -1)]} KiB")
    assert grown_bytes < GROWTH_ALLOWED_BYTES, f"{grown_bytes / 2**20:.1f} MiB more after another {ROUNDS // 2} sessions"


def test_shutdown_and_init_twice(nothing_left: None) -> None:
    ray.shutdown()
    ray.init(num_cpus=1)
    with pytest.raises(RuntimeError, match="twice"):
        ray.init(num_cpus=1)
    context = ray.init(num_cpus=1, ignore_reinit_error=True)
    assert ray.is_initialized()
    assert context["node_id"]
    ray.shutdown()
    ray.shutdown()
    assert not ray.is_initialized()
    with ray.init(num_cpus=1):
        assert ray.get(double.remote(3)) == 6
    assert not ray.is_initialized()


def test_shutdown_with_running_tasks_is_fast(nothing_left: None) -> None:
    ray.init(num_cpus=4)
    busy = ray.remote(lambda: len(str(7 ** (10**9))))
    refs = [sleep.remote(1000) for _ in range(3)] + [busy.remote()] + [double.remote(number) for number in range(1000)]
    counters = [Counter.remote() for _ in range(5)]
    ray.get([counter.add.remote() for counter in counters])
    started_s = time.monotonic()
    ray.shutdown()
    assert time.monotonic() - started_s < allowed_s()
    del refs


@pytest.mark.parametrize("call", ["get", "wait", "future", "many"])
def test_shutdown_while_other_threads_wait(nothing_left: None, call: str) -> None:
    """They get an error that says so, at once."""
    ray.init(num_cpus=2)
    ref = sleep.remote(1000)
    errors: list[BaseException | None] = []

    def wait() -> None:
        try:
            ray.get(ref) if call != "wait" else ray.wait([ref])
        except BaseException as error:  # noqa: BLE001 - it is what the test is about
            errors.append(error)

    if call == "future":
        future = ref.future()
        ray.shutdown()
        errors.append(future.exception(10))
    else:
        threads = [threading.Thread(target=wait) for _ in range(4 if call == "many" else 1)]
        for thread in threads:
            thread.start()
        wait_until(lambda: ray.get(double.remote(1)) == 2, "the session is at work")
        ray.shutdown()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
    assert errors
    for error in errors:
        assert isinstance(error, RaySystemError), error
        assert "shut down" in str(error)


def test_what_outlives_its_session(nothing_left: None) -> None:
    """Values stay; references and handles of an ended session raise in the next, and disturb nobody."""
    import numpy

    ray.init(num_cpus=1)
    array = ray.get(ray.put(numpy.arange(100_000)))
    ref, large, counter = double.remote(1), ray.put(numpy.ones(100_000)), Counter.remote()
    ray.get([ref, counter.add.remote()])
    ray.shutdown()
    assert array.sum() == 4999950000
    ray.init(num_cpus=1)
    for use in (lambda: ray.get(large, timeout=5), lambda: ray.get(counter.add.remote(), timeout=5)):
        with pytest.raises(Exception, match="session|retrieve|died|dead"):
            use()
    del ref, large, counter
    gc.collect()
    assert ray.get(double.remote(4)) == 8
    assert ray.get(Counter.remote().add.remote()) == 1


def test_many_actors_created_and_dropped(nothing_left: None) -> None:
    """When the last handle goes, so does the process."""
    ray.init(num_cpus=2)
    for _ in range(2):
        actors = [Counter.remote() for _ in range(50)]
        assert ray.get([actor.add.remote() for actor in actors]) == [1] * 50
        assert len(_children()) >= 50
        del actors
        gc.collect()
        wait_until(lambda: len(_children()) <= 6, "the actors' processes are gone")


def test_many_objects_held(nothing_left: None) -> None:
    ray.init(num_cpus=2)
    refs = [ray.put(number) for number in range(10_000)]
    results = [double.remote(ref) for ref in refs]
    assert ray.get(results) == list(range(0, 20_000, 2))
    assert ray.get(refs) == list(range(10_000))


@ray.remote
def chain(depth: int) -> int:
    return 0 if depth == 0 else 1 + ray.get(chain.remote(depth - 1))  # type: ignore[no-any-return]


def test_nesting_with_one_cpu(nothing_left: None) -> None:
    """A thousand chains of three, and one of fifty: stalled workers stay near the depth, whatever the width."""
    ray.init(num_cpus=1)
    most = 0
    refs = [chain.remote(2) for _ in range(1000)]
    while refs:
        ready, refs = ray.wait(refs, num_returns=min(50, len(refs)), timeout=60)
        assert ready and ray.get(ready) == [2] * len(ready)
        most = max(most, len(_children()) - 2)
    print(f"1000 chains of 3 with 1 CPU: at most {most} workers at once")
    assert most <= 12
    assert ray.get(chain.remote(50), timeout=60) == 50
    print(f"a chain of 50: {len(_children()) - 2} workers at its end")


def _children() -> list[psutil.Process]:
    """The processes below this one that live; one may end while they are listed, for that is what is waited for."""
    living = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE:
                    living.append(child)
    return living
