"""Actors: state, order, arguments, attributes, and methods that fail."""

from __future__ import annotations

import time
from types import ModuleType

import pytest

from ..helpers import make_gate, make_recorder, make_waiter
from ..registry import program


@program()
def an_actor_keeps_its_state(ray: ModuleType) -> None:
    """AC1: each actor has a state of its own that its methods change."""

    @ray.remote
    class Counter:
        def __init__(self, start=0, *, step=1):
            self.value, self.step = start, step

        def increment(self):
            self.value += self.step
            return self.value

    one, two = Counter.remote(), Counter.remote(100, step=10)
    assert ray.get([one.increment.remote() for _ in range(3)]) == [1, 2, 3]
    assert ray.get([two.increment.remote() for _ in range(3)]) == [110, 120, 130]
    assert ray.get(one.increment.remote()) == 4


@program()
def calls_of_one_caller_run_in_order(ray: ModuleType) -> None:
    """AC1: three hundred calls without waiting arrive in the order of submission."""

    @ray.remote
    class Log:
        def __init__(self):
            self.items = []

        def add(self, item):
            self.items.append(item)

        def get(self):
            return self.items

    log = Log.remote()
    for number in range(300):
        log.add.remote(number)
    assert ray.get(log.get.remote()) == list(range(300))


@program()
def a_call_with_a_slow_argument_keeps_its_place(ray: ModuleType) -> None:
    """AC1: a later call of the same caller does not overtake one that waits for its argument."""
    gate, recorder = make_gate(ray), make_recorder(ray)
    slow = make_waiter(ray).remote(gate, "slow")
    first, second = recorder.add.remote(slow), recorder.add.remote("fast")
    assert ray.wait([second], timeout=0.3) == ([], [second])
    ray.get(gate.open.remote())
    assert ray.get([first, second]) == [1, 2]
    assert ray.get(recorder.items.remote()) == ["slow", "fast"]


@program()
def a_caller_waiting_for_arguments_does_not_hold_up_another(ray: ModuleType) -> None:
    """AC2: calls of a task run although the driver's call is waiting for its argument."""
    gate, recorder = make_gate(ray), make_recorder(ray)
    slow = make_waiter(ray).remote(gate, "driver")

    @ray.remote
    def call(recorder):
        return ray.get(recorder.add.remote("task"))

    waiting = recorder.add.remote(slow)
    assert ray.get(call.remote(recorder), timeout=60) == 1
    ray.get(gate.open.remote())
    assert ray.get(waiting) == 2
    assert ray.get(recorder.items.remote()) == ["task", "driver"]


@program()
def a_sync_actor_runs_one_method_at_a_time(ray: ModuleType) -> None:
    """AC3: calls of several callers never overlap."""

    @ray.remote
    class Exclusive:
        def __init__(self):
            self.inside = self.most = 0

        def enter(self):
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.01)
            self.inside -= 1
            return self.most

    @ray.remote
    def call(actor):
        return max(ray.get([actor.enter.remote() for _ in range(5)]))

    exclusive = Exclusive.remote()
    assert ray.get([call.remote(exclusive), call.remote(exclusive), exclusive.enter.remote()]) == [1, 1, 1]


@program()
def method_arguments_follow_the_rules_of_tasks(ray: ModuleType) -> None:
    """V1, V2, V3: refs resolved at the top level, kept inside containers; mutable arguments are copies."""

    @ray.remote
    class Taker:
        def __init__(self, value, box):
            self.seen = [value, isinstance(box[0], ray.ObjectRef), ray.get(box[0])]

        def take(self, items, *, key):
            items.append(key)
            return self.seen, items

    ref = ray.put("value")
    taker = Taker.remote(ref, [ref])
    mine = [1]
    assert ray.get(taker.take.remote(mine, key=ref)) == (["value", True, "value"], [1, "value"])
    assert mine == [1]
    assert ray.get(taker.take.remote(ray.put([2]), key=3)) == (["value", True, "value"], [2, 3])


@program()
def returned_state_is_a_copy(ray: ModuleType) -> None:
    """V3: changing what a method returned does not change the actor."""

    @ray.remote
    class Keeper:
        def __init__(self):
            self.items = [1]

        def get(self):
            return self.items

    keeper = Keeper.remote()
    got = ray.get(keeper.get.remote())
    got.append(2)
    assert ray.get(keeper.get.remote()) == [1]


