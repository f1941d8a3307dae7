"""`get`, `put` and `wait`: order, timeouts, errors, and what each refuses."""

from __future__ import annotations

import threading
from types import ModuleType

import pytest

from ..helpers import make_gate, make_waiter
from ..registry import program


@program()
def get_returns_values_in_the_order_of_the_refs(ray: ModuleType) -> None:
    """G1, surface 1: the order of the refs counts, not the order of completion."""
    gate = make_gate(ray)
    late = make_waiter(ray).remote(gate, "late")

    @ray.remote
    def early(index):
        return index

    others = [early.remote(index) for index in range(5)]
    assert ray.get(others) == [0, 1, 2, 3, 4]
    ray.get(gate.open.remote())
    assert ray.get([late, *reversed(others)]) == ["late", 4, 3, 2, 1, 0]


@program()
def get_of_an_empty_list(ray: ModuleType) -> None:
    """G1, surface 1: get([]) is []."""
    assert ray.get([]) == []
    assert ray.get([], timeout=0) == []


@program()
def get_refuses_what_is_not_a_ref_or_a_list(ray: ModuleType) -> None:
    """G2, surface 1: other things than a ref or a list are a ValueError, a list with another thing in it a TypeError."""
    ref = ray.put(1)
    for wrong in (1, "text", None, {ref}, {"a": ref}, object()):
        with pytest.raises(ValueError, match="ObjectRef"):
            ray.get(wrong)
    for wrong_list in ([ref, 1], [None], [[ref]]):
        with pytest.raises(TypeError, match="ObjectRef"):
            ray.get(wrong_list)


@program()
def get_with_a_timeout_leaves_the_task_alone(ray: ModuleType) -> None:
    """G3, surface 1: GetTimeoutError is a TimeoutError; a later get of the same ref succeeds."""
    gate = make_gate(ray)
    ref = make_waiter(ray).remote(gate, "value")
    with pytest.raises(ray.exceptions.GetTimeoutError) as caught:
        ray.get(ref, timeout=0.2)
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, ray.exceptions.RayError)
    ray.get(gate.open.remote())
    assert ray.get(ref) == "value"


@program()
def get_with_a_timeout_of_zero_never_blocks(ray: ModuleType) -> None:
    """G3, surface 1: timeout=0 gives what is there and raises for what is not."""
    gate = make_gate(ray)
    ref = make_waiter(ray).remote(gate, "value")
    with pytest.raises(ray.exceptions.GetTimeoutError):
        ray.get(ref, timeout=0)
    assert ray.get(ray.put("there"), timeout=0) == "there"
    ray.get(gate.open.remote())
    assert ray.get(ref) == "value"
    assert ray.get(ref, timeout=0) == "value"


@program()
def get_of_a_list_times_out_as_a_whole(ray: ModuleType) -> None:
    """G3, surface 1: one unfinished ref in the list is enough for GetTimeoutError."""
    gate = make_gate(ray)
    slow = make_waiter(ray).remote(gate, 2)
    ready = ray.put(1)
    with pytest.raises(ray.exceptions.GetTimeoutError):
        ray.get([ready, slow], timeout=0.2)
    ray.get(gate.open.remote())
    assert ray.get([ready, slow], timeout=60) == [1, 2]


@program()
def get_of_a_list_raises_as_soon_as_one_has_failed(ray: ModuleType) -> None:
    """G4, surface 1: get([slow, bad]) does not wait for the slow one."""
    gate = make_gate(ray)
    slow = make_waiter(ray).remote(gate, "slow")

    @ray.remote
    def fail():
        raise KeyError("early")

    with pytest.raises(KeyError, match="early"):
        ray.get([slow, fail.remote()])
    with pytest.raises(KeyError, match="early"):
        ray.get([fail.remote(), slow])
    ready, unfinished = ray.wait([slow], timeout=0)
    assert (ready, unfinished) == ([], [slow])
    ray.get(gate.open.remote())
    assert ray.get(slow) == "slow"


