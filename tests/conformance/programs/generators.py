"""Streaming generators: references to what a task yields, as it comes."""

from __future__ import annotations

import asyncio
import gc
import time
from types import ModuleType

import pytest

from ..helpers import FREED_BYTES, make_gate, make_recorder, make_waiter, stored_bytes, wait_until, wait_until_freed
from ..registry import NOT_JUDGED, NOT_SIMULATED, program

MEGABYTE = 2**20


def _collect(ray: ModuleType, generator):
    """The values of all items; the last may be the type of an error."""
    found = []
    for ref in generator:
        try:
            found.append(ray.get(ref, timeout=60))
        except Exception as error:  # noqa: BLE001 - the programs say which errors they expect
            found.append(type(error).__name__)
    return found


def _numbers(ray: ModuleType, **options):
    def numbers(count):
        for number in range(count):  # noqa: UP028 - real Ray sends into generators, and a range has no send
            yield number

    return ray.remote(**options)(numbers) if options else ray.remote(numbers)


@program()
def a_generator_function_gives_refs_in_yield_order(ray: ModuleType) -> None:
    """R2, surface 3: without num_returns; an ObjectRefGenerator whose items are ordinary references."""
    generator = _numbers(ray).remote(50)
    assert isinstance(generator, ray.ObjectRefGenerator)
    refs = list(generator)
    assert all(isinstance(ref, ray.ObjectRef) for ref in refs)
    assert len(set(refs)) == 50
    assert ray.get(refs) == list(range(50))


@program()
def items_are_there_before_the_task_ends(ray: ModuleType) -> None:
    """R2, surface 3: the first item can be read while the generator waits for what the reader does next."""
    gate = make_gate(ray)

    @ray.remote
    def two(gate):
        yield "early"
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        yield "late"

    generator = two.remote(gate)
    assert ray.get(next(generator), timeout=60) == "early"
    ray.get(gate.open.remote())
    assert ray.get(next(generator), timeout=60) == "late"
    with pytest.raises(StopIteration):
        next(generator)
    with pytest.raises(StopIteration):
        next(generator)


@program()
def streaming_may_be_said(ray: ModuleType) -> None:
    """R2, R11, surface 3: num_returns="streaming" at the decorator and per call."""
    assert ray.get(list(_numbers(ray, num_returns="streaming").remote(3))) == [0, 1, 2]
    fixed = _numbers(ray, num_returns=2)
    assert ray.get(list(fixed.options(num_returns="streaming").remote(3))) == [0, 1, 2]
    assert ray.get(list(fixed.options(num_returns=None).remote(3))) == [0, 1, 2]


@program()
def ids_of_items_follow_the_tasks(ray: ModuleType) -> None:
    """R2, surface 3: the generator's own reference is the task's first return, the items are those behind it."""
    generator = _numbers(ray).remote(2)
    end = generator.completed()
    refs = list(generator)
    assert {ref.task_id() for ref in refs} == {end.task_id()}
    assert [ref.binary()[24] for ref in [end, *refs]] == [1, 2, 3]


@program()
def an_empty_generator_just_ends(ray: ModuleType) -> None:
    """R2, surface 3: no items."""
    generator = _numbers(ray).remote(0)
    assert list(generator) == []
    assert ray.get(generator.completed()) is None
    assert generator.is_finished()


@program()
def an_exception_is_the_last_item(ray: ModuleType) -> None:
    """R3, surface 3: after two yields; the two are good, the third raises, and that is all."""

    @ray.remote
    def fails_after(count):
        for number in range(count):  # noqa: UP028 - real Ray sends into generators, and a range has no send
            yield number
        raise KeyError("no more")

    refs = list(fails_after.remote(2))
    assert ray.get(refs[:2]) == [0, 1]
    assert len(refs) == 3
    with pytest.raises(KeyError, match="no more"):
        ray.get(refs[2])
    assert _collect(ray, fails_after.remote(0)) == ["RayTaskError(KeyError)"]


@program()
def what_cannot_be_serialized_ends_the_generator(ray: ModuleType) -> None:
    """R3, V10, surface 3: a yielded lock is a TypeError of the task."""

    @ray.remote
    def yields_a_lock():
        import threading

        yield 1
        yield threading.Lock()
        yield 3

    generator = yields_a_lock.remote()
    assert ray.get(next(generator)) == 1
    with pytest.raises(TypeError):
        ray.get(next(generator))
    assert list(generator) == []


