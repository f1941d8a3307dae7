"""Large objects on their way: many readers at once, chains of actors, waiting, timeouts; and refs as plain values."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from ..helpers import make_gate, make_waiter
from ..registry import program

MB = 2**20


@program(num_cpus=4)
def eight_tasks_read_one_large_object_at_once(ray: ModuleType) -> None:
    """G6, V5: through an argument and through a nested ref, while it is still being made."""
    gate = make_gate(ray)

    @ray.remote
    def make(_after):
        return np.arange(4_000_000)

    @ray.remote
    def total(array):
        return int(array.sum())

    @ray.remote(num_cpus=0)
    def read(box):
        return int(ray.get(box[0]).sum())

    ref = make.remote(make_waiter(ray, num_cpus=0).remote(gate))
    answers = [total.remote(ref) for _ in range(4)] + [read.remote([ref]) for _ in range(4)]
    ray.get(gate.open.remote())
    expected = 4_000_000 * 3_999_999 // 2
    assert ray.get(answers) == [expected] * 8
    assert int(ray.get(ref).sum()) == expected


@program()
def a_large_object_passes_through_three_actors(ray: ModuleType) -> None:
    """V1: each method takes the one before's result; the driver never reads what is between."""

    @ray.remote(num_cpus=0)
    class Stage:
        def __init__(self, number):
            self.number = number

        def run(self, array):
            return array + self.number

        def run_boxed(self, box):
            return [ray.put(ray.get(box[0]) + self.number)]

    stages = [Stage.remote(number) for number in (1, 10, 100)]
    ref = ray.put(np.zeros(1_000_000, dtype=np.int64))
    for stage in stages:
        ref = stage.run.remote(ref)
    assert (ray.get(ref) == 111).all()
    box = [ref]
    for stage in stages:
        box = ray.get(stage.run_boxed.remote(box))
    assert (ray.get(box[0]) == 222).all()


@program()
def waiting_for_large_objects(ray: ModuleType) -> None:
    """W2, W5: with and without fetch_local, for put, returned and unfinished ones, in driver and task."""
    gate = make_gate(ray)

    @ray.remote
    def make(_after):
        return np.ones(3_000_000)

    put, unfinished = ray.put(np.ones(3_000_000)), make.remote(make_waiter(ray).remote(gate))
    for fetch_local in (True, False):
        assert ray.wait([unfinished, put], fetch_local=fetch_local, timeout=60) == ([put], [unfinished])
        assert ray.wait([unfinished], fetch_local=fetch_local, timeout=0) == ([], [unfinished])

    @ray.remote(num_cpus=0)
    def wait_there(refs):
        answers = [ray.wait(refs, num_returns=2, fetch_local=fetch_local, timeout=60) for fetch_local in (True, False)]
        return [(len(ready), len(rest)) for ready, rest in answers]

    there = wait_there.remote([unfinished, put])
    ray.get(gate.open.remote())
    assert ray.get(there) == [(2, 0), (2, 0)]
    assert ray.wait([unfinished, put], num_returns=2, fetch_local=False) == ([unfinished, put], [])
    assert int(ray.get(unfinished).sum()) == 3_000_000


@program()
def a_timeout_on_a_large_object(ray: ModuleType) -> None:
    """G3: what is there is given whole within any time; what is not raises; negative means without limit."""
    gate = make_gate(ray)

    @ray.remote
    def make(_after):
        return np.ones(3_000_000)

    there, unfinished = ray.put(np.ones(3_000_000)), make.remote(make_waiter(ray).remote(gate))
    assert len(ray.get(there, timeout=30)) == len(ray.get(there, timeout=0)) == 3_000_000
    for timeout in (0, 0.05):
        with pytest.raises(ray.exceptions.GetTimeoutError):
            ray.get([there, unfinished], timeout=timeout)
    ray.get(gate.open.remote())
    assert len(ray.get(unfinished, timeout=60)) == 3_000_000
    assert len(ray.get(there, timeout=-1)) == 3_000_000


@program()
def put_checks_its_arguments(ray: ModuleType) -> None:
    """P1: what is no value to put, word for word; in the driver, in tasks and in actors."""
    ref = ray.put(1)
    text = (
        r"^Calling 'put' on an ray\.ObjectRef is not allowed\. If you really want to do this, you can wrap the "
        r"ray\.ObjectRef in a list and call 'put' on it\.$"
    )
    with pytest.raises(TypeError, match=text):
        ray.put(ref)
    with pytest.raises(TypeError, match="value"):
        ray.put()
    with pytest.raises(TypeError):
        ray.put(1, 2)
    assert ray.get(ray.put(value=3)) == 3

    @ray.remote
    class Putter:
        def put_ref(self, box):
            return ray.put(box[0])

        def put_for(self, owner):
            return ray.put(1, _owner=owner)

        def put(self):
            return [ray.put(np.ones(100_000))]

    putter = Putter.remote()
    with pytest.raises(TypeError, match="Calling 'put' on an ray.ObjectRef is not allowed"):
        ray.get(putter.put_ref.remote([ref]))
    with pytest.raises(ValueError, match="_owner"):
        ray.get(putter.put_for.remote(putter))
    assert ray.get(ray.get(putter.put.remote())[0]).sum() == 100_000


