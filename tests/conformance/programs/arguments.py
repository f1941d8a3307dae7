"""Arguments of tasks: refs at the top level and nested, copies, signatures, and what is refused."""

from __future__ import annotations

import functools
import threading
from types import ModuleType

import pytest

from ..helpers import make_gate, make_recorder, make_waiter, stored_bytes, wait_until, wait_until_freed
from ..registry import program


@program()
def top_level_refs_arrive_as_values(ray: ModuleType) -> None:
    """V1: positional, keyword, *args and **kwargs refs are replaced by their values."""

    @ray.remote
    def show(first, *rest, key=None, **others):
        return first, rest, key, others

    one, two, three, four = (ray.put(number) for number in (1, 2, 3, 4))
    assert ray.get(show.remote(one)) == (1, (), None, {})
    assert ray.get(show.remote(one, two, 0, key=three, other=four)) == (1, (2, 0), 3, {"other": 4})


@program()
def refs_in_containers_arrive_as_refs(ray: ModuleType) -> None:
    """V2: only the top level is resolved."""

    @ray.remote
    def inspect(in_list, in_tuple, in_dict, in_set, deep):
        refs = [in_list[0], in_tuple[0], in_dict["key"], next(iter(in_set)), deep[0]["a"][0]]
        return [isinstance(ref, ray.ObjectRef) for ref in refs], ray.get(refs)

    ref = ray.put("value")
    answer = ray.get(inspect.remote([ref], (ref,), {"key": ref}, {ref}, [{"a": (ref,)}]))
    assert answer == ([True] * 5, ["value"] * 5)


@program()
def a_ref_passed_on_is_the_same_ref(ray: ModuleType) -> None:
    """V2: a nested ref equals the one the caller holds, and comes back equal."""

    @ray.remote
    def pass_on(box):
        return box[0].hex(), box

    ref = ray.put(7)
    text, back = ray.get(pass_on.remote([ref]))
    assert text == ref.hex()
    assert back == [ref]
    assert ray.get(back[0]) == 7


@program()
def a_ref_inside_an_object_arrives_as_a_ref(ray: ModuleType) -> None:
    """V2: refs in attributes of the user's own objects are kept as refs."""

    class Holder:
        def __init__(self, ref):
            self.ref = ref

    @ray.remote
    def open_holder(holder):
        return isinstance(holder.ref, ray.ObjectRef), ray.get(holder.ref)

    assert ray.get(open_holder.remote(Holder(ray.put([1, 2])))) == (True, [1, 2])


@program()
def a_put_list_of_refs_resolves_one_level(ray: ModuleType) -> None:
    """V1, V2: a ref to a list of refs arrives as a list of refs."""

    @ray.remote
    def total(refs):
        return len(refs), sum(ray.get(refs))

    outer = ray.put([ray.put(number) for number in range(5)])
    assert ray.get(total.remote(outer)) == (5, 10)
    assert ray.get(ray.get(outer)) == [0, 1, 2, 3, 4]


@program()
def a_task_starts_only_when_its_arguments_are_ready(ray: ModuleType) -> None:
    """V1: the dependent has not run while its argument is unfinished."""
    gate, recorder = make_gate(ray), make_recorder(ray)
    slow = make_waiter(ray).remote(gate, "slow")

    @ray.remote
    def note(recorder, value, key=None):
        return ray.get(recorder.add.remote((value, key)))

    by_position = note.remote(recorder, slow)
    by_keyword = note.remote(recorder, "fast", key=slow)
    assert ray.wait([by_position, by_keyword], timeout=0.3) == ([], [by_position, by_keyword])
    assert ray.get(recorder.count.remote()) == 0
    ray.get(gate.open.remote())
    ray.get([by_position, by_keyword])
    assert sorted(ray.get(recorder.items.remote()), key=repr) == [("fast", "slow"), ("slow", None)]


@program()
def waiting_tasks_hold_no_cpu(ray: ModuleType) -> None:
    """V17, T9: tasks waiting for arguments do not keep others from running."""
    gate = make_gate(ray)
    slow = make_waiter(ray, num_cpus=1).remote(gate, 1)

    @ray.remote
    def add(left, right):
        return left + right

    dependents = [add.remote(slow, index) for index in range(20)]
    assert ray.get(add.remote(1, 2), timeout=60) == 3
    ray.get(gate.open.remote())
    assert ray.get(dependents) == [1 + index for index in range(20)]


