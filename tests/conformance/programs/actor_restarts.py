"""Actors whose process dies and comes back: what happens to the actor, to its calls, and who decides."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from types import ModuleType
from typing import Any

import pytest

from ..helpers import make_gate, make_recorder, wait_until
from ..registry import program


def make_mortal(ray: ModuleType) -> Any:
    """A class of actors that count, and die when told to."""

    @ray.remote(num_cpus=0)
    class Mortal:
        def __init__(self, *arguments):
            self.arguments = arguments
            self.count = 0

        def increase(self):
            self.count += 1
            return self.count

        def get_arguments(self):
            return self.arguments

        def is_restarted(self):
            return ray.get_runtime_context().was_current_actor_reconstructed

        def die(self):
            os._exit(1)

        def wait(self, gate):
            while not ray.get(gate.is_open.remote()):
                time.sleep(0.01)
            return "waited"

        def wait_or_die(self, gate):
            """Dies unless the gate is open: what runs again does something else."""
            if not ray.get(gate.is_open.remote()):
                ray.get(gate.open.remote())
                os._exit(1)
            return "waited"

        def exit(self, status):
            sys.exit(status)

    return Mortal


def wait_until_it_answers(ray: ModuleType, call: Any) -> Any:
    """Calls until no `ActorUnavailableError` comes back; returns the answer."""
    answers: list[Any] = []

    def answers_now() -> bool:
        try:
            answers.append(ray.get(call.remote()))
        except ray.exceptions.ActorUnavailableError:
            return False
        return True

    wait_until(answers_now, "the actor is back")
    return answers[-1]


@program()
def an_actor_restarts_with_its_arguments_and_without_its_state(ray: ModuleType) -> None:
    """AC13: max_restarts=1: the constructor runs again with the same arguments; the second death is the last."""
    kept = ray.put([1, 2])
    actor = make_mortal(ray).options(max_restarts=1).remote(kept, "plain")
    assert ray.get([actor.increase.remote(), actor.increase.remote()]) == [1, 2]
    assert ray.get(actor.is_restarted.remote()) is False
    with pytest.raises(ray.exceptions.ActorUnavailableError, match="may or may not have been executed") as caught:
        ray.get(actor.die.remote())
    assert caught.value.actor_id == actor._actor_id.hex()
    assert wait_until_it_answers(ray, actor.increase) == 1
    assert ray.get(actor.is_restarted.remote()) is True
    assert ray.get(actor.get_arguments.remote()) == ([1, 2], "plain")
    for call in (actor.die, actor.increase):
        with pytest.raises(ray.exceptions.ActorDiedError):
            ray.get(call.remote())


@program()
def a_constructors_arguments_outlive_their_references(ray: ModuleType) -> None:
    """AC13: what the constructor needs is kept for a rerun, whatever its caller lets go of (inline values)."""

    @ray.remote
    def make():
        return "made"

    actor = make_mortal(ray).options(max_restarts=1, max_task_retries=1).remote(make.remote())
    assert ray.get(actor.get_arguments.remote()) == ("made",)
    gate = make_gate(ray)
    assert ray.get(actor.wait_or_die.remote(gate)) == "waited"
    assert ray.get(actor.get_arguments.remote()) == ("made",)


@program()
def calls_without_retries_fail_with_the_process(ray: ModuleType) -> None:
    """AC14: the running call and those sent behind it are ActorUnavailableError, an actor error; later ones run."""
    gate = make_gate(ray)
    actor = make_mortal(ray).options(max_restarts=-1).remote()
    assert ray.get(actor.increase.remote()) == 1
    refs = [actor.wait.remote(gate), actor.increase.remote()]
    assert ray.wait(refs, timeout=0.1) == ([], refs)
    ray.kill(actor, no_restart=False)
    for ref in refs:
        with pytest.raises(ray.exceptions.ActorUnavailableError) as caught:
            ray.get(ref)
        assert isinstance(caught.value, ray.exceptions.RayActorError)
        assert not isinstance(caught.value, ray.exceptions.ActorDiedError)
    assert wait_until_it_answers(ray, actor.increase) == 1


@program()
def calls_with_retries_run_again(ray: ModuleType) -> None:
    """AC14: max_task_retries: the running call is run again, those behind it run after the restart."""
    gate = make_gate(ray)
    actor = make_mortal(ray).options(max_restarts=1, max_task_retries=1).remote()
    assert ray.get(actor.increase.remote()) == 1
    refs = [actor.wait_or_die.remote(gate), *(actor.increase.remote() for _ in range(5))]
    assert ray.get(refs[0]) == "waited"
    assert sorted(ray.get(refs[1:])) == [1, 2, 3, 4, 5]
    assert ray.get(actor.is_restarted.remote()) is True


@program()
def a_calls_retries_are_its_own(ray: ModuleType) -> None:
    """AC14, AC15: a call that kills the actor uses up its retries; the actor's restarts are another budget."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0, max_restarts=-1)
    class Killer:
        def die(self, recorder):
            ray.get(recorder.add.remote("die"))
            os._exit(1)

        def ping(self):
            return "pong"

    killer = Killer.options(max_task_retries=2).remote()
    with pytest.raises(ray.exceptions.ActorUnavailableError):
        ray.get(killer.die.remote(recorder))
    assert ray.get(recorder.count.remote()) == 3
    assert ray.get(killer.ping.remote()) == "pong"
    other = make_recorder(ray)
    with pytest.raises(ray.exceptions.ActorUnavailableError):
        ray.get(killer.die.options(max_task_retries=1).remote(other))
    assert ray.get(other.count.remote()) == 2


