"""Actor handles: passing them around, equality, names, namespaces, and what keeps an actor alive."""

from __future__ import annotations

from types import ModuleType

import pytest

from ..helpers import make_recorder, wait_until
from ..registry import program


def _counter_class(ray: ModuleType):
    @ray.remote
    class Counter:
        def __init__(self, start=0):
            self.value = start

        def add(self, amount=1):
            self.value += amount
            return self.value

    return Counter


@program()
def handles_go_to_tasks(ray: ModuleType) -> None:
    """AC7: as argument, in a container and as keyword; all reach the same actor."""

    @ray.remote
    def use(counter, box, key=None):
        return ray.get([counter.add.remote(), box[0].add.remote(), box[1]["deep"].add.remote(), key.add.remote()])

    counter = _counter_class(ray).remote()
    assert ray.get(use.remote(counter, [counter, {"deep": counter}], key=counter)) == [1, 2, 3, 4]
    assert ray.get(counter.add.remote()) == 5


@program()
def handles_go_to_other_actors(ray: ModuleType) -> None:
    """AC7: an actor keeps a handle it was constructed with."""

    @ray.remote
    class User:
        def __init__(self, counter):
            self.counter = counter

        def use(self):
            return ray.get(self.counter.add.remote(10))

    counter = _counter_class(ray).remote()
    users = [User.remote(counter) for _ in range(2)]
    assert sorted(ray.get([user.use.remote() for user in users])) == [10, 20]
    del counter
    assert ray.get(users[0].use.remote()) == 30


@program()
def handles_can_be_captured_and_put(ray: ModuleType) -> None:
    """AC7: by a closure, and as a value in the object store."""
    counter = _counter_class(ray).remote()

    @ray.remote
    def use():
        return ray.get(counter.add.remote())

    assert ray.get(use.remote()) == 1
    again = ray.get(ray.put({"handle": counter}))["handle"]
    assert ray.get(again.add.remote()) == 2


@program()
def handles_are_equal_by_actor(ray: ModuleType) -> None:
    """AC7: hash and equality follow the actor, also after a round trip."""
    counter_class = _counter_class(ray)
    one, two = counter_class.remote(), counter_class.remote()
    copy = ray.get(ray.put(one))
    assert copy == one
    assert hash(copy) == hash(one)
    assert one != two
    assert len({one, two, copy}) == 2
    assert copy._actor_id == one._actor_id


@program()
def handles_say_what_they_are(ray: ModuleType) -> None:
    """AC7: repr has the class and the id."""
    counter = _counter_class(ray).remote()
    text = repr(counter)
    assert text.startswith("Actor(")
    assert "Counter" in text
    assert counter._actor_id.hex() in text


@program()
def an_actor_may_pass_on_its_own_handle(ray: ModuleType) -> None:
    """AC7, AC8: current_actor gives a handle that others can call."""

    @ray.remote
    class Introducer:
        def __init__(self):
            self.value = "mine"

        def introduce(self):
            return ray.get_runtime_context().current_actor

        def get(self):
            return self.value

    introducer = Introducer.remote()
    handle = ray.get(introducer.introduce.remote())
    assert handle == introducer
    assert ray.get(handle.get.remote()) == "mine"


@program()
def two_actors_may_call_each_other(ray: ModuleType) -> None:
    """AC7: handles exchanged after construction."""

    @ray.remote
    class Player:
        def meet(self, other):
            self.other = other

        def ping(self, count):
            return "end" if count == 0 else f"{count} " + ray.get(self.other.pong.remote(count - 1))

        def pong(self, count):
            return f"pong {count}"

    left, right = Player.remote(), Player.remote()
    ray.get([left.meet.remote(right), right.meet.remote(left)])
    assert ray.get(left.ping.remote(3)) == "3 pong 2"
    assert ray.get(right.ping.remote(0)) == "end"


@program()
def a_chain_of_actors_passes_refs_along(ray: ModuleType) -> None:
    """V1, AC7: the result of one actor's call is the next one's argument, without a get in between."""

    @ray.remote
    class Stage:
        def __init__(self, name):
            self.name = name

        def process(self, text):
            return f"{text}>{self.name}"

    stages = [Stage.remote(name) for name in "abc"]
    refs = ["x", "y"]
    for stage in stages:
        refs = [stage.process.remote(ref) for ref in refs]
    assert ray.get(refs) == ["x>a>b>c", "y>a>b>c"]