@program()
def arguments_are_copies(ray: ModuleType) -> None:
    """V3: a task changing its argument affects neither the caller nor another task."""

    @ray.remote
    def grow(numbers):
        numbers.append("changed")
        return numbers

    mine = [1]
    shared = ray.put([2])
    assert ray.get([grow.remote(mine), grow.remote(mine)]) == [[1, "changed"]] * 2
    assert mine == [1]
    assert ray.get([grow.remote(shared), grow.remote(shared)]) == [[2, "changed"]] * 2
    assert ray.get(shared) == [2]


@program()
def arguments_are_taken_at_submission(ray: ModuleType) -> None:
    """V3: changing a list after submitting it does not change what the task sees, even if it starts later."""
    gate = make_gate(ray)
    slow = make_waiter(ray).remote(gate)

    @ray.remote
    def show(numbers, _after):
        return numbers

    numbers = [1, 2]
    ref = show.remote(numbers, slow)
    numbers.append(3)
    ray.get(gate.open.remote())
    assert ray.get(ref) == [1, 2]


@program()
def default_arguments_and_keywords_work(ray: ModuleType) -> None:
    """V1: signatures with defaults, keyword-only and variable parts behave as in a plain call."""

    @ray.remote
    def show(a, b=2, *args, c, d=4, **kwargs):
        return a, b, args, c, d, kwargs

    assert ray.get(show.remote(1, c=3)) == (1, 2, (), 3, 4, {})
    assert ray.get(show.remote(1, 5, 6, 7, c=3, d=8, e=9)) == (1, 5, (6, 7), 3, 8, {"e": 9})
    assert ray.get(show.remote(b=0, a=1, c=None)) == (1, 0, (), None, 4, {})