@program()
def retries_without_restarts_are_of_no_use(ray: ModuleType) -> None:
    """AC13, AC14: max_restarts=0 and max_task_retries=3: the call fails with the actor."""
    actor = make_mortal(ray).options(max_task_retries=3).remote()
    for call in (actor.die, actor.increase):
        with pytest.raises(ray.exceptions.ActorDiedError):
            ray.get(call.remote())


@program()
def restarts_are_counted_until_there_are_none(ray: ModuleType) -> None:
    """AC13: max_restarts=2 gives three lives, whatever ends them."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0, max_restarts=2, max_task_retries=-1)
    class Counted:
        def __init__(self, recorder):
            ray.get(recorder.add.remote("made"))

        def die(self):
            os._exit(1)

    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(Counted.remote(recorder).die.remote())
    assert ray.get(recorder.count.remote()) == 3


@program()
def kill_may_leave_the_restarts(ray: ModuleType) -> None:
    """AC10: ray.kill(no_restart=False) counts as a restart; without any left, and by default, it is the end."""
    actor = make_mortal(ray).options(max_restarts=1).remote()
    assert ray.get(actor.increase.remote()) == 1
    ray.kill(actor, no_restart=False)
    wait_until(lambda: wait_until_it_answers(ray, actor.is_restarted) is True, "the actor is restarted")
    ray.kill(actor, no_restart=False)
    wait_until(lambda: is_dead(ray, actor), "the actor is dead")
    other = make_mortal(ray).options(max_restarts=-1).remote()
    assert ray.get(other.increase.remote()) == 1
    ray.kill(other)
    # Ray's kill does not wait: a call that is sent at once may be answered yet.
    wait_until(lambda: is_dead(ray, other), "the other is dead")
    with pytest.raises(ray.exceptions.ActorDiedError, match=r"killed by `ray\.kill`"):
        ray.get(other.increase.remote())


def is_dead(ray: ModuleType, actor: Any) -> bool:
    """Whether a call says that the actor is dead for good."""
    try:
        ray.get(actor.increase.remote())
    except ray.exceptions.ActorDiedError:
        return True
    except ray.exceptions.ActorUnavailableError:
        pass  # It is on its way back, or its death is on its way here.
    return False


@program()
def a_constructor_that_fails_on_a_restart_is_the_end(ray: ModuleType) -> None:
    """AC9, AC13: calls that waited and later ones raise ActorDiedError with the constructor's traceback."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0, max_restarts=5, max_task_retries=3)
    class Once:
        def __init__(self, recorder):
            if ray.get(recorder.add.remote("made")) > 1:
                raise RuntimeError("only once")

        def die(self):
            os._exit(1)

        def ping(self):
            return "pong"

    once = Once.remote(recorder)
    assert ray.get(once.ping.remote()) == "pong"
    refs = [once.die.remote(), once.ping.remote()]
    for ref in refs:
        with pytest.raises(ray.exceptions.ActorDiedError, match="only once") as caught:
            ray.get(ref)
        assert caught.value.actor_init_failed is True
    assert ray.get(recorder.count.remote()) == 2