@program()
def a_failed_argument_is_the_only_item(ray: ModuleType) -> None:
    """R3, E, surface 3: a generator that never starts gives one reference, which raises."""

    @ray.remote
    def fail():
        raise ValueError("argument")

    generator = _numbers(ray).remote(fail.remote())
    refs = list(generator)
    assert len(refs) == 1
    with pytest.raises(ValueError, match="argument"):
        ray.get(refs[0])
    assert generator.is_finished()


@program()
def completed_is_ready_at_the_end(ray: ModuleType) -> None:
    """R6, surface 3: it resolves to None whether or not anything was taken, and after an error of the generator's own too."""
    gate = make_gate(ray)

    @ray.remote
    def waits(gate, fails):
        yield 1
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        if fails:
            raise ValueError("own")

    good, bad = waits.remote(gate, False), waits.remote(gate, True)
    ray.get(next(good))
    assert ray.wait([good.completed()], timeout=0.05)[0] == []
    ray.get(gate.open.remote())
    assert ray.get([good.completed(), bad.completed()], timeout=60) == [None, None]


@program()
def is_finished_and_next_ready(ray: ModuleType) -> None:
    """R6, surface 3: finished when the last item was taken; ready when the next would come at once; an error counts as one."""

    @ray.remote
    def fails_after_one():
        yield 1
        raise ValueError("second")

    generator = fails_after_one.remote()
    ray.get(generator.completed(), timeout=60)
    for _ in range(2):
        assert (generator.is_finished(), generator.next_ready()) == (False, True)
        next(generator)
    assert (generator.is_finished(), generator.next_ready()) == (True, False)
    with pytest.raises(StopIteration):
        next(generator)


@program()
def next_ready_does_not_wait(ray: ModuleType) -> None:
    """R6, surface 3: False at once while the generator is held up."""
    gate = make_gate(ray)

    @ray.remote(num_cpus=0)
    def held_up(gate):
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        yield 1

    generator = held_up.remote(gate)
    assert not generator.next_ready()
    assert not generator.is_finished()
    ray.get(gate.open.remote())
    wait_until(generator.next_ready, "the item comes")
    assert ray.get(next(generator)) == 1


@program()
def generators_have_an_asynchronous_side(ray: ModuleType) -> None:
    """R7, L8, surface 3: async for, and awaiting what it gives."""
    numbers = _numbers(ray)

    @ray.remote
    def fails():
        yield 1
        raise KeyError("later")

    async def consume():
        found = [await ref async for ref in numbers.remote(30)]
        errors = []
        async for ref in fails.remote():
            try:
                errors.append(await ref)
            except KeyError:
                errors.append("KeyError")
        return found, errors

    found, errors = asyncio.run(consume())
    assert found == list(range(30))
    assert errors == [1, "KeyError"]


@program()
def several_generators_are_consumed_at_once(ray: ModuleType) -> None:
    """R7, surface 3: by coroutines of one loop."""
    numbers = _numbers(ray)

    async def consume(count):
        return [await ref async for ref in numbers.remote(count)]

    async def consume_all():
        return await asyncio.gather(*[consume(count) for count in range(5)])

    assert asyncio.run(consume_all()) == [list(range(count)) for count in range(5)]


@program()
def what_a_remote_generator_cannot_do(ray: ModuleType) -> None:
    """R7, surface 3: send, throw, close and their asynchronous kin are not implemented."""
    generator = _numbers(ray).remote(1)
    for method in (generator.send, generator.throw):
        with pytest.raises(NotImplementedError):
            method(None)
    with pytest.raises(NotImplementedError):
        generator.close()

    async def asynchronously():
        for method in (generator.asend, generator.athrow):
            with pytest.raises(NotImplementedError):
                await method(None)
        with pytest.raises(NotImplementedError):
            await generator.aclose()

    asyncio.run(asynchronously())