@program()
def methods_may_call_each_other_and_plain_code(ray: ModuleType) -> None:
    """AC: inside the actor it is an ordinary object, with properties, class methods and inheritance."""

    class Base:
        scale = 2

        @classmethod
        def make_scale(cls):
            return cls.scale * 10

        @property
        def doubled(self):
            return self.value * 2

    @ray.remote
    class Child(Base):
        scale = 3

        def __init__(self, value):
            self.value = value

        def all(self):
            return self.value, self.doubled, self.make_scale(), self._private()

        def _private(self):
            return "private"

    child = Child.remote(5)
    assert ray.get(child.all.remote()) == (5, 10, 30, "private")
    assert ray.get(child._private.remote()) == "private"
    assert ray.get(child.make_scale.remote()) == 30


@program()
def class_attributes_answer_on_the_decorated_class(ray: ModuleType) -> None:
    """AC22: constants, static and class methods can be used without an actor."""

    @ray.remote
    class Tools:
        LIMIT = 7

        @staticmethod
        def double(number):
            return 2 * number

        @classmethod
        def limit(cls):
            return cls.LIMIT

    assert (Tools.LIMIT, Tools.double(4), Tools.limit()) == (7, 8, 7)
    tools = Tools.remote()
    assert ray.get([tools.double.remote(4), tools.limit.remote()]) == [8, 7]


@program()
def a_missing_method_is_an_attribute_error_at_once(ray: ModuleType) -> None:
    """AC9: noticed by the handle, without asking the actor; data attributes are not methods either."""

    @ray.remote
    class Thing:
        def __init__(self):
            self.data = 1

        def method(self):
            return self.data

    thing = Thing.remote()
    for name in ("missing", "_missing", "data"):
        with pytest.raises(AttributeError, match=name):
            getattr(thing, name)
    assert not hasattr(thing, "missing")
    assert ray.get(thing.method.remote()) == 1


@program()
def a_methods_error_leaves_the_actor_alive(ray: ModuleType) -> None:
    """AC24: state and later calls are unaffected."""

    @ray.remote
    class Fragile:
        def __init__(self):
            self.calls = 0

        def fail(self):
            self.calls += 1
            raise KeyError("method")

        def count(self):
            return self.calls

    fragile = Fragile.remote()
    refs = [fragile.fail.remote() for _ in range(3)]
    assert ray.get(fragile.count.remote()) == 3
    for ref in refs:
        with pytest.raises(KeyError, match="method"):
            ray.get(ref)
    assert ray.get(fragile.count.remote()) == 3


@program()
def a_failed_argument_fails_only_its_call(ray: ModuleType) -> None:
    """T11: a method call with a failed ref raises that error; the calls around it run."""

    @ray.remote
    def fail():
        raise KeyError("argument")

    recorder = make_recorder(ray)
    refs = [recorder.add.remote(1), recorder.add.remote(fail.remote()), recorder.add.remote(3)]
    assert ray.get(refs[0]) == 1
    with pytest.raises(KeyError, match="argument"):
        ray.get(refs[1])
    assert ray.get(refs[2]) == 2
    assert ray.get(recorder.items.remote()) == [1, 3]


@program()
def a_class_makes_actors_of_its_own_kind(ray: ModuleType) -> None:
    """AC1: a method names its own class, which is defined in a function: a tree of actors, with other options and without."""

    @ray.remote(num_cpus=0)
    class Node:
        def __init__(self, depth):
            self.children = [] if depth == 0 else [Node.remote(depth - 1), Node.options(num_cpus=0).remote(depth - 1)]

        def count(self):
            return 1 + sum(ray.get([child.count.remote() for child in self.children]))

    assert ray.get(Node.remote(0).count.remote()) == 1
    assert ray.get(Node.remote(2).count.remote()) == 7


@program()
def what_an_actor_stores_hides_no_method(ray: ModuleType) -> None:
    """AC1: a call runs the method of the class, even where the actor has stored something else under its name."""

    @ray.remote
    class Lamp:
        def __init__(self):
            self.twice = lambda number: number * 100

        def on(self):
            self.on = True
            return "a method"

        def twice(self, number):
            return number * 2

        @staticmethod
        def three():
            return 3

        @classmethod
        def kind(cls):
            return cls.__name__

        def hide(self):
            self.three = self.kind = None
            return self.on, self.twice(1)

    @ray.remote
    class Async:
        async def run(self):
            self.run = "over"
            return self.run

    lamp, other = Lamp.remote(), Async.remote()
    assert ray.get([lamp.on.remote(), lamp.on.remote(), lamp.twice.remote(4)]) == ["a method", "a method", 8]
    assert ray.get(lamp.hide.remote()) == (True, 100)
    assert ray.get([lamp.three.remote(), lamp.kind.remote()]) == [3, "Lamp"]
    assert ray.get([other.run.remote(), other.run.remote()]) == ["over", "over"]