@program()
def a_constructor_that_crashes_is_tried_again(ray: ModuleType) -> None:
    """AC13: calls that wait for the constructor wait on; with no restart left they fail."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0)
    class Late:
        def __init__(self, recorder, lives):
            if ray.get(recorder.add.remote("made")) < lives:
                os._exit(1)

        def ping(self):
            return "pong"

    late = Late.options(max_restarts=5).remote(recorder, 3)
    assert ray.get(late.ping.remote()) == "pong"
    assert ray.get(recorder.count.remote()) == 3
    never = Late.options(max_restarts=1).remote(recorder, 99)
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(never.ping.remote())
    assert ray.get(recorder.count.remote()) == 5


@program()
def a_named_actor_keeps_its_name_over_a_restart(ray: ModuleType) -> None:
    """AC13, AC16: get_actor finds it again; a detached one too."""
    for options in ({"name": "restarted"}, {"name": "restarted detached", "lifetime": "detached"}):
        actor = make_mortal(ray).options(max_restarts=1, max_task_retries=1, **options).remote()
        assert ray.get(actor.increase.remote()) == 1
        gate = make_gate(ray)
        assert ray.get(actor.wait_or_die.remote(gate)) == "waited"
        found = ray.get_actor(options["name"])
        assert ray.get(found.is_restarted.remote()) is True
        ray.kill(actor)


@program()
def sys_exit_with_a_status_is_a_crash_of_the_actor(ray: ModuleType) -> None:
    """AC11, AC13: sys.exit(0) ends the actor for good, any other status its process only."""
    actor = make_mortal(ray).options(max_restarts=1).remote()
    with pytest.raises(ray.exceptions.ActorUnavailableError):
        ray.get(actor.exit.remote(3))
    assert wait_until_it_answers(ray, actor.is_restarted) is True
    other = make_mortal(ray).options(max_restarts=-1, max_task_retries=-1).remote()
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(other.exit.remote(0))
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(other.increase.remote())


@program()
def exit_actor_is_not_restarted(ray: ModuleType) -> None:
    """AC11: neither exit_actor nor __ray_terminate__ counts as a crash, whatever the retries; no handler keeps it."""

    @ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
    class Quitter:
        def ping(self):
            return "pong"

        def quit(self):
            ray.actor.exit_actor()

        def quit_and_go_on(self):
            try:
                ray.actor.exit_actor()
            except SystemExit:
                return "swallowed"

    for name in ("quit", "quit_and_go_on", "__ray_terminate__"):
        quitter = Quitter.remote()
        assert ray.get(quitter.ping.remote()) == "pong"
        refs = [getattr(quitter, name).remote(), quitter.ping.remote()]
        for ref in refs:
            with pytest.raises(ray.exceptions.ActorDiedError, match="exit_actor"):
                ray.get(ref)


@program()
def exit_actor_in_a_constructor_ends_the_actor(ray: ModuleType) -> None:
    """AC11: its calls are ActorDiedError; it is not made again."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0, max_restarts=-1)
    class Unborn:
        def __init__(self, recorder):
            ray.get(recorder.add.remote("made"))
            ray.actor.exit_actor()

        def ping(self):
            return "pong"

    with pytest.raises(ray.exceptions.ActorDiedError, match="exit_actor"):
        ray.get(Unborn.remote(recorder).ping.remote())
    assert ray.get(recorder.count.remote()) == 1


