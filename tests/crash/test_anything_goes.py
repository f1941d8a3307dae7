"""Whatever a user passes in or does in a task, the head stays up and the session answers the next ordinary task."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy
import pytest

import localray
from localray.exceptions import GetTimeoutError, RayError, RaySystemError, RayTaskError, WorkerCrashedError

from .survival import DEADLINE_S, LONE_SURROGATE, survive

ODD_TEXTS = ["", "\0", "a\0b", LONE_SURROGATE, "a" * 1_000_000, "\n", "💥", "../../etc", "%s{}", "\x1b[31m"]
ODD_NUMBERS: list[object] = [
    -1, 0, 1, 2**31, 2**63, 2**64, 10**30, -(10**30), 10**400, 0.5, -0.5, 1e300, float("inf"), float("-inf"), float("nan"), True,
    None, "1", b"1", [], {}, object(), 1j, numpy.int64(2), numpy.float64(1.0), numpy.float32("nan"), numpy.bool_(True),
    numpy.array([1]), lambda: 1,
]


@pytest.fixture(scope="module")
def session() -> Iterator[ModuleType]:
    yield localray
    localray.shutdown()


@pytest.fixture
def ray(session: ModuleType) -> Iterator[ModuleType]:
    """One session for all of this module, as long as it holds: each test ends with the head it started with, which answers."""
    from localray.session import _session

    if not session.is_initialized():
        session.init(num_cpus=2)
    assert _session.engine is not None
    head = _session.engine.head_process_id  # type: ignore[attr-defined]
    try:
        yield session
        assert _session.engine.head_process_id == head  # type: ignore[attr-defined]
        answers(session)
    except BaseException:
        session.shutdown()
        raise


def answers(ray: ModuleType) -> None:
    """An ordinary task, a nested one and an actor work."""

    @ray.remote
    def inner(value: int) -> int:
        return value + 1

    @ray.remote
    def outer(value: int) -> Any:
        return ray.get(inner.remote(value))

    @ray.remote(num_cpus=0)
    class Actor:
        def hello(self) -> str:
            return "hello"

    assert ray.get([outer.remote(number) for number in range(4)], timeout=DEADLINE_S) == [1, 2, 3, 4]
    assert ray.get(Actor.remote().hello.remote(), timeout=DEADLINE_S) == "hello"
    assert ray.get(ray.put(numpy.ones(50_000)), timeout=DEADLINE_S).sum() == 50_000


# ---------------------------------------------------------------- the public functions


@pytest.mark.parametrize("name", ["num_cpus", "num_gpus", "memory", "max_retries", "max_calls", "num_returns", "resources"])
@pytest.mark.parametrize("value", ODD_NUMBERS, ids=lambda value: repr(value)[:12])
def test_odd_task_options(ray: ModuleType, name: str, value: object) -> None:
    if name == "num_returns" and type(value) in (int, numpy.int64) and value > 10**6:  # type: ignore[operator]
        pytest.skip("a list of so many references does not fit into this process")

    def call() -> None:
        option = {"x": value} if name == "resources" else value
        ref = ray.remote(lambda: 1).options(**{name: option}).remote()
        ready, _ = ray.wait([ref] if isinstance(ref, ray.ObjectRef) else list(ref or [])[:3], timeout=0.2)
        for one in ready:
            survive(lambda: ray.get(one))
        for one in ref if isinstance(ref, list) else [ref]:
            if isinstance(one, ray.ObjectRef):
                ray.cancel(one)
                break

    survive(call)


@pytest.mark.parametrize("name", ["num_cpus", "max_restarts", "max_concurrency", "max_task_retries", "max_pending_calls", "resources"])
@pytest.mark.parametrize("value", ODD_NUMBERS, ids=lambda value: repr(value)[:12])
def test_odd_actor_options(ray: ModuleType, name: str, value: object) -> None:
    class Actor:
        def hello(self) -> int:
            return 1

    def call() -> None:
        option = {"x": value} if name == "resources" else value
        actor = ray.remote(Actor).options(**{name: option}).remote()
        ray.wait([actor.hello.remote()], timeout=0.2)

    survive(call)


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text)[:12])
def test_odd_names(ray: ModuleType, text: str) -> None:
    """As names of tasks, actors, namespaces, resources, functions, classes; where the task ends well and where it does not."""

    def fine() -> int:
        return 1

    def fails() -> None:
        raise ValueError(text)

    def crashes() -> None:
        os._exit(1)

    class Actor:
        def name(self) -> object:
            return localray.get_runtime_context().get_actor_name()

        def die(self) -> None:
            os._exit(1)

    def tasks() -> None:
        for function in (fine, fails, crashes):
            survive(lambda function=function: ray.get(ray.remote(function).options(name=text, max_retries=1).remote(), timeout=DEADLINE_S))
            renamed = type(function)(function.__code__, function.__globals__, text, (), function.__closure__)
            renamed.__qualname__ = text
            survive(lambda renamed=renamed: ray.get(ray.remote(max_retries=0)(renamed).remote(), timeout=DEADLINE_S))
        slow = ray.remote(lambda: time.sleep(1000)).options(name=text).remote()
        ray.cancel(slow)
        survive(lambda: ray.get(slow, timeout=DEADLINE_S))

    def actors() -> None:
        actor = ray.remote(Actor).options(name=text, namespace=text).remote()
        survive(lambda: ray.get(actor.name.remote(), timeout=DEADLINE_S))
        survive(lambda: ray.get(ray.get_actor(text, namespace=text).name.remote(), timeout=DEADLINE_S))
        survive(lambda: ray.remote(Actor).options(name=text, namespace=text).remote())
        survive(lambda: ray.get(actor.die.remote(), timeout=DEADLINE_S))

    survive(tasks)
    survive(actors)
    survive(lambda: ray.get_actor(text))
    survive(lambda: ray.wait([ray.remote(resources={text: 1})(fine).remote()], timeout=0.05))
    survive(lambda: ray.get(ray.remote(fails).remote(), timeout=DEADLINE_S))


@pytest.mark.parametrize("value", ODD_NUMBERS, ids=lambda value: repr(value)[:12])
def test_odd_arguments_of_the_functions(ray: ModuleType, value: object) -> None:
    ref = ray.put(1)
    slow = ray.remote(lambda: time.sleep(0.05)).remote()
    for call in (
        lambda: ray.get(value), lambda: ray.get([value]), lambda: ray.get(ref, timeout=value), lambda: ray.get(slow, timeout=value),
        lambda: ray.wait(value), lambda: ray.wait([value]), lambda: ray.wait([ref], num_returns=value),
        lambda: ray.wait([ray.remote(lambda: 1).remote()], timeout=value), lambda: ray.wait([ref], fetch_local=value),
        lambda: ray.cancel(value), lambda: ray.cancel(ref, force=value), lambda: ray.kill(value), lambda: ray.get_actor(value),
        lambda: ray.get_actor("a", namespace=value), lambda: ray.remote(value), lambda: ray.ObjectRef(value), lambda: ray.get(ray.put(value)),
        lambda: ray.get(ray.remote(lambda x: x).remote(value)), lambda: ray.get(ray.remote(lambda: value).remote()),
        lambda: ray.remote(lambda: 1).options(name=value).remote(), lambda: ray.init(num_cpus=value), lambda: ray.init(value),
    ):
        try:
            survive(call)
        except RuntimeError as error:
            assert "ray.init twice" in str(error) or "Unknown keyword" in str(error)
    ray.get(slow)


@pytest.mark.parametrize("timeout", [1e300, float("inf"), 2**31 / 1000, 2.0**40, sys.maxsize, threading.TIMEOUT_MAX * 2])
def test_very_long_timeouts(ray: ModuleType, timeout: float) -> None:
    slow = ray.remote(lambda: time.sleep(0.05))
    assert ray.get(slow.remote(), timeout=timeout) is None
    assert len(ray.wait([slow.remote()], timeout=timeout)[0]) == 1
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(ray.get(slow.remote(), timeout=timeout))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert results == [None] * 3


def test_odd_references(ray: ModuleType) -> None:
    class Text(str):
        pass

    for ref in (
        ray.ObjectRef(bytes(28)), ray.ObjectRef(b"\xff" * 28), ray.ObjectRef(os.urandom(28)), ray.ObjectRef.from_random(), ray.ObjectRef.nil(),
    ):
        for call in (
            lambda ref=ref: ray.get(ref, timeout=1), lambda ref=ref: ray.wait([ref], timeout=0.1), lambda ref=ref: ray.cancel(ref),
            lambda ref=ref: ray.get(ray.remote(lambda x: x).remote(ref), timeout=DEADLINE_S),
            lambda ref=ref: ray.get(ray.remote(lambda x: x).remote([ref]), timeout=DEADLINE_S),
            lambda ref=ref: ray.get(ray.put([ref])), lambda ref=ref: ray.get(ray.get(ray.put([ref])), timeout=DEADLINE_S),
        ):
            survive(call)
    survive(lambda: ray.get(ray.remote(lambda: 1).options(name=Text("odd")).remote(), timeout=DEADLINE_S))
    survive(lambda: ray.remote(type("A", (), {})).options(name=Text("odd actor"), namespace=Text("odd")).remote())
    survive(lambda: ray.get_actor(Text("odd actor"), namespace=Text("odd")))
    survive(lambda: ray.get_actor(numpy.str_("odd actor")))
    survive(lambda: ray.get(ray.remote(resources={Text("x"): 0.0})(lambda: 1).remote(), timeout=DEADLINE_S))


def test_odd_keywords(ray: ModuleType) -> None:
    @ray.remote
    def count(*args: object, **kwargs: object) -> tuple[int, int]:
        return len(args), len(kwargs)

    for kwargs in ({"": 1}, {"a b": 1}, {LONE_SURROGATE: 1}, {"self": 1, "args": 2, "kwargs": 3, "timeout": 4}, {"\0": 1}):
        assert ray.get(count.remote(**kwargs), timeout=DEADLINE_S) == (0, len(kwargs))
    survive(lambda: count.remote(**{1: 2}))  # type: ignore[arg-type]
    assert ray.get(count.remote(*range(10_000)), timeout=DEADLINE_S) == (10_000, 0)
    refs = [ray.put(number) for number in range(2_000)]
    assert ray.get(count.remote(*refs), timeout=DEADLINE_S) == (2_000, 0)


# ---------------------------------------------------------------- odd values


class _Raises:
    def __init__(self, what: str, error: type[BaseException] = ValueError) -> None:
        self.what = what
        self.error = error


def evil(name: str, error: type[BaseException] = ValueError) -> object:
    """An object whose special method of that name raises."""

    def method(*args: object) -> object:
        raise error(f"{name} on purpose")

    return type("Evil", (), {name: method})()


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, RecursionError, MemoryError])
@pytest.mark.parametrize("name", ["__reduce__", "__reduce_ex__", "__getstate__", "__eq__", "__hash__", "__repr__", "__str__", "__bool__",
                                  "__len__", "__iter__", "__getattribute__", "__getattr__", "__del__", "__class__"])
def test_evil_objects(ray: ModuleType, name: str, error: type[BaseException]) -> None:
    identity = ray.remote(lambda *args: args[0])

    def calls() -> Iterator[Callable[[], object]]:
        yield lambda: ray.get(ray.put(evil(name, error)))
        yield lambda: ray.get(identity.remote(evil(name, error)), timeout=DEADLINE_S)
        yield lambda: ray.get(identity.remote([evil(name, error)], b=evil(name, error)), timeout=DEADLINE_S)
        yield lambda: ray.get(ray.remote(max_retries=0)(lambda: evil(name, error)).remote(), timeout=DEADLINE_S)
        yield lambda: ray.get(evil(name, error))
        yield lambda: ray.wait([evil(name, error)])

    for call in calls():
        try:
            survive(call)
        except BaseException as raised:  # noqa: BLE001 - what the user's own method raises here is the user's
            assert isinstance(raised, error), raised


def _raise_on_unpickle(error: type[BaseException]) -> object:
    return type("Late", (), {"__reduce__": lambda self: (_raise, (error,))})()


def _raise(error: type[BaseException]) -> None:
    raise error("on unpickling, on purpose")


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_values_that_cannot_be_unpickled(ray: ModuleType, error: type[BaseException]) -> None:
    late = _raise_on_unpickle(error)
    for call in (
        lambda: ray.get(ray.put(late)), lambda: ray.get(ray.remote(max_retries=0)(lambda x: 1).remote(late), timeout=DEADLINE_S),
        lambda: ray.get(ray.remote(max_retries=0)(lambda x: 1).remote(ray.put(late)), timeout=DEADLINE_S),
        lambda: ray.get(ray.remote(max_retries=0)(lambda: late).remote(), timeout=DEADLINE_S),
    ):
        try:
            survive(call)
        except BaseException as raised:  # noqa: BLE001
            assert isinstance(raised, error), raised


class PicklesBadly(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("no pickle")


class UnpicklesBadly(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("needs two")


class HasEvilText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Final(Exception):
    def __init_subclass__(cls) -> None:
        raise TypeError("no subclasses")


class Slotted(Exception):
    __slots__ = ("x",)


class Chained(Exception):
    pass


def _deep_recursion() -> None:
    _deep_recursion()


def _exhaust_memory() -> None:
    bytearray(10**18)


def _cycle_of_causes() -> None:
    one, two = Chained("1"), Chained("2")
    one.__cause__, two.__cause__ = two, one
    raise one


def _deep_chain() -> None:
    error: BaseException | None = None
    for number in range(3000):
        new = Chained(number)
        new.__cause__ = error
        error = new
    raise error  # type: ignore[misc]


def _raise_with_lock() -> None:
    error = ValueError("has a lock")
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    raise error


def _raise_big() -> None:
    raise ValueError(b"x" * 5_000_000)


def _raise_two() -> None:
    raise UnpicklesBadly(1, 2)


def _make(error: BaseException | type[BaseException]) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


RAISING: dict[str, Callable[[], object]] = {
    "pickles_badly": _make(PicklesBadly), "unpickles_badly": lambda: _raise_two(), "evil_text": _make(HasEvilText), "final": _make(Final),
    "slotted": _make(Slotted), "base_exception": _make(BaseException("base")), "generator_exit": _make(GeneratorExit()),
    "stop_iteration": _make(StopIteration(5)), "stop_async_iteration": _make(StopAsyncIteration()), "system_exit": _make(SystemExit(3)),
    "system_exit_text": _make(SystemExit("bye")), "system_exit_none": _make(SystemExit(None)), "keyboard_interrupt": _make(KeyboardInterrupt()),
    "recursion": _deep_recursion, "memory": _exhaust_memory, "cycle_of_causes": _cycle_of_causes, "deep_chain": _deep_chain,
    "lock": _raise_with_lock, "big": _raise_big, "unicode": _make(UnicodeDecodeError("utf-8", b"\xff", 0, 1, LONE_SURROGATE)),
    "ray_task_error": _make(RayTaskError("f", "text", ValueError("x"))), "ray_system_error": _make(RaySystemError("mine")),
    "worker_crashed": _make(WorkerCrashedError("mine")), "group": _make(ValueError("no groups in 3.10")), "os_error": _make(OSError(5, "x", "y")),
    "import_error": _make(ImportError("x", name="y")), "syntax_error": _make(SyntaxError("x", ("f", 1, 1, "t"))),
    "class_with_arguments": _make(UnicodeEncodeError), "not_an_exception": _make(1),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", RAISING)
def test_odd_exceptions(ray: ModuleType, name: str) -> None:
    """From a task, a constructor, a serial, threaded and asyncio method: `get` raises something that can be shown."""
    function = RAISING[name]

    class Actor:
        def __init__(self, now: bool = False) -> None:
            if now:
                function()

        def method(self) -> object:
            return function()

    class Asyncio:
        async def method(self) -> object:
            return function()

    def shown(ref: Any) -> None:
        with pytest.raises(BaseException) as caught:
            ray.get(ref, timeout=DEADLINE_S)
        assert isinstance(caught.value, RayError) and not isinstance(caught.value, GetTimeoutError), caught.value
        assert str(caught.value)

    shown(ray.remote(max_retries=0)(function).remote())
    shown(ray.remote(max_retries=1, retry_exceptions=True)(function).remote())
    shown(ray.remote(Actor).remote(True).method.remote())
    for actor in (ray.remote(Actor).remote(), ray.remote(max_concurrency=2)(Actor).remote(), ray.remote(Asyncio).remote()):
        shown(actor.method.remote())


def test_values_that_do_not_travel(ray: ModuleType) -> None:
    def generator() -> Iterator[int]:
        yield 1

    for make in (
        threading.Lock, lambda: generator(), lambda: open("/dev/null"), lambda: sys._getframe(), lambda: (x for x in []), lambda: threading.local(),
        lambda: memoryview(b"x"), lambda: sys, lambda: os.fork, lambda: ray.get, lambda: ray, lambda: localray.session,
    ):
        survive(lambda make=make: ray.get(ray.remote(max_retries=0)(make).remote(), timeout=DEADLINE_S))
        survive(lambda make=make: ray.get(ray.put(make()), timeout=DEADLINE_S))
        survive(lambda make=make: ray.get(ray.remote(lambda x: 1).remote(make()), timeout=DEADLINE_S))


def test_deep_and_wide_values(ray: ModuleType) -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    survive(lambda: ray.get(ray.put(deep)))
    survive(lambda: ray.get(ray.remote(lambda x: 1).remote(deep), timeout=DEADLINE_S))
    while deep:
        deep = deep[0]  # type: ignore[assignment]
    cycle: list[object] = []
    cycle.append(cycle)
    assert ray.get(ray.put(cycle))[0][0] is not None
    nested = ray.put(0)
    for _ in range(2_000):
        nested = ray.put([nested])
    del nested
    refs = [ray.put(number) for number in range(10_000)]
    assert len(ray.get(ray.put(refs))) == 10_000