@program()
def get_reads_the_same_ref_any_number_of_times(ray: ModuleType) -> None:
    """G6, surface 1: by the driver, twice in one list, and by several tasks."""
    ref = ray.put({"answer": [42]})

    @ray.remote
    def read(boxed):
        return ray.get(boxed[0]), ray.get([boxed[0], boxed[0]])

    assert [ray.get(ref) for _ in range(3)] == [{"answer": [42]}] * 3
    assert ray.get([ref, ref, ref]) == [{"answer": [42]}] * 3
    for once, twice in ray.get([read.remote([ref]) for _ in range(3)]):
        assert once == {"answer": [42]}
        assert twice == [{"answer": [42]}] * 2


@program()
def two_gets_give_independent_copies(ray: ModuleType) -> None:
    """G6, surface 1: changing what one get returned does not show in the next."""
    ref = ray.put([1, [2, 3]])
    first = ray.get(ref)
    first.append(4)
    first[1].clear()
    assert ray.get(ref) == [1, [2, 3]]


@program()
def put_and_get_round_trip_plain_values(ray: ModuleType) -> None:
    """P, surface 1: equal values of equal type come back, falsy ones included."""
    values = [
        None, False, 0, 0.0, "", b"", (), [], {}, set(), frozenset({1}), 10**30, -1.5, 3 + 4j, "naïve ☃",
        b"\x00\xff", range(3), slice(1, 2), (1, (2, [3])), {"k": {1: (2,)}}, Ellipsis, float("inf"),
    ]  # fmt: skip
    back = ray.get([ray.put(value) for value in values])
    assert back == values
    assert [type(value) for value in back] == [type(value) for value in values]


@program()
def put_of_a_ref_is_refused(ray: ModuleType) -> None:
    """P1, surface 1: put(ref) is a TypeError; wrapped in a list it is allowed."""
    ref = ray.put(1)
    with pytest.raises(TypeError, match=r"ray\.ObjectRef|ObjectRef"):
        ray.put(ref)
    assert ray.get(ray.get(ray.put([ref]))[0]) == 1


@program()
def put_with_an_owner_is_refused(ray: ModuleType) -> None:
    """P1, surface 1: `_owner` is gone and gives a ValueError."""
    gate = make_gate(ray)
    with pytest.raises(ValueError, match="owner"):
        ray.put(1, _owner=gate)


@program()
def put_of_something_unserializable_names_it(ray: ModuleType) -> None:
    """P2, surface 1: TypeError whose text says what could not be serialized."""
    lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        ray.put({"inside": lock})
    assert ray.get(ray.put("still working")) == "still working"


@program()
def put_takes_a_snapshot(ray: ModuleType) -> None:
    """P3, surface 1: changing the original after put changes nothing."""
    original = {"list": [1, 2, 3]}
    ref = ray.put(original)
    original["list"].append(4)
    original["new"] = True
    assert ray.get(ref) == {"list": [1, 2, 3]}


@program()
def each_put_gives_a_new_ref(ray: ModuleType) -> None:
    """P, surface 1: refs are equal and hash alike exactly if they are of the same object."""
    first, second = ray.put("same"), ray.put("same")
    assert first != second
    assert len({first, second, first}) == 2
    assert first.hex() != second.hex()
    assert ray.get(first) == ray.get(second)


@program()
def wait_refuses_bad_arguments(ray: ModuleType) -> None:
    """W1, surface 1: TypeError for what is no list or no ref, ValueError for duplicates and impossible counts or timeouts."""
    refs = [ray.put(1), ray.put(2)]
    for not_a_list in (refs[0], tuple(refs), set(refs), 1, None):
        with pytest.raises(TypeError):
            ray.wait(not_a_list)
    with pytest.raises(TypeError):
        ray.wait([refs[0], 1])
    with pytest.raises(ValueError, match="unique"):
        ray.wait([refs[0], refs[0]])
    for num_returns in (0, -1, 3):
        with pytest.raises(ValueError, match=r"num_returns|number"):
            ray.wait(refs, num_returns=num_returns)
    with pytest.raises(ValueError, match="timeout"):
        ray.wait(refs, timeout=-1)
    assert ray.wait(refs, num_returns=2) == (refs, [])


