"""Object references as values: identity, ids, and what keeps the object alive as far as a program can tell."""

from __future__ import annotations

from types import ModuleType

import pytest

from ..helpers import make_gate, make_waiter
from ..registry import NOT_SIMULATED, program


@program()
def a_ref_is_equal_to_its_copies(ray: ModuleType) -> None:
    """V2, surface 3: equality and hash survive travelling, so refs work as dictionary keys and in sets."""

    @ray.remote
    def look_up(table, box):
        return table[box[0]], box[0] in set(table), box[0] == next(iter(table))

    first, second = ray.put(1), ray.put(2)
    assert ray.get(look_up.remote({first: "first", second: "second"}, [first])) == ("first", True, True)
    assert {first: 1}[ray.get(ray.put([first]))[0]] == 1


@program()
def a_ref_is_not_equal_to_its_value(ray: ModuleType) -> None:
    """V, surface 3: nor to its hex string; refs have no order."""
    ref, other = ray.put(1), ray.put(1)
    assert ref != 1
    assert ref != ref.hex()
    assert ref is not None
    with pytest.raises(TypeError):
        _ = ref < other
    assert sorted([ref, other], key=lambda each: each.hex())


@program()
def a_ref_has_ids(ray: ModuleType) -> None:
    """V, surface 3: hex and binary agree; size is that of the binary; job and task are those of its making."""

    @ray.remote
    def own_task_id():
        return ray.get_runtime_context().get_task_id()

    ref = own_task_id.remote()
    assert bytes.fromhex(ref.hex()) == ref.binary()
    assert len(ref.binary()) == ref.size() == 28
    assert ref.hex() in repr(ref)
    assert repr(ref).startswith("ObjectRef(")
    assert not ref.is_nil()
    assert ray.ObjectRef.nil().is_nil()
    assert ref.task_id().hex() == ray.get(ref)
    assert ref.job_id().hex() == ray.get_runtime_context().get_job_id()


@program()
def ids_of_results_share_their_task(ray: ModuleType) -> None:
    """R1, surface 3: refs of one call differ, and are of the same task; those of another call are of another."""

    @ray.remote(num_returns=2)
    def two():
        return 1, 2

    first, second = two.remote()
    other, _ = two.remote()
    assert first != second
    assert first.task_id() == second.task_id()
    assert first.task_id() != other.task_id()


@program()
def refs_are_objectrefs(ray: ModuleType) -> None:
    """V, surface 3: the results of put, tasks and methods are all of one type, also known as ObjectID."""

    @ray.remote
    def one():
        return 1

    @ray.remote
    class Thing:
        def one(self):
            return 1

    thing = Thing.remote()
    refs = [ray.put(1), one.remote(), thing.one.remote()]
    assert all(isinstance(ref, ray.ObjectRef) for ref in refs)
    assert ray.get(refs) == [1, 1, 1]
    assert ray.ObjectID is ray.ObjectRef


@program()
def an_object_lives_while_a_task_needs_it(ray: ModuleType) -> None:
    """V19, surface 3: the caller may drop its ref as soon as the task is submitted."""
    gate = make_gate(ray)
    hold = make_waiter(ray).remote(gate)

    @ray.remote
    def size(text, _after):
        return len(text)

    ref = ray.put("x" * 500_000)
    answers = [size.remote(ref, hold), size.remote(ref, hold)]
    del ref
    ray.get(gate.open.remote())
    assert ray.get(answers) == [500_000, 500_000]


@program()
def an_object_lives_while_a_nested_ref_travels(ray: ModuleType) -> None:
    """V2, V19, surface 3: a ref inside an argument keeps its object until the task has used it."""
    gate = make_gate(ray)

    @ray.remote
    def size(box, _after):
        return len(ray.get(box["inner"][0]))

    hold = make_waiter(ray).remote(gate)
    box = {"inner": [ray.put("y" * 500_000)]}
    answer = size.remote(box, hold)
    del box
    ray.get(gate.open.remote())
    assert ray.get(answer) == 500_000


