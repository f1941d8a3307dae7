"""Surface 4.2 and 4.3: what remote functions, actor classes, handles and methods are, besides what `.remote` does."""

from __future__ import annotations

import abc
import importlib
import inspect
from types import ModuleType

import pytest

from ..helpers import make_recorder, module_of
from ..registry import program


def _plain():
    """A function and a class, made here so that they travel by value."""

    def double(number, plus=0):
        """Twice the number."""
        return 2 * number + plus

    class Counter:
        """Counts."""

        start = 3

        def __init__(self, value=0):
            self.value = value

        def add(self, amount=1):
            self.value += amount
            return self.value

        def items(self):
            yield from (1, 2)

        @staticmethod
        def helper():
            return "static"

        @classmethod
        def kind(cls):
            return cls.__name__

    return double, Counter


@program()
def a_function_may_be_called_by_lists(ray: ModuleType) -> None:
    """Surface 4.2: `_remote(args, kwargs, **options)` of functions, classes and methods."""
    double, Counter = _plain()
    remote_double = ray.remote(double)
    assert ray.get(remote_double._remote(args=[4])) == 8
    assert ray.get(remote_double._remote(args=(4,), kwargs={"plus": 1}, num_cpus=0.5)) == 9
    assert ray.get(remote_double._remote(kwargs={"number": 5})) == 10
    assert ray.get(remote_double._remote([6], {}, num_returns=1)) == 12
    counter = ray.remote(Counter)._remote(args=[10], kwargs={}, num_cpus=0)
    assert ray.get(counter.add._remote(args=[2], kwargs={})) == 12
    assert ray.get(counter.add._remote([], {"amount": 3}, num_returns=1)) == 15


@program(starts_session=False)
def a_function_tells_what_it_is(ray: ModuleType) -> None:
    """Surface 4.2: `_function`, `_default_options`, and names and text on `.remote`; it can be pickled before init."""
    double, _ = _plain()
    remote_double = ray.remote(num_cpus=2, max_retries=7)(double)
    assert isinstance(remote_double, module_of(ray, "remote_function").RemoteFunction)
    assert remote_double._function is double
    assert {"num_cpus": 2, "max_retries": 7}.items() <= remote_double._default_options.items()
    assert (remote_double.remote.__name__, remote_double.remote.__doc__) == ("double", "Twice the number.")
    assert remote_double.remote.__wrapped__ is double
    assert not ray.is_initialized()
    copy = ray.cloudpickle.loads(ray.cloudpickle.dumps(remote_double))
    assert copy._function(4, plus=1) == 9
    assert not ray.is_initialized()


@program()
def a_function_pickled_by_hand_can_be_called(ray: ModuleType) -> None:
    """Surface 4.2: a copy of a remote function is one, here and in a task, with its options."""
    double = ray.remote(num_cpus=2)(lambda value: (2 * value, ray.get_runtime_context().get_assigned_resources()["CPU"]))
    data = ray.cloudpickle.dumps(double)
    assert ray.get(ray.cloudpickle.loads(data).remote(4)) == (8, 2.0)

    @ray.remote(num_cpus=0)
    def use(data):
        return ray.get(ray.cloudpickle.loads(data).remote(5))

    assert ray.get(use.remote(data)) == (10, 2.0)


@program()
def what_options_give_can_be_submitted_and_bound(ray: ModuleType) -> None:
    """Surface 4.2, 4.3: options() of functions and classes have remote and bind, and can be used many times."""
    double, Counter = _plain()
    remote_double = ray.remote(double).options(num_cpus=0.5, name="other")
    assert ray.get([remote_double.remote(1), remote_double.remote(2)]) == [2, 4]
    assert ray.get(remote_double.bind(3).execute()) == 6
    assert ray.get(ray.remote(double).bind(4).execute()) == 8
    counters = ray.remote(Counter).options(num_cpus=0)
    assert ray.get([counters.remote(1).add.remote(), counters.remote(5).add.remote()]) == [2, 6]
    assert ray.get(counters.bind(7).add.bind(1).execute()) == 8
    assert ray.get(ray.remote(num_cpus=0)(Counter).bind(8).add.bind(1).execute()) == 9