@program()
def exit_actor_lets_running_coroutines_end(ray: ModuleType) -> None:
    """AC11: in an asyncio actor what runs beside the call that exits is answered; swallowing changes nothing."""

    @ray.remote(num_cpus=0, max_restarts=-1)
    class Concurrent:
        async def wait(self, gate):
            await gate.is_open.remote()
            import asyncio

            while not await gate.is_open.remote():
                await asyncio.sleep(0.01)
            return "waited"

        async def quit(self, gate):
            with contextlib.suppress(Exception):
                ray.actor.exit_actor()
            await gate.open.remote()
            return "swallowed"

    gate = make_gate(ray)
    actor = Concurrent.remote()
    waiting = actor.wait.remote(gate)
    assert ray.wait([waiting], timeout=0.1) == ([], [waiting])
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(actor.quit.remote(gate))
    assert ray.get(waiting) == "waited"
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(actor.wait.remote(gate))


@program()
def exit_actor_beside_a_call_that_never_ends(ray: ModuleType) -> None:
    """AC11: who asked for the end of an actor, asyncio or threaded, is told within a second or so; what runs beside is
    answered when it ends; what does not ends with the actor."""

    @ray.remote(num_cpus=0)
    class Interleaving:
        async def never(self):
            import asyncio

            await asyncio.Event().wait()

        async def wait(self, gate):
            import asyncio

            while not await gate.is_open.remote():
                await asyncio.sleep(0.01)
            return "waited"

        async def quit(self):
            ray.actor.exit_actor()

    @ray.remote(num_cpus=0, max_concurrency=4)
    class Threaded:
        def never(self):
            import threading

            threading.Event().wait()

        def wait(self, gate):
            while not ray.get(gate.is_open.remote()):
                time.sleep(0.01)
            return "waited"

        def quit(self):
            ray.actor.exit_actor()

    for actor_class in (Interleaving, Threaded):
        gate = make_gate(ray)
        actor = actor_class.remote()
        never, waiting = actor.never.remote(), actor.wait.remote(gate)
        assert ray.wait([never, waiting], timeout=0.5)[0] == []
        with pytest.raises(ray.exceptions.ActorUnavailableError, match="exit_actor"):
            ray.get(actor.quit.remote(), timeout=30)
        ray.get(gate.open.remote())
        assert ray.get(waiting, timeout=30) == "waited"
        # Real Ray ends the process at some time after that, by itself; here it stays until it is killed.
        ray.kill(actor)
        with pytest.raises(ray.exceptions.ActorDiedError):
            ray.get(never, timeout=30)


@program()
def an_asyncio_actor_restarts_with_its_calls(ray: ModuleType) -> None:
    """AC13, AC14: all its calls in flight run again."""

    @ray.remote(num_cpus=0, max_restarts=1, max_task_retries=1)
    class Concurrent:
        async def wait(self, gate):
            import asyncio

            while not await gate.is_open.remote():
                await asyncio.sleep(0.01)
            return ray.get_runtime_context().was_current_actor_reconstructed

        async def die(self):
            os._exit(1)

    gate = make_gate(ray)
    actor = Concurrent.remote()
    waiting = [actor.wait.remote(gate) for _ in range(3)]
    assert ray.wait(waiting, timeout=0.1)[0] == []
    with pytest.raises(ray.exceptions.ActorUnavailableError):
        ray.get(actor.die.options(max_task_retries=0).remote())
    ray.get(gate.open.remote())
    assert ray.get(waiting) == [True, True, True]