@program()
def named_actors_can_be_looked_up(ray: ModuleType) -> None:
    """AC16: from the driver, a task and another actor; the name is the actor's, not the handle's."""
    counter = _counter_class(ray).options(name="conformance-lookup").remote(5)

    @ray.remote
    def use():
        return ray.get(ray.get_actor("conformance-lookup").add.remote())

    found = ray.get_actor("conformance-lookup")
    assert found == counter
    assert ray.get(found.add.remote()) == 6
    assert ray.get(use.remote()) == 7


@program()
def a_missing_name_is_a_value_error(ray: ModuleType) -> None:
    """AC16: the text names it."""
    with pytest.raises(ValueError, match="conformance-missing"):
        ray.get_actor("conformance-missing")


@program()
def a_name_can_be_taken_once(ray: ModuleType) -> None:
    """AC16: the second actor of the name is refused at .remote(); the first one is unharmed."""
    counter_class = _counter_class(ray)
    first = counter_class.options(name="conformance-taken").remote()
    ray.get(first.add.remote())
    with pytest.raises(ValueError, match="conformance-taken") as caught:
        counter_class.options(name="conformance-taken").remote()
    assert isinstance(caught.value, ray.exceptions.ActorAlreadyExistsError)
    assert ray.get(first.add.remote()) == 2


@program()
def a_name_is_free_again_after_death(ray: ModuleType) -> None:
    """AC10, AC16: kill gives the name back."""
    counter_class = _counter_class(ray)
    first = counter_class.options(name="conformance-reuse").remote(100)
    assert ray.get(first.add.remote()) == 101
    ray.kill(first)

    def is_gone():
        try:
            ray.get_actor("conformance-reuse")
        except ValueError:
            return True
        return False

    wait_until(is_gone, "the killed actor's name is free")
    second = counter_class.options(name="conformance-reuse").remote()
    assert ray.get(second.add.remote()) == 1
    assert ray.get_actor("conformance-reuse") == second


@program()
def get_if_exists_creates_once(ray: ModuleType) -> None:
    """AC17: the second call returns the same actor and ignores its own constructor arguments."""
    options = {"name": "conformance-once", "get_if_exists": True}
    counter_class = _counter_class(ray)
    first = counter_class.options(**options).remote(10)
    second = counter_class.options(**options).remote(1000)
    assert first == second
    assert ray.get([first.add.remote(), second.add.remote()]) == [11, 12]


@program()
def get_if_exists_is_safe_with_many_creators(ray: ModuleType) -> None:
    """AC17: several tasks racing for one name end with one actor."""
    keeper = make_recorder(ray)
    counter_class = _counter_class(ray)

    @ray.remote
    def create(keeper, number):
        counter = counter_class.options(name="conformance-race", get_if_exists=True, lifetime="detached").remote()
        value = ray.get(counter.add.remote())
        ray.get(keeper.add.remote(value))
        return counter._actor_id.hex()

    assert len(set(ray.get([create.remote(keeper, number) for number in range(6)]))) == 1
    assert sorted(ray.get(keeper.items.remote())) == [1, 2, 3, 4, 5, 6]
    ray.kill(ray.get_actor("conformance-race"))


@program()
def names_live_in_namespaces(ray: ModuleType) -> None:
    """AC16: the same name may be used once in each namespace; lookups do not cross."""
    counter_class = _counter_class(ray)
    here = counter_class.options(name="conformance-spaces").remote(0)
    there = counter_class.options(name="conformance-spaces", namespace="elsewhere").remote(100)
    assert here != there
    assert ray.get(ray.get_actor("conformance-spaces").add.remote()) == 1
    assert ray.get(ray.get_actor("conformance-spaces", namespace="elsewhere").add.remote()) == 101
    with pytest.raises(ValueError, match="conformance-spaces"):
        ray.get_actor("conformance-spaces", namespace="nowhere")
    assert ray.get_actor("conformance-spaces", ray.get_runtime_context().namespace) == here


@program()
def a_looked_up_handle_does_not_keep_the_actor_alive(ray: ModuleType) -> None:
    """AC8: when the creator's last handle is dropped the named actor ends, whatever get_actor returned."""
    counter = _counter_class(ray).options(name="conformance-weak").remote()
    weak = ray.get_actor("conformance-weak")
    assert ray.get(weak.add.remote()) == 1
    del counter

    def is_dead():
        try:
            ray.get(weak.add.remote())
        except ray.exceptions.RayActorError:
            return True
        return False

    wait_until(is_dead, "the named actor is dead without its creator's handle")