@program(starts_session=False)
def a_class_answers_for_its_attributes(ray: ModuleType) -> None:
    """Surface 4.3: constants, static and class methods; the class itself and one that can be made; no name of its own."""
    _, Counter = _plain()
    decorated = ray.remote(Counter)
    assert (decorated.start, decorated.helper(), "Counter" in decorated.kind()) == (3, "static", True)
    assert decorated.__ray_actor_class__ is Counter
    made = decorated.__ray_metadata__.modified_class(4)
    assert isinstance(made, Counter) and made.add() == 5
    assert isinstance(decorated, ray.actor.ActorClass)
    assert decorated.__module__ == Counter.__module__
    assert not hasattr(decorated, "__name__")


@program(starts_session=False)
def an_abstract_class_is_refused_at_once(ray: ModuleType) -> None:
    """Surface 4.3: a class that cannot have instances is none for actors; one that has all methods is."""

    class Shape(abc.ABC):
        @abc.abstractmethod
        def area(self):
            """How large it is."""

    class Square(Shape):
        def area(self):
            return 4

    for decorate in (ray.remote, ray.remote(num_cpus=1)):
        with pytest.raises(TypeError, match=r"abstract class ActorClass\(Shape\) with abstract method '?area"):
            decorate(Shape)
        assert decorate(Square).__ray_actor_class__().area() == 4


@program()
def a_class_describes_its_methods(ray: ModuleType) -> None:
    """Surface 4.3: `__ray_metadata__.method_meta`: the methods, their signatures, and what the decorator said of each."""

    @ray.remote(num_cpus=0)
    class Described:
        def plain(self, a, b=1): ...

        @ray.method(num_returns=2, max_task_retries=3, retry_exceptions=True, enable_task_events=False)
        def decorated(self):
            return 1, 2

        @ray.method(concurrency_group="io", _generator_backpressure_num_objects=4)
        def items(self):
            yield 1

    meta = Described.__ray_metadata__.method_meta
    built_in = {"__ray_ready__", "__ray_call__", "__ray_terminate__"}
    assert {"plain", "decorated", "items"} <= set(meta.methods)
    assert {"plain", "decorated", "items"} | built_in <= set(meta.signatures)
    # Real Ray adds one of its own behind them.
    assert [parameter.name for parameter in meta.signatures["plain"]][:2] == ["a", "b"]
    assert all(isinstance(parameter, inspect.Parameter) for parameter in meta.signatures["plain"])
    assert (meta.num_returns["plain"], meta.num_returns["decorated"]) == (None, 2)
    assert meta.max_task_retries["decorated"] == 3
    assert meta.retry_exceptions["decorated"] is True
    assert meta.enable_task_events["decorated"] is False
    assert (meta.method_is_generator["plain"], meta.method_is_generator["items"]) == (False, True)
    assert meta.generator_backpressure_num_objects["items"] == 4
    assert meta.concurrency_group_for_methods["items"] == "io"
    assert "plain" not in meta.concurrency_group_for_methods
    assert "plain" not in meta.max_task_retries and "plain" not in meta.retry_exceptions


