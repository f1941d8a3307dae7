"""When an object goes: its memory is given back once nobody anywhere can reach it, and never before.

Seen through the store's free memory (`helpers.stored_bytes`); all objects here are large enough to live in the store.
"""

from __future__ import annotations

import copy
import gc
import itertools
from types import ModuleType

import numpy as np
import pytest

from ..helpers import (
    FREED_BYTES,
    SMALLEST_STORE_BYTES,
    make_gate,
    make_recorder,
    make_waiter,
    stored_bytes,
    wait_until,
    wait_until_freed,
)
from ..registry import program

MB = 2**20
SIZE = 20 * MB
PINNING_STORE_BYTES = SMALLEST_STORE_BYTES + MB
"""Another size, and so on real Ray another session, for programs after which objects are held for ever."""


def block(number: int = 1, size: int = SIZE) -> np.ndarray:
    """A large value that a wrong read of shows."""
    return np.full(size, number, dtype=np.uint8)


def make_keeper(ray: ModuleType):
    """An actor that keeps refs by name."""

    @ray.remote(num_cpus=0)
    class Keeper:
        def __init__(self):
            self.refs = {}

        def keep(self, name, box):
            self.refs[name] = box[0]

        def forget(self, name):
            del self.refs[name]

        def read(self, name):
            value = ray.get(self.refs[name])
            return int(value[0]), len(value)

        def lend(self, name):
            return [self.refs[name]]

    return Keeper.remote()


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def an_object_goes_with_its_last_ref(ray: ModuleType) -> None:
    """V19: the store's memory is given back, again and again."""
    for number in range(8):
        ref = ray.put(block(number))
        assert ray.get(ref)[-1] == number
        wait_until(lambda: stored_bytes(ray) >= SIZE, "the object takes memory")
        del ref
        wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def an_object_lives_while_one_copy_of_its_ref_does(ray: ModuleType) -> None:
    """V19: copies of a ref count, by name, in containers, by copy and deepcopy; each alone holds the object."""
    copiers = [lambda ref: ref, copy.copy, lambda ref: copy.deepcopy([ref])[0], lambda ref: next(iter({ref: None}))]
    for number, make_copy in enumerate(copiers):
        ref = ray.put(block(number))
        other = make_copy(ref)
        assert other == ref
        del ref
        gc.collect()
        assert ray.get(other)[-1] == number
        del other
        wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def a_ref_made_of_an_id_holds_its_object(ray: ModuleType) -> None:
    """V19: in the process that has the object's ref already, one made anew from the bytes counts like a copy."""
    ref = ray.put(block(17))
    other = ray.ObjectRef(ref.binary())
    third = ray.ObjectRef.from_binary(ref.binary())
    assert ref == other == third
    assert len({ref, other, third}) == 1
    del ref, third
    gc.collect()
    others = [ray.put(block(number)) for number in range(2)]
    assert ray.get(other, timeout=30)[-1] == 17
    del other, others
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def an_object_in_a_cycle_goes_when_the_cycle_is_collected(ray: ModuleType) -> None:
    """V19: a ref that only the garbage collector can reach."""
    node: dict[str, object] = {"ref": ray.put(block())}
    node["self"] = node
    del node
    gc.collect()
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def a_result_nobody_keeps_goes(ray: ModuleType) -> None:
    """V19: a task's large result whose ref was dropped at once; also of several results those that were dropped."""
    recorder = make_recorder(ray)

    @ray.remote
    def make(recorder):
        ray.get(recorder.add.remote("ran"))
        return np.full(10 * MB, 1, dtype=np.uint8), np.full(10 * MB, 2, dtype=np.uint8)

    make.remote(recorder)
    first, second = make.options(num_returns=2).remote(recorder)
    del first
    assert ray.get(second)[0] == 2
    wait_until(lambda: ray.get(recorder.count.remote()) == 2, "both have run")
    wait_until(lambda: stored_bytes(ray) < 10 * MB + FREED_BYTES, "only the second result is left")
    assert ray.get(second)[-1] == 2
    del second
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def an_object_goes_when_the_actor_that_kept_it_forgets(ray: ModuleType) -> None:
    """V19: a ref in an actor's state counts, after the driver's own is gone."""
    keeper = make_keeper(ray)
    ref = ray.put(block(5))
    ray.get(keeper.keep.remote("it", [ref]))
    del ref
    gc.collect()
    assert ray.get(keeper.read.remote("it")) == (5, SIZE)
    back = ray.get(keeper.lend.remote("it"))
    ray.get(keeper.forget.remote("it"))
    assert ray.get(back[0])[-1] == 5
    del back
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def an_object_goes_with_the_actor_that_kept_it(ray: ModuleType) -> None:
    """V19: killed, or its last handle dropped: what the actor referred to is let go of."""
    for kill in (True, False):
        keeper = make_keeper(ray)
        ref = ray.put(block(6))
        ray.get(keeper.keep.remote("it", [ref]))
        del ref
        assert ray.get(keeper.read.remote("it")) == (6, SIZE)
        if kill:
            ray.kill(keeper)
        del keeper
        wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def an_object_goes_with_the_worker_that_kept_it(ray: ModuleType) -> None:
    """V19: the references of a process that died are dropped."""

    @ray.remote(max_retries=0)
    def keep_and_die(box):
        import os

        ray.get(box[0])
        os._exit(1)

    ref = ray.put(block(7))
    answer = keep_and_die.remote([ref])
    del ref
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(answer, timeout=60)
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def a_chain_of_actors_hands_an_object_on(ray: ModuleType) -> None:
    """V19: borrowers of borrowers; the object lives until the last of three actors forgets it."""
    keepers = [make_keeper(ray) for _ in range(3)]
    ref = ray.put(block(8))
    ray.get(keepers[0].keep.remote("it", [ref]))
    del ref
    for giver, taker in itertools.pairwise(keepers):
        ray.get(taker.keep.remote("it", ray.get(giver.lend.remote("it"))))
        ray.get(giver.forget.remote("it"))
    assert ray.get(keepers[2].read.remote("it")) == (8, SIZE)
    ray.get(keepers[2].forget.remote("it"))
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def an_actor_that_replaces_what_it_keeps_does_not_fill_the_store(ray: ModuleType) -> None:
    """V19: ten large objects pass through one name; at the end one is left."""
    keeper = make_keeper(ray)
    for number in range(10):
        ray.get(keeper.keep.remote("latest", [ray.put(block(number))]))
    wait_until(lambda: stored_bytes(ray) < SIZE + FREED_BYTES, "only the latest is left")
    assert ray.get(keeper.read.remote("latest")) == (9, SIZE)
    ray.get(keeper.forget.remote("latest"))
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def what_a_value_contains_lives_as_long_as_the_value(ray: ModuleType) -> None:
    """V2, V19: an object whose ref is inside a stored value; three levels deep."""
    outer = ray.put({"inner": ray.put([ray.put(block(9))])})
    gc.collect()
    inner = ray.get(outer)["inner"]
    del outer
    (core,) = ray.get(inner)
    del inner
    assert ray.get(core)[-1] == 9
    del core
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def what_a_value_contains_goes_with_the_value(ray: ModuleType) -> None:
    """V2, V19: dropped unread, at any depth; large and small values around it."""
    for wrap in (lambda ref: [ref], lambda ref: (ref, block(2, 2 * MB))):
        ref = ray.put(block(1))
        for _ in range(5):
            ref = ray.put(wrap(ref))
        wait_until(lambda: stored_bytes(ray) >= SIZE, "the innermost is held")
        del ref
        wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def an_object_lives_until_the_task_that_waits_for_it_has_run(ray: ModuleType) -> None:
    """V19: as argument and inside an argument of a task that can't start yet; afterwards it goes."""
    gate = make_gate(ray)

    @ray.remote
    def total(direct, box, _after):
        return int(direct[-1]) + int(ray.get(box["inner"])[-1])

    answer = total.remote(ray.put(block(10)), {"inner": ray.put(block(20))}, make_waiter(ray).remote(gate))
    gc.collect()
    wait_until(lambda: stored_bytes(ray) >= 2 * SIZE, "both are held")
    ray.get(gate.open.remote())
    assert ray.get(answer) == 30
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def a_large_argument_goes_after_the_call(ray: ModuleType) -> None:
    """V7, V19: arguments by value above the inline limit are objects too; for tasks, failing tasks and methods."""

    @ray.remote
    def last(array, fail):
        if fail:
            raise ValueError("on purpose")
        return int(array[-1])

    @ray.remote
    class Reader:
        def last(self, array):
            return int(array[-1])

    reader = Reader.remote()
    for number in range(4):
        assert ray.get(last.remote(block(number), False)) == number
        assert ray.get(reader.last.remote(block(number))) == number
        with pytest.raises(ValueError, match="on purpose"):
            ray.get(last.remote(block(number), True))
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def a_cancelled_task_lets_go_of_its_arguments(ray: ModuleType) -> None:
    """V19, C: one that was waiting for a CPU and never ran."""
    gate = make_gate(ray)
    blockers = [make_waiter(ray, num_cpus=2).remote(gate)]

    @ray.remote(num_cpus=2)
    def last(array, box):
        return int(array[-1])

    answer = last.remote(ray.put(block(1)), [ray.put(block(2))])
    wait_until(lambda: stored_bytes(ray) >= 2 * SIZE, "both are held")
    ray.cancel(answer)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(answer, timeout=60)
    wait_until_freed(ray)
    ray.get(gate.open.remote())
    ray.get(blockers)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def an_argument_is_there_for_the_retry(ray: ModuleType) -> None:
    """V19, T1: a task whose first worker dies reads its argument in the second; then it goes."""
    recorder = make_recorder(ray)

    @ray.remote(max_retries=2)
    def die_once(recorder, array, box):
        import os

        if ray.get(recorder.add.remote("try")) == 1:
            os._exit(1)
        return int(array[-1]) + int(ray.get(box[0])[-1])

    answer = die_once.remote(recorder, ray.put(block(30)), [ray.put(block(4))])
    assert ray.get(answer, timeout=60) == 34
    del answer
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def a_returned_ref_lives_as_long_as_what_was_returned(ray: ModuleType) -> None:
    """V2, V19: put in a task, returned in a list: read late, read after its list is gone, or never read."""

    @ray.remote
    def make(number):
        return [ray.put(np.full(SIZE, number, dtype=np.uint8))]

    outer = make.remote(1)
    ray.wait([outer])
    (inner,) = ray.get(outer)
    del outer
    gc.collect()
    assert ray.get(inner)[-1] == 1
    del inner
    wait_until_freed(ray)
    never_read = make.remote(2)
    ray.wait([never_read])
    wait_until(lambda: stored_bytes(ray) >= SIZE, "the inner object is held")
    del never_read
    wait_until_freed(ray)


