"""How actors begin and end: constructors that fail, kill, the last handle, exit_actor, a dead process."""

from __future__ import annotations

import os
import time
from types import ModuleType

import pytest

from ..helpers import make_gate, wait_until
from ..registry import program


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
            except Exception:  # noqa: BLE001 - the point is that it cannot be caught so
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


@program()
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