@program()
def a_method_takes_all_options_of_calls(ray: ModuleType) -> None:
    """Surface 4.3: name, num_returns, max_task_retries, retry_exceptions, events and labels per call; others are TypeErrors."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0, max_restarts=1)
    class Flaky:
        def fail_once(self, recorder):
            if ray.get(recorder.add.remote("run")) == 1:
                raise ValueError("at first")
            return ray.get_runtime_context().get_task_name()

        def pair(self):
            return 1, 2

    flaky = Flaky.remote()
    retried = flaky.fail_once.options(name="named", max_task_retries=1, retry_exceptions=[ValueError])
    assert ray.get(retried.remote(recorder)) == "named"
    assert ray.get(flaky.pair.options(num_returns=2, enable_task_events=False, _labels={"a": "b"}).remote()) == [1, 2]
    for wrong in ({"num_cpus": 1}, {"flavour": 1}):
        with pytest.raises(TypeError, match=next(iter(wrong))):
            flaky.pair.options(**wrong).remote()
    with pytest.raises(ValueError, match="num_returns"):
        flaky.pair.options(num_returns=-1).remote()


@program()
def a_method_may_be_decorated_with_all_of_them(ray: ModuleType) -> None:
    """Surface 4.3: the keywords of `ray.method`, each where a call shows it."""
    double, _ = _plain()
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0, concurrency_groups={"io": 1})
    class Decorated:
        @ray.method(num_returns=2, enable_task_events=False)
        def pair(self):
            return 1, 2

        @ray.method(max_task_retries=1, retry_exceptions=[ValueError])
        def fail_once(self, recorder):
            if ray.get(recorder.add.remote("run")) == 1:
                raise ValueError("at first")
            return "then"

        @ray.method(concurrency_group="io")
        def grouped(self):
            return "in its group"

        @ray.method(_generator_backpressure_num_objects=4, _num_objects_per_yield=2)
        def items(self):
            yield 1, 2
            yield 3, 4

    decorated = Decorated.remote()
    assert ray.get(decorated.pair.remote()) == [1, 2]
    assert ray.get(decorated.fail_once.remote(recorder)) == "then"
    assert ray.get(decorated.grouped.remote()) == "in its group"
    assert [ray.get(ref) for ref in decorated.items.remote()] == [1, 2, 3, 4]
    for wrong in ({"num_returns": -1},):
        with pytest.raises(ValueError, match="num_returns"):
            ray.method(**wrong)(double)


@program(starts_session=False)
def names_for_types_can_be_imported(ray: ModuleType) -> None:
    """Surface 4.3, surface 1: ActorClass, ActorHandle, ActorMethod, ActorProxy and exit_actor of `ray.actor`; `ray.types`."""
    _, Counter = _plain()
    actor = importlib.import_module(f"{ray.__name__}.actor")
    for name in ("ActorClass", "ActorHandle", "ActorMethod"):
        assert inspect.isclass(getattr(actor, name)), name
    assert actor.ActorClass[Counter] is not None and actor.ActorProxy[Counter] is not None
    assert callable(actor.exit_actor) and ray.actor.exit_actor is actor.exit_actor
    assert issubclass(actor.ActorClassInheritanceException, TypeError)
    assert module_of(ray, "types").ObjectRef[int] is not None


@program()
def a_handle_is_its_actor(ray: ModuleType) -> None:
    """Surface 4.3: handles are equal, hash alike and tell their class; `__ray_call__` gets the instance."""
    _, Counter = _plain()
    counter = ray.remote(num_cpus=0)(Counter).remote(2)
    assert ray.get(counter.__ray_ready__.remote()) is True
    assert ray.get(counter.__ray_call__.remote(lambda me, more, factor=1: (me.value + more) * factor, 3, factor=2)) == 10
    again = ray.get(ray.remote(num_cpus=0)(lambda box: box[0]).remote([counter]))
    assert again == counter and hash(again) == hash(counter) and len({again, counter}) == 1
    assert again._actor_id == counter._ray_actor_id
    assert repr(counter).startswith("Actor(") and "Counter, " in repr(counter) and counter._actor_id.hex() in repr(counter)
    done = counter.__ray_terminate__.remote()
    ray.wait([done], timeout=60)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(counter.add.remote(), timeout=60)


@program()
def something_is_put_around_submissions(ray: ModuleType) -> None:
    """`__ray_invocation_decorator__`: gets the arguments first; of a function, and of a method by any handle."""

    def twice_and_noted(submit):
        def instead(args, kwargs):
            return submit([args[0], args[0]], {}), kwargs

        return instead

    def double(left, right):
        return left + right

    double.__ray_invocation_decorator__ = twice_and_noted
    remote_double = ray.remote(double)
    reference, noted = remote_double.remote(3, seen=True)
    assert (ray.get(reference), noted) == (6, {"seen": True})
    reference, noted = remote_double.options(num_cpus=0.5).remote(4)
    assert (ray.get(reference), noted) == (8, {})

    def method(self, left, right):
        return self.base + left + right

    method.__ray_invocation_decorator__ = twice_and_noted

    @ray.remote
    class Adder:
        def __init__(self):
            self.base = 100

        add = method

    @ray.remote
    def use(adder):
        reference, noted = adder.add.remote(5, from_task=1)
        submitted, also_noted = remote_double.remote(6)
        return ray.get(reference), noted, ray.get(submitted), also_noted

    adder = Adder.remote()
    reference, noted = adder.add.remote(1, note="x")
    assert (ray.get(reference), noted) == (102, {"note": "x"})
    assert ray.get(use.remote(adder)) == (110, {"from_task": 1}, 12, {})