@program()
def generators_stay_where_they_are(ray: ModuleType) -> None:
    """R7, V10, surface 3: not to be pickled, put, or passed, alone or in a list."""
    generator = _numbers(ray).remote(1)

    @ray.remote
    def take(value):
        return value

    for attempt in (
        lambda: ray.cloudpickle.dumps(generator),
        lambda: ray.put(generator),
        lambda: take.remote(generator),
        lambda: take.remote([generator]),
    ):
        with pytest.raises(TypeError):
            attempt()
    assert ray.get(list(generator)) == [0]


@program()
def get_hands_a_generator_back(ray: ModuleType) -> None:
    """G2, surface 3: get(generator) is the generator; in a list it is a TypeError."""
    generator = _numbers(ray).remote(1)
    assert ray.get(generator) is generator
    with pytest.raises(TypeError):
        ray.get([generator])


@program()
def wait_mixes_generators_with_refs(ray: ModuleType) -> None:
    """W4, surface 3: a generator is ready when its next item is, when it has failed, and when nothing is left."""
    gate = make_gate(ray)

    @ray.remote(num_cpus=0)
    def held_up(gate):
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        yield 1

    @ray.remote
    def fails():
        raise ValueError("at once")
        yield

    held, ready, ref, failed = held_up.remote(gate), _numbers(ray).remote(2), ray.put(1), fails.remote()
    assert ray.wait([held, ready, ref, failed], num_returns=3, timeout=60) == ([ready, ref, failed], [held])
    assert ray.get(list(ready)) == [0, 1]
    assert ray.wait([ready, held], timeout=60) == ([ready], [held])
    ray.get(gate.open.remote())
    assert ray.wait([held], timeout=60) == ([held], [])
    assert ray.get(next(held)) == 1


@program()
def wait_checks_generators_too(ray: ModuleType) -> None:
    """W1, surface 3: one alone is a TypeError, twice the same a ValueError."""
    generator = _numbers(ray).remote(1)
    with pytest.raises(TypeError):
        ray.wait(generator)
    with pytest.raises(ValueError):
        ray.wait([generator, generator])


@program()
def only_generators_stream(ray: ModuleType) -> None:
    """R4, surface 3: "streaming" and "dynamic" for a function that does not yield."""

    def plain():
        return 1

    for mode in ("streaming", "dynamic"):
        with pytest.raises(ValueError):
            ray.remote(num_returns=mode)(plain)
        with pytest.raises(ValueError):
            ray.remote(plain).options(num_returns=mode)


@program()
def dynamic_returns_are_one_ref(ray: ModuleType) -> None:
    """R4, surface 3: deprecated; its value is a generator of references, which may be passed on."""

    def count():
        for number in range(3):  # noqa: UP028 - as above
            yield number

    with pytest.warns(DeprecationWarning, match="dynamic"):
        dynamic = ray.remote(num_returns="dynamic")(count)

    @ray.remote
    def add_up(found):
        return sum(ray.get(list(found)))

    ref = dynamic.remote()
    assert isinstance(ref, ray.ObjectRef)
    found = ray.get(ref)
    assert isinstance(found, ray.DynamicObjectRefGenerator)
    assert len(found) == 3
    assert ray.get(list(found)) == [0, 1, 2]
    assert len(found) == 0
    assert ray.get(add_up.remote(ref)) == 3


@program()
def an_exception_is_the_last_of_dynamic_returns(ray: ModuleType) -> None:
    """R4, R3, surface 3: the reference itself is good."""

    def fails():
        yield 1
        raise KeyError("second")

    with pytest.warns(DeprecationWarning):
        ref = ray.remote(num_returns="dynamic")(fails).remote()
    assert _collect(ray, ray.get(ref)) == [1, "RayTaskError(KeyError)"]


@program()
def backpressure_holds_the_generator_back(ray: ModuleType) -> None:
    """R5, surface 3: never more than two items that nobody has taken; with 1 it goes on whenever one is."""
    for limit in (1, 2):
        recorder = make_recorder(ray)

        def produce(recorder):
            for number in range(6):
                ray.get(recorder.add.remote(number))
                yield number

        generator = ray.remote(_generator_backpressure_num_objects=limit)(produce).remote(recorder)
        for taken in range(5 - limit):
            begun = limit + taken

            def there(begun=begun, recorder=recorder):
                return ray.get(recorder.count.remote()) >= begun

            wait_until(there, f"{begun} are begun")
            time.sleep(0.02)
            assert ray.get(recorder.count.remote()) == begun
            assert ray.get(next(generator)) == taken
        assert ray.get(list(generator)) == list(range(5 - limit, 6))