@program()
def an_actor_can_keep_a_borrowed_ref(ray: ModuleType) -> None:
    """V19, surface 3: a ref stored in an actor's state is good after the driver dropped its own."""

    @ray.remote
    class Library:
        def __init__(self):
            self.refs = {}

        def keep(self, name, box):
            self.refs[name] = box[0]

        def read(self, name):
            return ray.get(self.refs[name])

        def lend(self, name):
            return [self.refs[name]]

    library = Library.remote()
    ref = ray.put(list(range(50_000)))
    ray.get(library.keep.remote("numbers", [ref]))
    del ref
    assert ray.get(library.read.remote("numbers")) == list(range(50_000))
    assert ray.get(ray.get(library.lend.remote("numbers"))[0])[-1] == 49_999


@program()
def a_ref_made_by_an_actor_outlives_the_call(ray: ModuleType) -> None:
    """V19, surface 3: put in a method and returned inside a list."""

    @ray.remote
    class Maker:
        def make(self, count):
            return [ray.put(number * 1000) for number in range(count)]

    maker = Maker.remote()
    refs = ray.get(maker.make.remote(5))
    assert ray.get(refs) == [0, 1000, 2000, 3000, 4000]
    assert ray.get(refs[::-1]) == [4000, 3000, 2000, 1000, 0]


@program()
def a_ref_passed_through_many_tasks_is_still_good(ray: ModuleType) -> None:
    """V19, surface 3: handed from task to task inside a list, with nobody else holding it."""

    @ray.remote
    def hand_on(box):
        return box

    box = [ray.put({"payload": "p" * 200_000})]
    for _ in range(10):
        box = ray.get(hand_on.remote(box))
    assert len(ray.get(box[0])["payload"]) == 200_000


@program()
def many_refs_in_one_value(ray: ModuleType) -> None:
    """V2, surface 3: five hundred refs in one list, resolved by a task."""

    @ray.remote
    def total(refs):
        return sum(ray.get(refs))

    refs = [ray.put(number) for number in range(500)]
    assert ray.get(total.remote(refs)) == sum(range(500))
    assert ray.get(total.remote(ray.put(refs))) == sum(range(500))


@program()
def dropped_results_do_not_stop_the_task(ray: ModuleType) -> None:
    """V19, surface 3: a task runs to its end although nobody keeps its ref."""

    @ray.remote(num_cpus=0)
    class Flag:
        def __init__(self):
            self.value = None

        def set(self, value):
            self.value = value

        def get(self):
            return self.value

    flag = Flag.remote()

    @ray.remote
    def act(flag):
        ray.get(flag.set.remote("done"))

    act.remote(flag)

    @ray.remote
    def watch(flag):
        value = None
        while value is None:
            value = ray.get(flag.get.remote())
        return value

    assert ray.get(watch.remote(flag), timeout=60) == "done"


@program(starts_session=False, engines=NOT_SIMULATED, reason="calls ray.init itself and so chooses no engine")
def references_of_a_session_that_has_ended(ray: ModuleType) -> None:
    """R1, surface 3: a reference that an earlier session has left is refused where it is used: as an argument or in one, in put, get and wait;
    to wait for it beside others is allowed, and it is never ready. It is no other object's."""
    ray.init(num_cpus=1)
    old = ray.put("old")
    ray.shutdown()
    ray.init(num_cpus=1)
    new = ray.put("new")

    @ray.remote
    def same(value):
        return value

    for use in (lambda: same.remote(old), lambda: same.remote(value=[old]), lambda: ray.put({1: old}), lambda: ray.wait([old])):
        with pytest.raises(ValueError, match="Ray object whose owner is unknown"):
            use()
    with pytest.raises(ValueError, match="Ray objects whose owner is unknown"):
        ray.get(old, timeout=10)
    assert ray.wait([new, old]) == ([new], [old])
    assert old != new
    assert ray.get(same.remote(new)) == "new"
    ray.shutdown()