@program()
def get_says_what_it_was_given(ray: ModuleType) -> None:
    """G2: word for word."""
    ref = ray.put(1)
    for wrong in (1, "text", None, (ref,), {ref}, {ref: ref}, iter([ref])):
        with pytest.raises(ValueError, match="^Invalid type of object refs, ") as caught:
            ray.get(wrong)
        assert str(caught.value) == (
            f"Invalid type of object refs, {type(wrong)}, is given. 'object_refs' must either be an ObjectRef or a list "
            "of ObjectRefs. "
        )
    for wrong in (1, None, [ref], "text"):
        with pytest.raises(TypeError) as refused:
            ray.get([ref, wrong])
        assert str(refused.value) == f"Attempting to call `get` on the value {wrong}, which is not an ray.ObjectRef."


@program()
def refs_work_as_keys_and_in_sets(ray: ModuleType) -> None:
    """V2: after travelling too; equal ones are one, and a set finds what a task gives back."""

    @ray.remote
    def sort_out(table, chosen):
        kept = {ref: name for ref, name in table.items() if ref not in chosen}
        return kept, {*chosen, *table}

    refs = [ray.put(number) for number in range(6)]
    table = {ref: str(number) for number, ref in enumerate(refs)}
    kept, everything = ray.get(sort_out.remote(table, frozenset(refs[:2])))
    assert kept == {ref: str(number) for number, ref in enumerate(refs) if number >= 2}
    assert everything == set(refs)
    assert len(everything | set(refs)) == 6
    assert sorted(ray.get(list(everything))) == list(range(6))
    assert [refs.index(ref) for ref in kept] == [2, 3, 4, 5]


@program()
def refs_are_small_closed_values(ray: ModuleType) -> None:
    """V: true, without length, items or attributes of one's own; found again by their bytes."""
    ref = ray.put(1)
    assert ref
    with pytest.raises(TypeError):
        len(ref)
    with pytest.raises(TypeError):
        iter(ref)
    with pytest.raises(AttributeError):
        ref.note = "mine"
    with pytest.raises(TypeError):
        ref + ref
    again = ray.ObjectRef(ref.binary())
    assert (again, hash(again), repr(again)) == (ref, hash(ref), repr(ref))
    assert ray.get(again) == 1
    assert ray.ObjectRef.from_binary(ref.binary()) == ref
    assert ray.wait([again]) == ([ref], [])


@program()
def bad_ids_make_no_refs(ray: ModuleType) -> None:
    """V: a ref needs 28 bytes; nil and random ones are refs that name nothing."""
    with pytest.raises(ValueError, match="28"):
        ray.ObjectRef(b"abc")
    for wrong in ("00" * 28, 5, None):
        with pytest.raises(TypeError):
            ray.ObjectRef(wrong)
    nil, random = ray.ObjectRef.nil(), ray.ObjectRef.from_random()
    assert (nil.is_nil(), nil.hex(), nil == ray.ObjectRef.nil()) == (True, "ff" * 28, True)
    assert not random.is_nil()
    assert random != ray.ObjectRef.from_random()
    assert len(random.binary()) == 28


@program()
def reading_nothing_is_refused(ray: ModuleType) -> None:
    """G: the nil ref is a ValueError for get and wait, at once."""
    nil = ray.ObjectRef.nil()
    with pytest.raises(ValueError, match="owner is unknown"):
        ray.get(nil, timeout=30)
    with pytest.raises(ValueError, match="owner is unknown"):
        ray.wait([nil], timeout=30)


@program()
def large_and_small_objects_keep_their_places(ray: ModuleType) -> None:
    """G1: one get of two hundred refs, every tenth large, put and returned, in a fixed shuffle."""
    import random

    @ray.remote
    def make(number):
        return np.full(200_000 if number % 10 == 0 else 5, number)

    refs = {
        number: make.remote(number) if number % 2 else ray.put(np.full(200_000 if number % 10 == 0 else 5, number))
        for number in range(200)
    }
    order = list(refs)
    random.Random(3).shuffle(order)
    assert [int(array[-1]) for array in ray.get([refs[number] for number in order])] == order


@program()
def a_large_value_is_a_large_error(ray: ModuleType) -> None:
    """E1: an exception may carry megabytes; it arrives whole, more than once."""

    class Heavy(Exception):
        def __init__(self, payload):
            super().__init__("heavy")
            self.payload = payload

    @ray.remote
    def fail():
        raise Heavy(np.arange(500_000))

    ref = fail.remote()
    for _ in range(2):
        with pytest.raises(Heavy, match="heavy") as caught:
            ray.get(ref)
        np.testing.assert_array_equal(caught.value.cause.payload, np.arange(500_000))
