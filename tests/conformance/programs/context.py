"""The runtime context: who am I, in the driver, in a task, in an actor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest

from ..registry import program


@program()
def the_driver_has_a_job_but_no_task(ray: ModuleType) -> None:
    """Surface 7: ids are hex; task and actor ids are None in the driver."""
    context = ray.get_runtime_context()
    for text in (context.get_job_id(), context.get_node_id(), context.get_worker_id()):
        assert isinstance(text, str)
        assert bytes.fromhex(text)
    assert (len(context.get_job_id()), len(context.get_node_id()), len(context.get_worker_id())) == (8, 56, 56)
    assert context.get_task_id() is None
    assert context.get_actor_id() is None
    assert context.get_actor_name() is None
    assert context.get_placement_group_id() is None
    assert isinstance(context.namespace, str)
    assert context.namespace


@program()
def the_driver_is_no_actor_and_no_worker(ray: ModuleType) -> None:
    """Surface 7: current_actor and is_canceled are RuntimeErrors there."""
    context = ray.get_runtime_context()
    with pytest.raises(RuntimeError):
        _ = context.current_actor
    with pytest.raises(RuntimeError):
        context.is_canceled()


@program()
def everyone_is_in_the_same_job_and_namespace(ray: ModuleType) -> None:
    """Surface 7: job, node and namespace agree in driver, task and actor."""

    def who():
        context = ray.get_runtime_context()
        return context.get_job_id(), context.get_node_id(), context.namespace

    @ray.remote
    class Actor:
        def who(self):
            return who()

        def who_in_a_task(self):
            return ray.get(ray.remote(who).remote())

    actor = Actor.remote()
    answers = ray.get([ray.remote(who).remote(), actor.who.remote(), actor.who_in_a_task.remote()])
    assert answers == [who()] * 3


@program()
def each_task_has_an_id_of_its_own(ray: ModuleType) -> None:
    """Surface 7: it is the id in the ref, and a method's is of its actor."""

    @ray.remote
    def task():
        return ray.get_runtime_context().get_task_id()

    @ray.remote
    class Actor:
        def method(self):
            return ray.get_runtime_context().get_task_id()

    actor = Actor.remote()
    refs = [task.remote(), task.remote(), actor.method.remote(), actor.method.remote()]
    ids = ray.get(refs)
    assert len(set(ids)) == 4
    assert [ref.task_id().hex() for ref in refs] == ids
    assert all(len(text) == 48 for text in ids)


@program()
def a_task_knows_its_name(ray: ModuleType) -> None:
    """T15, surface 7: the function's name, or the one given with name=; a method's has the class in front."""

    @ray.remote
    def plain():
        return ray.get_runtime_context().get_task_name()

    @ray.remote
    class Actor:
        def method(self):
            return ray.get_runtime_context().get_task_name()

    actor = Actor.remote()
    assert ray.get(plain.remote()) == "plain"
    assert ray.get(plain.options(name="renamed").remote()) == "renamed"
    assert ray.get(actor.method.remote()) == "Actor.method"
    assert ray.get(actor.method.options(name="special").remote()) == "special"


@program()
def a_task_is_in_no_actor(ray: ModuleType) -> None:
    """Surface 7: actor id and name are None, current_actor raises; is_canceled is False."""

    @ray.remote
    def ask():
        context = ray.get_runtime_context()
        try:
            actor = context.current_actor
        except RuntimeError:
            actor = "RuntimeError"
        return context.get_actor_id(), context.get_actor_name(), actor, context.is_canceled()

    assert ray.get(ask.remote()) == (None, None, "RuntimeError", False)


@program()
def an_actor_knows_itself(ray: ModuleType) -> None:
    """Surface 7: its id is the handle's, also in the constructor; its name is "" unless given."""

    @ray.remote
    class Actor:
        def __init__(self):
            self.at_birth = ray.get_runtime_context().get_actor_id()

        def ask(self):
            context = ray.get_runtime_context()
            return self.at_birth, context.get_actor_id(), context.get_actor_name(), context.current_actor

        def reconstructed(self):
            return ray.get_runtime_context().was_current_actor_reconstructed

    plain, named = Actor.remote(), Actor.options(name="conformance-context").remote()
    for actor, name in ((plain, ""), (named, "conformance-context")):
        at_birth, now, own_name, own_handle = ray.get(actor.ask.remote())
        assert at_birth == now == actor._actor_id.hex()
        assert own_name == name
        assert own_handle == actor
        assert ray.get(actor.reconstructed.remote()) is False
    assert plain._actor_id != named._actor_id


@program(num_cpus=2, resources={"widget": 2}, num_gpus=2)
def assigned_resources_are_those_asked_for(ray: ModuleType) -> None:
    """Surface 7: one CPU for a plain task, nothing for a default actor, otherwise what was given."""

    @ray.remote
    def task():
        return ray.get_runtime_context().get_assigned_resources()

    @ray.remote
    class Actor:
        def assigned(self):
            return ray.get_runtime_context().get_assigned_resources()

    assert ray.get(task.remote()) == {"CPU": 1.0}
    assert ray.get(task.options(num_cpus=0).remote()) == {}
    options = {"num_cpus": 0.25, "num_gpus": 1, "resources": {"widget": 0.5}}
    assert ray.get(task.options(**options).remote()) == {"CPU": 0.25, "GPU": 1.0, "widget": 0.5}
    assert ray.get(Actor.remote().assigned.remote()) == {}
    assert ray.get(Actor.options(num_cpus=1).remote().assigned.remote()) == {"CPU": 1.0}


@program()
def async_methods_know_their_own_task(ray: ModuleType) -> None:
    """Surface 7: interleaved async calls each see their own task id, before and after an await."""

    @ray.remote
    class Actor:
        async def ask(self):
            import asyncio

            before = ray.get_runtime_context().get_task_id()
            await asyncio.sleep(0.01)
            return before, ray.get_runtime_context().get_task_id()

    actor = Actor.remote()
    refs = [actor.ask.remote() for _ in range(10)]
    answers = ray.get(refs)
    assert answers == [(ref.task_id().hex(),) * 2 for ref in refs]
    assert len(set(answers)) == 10


@program()
def worker_ids_differ_between_actors(ray: ModuleType) -> None:
    """T5, surface 7: each actor has a worker of its own, which stays the same, and none is the driver's."""

    @ray.remote
    class Actor:
        def worker(self):
            return ray.get_runtime_context().get_worker_id()

    one, two = Actor.remote(), Actor.remote()
    ids = ray.get([one.worker.remote(), one.worker.remote(), two.worker.remote()])
    assert ids[0] == ids[1] != ids[2]
    assert ray.get_runtime_context().get_worker_id() not in ids


@program()
def threads_of_a_task_know_what_they_work_for(ray: ModuleType) -> None:
    """RC1, surface 7: a thread that a task, or a serial actor's method, has started is told of the same actor and worker;
    of a task, too, which on real Ray is one of the thread's own."""

    def told() -> tuple[str | None, str | None, str]:
        context = ray.get_runtime_context()
        return context.get_task_id(), context.get_actor_id(), context.get_worker_id()

    def told_on_a_thread() -> tuple[str | None, str | None, str]:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(told).result()

    @ray.remote
    def both() -> list[object]:
        return [told(), told_on_a_thread()]

    @ray.remote(num_cpus=0)
    class Both:
        def both(self) -> list[object]:
            return [told(), told_on_a_thread()]

    for ref in (both.remote(), Both.remote().both.remote()):
        mine, of_the_thread = ray.get(ref)
        assert mine[0]
        assert of_the_thread[0]
        assert mine[1:] == of_the_thread[1:]
