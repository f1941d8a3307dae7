"""Generators that are methods: of serial, threaded and asyncio actors."""

from __future__ import annotations

import asyncio
import time
from types import ModuleType

import pytest

from ..helpers import make_gate, make_recorder, wait_until
from ..registry import NOT_SIMULATED, program


def _collect(ray: ModuleType, generator):
    """The values of all items; the last may be the type of an error."""
    found = []
    for ref in generator:
        try:
            found.append(ray.get(ref, timeout=60))
        except Exception as error:  # noqa: BLE001 - the programs say which errors they expect
            found.append(type(error).__name__)
    return found


def _make_counter(ray: ModuleType, **options):
    class Counter:
        def __init__(self):
            self.begun = 0

        def count(self, to, fails=False):
            for number in range(to):
                self.begun = number + 1
                yield number
            if fails:
                raise KeyError("counted")

        @ray.method(_generator_backpressure_num_objects=2)
        def hesitate(self, to):
            for number in range(to):
                self.begun = number + 1
                yield number

        @ray.method(num_returns=2)
        def both(self):
            yield 1
            yield 2

        @ray.method(_num_objects_per_yield=2)
        def pairs(self):
            yield 1, 2
            yield 3, 4

        def how_far(self):
            return self.begun

    return ray.remote(**options)(Counter).remote() if options else ray.remote(Counter).remote()


@program()
def methods_that_yield_stream(ray: ModuleType) -> None:
    """AC21, R2: a handle's method gives an ObjectRefGenerator; the state it leaves is the actor's."""
    counter = _make_counter(ray)
    generator = counter.count.remote(5)
    assert isinstance(generator, ray.ObjectRefGenerator)
    assert _collect(ray, generator) == [0, 1, 2, 3, 4]
    assert ray.get(counter.how_far.remote()) == 5
    assert _collect(ray, counter.count.remote(2, fails=True)) == [0, 1, "RayTaskError(KeyError)"]
    assert ray.get(counter.how_far.remote()) == 2


@program()
def calls_wait_for_a_serial_actors_generator(ray: ModuleType) -> None:
    """AC3, AC21: the next call starts when the generator has ended."""
    counter = _make_counter(ray)
    generator = counter.count.remote(100)
    assert ray.get(counter.how_far.remote(), timeout=60) == 100
    assert _collect(ray, generator) == list(range(100))


@program()
def methods_have_options_of_generators(ray: ModuleType) -> None:
    """AC21, R11: num_returns at the method and per call, several objects of one yield."""
    counter = _make_counter(ray)
    assert ray.get(counter.both.remote()) == [1, 2]
    assert ray.get(counter.count.options(num_returns=3).remote(3)) == [0, 1, 2]
    assert _collect(ray, counter.both.options(num_returns="streaming").remote()) == [1, 2]
    assert _collect(ray, counter.pairs.remote()) == [1, 2, 3, 4]
    with pytest.raises(ValueError):
        counter.how_far.options(num_returns="streaming")
    with pytest.warns(DeprecationWarning):
        ref = counter.count.options(num_returns="dynamic").remote(2)
    assert ray.get(list(ray.get(ref))) == [0, 1]


@program()
def a_method_may_not_stream_what_it_does_not_yield(ray: ModuleType) -> None:
    """R4, AC21: at the decorator."""

    def plain(self):
        return 1

    with pytest.raises(ValueError):
        ray.method(num_returns="streaming")(plain)


@program()
def a_method_is_held_back_by_its_consumer(ray: ModuleType) -> None:
    """R5, AC21: the limit of the method; another of the call."""
    counter = _make_counter(ray, max_concurrency=2)

    def far(begun):
        return lambda: ray.get(counter.how_far.remote()) >= begun

    generator = counter.hesitate.remote(5)
    wait_until(far(2), "two are begun")
    time.sleep(0.02)
    assert ray.get(counter.how_far.remote()) == 2
    assert _collect(ray, generator) == [0, 1, 2, 3, 4]
    generator = counter.count.options(_generator_backpressure_num_objects=3).remote(5)
    wait_until(far(3), "three are begun")
    time.sleep(0.02)
    assert ray.get(counter.how_far.remote()) == 3
    assert _collect(ray, generator) == [0, 1, 2, 3, 4]