@program(object_store_bytes=PINNING_STORE_BYTES)
def a_ref_in_an_exception_is_good(ray: ModuleType) -> None:
    """V19, E1: an error may carry a ref; whoever catches the error can read it."""

    class Failure(Exception):
        def __init__(self, ref):
            super().__init__(ref)
            self.ref = ref

    @ray.remote
    def fail():
        raise Failure(ray.put(np.full(SIZE, 11, dtype=np.uint8)))

    @ray.remote
    def read(box):
        return int(ray.get(box[0])[-1])

    with pytest.raises(Failure) as caught:
        ray.get(fail.remote())
    assert ray.get(caught.value.ref)[-1] == 11
    assert ray.get(read.remote([caught.value.cause.ref])) == 11


@program(object_store_bytes=PINNING_STORE_BYTES)
def a_ref_in_a_global_of_a_function_is_good(ray: ModuleType) -> None:
    """V9, V19: a function that travels by value takes the refs in its globals and defaults with it."""
    namespace = {"ray": ray, "held": ray.put(block(12))}
    exec("def read(): return int(ray.get(held)[-1])", namespace)

    @ray.remote
    def with_default(box=(ray.put(block(13)),)):  # noqa: B008  the default is what is tested
        return int(ray.get(box[0])[-1])

    read = ray.remote(namespace.pop("read"))
    assert ray.get([read.remote(), with_default.remote()]) == [12, 13]


