"""Concurrency groups: calls that have limits, and threads or event loops, of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from types import ModuleType

import pytest

from ..registry import NOT_SIMULATED, program


def _make_threaded(ray: ModuleType):
    @ray.remote(concurrency_groups={"io": 2, "compute": 1})
    class Threaded:
        def __init__(self):
            self.open = False
            self.inside = self.most = 0

        @ray.method(concurrency_group="io")
        def wait(self):
            self.inside += 1
            self.most = max(self.most, self.inside)
            while not self.open:
                time.sleep(0.002)
            self.inside -= 1
            return self.most

        @ray.method(concurrency_group="compute")
        def let_go(self):
            self.open = True

        def default(self):
            return threading.get_ident()

        @ray.method(concurrency_group="io")
        def count(self, to):
            for number in range(to):  # noqa: UP028 - real Ray sends into generators, and a range has no send
                yield number

    return Threaded


@program()
def a_full_group_holds_up_no_other(ray: ModuleType) -> None:
    """AC6, surface 4.1: its own calls wait for each other, those of the default group and of another do not."""
    actor = _make_threaded(ray).remote()
    waiting = [actor.wait.remote() for _ in range(5)]
    assert ray.get(actor.default.remote(), timeout=60)
    ray.get(actor.let_go.remote(), timeout=60)
    assert max(ray.get(waiting, timeout=60)) == 2


@program()
def the_default_group_is_serial(ray: ModuleType) -> None:
    """AC6, AC3, surface 4.1: one call at a time, unless max_concurrency says more."""

    @ray.remote(concurrency_groups={"io": 2})
    class Inside:
        def __init__(self):
            self.inside = self.most = 0

        def enter(self):
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.01)
            self.inside -= 1
            return self.most

    assert max(ray.get([Inside.remote().enter.remote() for _ in range(4)])) == 1
    actor = Inside.remote()
    assert max(ray.get([actor.enter.remote() for _ in range(5)])) == 1
    actor = Inside.options(max_concurrency=3).remote()
    assert max(ray.get([actor.enter.remote() for _ in range(9)])) == 3


@program()
def a_call_may_choose_its_group(ray: ModuleType) -> None:
    """AC6, surface 4.1: over what its method says."""
    actor = _make_threaded(ray).remote()
    waiting = [actor.wait.remote() for _ in range(2)]
    # In the full group it waits, in its own it does not.
    late = actor.default.options(concurrency_group="io").remote()
    assert ray.wait([late], timeout=0.05)[0] == []
    assert ray.get(actor.default.options(concurrency_group="compute").remote(), timeout=60)
    ray.get(actor.let_go.remote(), timeout=60)
    assert ray.get([late, *waiting], timeout=60)


@program()
def an_unknown_group_is_an_error(ray: ModuleType) -> None:
    """AC6, surface 4.1: of a call; of an actor without groups too. (Real Ray's actor dies of it.)"""
    actor = _make_threaded(ray).remote()
    with pytest.raises((ValueError, ray.exceptions.RayActorError)):
        ray.get(actor.default.options(concurrency_group="nobody's").remote())

    @ray.remote
    class Plain:
        def call(self):
            return 1

    with pytest.raises((ValueError, ray.exceptions.RayActorError)):
        ray.get(Plain.remote().call.options(concurrency_group="io").remote())


@program()
def a_methods_group_must_be_declared(ray: ModuleType) -> None:
    """AC6, surface 4.1: else the actor is not created."""

    @ray.remote(concurrency_groups={"io": 2})
    class Misspelt:
        @ray.method(concurrency_group="oi")
        def call(self):
            return 1

    with pytest.raises(AssertionError):
        Misspelt.remote()


@program()
def groups_belong_to_the_decorator(ray: ModuleType) -> None:
    """AC6, surface 4.1: not to .options(), which keeps them; names are strings, limits integers."""

    class Plain:
        @staticmethod
        def call():
            return 1

    with pytest.raises(ValueError):
        ray.remote(Plain).options(concurrency_groups={"io": 1})
    with pytest.raises(TypeError):
        ray.remote(concurrency_groups={"io": "many"})(Plain).remote()
    actor = _make_threaded(ray).options(num_cpus=0).remote()
    waiting = [actor.wait.remote() for _ in range(2)]
    ray.get(actor.let_go.remote(), timeout=60)
    assert len(ray.get(waiting, timeout=60)) == 2


@program()
def asynchronous_groups_have_loops_of_their_own(ray: ModuleType) -> None:
    """AC6, AC4, surface 4.1: each on a thread; methods of one group share it, plain ones too; limits are kept."""

    @ray.remote(concurrency_groups={"io": 2, "compute": 4})
    class Asynchronous:
        def __init__(self):
            self.inside = self.most = 0

        @ray.method(concurrency_group="io")
        async def enter(self):
            self.inside += 1
            self.most = max(self.most, self.inside)
            await asyncio.sleep(0.005)
            self.inside -= 1
            return threading.get_ident(), self.most

        @ray.method(concurrency_group="io")
        def plain(self):
            return threading.get_ident()

        @ray.method(concurrency_group="compute")
        async def compute(self):
            return threading.get_ident()

        async def default(self):
            return threading.get_ident()

    actor = Asynchronous.remote()
    found = ray.get([actor.enter.remote() for _ in range(6)], timeout=60)
    assert max(most for _, most in found) == 2
    io = {thread for thread, _ in found} | {ray.get(actor.plain.remote())}
    others = {ray.get(actor.compute.remote()), ray.get(actor.default.remote())}
    assert len(io) == 1
    assert len(others) == 2
    assert not io & others


@program()
def what_blocks_one_loop_does_not_block_another(ray: ModuleType) -> None:
    """AC6, surface 4.1: a plain method that waits in one group is let go of by another."""

    @ray.remote(concurrency_groups={"io": 1, "compute": 1})
    class Asynchronous:
        def __init__(self):
            self.open = False

        @ray.method(concurrency_group="io")
        def wait(self):
            while not self.open:
                time.sleep(0.002)
            return "released"

        @ray.method(concurrency_group="compute")
        async def let_go(self):
            self.open = True

        async def alive(self):
            return True

    actor = Asynchronous.remote()
    waiting = actor.wait.remote()
    assert ray.get(actor.alive.remote(), timeout=60)
    ray.get(actor.let_go.remote(), timeout=60)
    assert ray.get(waiting, timeout=60) == "released"


@program(engines=NOT_SIMULATED, reason="one thread runs at a time, and this one never waits for anything")
def a_blocked_default_loop_blocks_no_group(ray: ModuleType) -> None:
    """AC6, surface 4.1: although nothing of the group has run before."""

    @ray.remote(concurrency_groups={"io": 1})
    class Asynchronous:
        def __init__(self):
            self.open = False

        async def block(self):
            while not self.open:
                time.sleep(0.002)
            return "released"

        @ray.method(concurrency_group="io")
        def let_go(self):
            self.open = True

    actor = Asynchronous.remote()
    blocking = actor.block.remote()
    ray.get(actor.let_go.remote(), timeout=60)
    assert ray.get(blocking, timeout=60) == "released"


@program()
def generators_have_groups_too(ray: ModuleType) -> None:
    """AC6, AC21, surface 4.1: of threads and of loops."""
    actor = _make_threaded(ray).remote()
    assert [ray.get(ref) for ref in actor.count.remote(3)] == [0, 1, 2]

    @ray.remote(concurrency_groups={"io": 2})
    class Asynchronous:
        @ray.method(concurrency_group="io")
        async def count(self, to):
            for number in range(to):
                yield number

    assert [ray.get(ref) for ref in Asynchronous.remote().count.remote(3)] == [0, 1, 2]


@program()
def handles_elsewhere_know_the_groups(ray: ModuleType) -> None:
    """AC6, AC7, surface 4.1: a handle in a task; one by name."""
    actor = _make_threaded(ray).options(name="actor with groups").remote()
    waiting = [actor.wait.remote() for _ in range(2)]

    @ray.remote
    def use(actor):
        ready = [actor.default.remote(), actor.default.options(concurrency_group="compute").remote()]
        return len(ray.wait(ready, num_returns=2, timeout=60)[0])

    assert ray.get(use.remote(actor), timeout=60) == 2
    ray.get(ray.get_actor("actor with groups").let_go.remote(), timeout=60)
    ray.get(waiting, timeout=60)
