"""What cannot travel: how `put`, arguments, functions and `inspect_serializability` say so."""

from __future__ import annotations

import importlib
import io
import pickle
import threading
from types import ModuleType

import pytest

from ..helpers import make_recorder
from ..registry import program


class _Stubborn:
    """What cannot be serialized, in a simulation too, where locks are virtual."""

    def __reduce__(self) -> str:
        raise TypeError("I stay where I am")


class _Holder:
    def __init__(self) -> None:
        self.fine = 1
        self.lock = _Stubborn()


def _inspect(ray: ModuleType, value: object, **options: object) -> tuple[bool, list[object], str]:
    report = io.StringIO()
    good, failures = importlib.import_module(f"{ray.__name__}.util").inspect_serializability(
        value, print_file=report, **options
    )
    return good, list(failures), report.getvalue()


@program()
def inspection_of_what_is_fine(ray: ModuleType) -> None:
    """U5, surface 6: True and an empty set, and the report says what was looked at."""
    for value in (1, [1, {"a": (2, b"3")}], len, lambda: 1, _Holder):
        good, failures, report = _inspect(ray, value)
        assert (good, failures) == (True, [])
        assert "Checking Serializability of" in report


@program()
def inspection_finds_an_attribute(ray: ModuleType) -> None:
    """U5, surface 6: the object at fault, what refers to it, and the path; also through functions."""
    holder = _Holder()
    good, (failure,), report = _inspect(ray, holder, name="holder")
    assert not good
    assert failure.obj is holder.lock
    assert failure.parent is holder
    assert failure.path == ("holder", "lock")
    assert "FailTuple(lock [path=holder -> lock" in repr(failure)
    assert "FAIL" in report
    assert "'lock'" in report
    assert repr(failure) in report

    def inner():
        return holder

    def outer():
        return inner

    good, (failure,), _ = _inspect(ray, outer, name="outer")
    assert failure.obj is holder.lock
    assert failure.parent is holder
    assert failure.path == ("outer", "inner", "holder", "lock")


@program()
def inspection_finds_what_a_closure_captures(ray: ModuleType) -> None:
    """U5, surface 6: a captured variable by its name; a class attribute too."""
    lock = _Stubborn()

    class HasOne:
        shared = lock

    for value, name in ((lambda: lock, "lock"), (HasOne, "shared")):
        good, (failure,), _ = _inspect(ray, value, name="start")
        assert not good
        assert failure.obj is lock
        assert failure.parent is value
        assert failure.path == ("start", name)


@program()
def inspection_of_the_thing_itself(ray: ModuleType) -> None:
    """U5, surface 6: with nothing inside that is worse, the object itself is at fault and has no parent; depth limits the search."""
    lock = _Stubborn()
    good, (failure,), _ = _inspect(ray, lock)
    assert not good
    assert (failure.obj, failure.parent, failure.path) == (lock, None, ())
    holder = _Holder()
    _, (failure,), _ = _inspect(ray, holder, name="holder", depth=0)
    assert (failure.obj, failure.path) == (holder, ("holder",))


@program()
def generators_are_refused(ray: ModuleType) -> None:
    """V10, surface 6: as put, as argument of a task and of a method, with a TypeError that says what it is."""

    @ray.remote
    def take(value):
        return value

    @ray.remote
    class Taker:
        def take(self, value):
            return value

    taker = Taker.remote()
    for attempt in (ray.put, take.remote, taker.take.remote):
        with pytest.raises(TypeError, match="(?s)Could not serialize.*generator"):
            attempt(number for number in range(3))


@program()
def unserializable_arguments_are_refused_at_once(ray: ModuleType) -> None:
    """V10, surface 6: `.remote()` itself raises and names the function and the attribute; nothing is submitted, and the next call
    is as good as any."""

    @ray.remote
    def take(value):
        return value

    with pytest.raises(TypeError, match="(?s)Could not serialize the argument.*take.*lock"):
        take.remote(_Holder())
    with pytest.raises(TypeError, match="Could not serialize the put value|Could not serialize the value of ray.put"):
        ray.put(threading.Lock())
    assert ray.get(take.remote(1)) == 1


@program()
def a_closure_over_a_lock_is_refused(ray: ModuleType) -> None:
    """V10, surface 6: at the first `.remote()`, with the function's name; for actors too."""
    lock = threading.Lock()

    @ray.remote
    def locked():
        return lock

    @ray.remote
    class Locked:
        def get(self):
            return lock

    with pytest.raises(TypeError, match="(?s)Could not serialize.*locked"):
        locked.remote()
    with pytest.raises(TypeError, match="(?s)Could not serialize.*Locked"):
        Locked.remote()


@program()
def too_large_a_closure_is_refused(ray: ModuleType) -> None:
    """V13, surface 6: above 95 MiB: a ValueError that says how large and what to do."""
    cargo = b"x" * 101_000_000

    @ray.remote
    def carry():
        return len(cargo)

    with pytest.raises(ValueError, match=r"(?s)carry is too large \(96 MiB > FUNCTION_SIZE_ERROR_THRESHOLD=95 MiB\)"):
        carry.remote()

    @ray.remote
    class Carrier:
        def carry(self):
            return len(cargo)

    with pytest.raises(ValueError, match=r"The actor Carrier is too large"):
        Carrier.remote()


