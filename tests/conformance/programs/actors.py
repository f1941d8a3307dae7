"""Actors: state, order, concurrency, construction, death in all its forms."""

from __future__ import annotations

import asyncio
import os
import time
from types import ModuleType

import pytest

from ..helpers import make_gate, make_recorder, make_waiter, wait_until
from ..registry import NOT_SIMULATED, program


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
def a_constructor_error_fails_every_call(ray: ModuleType) -> None:
    """AC9: ActorDiedError with the constructor's traceback; .remote() itself does not raise."""

    @ray.remote
    class Broken:
        def __init__(self):
            raise ValueError("in the constructor")

        def method(self):
            return 1

    broken = Broken.remote()
    for _ in range(2):
        with pytest.raises(ray.exceptions.ActorDiedError, match="in the constructor") as caught:
            ray.get(broken.method.remote())
        assert isinstance(caught.value, ray.exceptions.RayActorError)
        assert caught.value.actor_init_failed is True
        assert "ValueError" in str(caught.value)
        assert "__init__" in str(caught.value)


@program()
def a_constructors_failed_argument_kills_the_actor(ray: ModuleType) -> None:
    """AC9, T11: the constructor never runs; the text names the task that failed."""

    @ray.remote
    def fail():
        raise KeyError("argument")

    @ray.remote
    class Thing:
        def __init__(self, value):
            self.value = value

        def get(self):
            return self.value

    with pytest.raises(ray.exceptions.ActorDiedError, match="argument") as caught:
        ray.get(Thing.remote(fail.remote()).get.remote())
    assert "ray::fail()" in str(caught.value)


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
def kill_ends_an_actor_at_once(ray: ModuleType) -> None:
    """AC10: the running call, queued calls and later calls raise RayActorError."""

    @ray.remote
    class Busy:
        def block(self, gate):
            while not ray.get(gate.is_open.remote()):
                time.sleep(0.01)

        def quick(self):
            return 1

    gate = make_gate(ray)
    busy = Busy.remote()
    assert ray.get(busy.quick.remote()) == 1
    refs = [busy.block.remote(gate), busy.quick.remote()]
    assert ray.wait(refs, timeout=0.2) == ([], refs)
    ray.kill(busy)
    refs.append(busy.quick.remote())
    for ref in refs:
        with pytest.raises(ray.exceptions.RayActorError):
            ray.get(ref, timeout=60)
    ray.kill(busy)


@program()
def kill_refuses_what_is_no_actor(ray: ModuleType) -> None:
    """AC10: ValueError for refs, classes and other values."""

    @ray.remote
    class Thing:
        pass

    for wrong in (ray.put(1), 1, None, Thing):
        with pytest.raises(ValueError, match="actor"):
            ray.kill(wrong)


@program()
def a_killed_actor_can_be_replaced(ray: ModuleType) -> None:
    """AC10: what it held comes back: its CPU is free again for another actor."""

    @ray.remote(num_cpus=2)
    class Whole:
        def ping(self):
            return "pong"

    first = Whole.remote()
    assert ray.get(first.ping.remote()) == "pong"
    second = Whole.remote()
    answer = second.ping.remote()
    assert ray.wait([answer], timeout=0.3) == ([], [answer])
    ray.kill(first)
    assert ray.get(answer, timeout=60) == "pong"


@program()
def dropping_the_last_handle_ends_the_actor(ray: ModuleType) -> None:
    """AC8: calls already made finish and their values can be read; then its resources come back."""

    @ray.remote(num_cpus=2)
    class Whole:
        def __init__(self):
            self.total = 0

        def add(self, number):
            self.total += number
            return self.total

    actor = Whole.remote()
    refs = [actor.add.remote(number) for number in range(10)]
    del actor
    assert ray.get(refs[-1]) == 45
    wait_until(lambda: ray.available_resources().get("CPU") == 2, "the actor's CPUs are free again")
    assert ray.get(refs[3]) == 6


@program()
def a_call_on_a_temporary_handle_returns(ray: ModuleType) -> None:
    """AC8: A.remote().m.remote() gives its value although no handle is kept."""

    @ray.remote
    class Echo:
        def __init__(self, prefix):
            self.prefix = prefix

        def say(self, word):
            return self.prefix + word

    assert ray.get([Echo.remote("a").say.remote("b"), Echo.remote("c").say.remote("d")]) == ["ab", "cd"]