@program()
def a_method_that_is_held_back_may_be_cancelled(ray: ModuleType) -> None:
    """R5, R10, C6: it ends although nobody takes anything, and the actor goes on."""
    counter = _make_counter(ray)
    generator = counter.hesitate.remote(5)
    assert ray.get(next(generator)) == 0
    ray.cancel(generator)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(generator.completed(), timeout=60)
    assert ray.get(counter.how_far.remote(), timeout=60) <= 3


@program()
def an_actor_is_held_back_as_a_whole(ray: ModuleType) -> None:
    """R5: _actor_generator_backpressure_num_objects counts what all of its generators have ahead."""

    @ray.remote(_actor_generator_backpressure_num_objects=3, max_concurrency=4)
    class Producer:
        def __init__(self):
            self.begun = 0

        def produce(self):
            for number in range(4):
                self.begun += 1
                yield number

        def how_far(self):
            return self.begun

    producer = Producer.remote()
    one, other = producer.produce.remote(), producer.produce.remote()
    wait_until(lambda: ray.get(producer.how_far.remote()) >= 3, "three are begun")
    time.sleep(0.05)
    assert ray.get(producer.how_far.remote()) <= 4
    # Whichever has them: each consumer gets all of its own.
    found = [[], []]
    while len(found[0]) + len(found[1]) < 8:
        ready, _ = ray.wait([g for g, f in zip((one, other), found, strict=True) if len(f) < 4], timeout=60)
        for generator in ready:
            found[0 if generator is one else 1].append(ray.get(next(generator)))
    assert found == [[0, 1, 2, 3], [0, 1, 2, 3]]


@program()
def asynchronous_methods_yield(ray: ModuleType) -> None:
    """R2, AC4: async generators, and plain ones beside them, interleaved with other calls."""

    @ray.remote
    class Asynchronous:
        def __init__(self):
            self.open = False

        async def wait_between(self):
            yield "before"
            while not self.open:
                await asyncio.sleep(0.001)
            yield "after"

        def plain(self, count):
            for number in range(count):  # noqa: UP028 - real Ray sends into generators, and a range has no send
                yield number

        async def fails(self):
            yield 1
            raise KeyError("asynchronous")

        async def let_go(self):
            self.open = True

    actor = Asynchronous.remote()
    generator = actor.wait_between.remote()
    assert ray.get(next(generator), timeout=60) == "before"
    ray.get(actor.let_go.remote(), timeout=60)
    assert _collect(ray, generator) == ["after"]
    assert _collect(ray, actor.plain.remote(20)) == list(range(20))
    assert _collect(ray, actor.fails.remote()) == [1, "RayTaskError(KeyError)"]


@program()
def asynchronous_generators_only_stream(ray: ModuleType) -> None:
    """AC21, R8: with a fixed number of returns they are a TypeError, with "dynamic" a ValueError."""

    @ray.remote
    class Asynchronous:
        async def two(self):
            yield 1
            yield 2

    actor = Asynchronous.remote()
    with pytest.raises(TypeError):
        ray.get(actor.two.options(num_returns=2).remote())
    with pytest.raises(TypeError):
        ray.get(actor.two.options(num_returns=1).remote())
    with pytest.warns(DeprecationWarning):
        ref = actor.two.options(num_returns="dynamic").remote()
    with pytest.raises(ValueError):
        ray.get(ref)


@program()
def asynchronous_generators_are_held_back(ray: ModuleType) -> None:
    """R5, AC4: while one waits for its consumer the others go on."""

    @ray.remote
    class Asynchronous:
        def __init__(self):
            self.begun = 0

        @ray.method(_generator_backpressure_num_objects=2)
        async def produce(self, count):
            for number in range(count):
                self.begun = number + 1
                yield number

        async def how_far(self):
            return self.begun

    actor = Asynchronous.remote()
    generator = actor.produce.remote(6)
    wait_until(lambda: ray.get(actor.how_far.remote(), timeout=60) >= 2, "two are begun")
    time.sleep(0.02)
    assert ray.get(actor.how_far.remote()) == 2
    assert _collect(ray, generator) == list(range(6))