@program()
def dropping_the_generator_ends_backpressure(ray: ModuleType) -> None:
    """R5, R9, surface 3: the producer runs to its end, unheard."""
    recorder = make_recorder(ray)

    @ray.remote(_generator_backpressure_num_objects=1)
    def produce(recorder):
        for number in range(4):
            ray.get(recorder.add.remote(number))
            yield number

    generator = produce.remote(recorder)
    ray.get(next(generator))
    wait_until(lambda: ray.get(recorder.count.remote()) == 2, "the second is begun")
    del generator
    gc.collect()
    wait_until(lambda: ray.get(recorder.count.remote()) == 4, "it runs to its end")


@program()
def without_backpressure_a_generator_runs_ahead(ray: ModuleType) -> None:
    """R5, surface 3: to the end, whoever takes what; -1 says the same."""
    for options in ({"num_cpus": 1}, {"_generator_backpressure_num_objects": -1}):
        generator = _numbers(ray, **options).remote(30)
        ray.get(generator.completed(), timeout=60)
        assert ray.get(list(generator)) == list(range(30))


@program()
def a_backpressured_generator_may_be_cancelled(ray: ModuleType) -> None:
    """R5, R10, surface 3: it waits for its consumer, and is told to stop."""
    generator = _numbers(ray, _generator_backpressure_num_objects=1).remote(100)
    assert ray.get(next(generator)) == 0
    ray.cancel(generator)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        for ref in generator:
            ray.get(ref, timeout=60)


@program()
def several_objects_of_one_yield(ray: ModuleType) -> None:
    """R2, surface 3: _num_objects_per_yield takes tuples and lists apart; another length ends the generator."""

    @ray.remote(_num_objects_per_yield=2)
    def pairs(last):
        yield 0, 1
        yield [2, 3]
        yield last

    assert _collect(ray, pairs.remote((4, 5))) == [0, 1, 2, 3, 4, 5]
    assert _collect(ray, pairs.remote((4, 5, 6))) == [0, 1, 2, 3, "RayTaskError(ValueError)"]
    assert _collect(ray, pairs.remote(4)) == [0, 1, 2, 3, "RayTaskError(ValueError)"]


@program()
def a_fixed_number_of_returns_may_be_yielded(ray: ModuleType) -> None:
    """R8, surface 3: as many as asked for; with too few the missing ones raise, with too many the rest is ignored."""
    three = _numbers(ray, num_returns=3)
    assert ray.get(three.remote(3)) == [0, 1, 2]
    assert ray.get(three.remote(5)) == [0, 1, 2]
    first, second, missing = three.remote(2)
    assert ray.get([first, second]) == [0, 1]
    with pytest.raises(ValueError, match="num_returns=3"):
        ray.get(missing)
    one = _numbers(ray, num_returns=1).remote(2)
    assert isinstance(one, ray.ObjectRef)
    assert ray.get(one) == 0
    assert _numbers(ray, num_returns=0).remote(1) is None


@program(engines=NOT_JUDGED, reason="real Ray delivers them all at the end, against its documentation")
def large_returns_are_there_early(ray: ModuleType) -> None:
    """R8, surface 3: of a fixed number of returns the first can be read while the generator goes on."""
    gate = make_gate(ray)

    @ray.remote(num_returns=2)
    def two(gate):
        yield b"x" * 2**20
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        yield 2

    early, late = two.remote(gate)
    assert len(ray.get(early, timeout=60)) == 2**20
    ray.get(gate.open.remote())
    assert ray.get(late, timeout=60) == 2


@program()
def an_error_is_that_of_all_missing_returns(ray: ModuleType) -> None:
    """R8, R3, surface 3: what was yielded before is good."""

    @ray.remote(num_returns=3)
    def fails():
        yield 1
        raise KeyError("then")

    first, *others = fails.remote()
    assert ray.get(first) == 1
    for ref in others:
        with pytest.raises(KeyError, match="then"):
            ray.get(ref)


@program()
def a_returned_generator_is_run_too(ray: ModuleType) -> None:
    """R8, surface 3: by a plain function with num_returns=2."""

    @ray.remote(num_returns=2)
    def hands_on():
        return (number for number in (1, 2))

    assert ray.get(hands_on.remote()) == [1, 2]


