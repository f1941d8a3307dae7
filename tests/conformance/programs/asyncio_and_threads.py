"""The API from coroutines and from several threads of the driver."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from types import ModuleType

import pytest

from ..helpers import make_gate, make_recorder, make_waiter
from ..registry import program


@program()
def refs_can_be_awaited_in_the_driver(ray: ModuleType) -> None:
    """L8, surface 3: of puts, tasks and methods, more than once."""

    @ray.remote
    def double(number):
        return 2 * number

    async def main():
        ref = double.remote(4)
        return await ref, await ref, await ray.put("put"), await double.remote(ref)

    assert asyncio.run(main()) == (8, 8, "put", 16)


@program()
def refs_can_be_gathered(ray: ModuleType) -> None:
    """L8, surface 3: asyncio.gather keeps the order; asyncio.wait takes tasks made of refs."""

    @ray.remote
    def square(number):
        return number * number

    async def wrap(ref):
        return await ref

    async def main():
        gathered = await asyncio.gather(*[square.remote(number) for number in range(20)])
        done, pending = await asyncio.wait([asyncio.ensure_future(wrap(square.remote(number))) for number in range(3)])
        return gathered, sorted(task.result() for task in done), len(pending)

    assert asyncio.run(main()) == ([number * number for number in range(20)], [0, 1, 4], 0)


@program()
def an_awaited_failure_raises(ray: ModuleType) -> None:
    """L8, E1, surface 3: with the dual type, alone and among others in gather."""

    @ray.remote
    def fail():
        raise KeyError("awaited")

    @ray.remote
    def fine():
        return "fine"

    async def main():
        return await asyncio.gather(fine.remote(), fail.remote(), return_exceptions=True)

    async def alone():
        await fail.remote()

    good, bad = asyncio.run(main())
    assert good == "fine"
    assert isinstance(bad, KeyError)
    assert isinstance(bad, ray.exceptions.RayTaskError)
    with pytest.raises(KeyError, match="awaited"):
        asyncio.run(alone())


@program()
def the_loop_runs_while_a_ref_is_awaited(ray: ModuleType) -> None:
    """L8, surface 3: another coroutine opens the gate that the awaited task waits for."""
    gate = make_gate(ray)
    slow = make_waiter(ray).remote(gate, "opened")
    ticks = []

    async def tick():
        for number in range(5):
            ticks.append(number)
            await asyncio.sleep(0.01)
        await gate.open.remote()

    async def main():
        return (await asyncio.gather(slow, tick()))[0]

    assert asyncio.run(main()) == "opened"
    assert ticks == [0, 1, 2, 3, 4]


@program()
def giving_up_waiting_does_not_cancel_the_task(ray: ModuleType) -> None:
    """C7, surface 3: after asyncio.wait_for has timed out the ref is still good."""
    gate = make_gate(ray)
    slow = make_waiter(ray).remote(gate, "late")

    async def wrap():
        return await slow

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(wrap(), timeout=0.1)
        await gate.open.remote()
        return await slow

    assert asyncio.run(main()) == "late"
    assert ray.get(slow) == "late"


@program()
def a_ref_has_a_concurrent_future(ray: ModuleType) -> None:
    """L8, surface 3: ref.future() gives results and exceptions, and calls callbacks."""

    @ray.remote
    def double(number):
        return 2 * number

    @ray.remote
    def fail():
        raise KeyError("future")

    future = double.remote(3).future()
    assert isinstance(future, concurrent.futures.Future)
    assert future.result(timeout=60) == 6
    assert future.done()
    assert future.exception() is None
    failed = fail.remote().future()
    with pytest.raises(KeyError, match="future"):
        failed.result(timeout=60)
    called = threading.Event()
    double.remote(4).future().add_done_callback(lambda done: called.set() if done.result() == 8 else None)
    assert called.wait(60)


@program()
def futures_can_be_waited_for(ray: ModuleType) -> None:
    """L8, surface 3: concurrent.futures.as_completed and asyncio.wrap_future take them."""

    @ray.remote
    def double(number):
        return 2 * number

    futures = [double.remote(number).future() for number in range(5)]
    assert sorted(done.result() for done in concurrent.futures.as_completed(futures, timeout=60)) == [0, 2, 4, 6, 8]

    async def main():
        return await asyncio.wrap_future(double.remote(21).future())

    assert asyncio.run(main()) == 42


@program()
def several_threads_may_submit_and_get(ray: ModuleType) -> None:
    """L9, surface 3: eight threads with tasks of their own."""

    @ray.remote
    def tag(thread, number):
        return thread, number

    def run(thread):
        return ray.get([tag.remote(thread, number) for number in range(20)])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(8)))
    assert results == [[(thread, number) for number in range(20)] for thread in range(8)]


@program()
def several_threads_may_get_one_ref(ray: ModuleType) -> None:
    """L9, surface 3: all blocked on one ref until the main thread opens the gate; wait works beside them."""
    gate = make_gate(ray)
    slow = make_waiter(ray).remote(gate, "shared")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        getting = [pool.submit(ray.get, slow) for _ in range(4)]
        waiting = [pool.submit(ray.wait, [slow]) for _ in range(2)]
        assert ray.wait([slow], timeout=0.1) == ([], [slow])
        ray.get(gate.open.remote())
        assert [future.result(60) for future in getting] == ["shared"] * 4
        assert [future.result(60) for future in waiting] == [([slow], [])] * 2


@program()
def several_threads_may_put_and_call_one_actor(ray: ModuleType) -> None:
    """L9, surface 3: no put is lost, and every call is counted once."""
    recorder = make_recorder(ray)

    def run(thread):
        refs = [ray.put((thread, number)) for number in range(20)]
        return ray.get(refs), ray.get([recorder.add.remote(ref) for ref in refs])

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        results = list(pool.map(run, range(5)))
    expected = [(thread, number) for thread in range(5) for number in range(20)]
    assert [item for values, _ in results for item in values] == expected
    assert sorted(count for _, counts in results for count in counts) == list(range(1, 101))
    assert sorted(ray.get(recorder.items.remote())) == expected


@program()
def a_timeout_in_one_thread_leaves_the_others_alone(ray: ModuleType) -> None:
    """L9, G3, surface 3: GetTimeoutError in one thread; another one still gets the value."""
    gate = make_gate(ray)
    slow = make_waiter(ray).remote(gate, "patient")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        patient = pool.submit(ray.get, slow)
        hasty = pool.submit(ray.get, slow, timeout=0.1)
        with pytest.raises(ray.exceptions.GetTimeoutError):
            hasty.result(60)
        assert not patient.done()
        ray.get(gate.open.remote())
        assert patient.result(60) == "patient"


@program()
def an_event_loop_may_run_in_another_thread(ray: ModuleType) -> None:
    """L8, L9, surface 3: refs made in one thread are awaited in the loop of another."""

    @ray.remote
    def double(number):
        return 2 * number

    refs = [double.remote(number) for number in range(5)]

    async def main():
        return await asyncio.gather(*refs)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, main()).result(60) == [0, 2, 4, 6, 8]
    assert ray.get(refs) == [0, 2, 4, 6, 8]


@program()
def a_tasks_own_threads_may_use_the_api(ray: ModuleType) -> None:
    """L9, surface 3: threads started inside a task submit and get."""

    @ray.remote
    def leaf(number):
        return number + 1

    @ray.remote
    def parent():
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            return list(pool.map(lambda number: ray.get(leaf.remote(number)), range(6)))

    assert ray.get(parent.remote()) == [1, 2, 3, 4, 5, 6]


@program()
def a_plain_method_of_an_asyncio_actor_may_return_a_reference(ray: ModuleType) -> None:
    """L8, surface 3: it is the call's value, as of other actors; nobody awaits it."""

    @ray.remote(num_cpus=0)
    class Lender:
        async def keep(self, value):
            self.ref = ray.put(value)
            return [self.ref]

        def lend(self):
            return self.ref

        async def lend_too(self):
            return self.ref

    lender = Lender.remote()
    (ref,) = ray.get(lender.keep.remote("kept"))
    assert ray.get(lender.lend.remote()) == ref
    assert ray.get(lender.lend_too.remote()) == ref
    assert ray.get(ref) == "kept"