@program(object_store_bytes=PINNING_STORE_BYTES)
def a_ref_pickled_by_hand_is_held_for_ever(ray: ModuleType) -> None:
    """V18: bytes made with ray.cloudpickle can be read, here and elsewhere, as long as the process that made them lives."""
    data = ray.cloudpickle.dumps(ray.put(block(14)))
    gc.collect()

    @ray.remote
    def read(data):
        return int(ray.get(ray.cloudpickle.loads(data), timeout=30)[-1])

    assert ray.get(read.remote(data), timeout=60) == 14
    for _ in range(2):
        ref = ray.cloudpickle.loads(data)
        assert ray.get(ref, timeout=30)[-1] == 14
        del ref
        gc.collect()
    assert stored_bytes(ray) >= SIZE


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def a_future_holds_its_object(ray: ModuleType) -> None:
    """V19: a future made of a ref gives the value after the ref is gone."""
    gate = make_gate(ray)

    @ray.remote
    def make(_after):
        return np.full(SIZE, 15, dtype=np.uint8)

    future = make.remote(make_waiter(ray).remote(gate)).future()
    gc.collect()
    ray.get(gate.open.remote())
    assert future.result(60)[-1] == 15
    del future
    gc.collect()
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def what_wait_returns_holds_nothing_longer(ray: ModuleType) -> None:
    """V19: the usual loop over `wait` frees each result after its turn: twelve results of a quarter of the store."""

    @ray.remote
    def make(number):
        return np.full(SIZE, number, dtype=np.uint8)

    pending, seen = [make.remote(number) for number in range(3)], []
    for number in range(3, 12):
        (ready,), pending = ray.wait(pending)
        seen.append(int(ray.get(ready)[-1]))
        del ready
        pending.append(make.remote(number))
    seen += [int(array[-1]) for array in ray.get(pending)]
    del pending
    assert sorted(seen) == list(range(12))
    wait_until_freed(ray)


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def ten_thousand_refs_in_one_value(ray: ModuleType) -> None:
    """V2, V19: each keeps its object until the value goes."""
    count = 10_000
    refs = [ray.put(number) for number in range(count - 1)]
    refs.append(ray.put(block(16)))
    outer = ray.put(refs)
    del refs

    @ray.remote
    def look(refs):
        return len(refs), ray.get(refs[:3]), int(ray.get(refs[-1])[-1])

    assert ray.get(look.remote(outer)) == (count, [0, 1, 2], 16)
    inner = ray.get(outer)
    del outer
    assert ray.get(inner[5000:5002]) == [5000, 5001]
    assert ray.get(inner[-1])[0] == 16
    del inner
    wait_until_freed(ray)


@program(num_cpus=4, object_store_bytes=SMALLEST_STORE_BYTES)
def handles_in_many_processes_come_and_go(ray: ModuleType) -> None:
    """V19: five actors take, hand on and drop the same refs in a fixed shuffle; every read is right, nothing is left."""
    import random

    dice = random.Random(5)
    keepers = [make_keeper(ray) for _ in range(5)]
    size = 4 * MB
    for number in range(4):
        ray.get(keepers[0].keep.remote(number, [ray.put(block(number, size))]))
    holders = {number: {0} for number in range(4)}
    for _ in range(60):
        number = dice.randrange(4)
        giver, taker = dice.choice(sorted(holders[number])), dice.randrange(5)
        ray.get(keepers[taker].keep.remote(number, ray.get(keepers[giver].lend.remote(number))))
        holders[number].add(taker)
        if len(holders[number]) > 2:
            leaver = dice.choice(sorted(holders[number]))
            ray.get(keepers[leaver].forget.remote(number))
            holders[number].remove(leaver)
    for number, holding in holders.items():
        for index in holding:
            assert ray.get(keepers[index].read.remote(number)) == (number, size)
            ray.get(keepers[index].forget.remote(number))
    wait_until_freed(ray)
