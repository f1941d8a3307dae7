"""Actors that run several calls at once: threads, coroutines, and their limits."""

from __future__ import annotations

import asyncio
import threading
import time
from types import ModuleType

import pytest

from ..helpers import make_gate
from ..registry import NOT_SIMULATED, program


@program()
def max_concurrency_runs_methods_in_threads(ray: ModuleType) -> None:
    """AC5: two calls can be inside at once, so that one can let the other go; a third has to wait."""

    @ray.remote(max_concurrency=2)
    class Threaded:
        def __init__(self):
            self.opened = False

        def wait(self):
            while not self.opened:
                time.sleep(0.01)
            return "released"

        def open(self):
            self.opened = True

    threaded = Threaded.remote()
    waiting = threaded.wait.remote()
    ray.get(threaded.open.remote(), timeout=60)
    assert ray.get(waiting, timeout=60) == "released"


@program()
def max_concurrency_is_a_limit(ray: ModuleType) -> None:
    """AC5: never more calls inside than max_concurrency says; all of them finish."""

    @ray.remote(max_concurrency=3)
    class Threaded:
        def __init__(self):
            self.inside = []
            self.most = 0

        def enter(self, number):
            self.inside.append(number)
            self.most = max(self.most, len(self.inside))
            time.sleep(0.05)
            self.inside.remove(number)
            return number

        def highest(self):
            return self.most

    threaded = Threaded.options(max_concurrency=3).remote()
    assert ray.get([threaded.enter.remote(number) for number in range(12)]) == list(range(12))
    assert ray.get(threaded.highest.remote()) == 3


@program()
def async_methods_interleave_at_await(ray: ModuleType) -> None:
    """AC4: one async method can wait for another call to release it."""

    @ray.remote
    class Event:
        def __init__(self):
            self.event = None

        async def wait(self, number):
            if self.event is None:
                self.event = asyncio.Event()
            await self.event.wait()
            return number

        async def set(self):
            if self.event is None:
                self.event = asyncio.Event()
            self.event.set()

    event = Event.remote()
    waiting = [event.wait.remote(number) for number in range(50)]
    ray.get(event.set.remote(), timeout=60)
    assert ray.get(waiting, timeout=60) == list(range(50))


@program()
def async_methods_do_not_interleave_between_awaits(ray: ModuleType) -> None:
    """AC4: a read and write without an await in between needs no lock."""

    @ray.remote
    class Counter:
        def __init__(self):
            self.value = 0

        async def add(self):
            before = self.value
            self.value = before + 1
            await asyncio.sleep(0)
            return self.value

    counter = Counter.remote()
    values = ray.get([counter.add.remote() for _ in range(100)])
    assert max(values) == 100
    assert ray.get(counter.add.remote()) == 101


@program()
def async_methods_can_await_refs(ray: ModuleType) -> None:
    """AC4, L8: of tasks, of puts, of other actors, and gathered."""

    @ray.remote
    def square(number):
        return number * number

    @ray.remote
    class Other:
        def name(self):
            return "other"

    @ray.remote
    class Awaiter:
        async def run(self, other, boxed):
            one = await square.remote(3)
            many = await asyncio.gather(*[square.remote(number) for number in range(4)])
            return one, many, await other.name.remote(), await boxed[0]

    awaiter, other = Awaiter.remote(), Other.remote()
    answer = ray.get(awaiter.run.remote(other, [ray.put("put")]))
    assert answer == (9, [0, 1, 4, 9], "other", "put")


@program()
def awaiting_a_failed_ref_raises_in_an_async_method(ray: ModuleType) -> None:
    """AC4, E1: with the user's type, and uncaught it reaches the caller; the actor lives on."""

    @ray.remote
    def fail():
        raise KeyError("awaited")

    @ray.remote
    class Awaiter:
        async def catch(self):
            try:
                await fail.remote()
            except KeyError as error:
                return type(error).__name__
            return None

        async def pass_on(self):
            await fail.remote()

    awaiter = Awaiter.remote()
    assert ray.get(awaiter.catch.remote()) == "RayTaskError(KeyError)"
    with pytest.raises(KeyError, match="awaited"):
        ray.get(awaiter.pass_on.remote())
    assert ray.get(awaiter.catch.remote()) == "RayTaskError(KeyError)"


@program()
def max_concurrency_limits_async_methods(ray: ModuleType) -> None:
    """AC4: max_concurrency=2 lets two calls be in flight, a third waits for one of them."""

    @ray.remote(max_concurrency=2)
    class Limited:
        def __init__(self):
            self.inside = self.most = 0

        async def enter(self):
            self.inside += 1
            self.most = max(self.most, self.inside)
            await asyncio.sleep(0.02)
            self.inside -= 1
            return self.most

    limited = Limited.remote()
    assert max(ray.get([limited.enter.remote() for _ in range(10)])) == 2


@program()
def sync_methods_of_an_async_actor_run_on_its_loop_thread(ray: ModuleType) -> None:
    """AC4: a sync method shares the thread with the async ones, so it cannot overlap them."""

    @ray.remote
    class Mixed:
        def sync_thread(self):
            import threading

            return threading.get_ident()

        async def async_thread(self):
            import threading

            return threading.get_ident()

    mixed = Mixed.remote()
    idents = ray.get([mixed.sync_thread.remote(), mixed.async_thread.remote(), mixed.sync_thread.remote()])
    assert len(set(idents)) == 1


@program()
def too_many_pending_calls_are_refused(ray: ModuleType) -> None:
    """AC19: with max_pending_calls=2 the third unfinished call raises at .remote(); earlier ones go on."""
    gate = make_gate(ray)

    @ray.remote(max_pending_calls=2)
    class Slow:
        def wait(self, gate):
            while not ray.get(gate.is_open.remote()):
                time.sleep(0.01)
            return "done"

    slow = Slow.remote()
    refs = [slow.wait.remote(gate), slow.wait.remote(gate)]
    with pytest.raises(ray.exceptions.PendingCallsLimitExceeded):
        slow.wait.remote(gate)
    ray.get(gate.open.remote())
    assert ray.get(refs) == ["done", "done"]
    assert ray.get(slow.wait.remote(gate)) == "done"


@program(engines=NOT_SIMULATED, reason="the threads of a simulation carry whatever is to run next, of any actor")
def the_threads_of_an_actor_stay(ray: ModuleType) -> None:
    """AC2: what a method keeps in `threading.local` is there when its thread runs again; a group has threads of its
    own, and never more than it may run calls at once."""

    @ray.remote(num_cpus=0, max_concurrency=2, concurrency_groups={"other": 1})
    class Counting:
        def __init__(self) -> None:
            self.local = threading.local()

        def count(self) -> tuple[int, int]:
            self.local.calls = getattr(self.local, "calls", 0) + 1
            return threading.get_ident(), self.local.calls

        @ray.method(concurrency_group="other")
        def count_elsewhere(self) -> tuple[int, int]:
            return self.count()

    counting = Counting.remote()
    for method, limit in ((counting.count, 2), (counting.count_elsewhere, 1)):
        seen: dict[int, list[int]] = {}
        for _ in range(4):
            ident, calls = ray.get(method.remote())
            seen.setdefault(ident, []).append(calls)
        for ident, calls in ray.get([method.remote() for _ in range(40)]):
            seen.setdefault(ident, []).append(calls)
        assert len(seen) <= limit
        for counted in seen.values():
            assert sorted(counted) == list(range(1, len(counted) + 1))
