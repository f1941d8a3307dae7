"""What tasks and methods return: counts, tuples, None, refs."""

from __future__ import annotations

from types import ModuleType

import pytest

from ..registry import program


@program()
def several_returns_give_several_refs(ray: ModuleType) -> None:
    """R1: num_returns=3 is a list of three refs, in the order returned, from a tuple or a list."""

    @ray.remote(num_returns=3)
    def as_tuple():
        return 1, "two", [3]

    @ray.remote(num_returns=3)
    def as_list():
        return [1, "two", [3]]

    for function in (as_tuple, as_list):
        refs = function.remote()
        assert isinstance(refs, list)
        assert len(set(refs)) == 3
        assert ray.get(refs) == [1, "two", [3]]
        assert ray.get(refs[2]) == [3]


@program()
def no_returns_give_none(ray: ModuleType) -> None:
    """R1: num_returns=0 gives None, and the task runs all the same."""

    @ray.remote(num_cpus=0)
    class Flag:
        def __init__(self):
            self.up = False

        def raise_it(self):
            self.up = True

        def get(self):
            return self.up

    @ray.remote(num_returns=0)
    def act(flag):
        ray.get(flag.raise_it.remote())

    flag = Flag.remote()
    assert act.remote(flag) is None

    @ray.remote
    def watch(flag):
        while not ray.get(flag.get.remote()):
            pass
        return True

    assert ray.get(watch.remote(flag), timeout=60) is True


@program()
def one_return_keeps_a_tuple_whole(ray: ModuleType) -> None:
    """R1: without num_returns a tuple is one value; num_returns=1 gives a bare ref."""

    @ray.remote
    def pair():
        return 1, 2

    @ray.remote(num_returns=1)
    def explicit():
        return [1, 2]

    assert isinstance(pair.remote(), ray.ObjectRef)
    assert ray.get(pair.remote()) == (1, 2)
    assert ray.get(explicit.remote()) == [1, 2]


@program()
def a_wrong_number_of_returned_items_fails_every_ref(ray: ModuleType) -> None:
    """R1: too few, too many, or no iterable at all: ValueError on each ref, with both counts in the text."""

    @ray.remote(num_returns=3)
    def two():
        return 1, 2

    @ray.remote(num_returns=2)
    def three():
        return 1, 2, 3

    for refs, pattern in ((two.remote(), "num_returns=3.*2|2.*num_returns=3"), (three.remote(), "num_returns=2|2.*3")):
        for ref in refs:
            with pytest.raises(ValueError, match=pattern):
                ray.get(ref)


@program()
def a_single_value_for_several_returns_fails(ray: ModuleType) -> None:
    """R1: None instead of two items is an error on both refs."""

    @ray.remote(num_returns=2)
    def nothing():
        return None

    for ref in nothing.remote():
        with pytest.raises((ValueError, TypeError)) as caught:
            ray.get(ref)
        assert isinstance(caught.value, ray.exceptions.RayTaskError)


@program()
def an_exception_fails_all_returns(ray: ModuleType) -> None:
    """R1: each of several refs raises the task's exception."""

    @ray.remote(num_returns=3)
    def fail():
        raise LookupError("none of them")

    refs = fail.remote()
    assert len(refs) == 3
    for ref in refs:
        with pytest.raises(LookupError, match="none of them"):
            ray.get(ref)


@program()
def the_number_of_returns_can_be_chosen_per_call(ray: ModuleType) -> None:
    """R11: .options(num_returns=k) on tasks and methods, @ray.method(num_returns=k) on methods."""

    @ray.remote
    def numbers(count):
        return tuple(range(count))

    @ray.remote
    class Source:
        @ray.method(num_returns=2)
        def two(self):
            return "a", "b"

        def numbers(self, count):
            return tuple(range(count))

    assert ray.get(numbers.options(num_returns=2).remote(2)) == [0, 1]
    assert ray.get(numbers.remote(2)) == (0, 1)
    source = Source.remote()
    assert ray.get(source.two.remote()) == ["a", "b"]
    assert ray.get(source.two.options(num_returns=1).remote()) == ("a", "b")
    assert ray.get(source.numbers.options(num_returns=3).remote(3)) == [0, 1, 2]
    assert source.numbers.options(num_returns=0).remote(0) is None


@program()
def a_function_without_return_gives_none(ray: ModuleType) -> None:
    """R1: the ref of a task that returns nothing resolves to None."""

    @ray.remote
    def nothing():
        pass

    assert ray.get(nothing.remote()) is None


@program()
def returned_refs_stay_refs(ray: ModuleType) -> None:
    """V2: a task may return a ref of a put, of a subtask, alone or in a container."""

    @ray.remote
    def one():
        return 1

    @ray.remote
    def alone():
        return one.remote()

    @ray.remote
    def boxed():
        return {"put": ray.put("p"), "task": [one.remote()]}

    inner = ray.get(alone.remote())
    assert isinstance(inner, ray.ObjectRef)
    assert ray.get(inner) == 1
    box = ray.get(boxed.remote())
    assert ray.get(box["put"]) == "p"
    assert ray.get(box["task"]) == [1]


@program()
def a_returned_ref_survives_its_outer_ref(ray: ModuleType) -> None:
    """V2: once read, the inner ref lives on its own."""

    @ray.remote
    def produce():
        return [ray.put(list(range(1000)))]

    outer = produce.remote()
    (inner,) = ray.get(outer)
    del outer
    assert ray.get(inner) == list(range(1000))


@program()
def refs_nest_to_any_depth(ray: ModuleType) -> None:
    """V2: a ref in an object in a ref ... is found by as many gets."""
    ref = ray.put("core")
    for _ in range(10):
        ref = ray.put([ref])

    @ray.remote
    def dig(box, depth):
        return dig_down(box, depth)

    def dig_down(value, depth):
        for _ in range(depth):
            value = ray.get(value[0])
        return value

    assert dig_down(ray.get(ref), 10) == "core"
    assert ray.get(dig.remote(ref, 10)) == "core"


@program()
def big_and_small_returns_mix(ray: ModuleType) -> None:
    """V7: one call may return values below and above the inline limit."""

    @ray.remote(num_returns=3)
    def mixed():
        return b"x" * 10, b"y" * 3_000_000, "z" * 300_000

    small, big, text = ray.get(mixed.remote())
    assert small == b"x" * 10
    assert (len(big), big[-1:]) == (3_000_000, b"y")
    assert text == "z" * 300_000


@program()
def an_unserializable_return_is_an_error_not_a_hang(ray: ModuleType) -> None:
    """V10: returning a lock raises TypeError at get; the worker stays usable."""

    @ray.remote
    def lock():
        import threading

        return threading.Lock()

    with pytest.raises(TypeError, match="lock"):
        ray.get(lock.remote())

    @ray.remote
    def fine():
        return "fine"

    assert ray.get(fine.remote()) == "fine"
