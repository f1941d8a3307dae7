"""References where nobody counts them, and blocking calls where they should not be."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from types import ModuleType

import pytest

from ..registry import Engine, program

_VARIABLE = "RAY_allow_out_of_band_object_ref_serialization"


@program()
def a_ref_pickled_out_of_band_holds_its_object(ray: ModuleType) -> None:
    """V18: for as long as the process lives, whatever becomes of the reference."""
    ref = ray.put([1, 2, 3])
    pickled = ray.cloudpickle.dumps({"here": ref})
    del ref
    gc.collect()
    assert ray.get(ray.cloudpickle.loads(pickled)["here"]) == [1, 2, 3]


@program()
def a_ref_pickled_out_of_band_is_read_by_a_task(ray: ModuleType) -> None:
    """V18: its bytes travel as a plain value."""
    pickled = ray.cloudpickle.dumps(ray.put("travelled"))

    @ray.remote
    def read(pickled):
        return ray.get(ray.cloudpickle.loads(pickled))

    assert ray.get(read.remote(pickled), timeout=60) == "travelled"


@program(starts_session=False)
def out_of_band_pickling_may_be_forbidden(ray: ModuleType) -> None:
    """V18: an error in a task, also of functions and classes that capture references; as arguments, in containers and in
    values they travel as ever."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "0"
    try:
        ray.init(num_cpus=1)

        @ray.remote
        def pickle_it(value, boxed):
            try:
                ray.cloudpickle.dumps(boxed[0])
            except Exception as error:  # noqa: BLE001 - its name is what is asked for
                return type(error).__name__, value, boxed
            return "allowed", value, boxed

        ref = ray.put(1)
        name, value, boxed = ray.get(pickle_it.remote(ref, [ref]))
        assert name == "OufOfBandObjectRefSerializationException"
        assert (value, ray.get(boxed[0])) == (1, 1)
        assert ray.get(ray.get(ray.put([ref]))[0]) == 1

        @ray.remote
        def define():
            captured = ray.put(2)

            @ray.remote(num_cpus=0)
            def read():
                return ray.get(captured)

            @ray.remote(num_cpus=0)
            class Reader:
                def read(self):
                    return ray.get(captured)

            told = []
            for attempt in (lambda: read.remote(), lambda: Reader.remote().read.remote()):
                try:
                    told.append(ray.get(attempt()))
                except Exception as error:  # noqa: BLE001 - its name is what is asked for
                    told.append(type(error).__name__)
            return told

        assert ray.get(define.remote()) == ["OufOfBandObjectRefSerializationException"] * 2
    finally:
        ray.shutdown()
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before


@program()
def blocking_calls_in_an_async_actor_work(ray: ModuleType) -> None:
    """G5: get and wait, in its coroutines."""

    @ray.remote
    def square(number):
        return number * number

    @ray.remote
    class Blocking:
        async def get(self):
            return ray.get([square.remote(number) for number in range(3)])

        async def wait(self):
            return len(ray.wait([square.remote(2)], timeout=60)[0])

    blocking = Blocking.remote()
    assert ray.get([blocking.get.remote(), blocking.get.remote(), blocking.wait.remote()], timeout=60) == [
        [0, 1, 4],
        [0, 1, 4],
        1,
    ]


@program(
    engines=[Engine.PROCESSES],
    reason="real Ray's warning is not where a program can read it; a simulation's goes to the driver",
)
def a_blocking_call_in_an_async_actor_is_told_of_once(ray: ModuleType) -> None:
    """G5: on the worker's standard error, with what to do instead."""

    @ray.remote
    class Blocking:
        async def get(self):
            import contextlib
            import io

            told = io.StringIO()
            with contextlib.redirect_stderr(told):
                for _ in range(3):
                    ray.get(ray.put(1))
                ray.wait([ray.put(1)])
            return told.getvalue()

        async def well_behaved(self):
            return await ray.put(1)

    told = ray.get(Blocking.remote().get.remote())
    assert told.count("blocking ray.get inside an async actor") == 1
    assert "await" in told
    assert len(told.splitlines()) == 1
    assert ray.get(Blocking.remote().well_behaved.remote()) == 1


@program()
def on_completed_calls_back(ray: ModuleType) -> None:
    """L8: with the value, or the error."""

    @ray.remote
    def work(fails):
        if fails:
            raise KeyError("called back")
        return 1

    found = []
    both = threading.Event()

    def call_back(result):
        found.append(result)
        if len(found) == 2:
            both.set()

    refs = [work.remote(False), work.remote(True)]
    for ref in refs:
        ref._on_completed(call_back)
    # Threads wait for events in real time, which a simulation does not have: the values come first.
    ray.wait(refs, num_returns=2, timeout=60)
    assert both.wait(30)
    assert 1 in found
    assert any(isinstance(result, ray.exceptions.RayTaskError) for result in found)


@program()
def as_future_needs_a_loop(ray: ModuleType) -> None:
    """L8: on a loop it is an asyncio future; elsewhere a RuntimeError."""
    ref = ray.put(5)

    async def wait_for():
        done, pending = await asyncio.wait([ref.as_future(), asyncio.ensure_future(_awaiting(ref))], timeout=30)
        assert not pending
        return sorted(future.result() for future in done)

    assert asyncio.run(wait_for()) == [5, 5]
    with pytest.raises(RuntimeError):
        ref.as_future()


async def _awaiting(ref):
    return await ref


@program()
def futures_of_a_timed_out_wait_go_on(ray: ModuleType) -> None:
    """C7, L8: wait_for gives up, the task does not; the same reference may be awaited again."""

    @ray.remote
    class Gate:
        def __init__(self):
            self.event = None

        async def wait(self):
            self.event = asyncio.Event()
            await self.event.wait()
            return "opened"

        async def open(self):
            while self.event is None:
                await asyncio.sleep(0.001)
            self.event.set()

    gate = Gate.remote()
    ref = gate.wait.remote()

    async def wait_twice():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_awaiting(ref), timeout=0.02)
        await gate.open.remote()
        return await ref

    assert asyncio.run(wait_twice()) == "opened"