@program()
def a_wrong_call_signature_is_a_type_error_at_submission(ray: ModuleType) -> None:
    """V16: missing, surplus and unknown arguments raise from .remote()."""

    @ray.remote
    def needs(a, b, *, c=0):
        return a, b, c

    with pytest.raises(TypeError, match="missing a required argument: 'b'"):
        needs.remote(1)
    with pytest.raises(TypeError, match="too many positional arguments"):
        needs.remote(1, 2, 3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'd'"):
        needs.remote(1, 2, d=3)
    with pytest.raises(TypeError, match="multiple values for argument 'a'"):
        needs.remote(1, 2, a=3)
    assert ray.get(needs.remote(1, b=2, c=3)) == (1, 2, 3)


@program()
def a_wrong_signature_is_noticed_for_actors_too(ray: ModuleType) -> None:
    """V16: constructors and methods check their arguments at .remote()."""

    @ray.remote
    class Pair:
        def __init__(self, left, right):
            self.pair = (left, right)

        def swap(self, times):
            return self.pair[::-1] if times % 2 else self.pair

    with pytest.raises(TypeError, match="missing a required argument: 'right'"):
        Pair.remote(1)
    with pytest.raises(TypeError, match="too many positional arguments"):
        Pair.remote(1, 2, 3)
    pair = Pair.remote(1, 2)
    with pytest.raises(TypeError, match="missing a required argument: 'times'"):
        pair.swap.remote()
    with pytest.raises(TypeError, match="unexpected keyword argument 'often'"):
        pair.swap.remote(1, often=2)
    assert ray.get(pair.swap.remote(times=1)) == (2, 1)


@program()
def generators_are_refused_as_arguments(ray: ModuleType) -> None:
    """V10: TypeError at .remote() that names what cannot be serialized, not a hang."""

    @ray.remote
    def consume(items):
        return list(items)

    with pytest.raises(TypeError, match="generator"):
        consume.remote(number for number in range(3))
    assert ray.get(consume.remote([0, 1])) == [0, 1]


@program()
def locks_are_refused_as_arguments(ray: ModuleType) -> None:
    """V10: a lock deep inside an argument is a TypeError that names it."""

    class Owner:
        def __init__(self):
            self.guard = threading.Lock()

    @ray.remote
    def use(owner):
        return owner is not None

    for wrong in (threading.Lock(), [threading.Lock()], Owner()):
        with pytest.raises(TypeError, match="lock"):
            use.remote(wrong)
    assert ray.get(use.remote(1)) is True


@program()
def a_function_that_captures_a_lock_is_refused(ray: ModuleType) -> None:
    """V10: the error names the function and the captured thing."""
    guard = threading.Lock()

    @ray.remote
    def guarded():
        with guard:
            return 1

    with pytest.raises(TypeError, match=r"(?s)guarded.*lock|lock.*guarded"):
        guarded.remote()


@program()
def functions_and_partials_travel_as_arguments(ray: ModuleType) -> None:
    """V9: lambdas, closures, partials and bound methods can be passed and called."""

    @ray.remote
    def apply(function, *args):
        return function(*args)

    offset = 10

    def add_offset(number):
        return number + offset

    assert ray.get(apply.remote(lambda number: number * 2, 4)) == 8
    assert ray.get(apply.remote(add_offset, 4)) == 14
    assert ray.get(apply.remote(functools.partial(pow, 2), 5)) == 32
    assert ray.get(apply.remote("a-b".split, "-")) == ["a", "b"]
    assert ray.get(apply.remote(len, ray.put([1, 2]))) == 2


@program()
def remote_functions_travel_as_arguments(ray: ModuleType) -> None:
    """V9: a remote function passed to a task can be submitted from there."""

    @ray.remote
    def double(number):
        return 2 * number

    @ray.remote
    def submit(function, number):
        return ray.get(function.remote(number)) + 1

    assert ray.get(submit.remote(double, 5)) == 11
    assert ray.get(submit.remote(double.options(num_cpus=0.5), 6)) == 13


@program()
def big_arguments_arrive_whole(ray: ModuleType) -> None:
    """V7: values above the inline limit travel by value and by ref alike."""
    text = "0123456789" * 200_000
    blob = bytes(range(256)) * 4096

    @ray.remote
    def measure(one, two, boxed):
        return len(one), one[:10], len(two), two[-3:], len(boxed["blob"])

    expected = (2_000_000, "0123456789", 1_048_576, b"\xfd\xfe\xff", 1_048_576)
    assert ray.get(measure.remote(text, blob, {"blob": blob})) == expected
    assert ray.get(measure.remote(ray.put(text), ray.put(blob), ray.put({"blob": blob}))) == expected


@program()
def many_small_arguments_together_go_to_the_store(ray: ModuleType) -> None:
    """V7: three hundred arguments below the inline limit are 26 MiB: what is beyond ten is kept in the store until the task has
    run; all arrive, in order, with tasks, constructors and methods."""
    gate = make_gate(ray)
    wait_for = make_waiter(ray)
    items = [bytes([number % 256]) * 90_000 for number in range(300)]
    expected = [len(items), [number % 256 for number in range(300)], {90_000}]

    def describe(*items, after=None, **named):
        return [len(items), [item[0] for item in items], {len(item) for item in items}]

    @ray.remote(num_cpus=0)
    class Holder:
        def __init__(self, *items):
            self.described = describe(*items)

        def first(self):
            return self.described

        def again(self, *items):
            return describe(*items)

    held_up = ray.remote(describe).remote(*items, after=wait_for.remote(gate))
    wait_until(lambda: stored_bytes(ray) > 15 * 2**20, "most of them are in the store")
    ray.get(gate.open.remote())
    assert ray.get(held_up) == expected
    holder = Holder.remote(*items)
    assert ray.get(holder.first.remote()) == expected
    assert ray.get(holder.again.remote(*items)) == expected
    del holder
    wait_until_freed(ray)


@program()
def many_arguments_arrive_in_order(ray: ModuleType) -> None:
    """V1: fifty refs and fifty values in one call keep their places."""

    @ray.remote
    def gather(*items):
        return list(items)

    @ray.remote
    def produce(number):
        return number

    mixed = [produce.remote(number) if number % 2 else number for number in range(100)]
    assert ray.get(gather.remote(*mixed)) == list(range(100))


@program()
def a_ref_captured_in_a_closure_keeps_its_object(ray: ModuleType) -> None:
    """V9: a remote function may use a ref of its surrounding; the object lives as long as the function."""

    def make_reader():
        ref = ray.put({"captured": True})
        return ray.remote(lambda: ray.get(ref))

    read = make_reader()
    assert ray.get([read.remote(), read.remote()]) == [{"captured": True}] * 2


@program()
def a_ref_captured_in_an_argument_function_works(ray: ModuleType) -> None:
    """V9: a plain closure passed as argument may hold a ref."""
    ref = ray.put(20)

    @ray.remote
    def call(function):
        return function()

    assert ray.get(call.remote(lambda: ray.get(ref) + 1)) == 21


@program()
def keywords_may_have_any_name(ray: ModuleType) -> None:
    """V1: those too that the machinery between has of its own."""

    @ray.remote
    def keys(**kwargs):
        return sorted(kwargs)

    names = ["args", "function", "kwargs", "message", "self", "timeout"]
    assert ray.get(keys.remote(**dict.fromkeys(names, 0))) == names


@program()
def a_function_that_captured_too_much_is_refused(ray: ModuleType) -> None:
    """V15: above a hundred megabytes it is a ValueError at `.remote()`; the text says to put the value instead."""
    captured = b"x" * (110 * 2**20)

    @ray.remote
    def use():
        return len(captured)

    with pytest.raises(ValueError, match="too large|FUNCTION_SIZE_ERROR_THRESHOLD"):
        use.remote()