@program()
def ready_call_and_terminate_are_built_in(ray: ModuleType) -> None:
    """AC12: __ray_ready__, __ray_call__ and __ray_terminate__ are methods of every actor."""

    @ray.remote
    class Thing:
        def __init__(self, value):
            self.value = value

    thing = Thing.remote(3)
    assert ray.get(thing.__ray_ready__.remote()) is True
    assert ray.get(thing.__ray_call__.remote(lambda self, factor, plus=0: self.value * factor + plus, 5, plus=1)) == 16
    last = thing.__ray_call__.remote(lambda self: "before the end")
    thing.__ray_terminate__.remote()
    assert ray.get(last) == "before the end"

    def is_dead():
        try:
            ray.get(thing.__ray_ready__.remote())
        except ray.exceptions.RayActorError:
            return True
        return False

    wait_until(is_dead, "the terminated actor is dead")


@program()
def ready_of_a_broken_actor_raises(ray: ModuleType) -> None:
    """AC12: __ray_ready__ tells of a failed constructor."""

    @ray.remote
    class Broken:
        def __init__(self):
            raise OSError("not ready")

    broken = Broken.remote()
    with pytest.raises(ray.exceptions.ActorDiedError, match="not ready"):
        ray.get(broken.__ray_ready__.remote())


@program()
def exit_actor_ends_the_actor(ray: ModuleType) -> None:
    """AC11: the calling method and later ones raise RayActorError that mentions it; except cannot stop it."""

    @ray.remote
    class Quitter:
        def ping(self):
            return "pong"

        def quit(self):
            try:
                ray.actor.exit_actor()
            except Exception:
                return "swallowed"

    quitter = Quitter.remote()
    assert ray.get(quitter.ping.remote()) == "pong"
    for call in (quitter.quit, quitter.ping):
        with pytest.raises(ray.exceptions.ActorDiedError, match="exit_actor"):
            ray.get(call.remote())


@program()
def exit_actor_outside_an_actor_is_a_type_error(ray: ModuleType) -> None:
    """AC11: in the driver and in a task."""

    @ray.remote
    def leave():
        try:
            ray.actor.exit_actor()
        except TypeError as error:
            return str(error)
        return None

    with pytest.raises(TypeError, match="exit_actor"):
        ray.actor.exit_actor()
    assert "exit_actor" in ray.get(leave.remote())


@program(engines=NOT_SIMULATED, reason="kills its own worker process")
def a_dead_actor_process_fails_its_calls(ray: ModuleType) -> None:
    """AC13: max_restarts is 0: running, queued and later calls raise ActorDiedError."""

    @ray.remote
    class Mortal:
        def die(self):
            os._exit(1)

        def ping(self):
            return "pong"

    mortal = Mortal.remote()
    assert ray.get(mortal.ping.remote()) == "pong"
    for ref in (mortal.die.remote(), mortal.ping.remote()):
        with pytest.raises(ray.exceptions.RayActorError):
            ray.get(ref)
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(mortal.ping.remote())


@program()
def max_concurrency_runs_methods_in_threads(ray: ModuleType) -> None:
    """AC5: two calls can be inside at once, so that one can let the other go; a third has to wait."""

    @ray.remote(max_concurrency=2)
    class Threaded:
        def __init__(self):
            self.opened = False

        def wait(self):
            while not self.opened:
                time.sleep(0.01)
            return "released"

        def open(self):
            self.opened = True

    threaded = Threaded.remote()
    waiting = threaded.wait.remote()
    ray.get(threaded.open.remote(), timeout=60)
    assert ray.get(waiting, timeout=60) == "released"


@program()
def max_concurrency_is_a_limit(ray: ModuleType) -> None:
    """AC5: never more calls inside than max_concurrency says; all of them finish."""

    @ray.remote(max_concurrency=3)
    class Threaded:
        def __init__(self):
            self.inside = []
            self.most = 0

        def enter(self, number):
            self.inside.append(number)
            self.most = max(self.most, len(self.inside))
            time.sleep(0.05)
            self.inside.remove(number)
            return number

        def highest(self):
            return self.most

    threaded = Threaded.options(max_concurrency=3).remote()
    assert ray.get([threaded.enter.remote(number) for number in range(12)]) == list(range(12))
    assert ray.get(threaded.highest.remote()) == 3