@program()
def a_detached_actor_outlives_its_handles(ray: ModuleType) -> None:
    """AC18: and the task that made it; kill ends it."""
    counter_class = _counter_class(ray)

    @ray.remote
    def create():
        counter = counter_class.options(name="conformance-detached", lifetime="detached").remote(40)
        return ray.get(counter.add.remote())

    assert ray.get(create.remote()) == 41
    found = ray.get_actor("conformance-detached")
    assert ray.get(found.add.remote()) == 42
    ray.kill(found)

    def is_gone() -> bool:
        # Real Ray's `kill` returns before the actor has heard of it.
        try:
            ray.get(found.add.remote())
        except ray.exceptions.RayActorError:
            return True
        return False

    wait_until(is_gone, "the actor is dead")


@program()
def a_handle_in_a_stored_value_keeps_the_actor_alive(ray: ModuleType) -> None:
    """AC8: an actor lives while a value that contains its handle lives."""

    @ray.remote
    def create():
        counter = _counter_class_inside(ray).remote(7)
        return [counter]

    def _counter_class_inside(ray):
        @ray.remote
        class Counter:
            def __init__(self, start):
                self.value = start

            def add(self):
                self.value += 1
                return self.value

        return Counter

    ref = create.remote()
    ray.wait([ref])

    @ray.remote
    def use(box):
        return ray.get(box[0].add.remote())

    assert ray.get(use.remote(ref)) == 8
    assert ray.get(use.remote(ref)) == 9


@program()
def methods_of_several_handles_interleave(ray: ModuleType) -> None:
    """AC2: two tasks calling one actor see every number once, each its own in rising order."""
    counter = _counter_class(ray).remote()

    @ray.remote
    def count(counter, times):
        return ray.get([counter.add.remote() for _ in range(times)])

    left, right = ray.get([count.remote(counter, 20), count.remote(counter, 20)])
    assert sorted(left + right) == list(range(1, 41))
    assert left == sorted(left)
    assert right == sorted(right)


@program()
def what_can_be_called_is_listed(ray: ModuleType) -> None:
    """`dir` of a handle, of a method of it, and of the class: completion in a shell shows what can be called."""
    counter_class = _counter_class(ray)
    counter = counter_class.remote()
    built_in = {"__init__", "__ray_ready__", "__ray_call__", "__ray_terminate__"}
    assert set(dir(counter)) == {"add", *built_in}
    assert {name for name in dir(counter.add) if not name.startswith("_")} == {"bind", "options", "remote"}
    assert {name for name in dir(counter_class) if not name.startswith("_")} == {"add", "bind", "options", "remote"}


@program()
def handles_know_signatures_everywhere(ray: ModuleType) -> None:
    """A call with wrong arguments is refused where it is made, also by a handle or a method that came from elsewhere."""

    @ray.remote
    class Actor:
        def method(self, a, b=1, *, c=2):
            return a, b, c

        def empty(self):
            return None

        @staticmethod
        def alone(x):
            return x

    @ray.remote
    def use(handle, method, box):
        named = ray.get_actor("knows_its_signatures")
        wrong = (
            lambda: handle.method.remote(),
            lambda: method.remote(1, 2, 3),
            lambda: method.remote(1, d=2),
            lambda: handle.empty.remote(1),
            lambda: box[0].alone.remote(),
            lambda: named.method.remote(b=1),
        )
        texts = []
        for call in wrong:
            with pytest.raises(TypeError) as told:
                call()
            texts.append(str(told.value))
        return texts, ray.get([method.remote(0, c=3), named.method.remote(1, 2), box[0].alone.remote(x=4)])

    actor = Actor.options(name="knows_its_signatures").remote()
    texts, values = ray.get(use.remote(actor, actor.method, [actor]))
    assert texts == [
        "missing a required argument: 'a'",
        "too many positional arguments",
        "got an unexpected keyword argument 'd'",
        "too many positional arguments",
        "missing a required argument: 'x'",
        "missing a required argument: 'a'",
    ]
    assert values == [(0, 1, 3), (1, 2, 2), 4]