@program()
def a_failed_return_is_the_tasks_error(ray: ModuleType) -> None:
    """V10, surface 6: what a task returns and cannot be serialized is its error; the worker goes on."""

    @ray.remote
    def lock():
        import threading

        return threading.Lock()

    @ray.remote
    def fine():
        return 1

    with pytest.raises(TypeError, match="lock"):
        ray.get(lock.remote())
    assert ray.get(fine.remote()) == 1


@program()
def a_failed_return_keeps_the_class_and_the_words_of_its_error(ray: ModuleType) -> None:
    """V10: whatever pickling raises is the task's error, of builtin classes and of the program's own."""

    class Refusal(Exception):
        pass

    class Stays:
        def __init__(self, error):
            self.error = error

        def __reduce__(self):
            raise self.error

    @ray.remote
    def stays(error):
        return {"fine": 1, "not": [Stays(error)]}

    @ray.remote
    def yields(error):
        yield Stays(error)

    for kind in (TypeError, ValueError, Refusal, KeyError):
        with pytest.raises(kind, match="I stay"):
            ray.get(stays.remote(kind("I stay")))
        with pytest.raises(kind, match="I stay"):
            ray.get(next(yields.remote(kind("I stay"))))


@program()
def what_is_passed_and_cannot_be_pickled_raises_its_own_error(ray: ModuleType) -> None:
    """V10: whatever pickling raises, put, a call, a method, a constructor and the first use of a function raise, of builtin
    classes and of the program's own."""

    class Refusal(Exception):
        pass

    class Stays:
        def __init__(self, error):
            self.error = error

        def __reduce__(self):
            raise self.error

    @ray.remote
    def take(value=None):
        return "fine"

    @ray.remote
    class Taker:
        def __init__(self, value=None):
            pass

        def take(self, value=None):
            return "fine"

    taker = Taker.remote()
    for kind in (TypeError, ValueError, AttributeError, pickle.PicklingError, Refusal, KeyError):
        stays = Stays(kind("I stay"))

        @ray.remote
        def captures(stays=stays):
            return stays

        for attempt in (ray.put, take.remote, taker.take.remote, Taker.remote, lambda _: captures.remote()):
            with pytest.raises(kind, match="I stay"):
                attempt(stays)
        with pytest.raises(kind, match="I stay"):
            take.remote(value={"not": [stays]})
    assert ray.get([take.remote(), taker.take.remote()]) == ["fine", "fine"]


@program()
def what_arrives_and_cannot_be_unpickled_is_a_system_error(ray: ModuleType) -> None:
    """V10: of the reader of a value; as argument, small and large, by value and by reference, of the task or call, which is
    not run; a constructor's ends the actor. What raised is in the text."""

    class Unreadable:
        def __init__(self, cargo=b""):
            self.cargo = cargo

        def __reduce__(self):
            return _refuse, (self.cargo,)

    @ray.remote
    def take(value=None):
        return "fine"

    @ray.remote
    def make():
        return Unreadable()

    @ray.remote
    class Taker:
        def __init__(self, value=None):
            pass

        def take(self, value=None):
            return "fine"

    def _refuse(cargo):
        raise LookupError(f"I am not read, {len(cargo)}")

    taker = Taker.remote()
    stored = ray.put(Unreadable())
    for reference in (stored, make.remote()):
        with pytest.raises(ray.exceptions.RaySystemError, match="I am not read"):
            ray.get(reference)
    for argument in (Unreadable(), Unreadable(b"x" * 300_000), [Unreadable()], stored):
        for attempt in (take.remote, taker.take.remote):
            with pytest.raises(ray.exceptions.RayTaskError, match="I am not read") as caught:
                ray.get(attempt(argument))
            assert isinstance(caught.value, ray.exceptions.RaySystemError)
            assert not isinstance(caught.value, LookupError)
        with pytest.raises(ray.exceptions.ActorDiedError, match="I am not read") as died:
            ray.get(Taker.remote(argument).take.remote())
        assert died.value.actor_init_failed
    assert ray.get([take.remote(), taker.take.remote()]) == ["fine", "fine"]


@program()
def what_cannot_be_unpickled_is_not_tried_again(ray: ModuleType) -> None:
    """T7, V10: retry_exceptions is about what the task raises; its arguments are read once. What a task cannot read of what
    it gets itself is its own error."""
    recorder = make_recorder(ray)

    class Unreadable:
        def __reduce__(self):
            return _refuse, (recorder,)

    def _refuse(recorder):
        ray.get(recorder.add.remote("read"))
        raise LookupError("I am not read")

    @ray.remote(max_retries=2, retry_exceptions=True)
    def take(value):
        return value

    @ray.remote(max_retries=2, retry_exceptions=[ray.exceptions.RaySystemError])
    def read(boxed):
        return ray.get(boxed[0])

    stored = ray.put(Unreadable())
    for argument, times in ((Unreadable(), 1), (stored, 2)):
        with pytest.raises(ray.exceptions.RaySystemError, match="I am not read"):
            ray.get(take.remote(argument))
        assert ray.get(recorder.count.remote()) == times
    with pytest.raises(ray.exceptions.RaySystemError, match="I am not read"):
        ray.get(read.remote([stored]))
    assert ray.get(recorder.count.remote()) == 5