@program()
def wait_of_an_empty_list(ray: ModuleType) -> None:
    """W1, surface 1: ([], [])."""
    assert ray.wait([]) == ([], [])


@program()
def wait_returns_exactly_num_returns(ray: ModuleType) -> None:
    """W2, surface 1: never more than asked for, even if more are ready; both lists in input order and together the input."""
    refs = [ray.put(index) for index in range(6)]
    assert len(ray.wait(refs)[0]) == 1
    for count in range(1, 7):
        ready, rest = ray.wait(refs, num_returns=count)
        assert (len(ready), len(rest)) == (count, 6 - count)
        assert sorted(ready + rest, key=refs.index) == refs
        assert ready == sorted(ready, key=refs.index)
        assert rest == sorted(rest, key=refs.index)


@program()
def wait_with_a_timeout_returns_fewer(ray: ModuleType) -> None:
    """W2, surface 1: on timeout what is ready is returned, in input order, without an error."""
    gate = make_gate(ray)
    slow = make_waiter(ray).remote(gate)
    done = [ray.put(1), ray.put(2)]
    assert ray.wait([done[0], slow, done[1]], num_returns=3, timeout=0.3) == (done, [slow])
    assert ray.wait([slow], timeout=0) == ([], [slow])
    assert ray.wait([slow], timeout=0.1) == ([], [slow])
    ray.get(gate.open.remote())
    assert ray.wait([slow], timeout=60) == ([slow], [])


@program()
def wait_keeps_input_order_when_completion_is_reversed(ray: ModuleType) -> None:
    """W2, surface 1: ready refs come in input order, not in order of completion."""
    gates = [make_gate(ray) for _ in range(3)]
    wait_for = make_waiter(ray, num_cpus=0)
    refs = [wait_for.remote(gate, index) for index, gate in enumerate(gates)]
    for index in (2, 1, 0):
        ray.get(gates[index].open.remote())
        assert ray.get(refs[index]) == index
    assert ray.wait(refs, num_returns=3) == (refs, [])


@program()
def wait_counts_failed_tasks_as_ready(ray: ModuleType) -> None:
    """W3, surface 1: wait never raises the task's error; get does."""

    @ray.remote
    def fail():
        raise ValueError("inside")

    ref = fail.remote()
    assert ray.wait([ref], timeout=60) == ([ref], [])
    with pytest.raises(ValueError, match="inside"):
        ray.get(ref)


@program()
def wait_accepts_fetch_local(ray: ModuleType) -> None:
    """W5, surface 1: fetch_local=False gives the same answer on one machine."""

    @ray.remote
    def one():
        return 1

    ref = one.remote()
    assert ray.wait([ref], fetch_local=False, timeout=60) == ([ref], [])
    assert ray.get(ref) == 1


@program()
def wait_in_a_loop_drains_everything_once(ray: ModuleType) -> None:
    """W2, surface 1: the usual loop of wait(num_returns=1) sees every result exactly once."""

    @ray.remote
    def square(number):
        return number * number

    pending = [square.remote(number) for number in range(20)]
    seen = []
    while pending:
        (ready,), pending = ray.wait(pending)
        seen.append(ray.get(ready))
    assert sorted(seen) == [number * number for number in range(20)]


@program()
def wait_inside_a_task(ray: ModuleType) -> None:
    """W2, surface 1: wait works in workers as in the driver."""

    @ray.remote
    def value(number):
        return number

    @ray.remote
    def collect():
        refs = [value.remote(number) for number in range(4)]
        ready, rest = ray.wait(refs, num_returns=4)
        return ready == refs, rest, ray.get(ready)

    assert ray.get(collect.remote()) == (True, [], [0, 1, 2, 3])


@program()
def wait_needs_its_counts_by_keyword(ray: ModuleType) -> None:
    """W1, surface 1: num_returns and timeout are keyword only, as is get's timeout."""
    ref = ray.put(1)
    with pytest.raises(TypeError):
        ray.wait([ref], 1)
    with pytest.raises(TypeError):
        ray.get(ref, 1)