@program()
def items_not_taken_are_released_with_the_generator(ray: ModuleType) -> None:
    """R9, surface 3: the store is empty although only one was read."""

    @ray.remote
    def large():
        for _ in range(5):
            yield b"x" * MEGABYTE

    large_generator = large.remote()
    ray.get(large_generator.completed(), timeout=60)
    first = next(large_generator)
    wait_until(lambda: stored_bytes(ray) >= 5 * MEGABYTE, "all are in the store")
    del large_generator
    gc.collect()
    wait_until(lambda: FREED_BYTES <= stored_bytes(ray) < 2 * MEGABYTE + FREED_BYTES, "the others are released")
    assert len(ray.get(first)) == MEGABYTE
    del first
    gc.collect()
    wait_until_freed(ray)


@program()
def a_generator_dropped_while_it_runs_leaves_nothing(ray: ModuleType) -> None:
    """R9, surface 3: what it yields afterwards is nobody's."""
    gate = make_gate(ray)

    @ray.remote
    def large(gate):
        yield b"x" * 2**20
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        yield b"y" * 2**20

    generator = large.remote(gate)
    end = generator.completed()
    del generator
    ray.get(gate.open.remote())
    assert ray.get(end, timeout=60) is None
    wait_until_freed(ray)


@program()
def items_are_held_by_their_refs(ray: ModuleType) -> None:
    """R9, V2, surface 3: passed to tasks, put into containers, after the generator has gone."""
    refs = list(_numbers(ray).remote(3))

    @ray.remote
    def add_up(first, others):
        return first + sum(ray.get(others))

    gc.collect()
    assert ray.get(add_up.remote(refs[2], refs[:2])) == 3


@program()
def arrays_are_yielded_without_a_copy(ray: ModuleType) -> None:
    """R2, V4, surface 3: large arrays come back as read-only views."""
    import numpy as np

    @ray.remote
    def arrays():
        for number in range(3):
            yield np.full(200_000, number)

    found = [ray.get(ref) for ref in arrays.remote()]
    assert [int(array[0]) for array in found] == [0, 1, 2]
    with pytest.raises(ValueError):
        found[0][0] = 1


@program()
def generators_yield_refs(ray: ModuleType) -> None:
    """R2, V2, surface 3: a yielded reference stays one."""

    @ray.remote
    def yields_refs():
        for number in range(3):
            yield ray.put(number)

    inner = [ray.get(ref) for ref in yields_refs.remote()]
    gc.collect()
    assert ray.get(inner) == [0, 1, 2]


@program()
def an_error_is_retried_from_the_start(ray: ModuleType) -> None:
    """R10, surface 3: what was delivered is not delivered again; the second run goes on behind it."""
    recorder = make_recorder(ray)

    @ray.remote(max_retries=2, retry_exceptions=True)
    def flaky(recorder):
        attempt = ray.get(recorder.add.remote(1))
        for number in range(4):
            if number == 2 and attempt == 1:
                raise KeyError("first time")
            yield number, attempt

    assert _collect(ray, flaky.remote(recorder)) == [(0, 1), (1, 1), (2, 2), (3, 2)]


@program()
def a_shorter_second_run_just_ends(ray: ModuleType) -> None:
    """R10, surface 3: the items of the first remain."""
    recorder = make_recorder(ray)

    @ray.remote(max_retries=1, retry_exceptions=True)
    def shorter(recorder):
        if ray.get(recorder.add.remote(1)) == 1:
            yield 1
            yield 2
            raise KeyError("first time")
        yield 10

    assert _collect(ray, shorter.remote(recorder)) == [1, 2]


@program()
def retries_used_up_end_with_the_error(ray: ModuleType) -> None:
    """R10, R3, surface 3: after two runs."""

    @ray.remote(max_retries=1, retry_exceptions=True)
    def fails():
        yield 1
        raise KeyError("always")

    assert _collect(ray, fails.remote()) == [1, "RayTaskError(KeyError)"]