@program()
def a_threaded_actor_restarts_with_its_calls(ray: ModuleType) -> None:
    """AC13, AC14: all its calls in flight run again."""
    gate = make_gate(ray)
    actor = make_mortal(ray).options(max_concurrency=4, max_restarts=1, max_task_retries=1).remote()
    waiting = [actor.wait.remote(gate) for _ in range(3)]
    assert ray.wait(waiting, timeout=0.1)[0] == []
    with pytest.raises(ray.exceptions.ActorUnavailableError):
        ray.get(actor.die.options(max_task_retries=0).remote())
    ray.get(gate.open.remote())
    assert ray.get(waiting) == ["waited"] * 3
    assert ray.get(actor.is_restarted.remote()) is True


@program()
def a_methods_errors_are_retried_when_asked_for(ray: ModuleType) -> None:
    """AC15: retry_exceptions runs the method again on the same actor, up to max_task_retries more times."""

    @ray.remote(num_cpus=0, max_task_retries=2)
    class Flaky:
        def __init__(self):
            self.runs = 0

        @ray.method(retry_exceptions=True)
        def fail_until(self, run):
            self.runs += 1
            if self.runs < run:
                raise ValueError(f"run {self.runs}")
            return self.runs

        @ray.method(max_task_retries=1, retry_exceptions=[KeyError])
        def fail(self, kind):
            self.runs += 1
            raise (KeyError if kind == "listed" else ValueError)(f"run {self.runs}")

    assert ray.get(Flaky.remote().fail_until.remote(3)) == 3
    with pytest.raises(ValueError, match="run 3"):
        ray.get(Flaky.remote().fail_until.remote(99))
    with pytest.raises(ValueError, match="run 6"):
        ray.get(Flaky.options(max_task_retries=5).remote().fail_until.remote(99))
    with pytest.raises(KeyError, match="run 2"):
        ray.get(Flaky.remote().fail.remote("listed"))
    with pytest.raises(ValueError, match="run 1"):
        ray.get(Flaky.remote().fail.remote("other"))
    with pytest.raises(KeyError, match="run 4"):
        ray.get(Flaky.remote().fail.options(max_task_retries=3).remote("listed"))
    with pytest.raises(KeyError, match="run 1"):
        ray.get(Flaky.remote().fail.options(retry_exceptions=False).remote("listed"))


@program()
def a_methods_retries_travel_with_its_handle(ray: ModuleType) -> None:
    """AC15: a handle in a task, and one found by name, retry as the class says."""

    @ray.remote(num_cpus=0, max_task_retries=2)
    class Flaky:
        def __init__(self):
            self.runs = 0

        @ray.method(retry_exceptions=[KeyError])
        def fail(self):
            self.runs += 1
            raise KeyError(f"run {self.runs}")

    @ray.remote
    def call(flaky):
        try:
            ray.get(flaky.fail.remote())
        except KeyError as error:
            return str(error)
        return "no error"

    assert "run 3" in ray.get(call.remote(Flaky.remote()))
    named = Flaky.options(name="flaky by name").remote()
    with pytest.raises(KeyError, match="run 3"):
        ray.get(ray.get_actor("flaky by name").fail.remote())
    del named