@program()
def async_methods_interleave_at_await(ray: ModuleType) -> None:
    """AC4: one async method can wait for another call to release it."""

    @ray.remote
    class Event:
        def __init__(self):
            self.event = None

        async def wait(self, number):
            if self.event is None:
                self.event = asyncio.Event()
            await self.event.wait()
            return number

        async def set(self):
            if self.event is None:
                self.event = asyncio.Event()
            self.event.set()

    event = Event.remote()
    waiting = [event.wait.remote(number) for number in range(50)]
    ray.get(event.set.remote(), timeout=60)
    assert ray.get(waiting, timeout=60) == list(range(50))


@program()
def async_methods_do_not_interleave_between_awaits(ray: ModuleType) -> None:
    """AC4: a read and write without an await in between needs no lock."""

    @ray.remote
    class Counter:
        def __init__(self):
            self.value = 0

        async def add(self):
            before = self.value
            self.value = before + 1
            await asyncio.sleep(0)
            return self.value

    counter = Counter.remote()
    values = ray.get([counter.add.remote() for _ in range(100)])
    assert max(values) == 100
    assert ray.get(counter.add.remote()) == 101


@program()
def async_methods_can_await_refs(ray: ModuleType) -> None:
    """AC4, L8: of tasks, of puts, of other actors, and gathered."""

    @ray.remote
    def square(number):
        return number * number

    @ray.remote
    class Other:
        def name(self):
            return "other"

    @ray.remote
    class Awaiter:
        async def run(self, other, boxed):
            one = await square.remote(3)
            many = await asyncio.gather(*[square.remote(number) for number in range(4)])
            return one, many, await other.name.remote(), await boxed[0]

    awaiter, other = Awaiter.remote(), Other.remote()
    answer = ray.get(awaiter.run.remote(other, [ray.put("put")]))
    assert answer == (9, [0, 1, 4, 9], "other", "put")


@program()
def awaiting_a_failed_ref_raises_in_an_async_method(ray: ModuleType) -> None:
    """AC4, E1: with the user's type, and uncaught it reaches the caller; the actor lives on."""

    @ray.remote
    def fail():
        raise KeyError("awaited")

    @ray.remote
    class Awaiter:
        async def catch(self):
            try:
                await fail.remote()
            except KeyError as error:
                return type(error).__name__
            return None

        async def pass_on(self):
            await fail.remote()

    awaiter = Awaiter.remote()
    assert ray.get(awaiter.catch.remote()) == "RayTaskError(KeyError)"
    with pytest.raises(KeyError, match="awaited"):
        ray.get(awaiter.pass_on.remote())
    assert ray.get(awaiter.catch.remote()) == "RayTaskError(KeyError)"


@program()
def max_concurrency_limits_async_methods(ray: ModuleType) -> None:
    """AC4: max_concurrency=2 lets two calls be in flight, a third waits for one of them."""

    @ray.remote(max_concurrency=2)
    class Limited:
        def __init__(self):
            self.inside = self.most = 0

        async def enter(self):
            self.inside += 1
            self.most = max(self.most, self.inside)
            await asyncio.sleep(0.02)
            self.inside -= 1
            return self.most

    limited = Limited.remote()
    assert max(ray.get([limited.enter.remote() for _ in range(10)])) == 2


@program()
def sync_methods_of_an_async_actor_run_on_its_loop_thread(ray: ModuleType) -> None:
    """AC4: a sync method shares the thread with the async ones, so it cannot overlap them."""

    @ray.remote
    class Mixed:
        def sync_thread(self):
            import threading

            return threading.get_ident()

        async def async_thread(self):
            import threading

            return threading.get_ident()

    mixed = Mixed.remote()
    idents = ray.get([mixed.sync_thread.remote(), mixed.async_thread.remote(), mixed.sync_thread.remote()])
    assert len(set(idents)) == 1


@program()
def too_many_pending_calls_are_refused(ray: ModuleType) -> None:
    """AC19: with max_pending_calls=2 the third unfinished call raises at .remote(); earlier ones go on."""
    gate = make_gate(ray)

    @ray.remote(max_pending_calls=2)
    class Slow:
        def wait(self, gate):
            while not ray.get(gate.is_open.remote()):
                time.sleep(0.01)
            return "done"

    slow = Slow.remote()
    refs = [slow.wait.remote(gate), slow.wait.remote(gate)]
    with pytest.raises(ray.exceptions.PendingCallsLimitExceeded):
        slow.wait.remote(gate)
    ray.get(gate.open.remote())
    assert ray.get(refs) == ["done", "done"]
    assert ray.get(slow.wait.remote(gate)) == "done"