@program()
def asynchronous_generators_are_cancelled(ray: ModuleType) -> None:
    """R10, C6: at an await; the actor lives on."""

    @ray.remote
    class Asynchronous:
        async def endless(self):
            number = 0
            while True:
                yield number
                number += 1
                await asyncio.sleep(0.005)

        async def alive(self):
            return True

    actor = Asynchronous.remote()
    generator = actor.endless.remote()
    assert ray.get(next(generator)) == 0
    ray.cancel(generator)
    assert "TaskCancelledError" in str(_collect(ray, generator)[-1])
    assert ray.get(actor.alive.remote())


@program()
def generators_of_threads_run_side_by_side(ray: ModuleType) -> None:
    """AC5, AC21: two generators of a threaded actor, each waiting for the other."""

    @ray.remote(max_concurrency=2)
    class Threaded:
        def __init__(self):
            self.reached = [0, 0]

        def produce(self, me):
            for number in range(1, 4):
                self.reached[me] = number
                while self.reached[1 - me] < number:
                    time.sleep(0.001)
                yield number

    actor = Threaded.remote()
    one, other = actor.produce.remote(0), actor.produce.remote(1)
    assert _collect(ray, one) == [1, 2, 3]
    assert _collect(ray, other) == [1, 2, 3]


@program()
def handles_elsewhere_know_what_yields(ray: ModuleType) -> None:
    """AC7, AC21: in a task, by name, and in the actor itself."""

    @ray.remote
    class Counter:
        def count(self, to):
            for number in range(to):  # noqa: UP028 - real Ray sends into generators, and a range has no send
                yield number

    @ray.remote
    def use(counter):
        return [ray.get(ref) for ref in counter.count.remote(3)]

    counter = Counter.options(name="counter of generators").remote()
    assert ray.get(use.remote(counter)) == [0, 1, 2]
    assert _collect(ray, ray.get_actor("counter of generators").count.remote(2)) == [0, 1]


@program()
def calls_are_retried_from_the_start(ray: ModuleType) -> None:
    """R10, AC15: retry_exceptions of a method; each item comes once."""
    recorder = make_recorder(ray)

    @ray.remote
    class Flaky:
        @ray.method(max_task_retries=2, retry_exceptions=True)
        def produce(self, recorder):
            attempt = ray.get(recorder.add.remote(1))
            for number in range(3):
                if number == 1 and attempt == 1:
                    raise KeyError("first time")
                yield number

    assert _collect(ray, Flaky.remote().produce.remote(recorder)) == [0, 1, 2]
    assert ray.get(recorder.count.remote()) == 2


@program(engines=NOT_SIMULATED, reason="ends its process")
def an_actors_death_is_the_last_item(ray: ModuleType) -> None:
    """R10, AC10: what was yielded before is good."""

    @ray.remote
    class Mortal:
        def produce(self):
            import os

            yield 1
            time.sleep(0.05)
            os._exit(1)

    mortal = Mortal.remote()
    assert _collect(ray, mortal.produce.remote()) == [1, "ActorDiedError"]
    assert _collect(ray, mortal.produce.remote()) == ["ActorDiedError"]


@program()
def a_killed_actors_generators_end(ray: ModuleType) -> None:
    """AC10: the one that runs and the one that waits."""
    gate = make_gate(ray)

    @ray.remote
    class Held:
        def produce(self, gate):
            yield 1
            while not ray.get(gate.is_open.remote()):
                time.sleep(0.01)
            yield 2

    held = Held.remote()
    running, waiting = held.produce.remote(gate), held.produce.remote(gate)
    assert ray.get(next(running)) == 1
    ray.kill(held)
    assert _collect(ray, running) == ["ActorDiedError"]
    assert _collect(ray, waiting) == ["ActorDiedError"]


@program()
def async_actors_consume_generators(ray: ModuleType) -> None:
    """R7, L8: async for in an actor, over another's items."""
    counter = _make_counter(ray)

    @ray.remote
    class Consumer:
        async def add_up(self, counter, to):
            total = 0
            async for ref in counter.count.remote(to):
                total += await ref
            return total

    assert ray.get(Consumer.remote().add_up.remote(counter, 20), timeout=60) == 190