@program()
def the_shutdown_hook_runs_before_an_orderly_end(ray: ModuleType) -> None:
    """AC8, AC10, AC11: __ray_shutdown__ runs when the last handle goes and on exit_actor, not on ray.kill."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0)
    class Tidy:
        def __init__(self, recorder, name):
            self.recorder = recorder
            self.name = name

        def __ray_shutdown__(self):
            ray.get(self.recorder.add.remote(self.name))

        def quit(self):
            ray.actor.exit_actor()

        def ping(self):
            return "pong"

    killed = Tidy.remote(recorder, "killed")
    assert ray.get(killed.ping.remote()) == "pong"
    ray.kill(killed)
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(killed.ping.remote())
    for name, end in (("quit", "quit"), ("terminated", "__ray_terminate__")):
        actor = Tidy.remote(recorder, name)
        with pytest.raises(ray.exceptions.ActorDiedError):
            ray.get(getattr(actor, end).remote())
    dropped = Tidy.remote(recorder, "dropped")
    assert ray.get(dropped.ping.remote()) == "pong"
    del dropped, actor
    wait_until(lambda: "dropped" in ray.get(recorder.items.remote()), "the hook of the dropped actor has run")
    assert sorted(ray.get(recorder.items.remote())) == ["dropped", "quit", "terminated"]


@program()
def an_actor_dies_with_the_actor_that_created_it(ray: ModuleType) -> None:
    """AC18: whoever else has a handle; a detached one lives on."""

    @ray.remote(num_cpus=0)
    class Child:
        def ping(self):
            return "pong"

    @ray.remote(num_cpus=0, max_restarts=1)
    class Parent:
        def make(self, **options):
            child = Child.options(**options).remote()
            self.child = child
            return child

        def die(self):
            os._exit(1)

    parent = Parent.remote()
    child = ray.get(parent.make.remote(max_restarts=-1))
    detached = ray.get(parent.make.remote(name="orphan", lifetime="detached"))
    assert ray.get([child.ping.remote(), detached.ping.remote()]) == ["pong", "pong"]
    with pytest.raises(ray.exceptions.ActorUnavailableError):
        ray.get(parent.die.remote())
    wait_until(lambda: says_it_is_dead(ray, child.ping), "the child is dead")
    assert ray.get(detached.ping.remote()) == "pong"
    ray.kill(detached)
    other = Parent.remote()
    child = ray.get(other.make.remote())
    ray.kill(other)
    wait_until(lambda: says_it_is_dead(ray, child.ping), "the child of the killed actor is dead")


def says_it_is_dead(ray: ModuleType, call: Any) -> bool:
    """Whether the actor that a call goes to is dead for good."""
    try:
        ray.get(call.remote())
    except ray.exceptions.ActorDiedError as error:
        return "owner has died" in str(error)
    return False


@program()
def an_actor_made_by_a_task_outlives_the_task(ray: ModuleType) -> None:
    """AC18: the worker that ran the task is still there."""

    @ray.remote(num_cpus=0)
    class Child:
        def ping(self):
            return "pong"

    @ray.remote
    def make():
        child = Child.remote()
        ray.get(child.ping.remote())
        return child

    child = ray.get(make.remote())
    assert ray.get(child.ping.remote()) == "pong"


@program()
def a_process_killed_from_outside_restarts(ray: ModuleType) -> None:
    """AC13: SIGKILL by the actor's own hand, in the middle of calls with retries without end."""
    recorder = make_recorder(ray)

    @ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
    class Victim:
        def work(self, recorder, number):
            if ray.get(recorder.add.remote(number)) in (2, 5):
                os.kill(os.getpid(), signal.SIGKILL)
            return number

    victim = Victim.remote()
    assert ray.get([victim.work.remote(recorder, number) for number in range(4)]) == [0, 1, 2, 3]
    items = ray.get(recorder.items.remote())
    assert sorted(set(items)) == [0, 1, 2, 3]
    assert len(items) == 6


@program()
def names_stay_while_actors_restart(ray: ModuleType) -> None:
    """AC13, AC16, surface 6: listed from `.remote()` on, through restarts, also of one whose constructor never comes through; a kill
    without restart takes the name at once."""

    @ray.remote(num_cpus=0, max_restarts=-1)
    class Steady:
        def ping(self):
            return "pong"

    @ray.remote(num_cpus=0, max_restarts=-1)
    class NeverThere:
        def __init__(self):
            os._exit(0)

    before = set(ray.util.list_named_actors())
    steady = Steady.options(name="steady").remote()
    assert set(ray.util.list_named_actors()) - before == {"steady"}
    assert ray.get(steady.ping.remote()) == "pong"
    ray.kill(steady, no_restart=False)
    for _ in range(20):
        assert set(ray.util.list_named_actors()) - before == {"steady"}
    ray.kill(steady)
    assert set(ray.util.list_named_actors()) == before
    never = NeverThere.options(name="never there").remote()
    for _ in range(50):
        assert set(ray.util.list_named_actors()) - before == {"never there"}
    del never
    wait_until(lambda: set(ray.util.list_named_actors()) == before, "it is given up with its last handle")