@program(engines=NOT_SIMULATED, reason="ends its process")
def a_workers_death_is_the_last_item(ray: ModuleType) -> None:
    """R10, R6, surface 3: without retries; completed() raises then."""

    @ray.remote(max_retries=0)
    def dies():
        import os

        yield 1
        time.sleep(0.05)
        os._exit(1)

    generator = dies.remote()
    assert _collect(ray, generator) == [1, "WorkerCrashedError"]
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(generator.completed())
    assert generator.is_finished()


@program(engines=NOT_SIMULATED, reason="ends its process")
def a_workers_death_is_retried(ray: ModuleType) -> None:
    """R10, surface 3: items already taken do not come again."""
    recorder = make_recorder(ray)

    @ray.remote(max_retries=2)
    def dies_once(recorder):
        import os

        attempt = ray.get(recorder.add.remote(1))
        for number in range(4):
            if number == 2 and attempt == 1:
                time.sleep(0.05)
                os._exit(1)
            yield number

    generator = dies_once.remote(recorder)
    assert [ray.get(next(generator)), ray.get(next(generator))] == [0, 1]
    assert _collect(ray, generator) == [2, 3]
    assert ray.get(recorder.count.remote()) == 2


@program()
def a_cancelled_generator_ends_with_that(ray: ModuleType) -> None:
    """R10, C2, surface 3: the next reference raises TaskCancelledError, then it stops; what came before is good."""

    @ray.remote
    def endless():
        number = 0
        while True:
            yield number
            number += 1
            time.sleep(0.005)

    generator = endless.remote()
    assert ray.get(next(generator)) == 0
    ray.cancel(generator)
    refs = list(generator)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(refs[-1])
    assert ray.get(refs[:-1]) == list(range(1, len(refs)))
    assert generator.is_finished()


@program()
def a_generator_cancelled_before_it_starts(ray: ModuleType) -> None:
    """R10, C1, surface 3: one reference, which raises."""
    gate = make_gate(ray)

    @ray.remote
    def wait_for(gate):
        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)

    held = wait_for.remote(gate)
    generator = _numbers(ray).remote(held)
    ray.cancel(generator)
    refs = list(generator)
    assert len(refs) == 1
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(refs[0])
    ray.get(gate.open.remote())
    ray.get(held)


@program()
def generators_are_made_and_used_in_tasks(ray: ModuleType) -> None:
    """R2, surface 3: a task consumes another's stream while it has the only CPU's worth of work."""
    numbers = _numbers(ray)

    @ray.remote
    def add_up(count):
        return sum(ray.get(ref) for ref in numbers.remote(count))

    assert ray.get([add_up.remote(10), add_up.remote(20)], timeout=60) == [45, 190]


@program()
def generators_feed_generators(ray: ModuleType) -> None:
    """R2, surface 3: the items of one are the arguments of another's calls."""
    numbers = _numbers(ray)

    @ray.remote
    def doubled(count):
        for ref in numbers.remote(count):
            yield ray.get(ref) * 2

    assert [ray.get(ref) for ref in doubled.remote(5)] == [0, 2, 4, 6, 8]


@program()
def many_items(ray: ModuleType) -> None:
    """R2, surface 3: two thousand, in order."""
    assert [ray.get(ref) for ref in _numbers(ray).remote(2000)] == list(range(2000))


@program()
def the_next_item_may_be_waited_for_with_a_limit(ray: ModuleType) -> None:
    """R7, surface 3: `_next_sync` and `_next_async`, which libraries use: a nil reference when the time is over."""
    gate = make_gate(ray)
    wait_for = make_waiter(ray, num_cpus=0)

    @ray.remote
    def numbers(gate, wait_for):
        yield 1
        ray.get(wait_for.remote(gate))
        yield 2

    async def next_of(generator, timeout_s):
        return await generator._next_async(timeout_s=timeout_s)

    generator = numbers.remote(gate, wait_for)
    assert ray.get(generator._next_sync(timeout_s=60)) == 1
    assert generator._next_sync(timeout_s=0).is_nil()
    assert asyncio.run(next_of(generator, 0)).is_nil()
    assert asyncio.run(next_of(generator, 0.1)).is_nil()
    ray.get(gate.open.remote())
    assert ray.get(asyncio.run(next_of(generator, 60))) == 2
    with pytest.raises(StopAsyncIteration):
        asyncio.run(next_of(generator, None))
    with pytest.raises(StopIteration):
        generator._next_sync()
