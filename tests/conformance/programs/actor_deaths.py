"""Why an actor has died, by the words of its calls' errors; actors that end themselves in unusual places."""

from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path
from types import ModuleType

import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, Engine, program


@program(engines=NOT_SIMULATED, reason="processes are killed")
def deaths_are_told_apart_by_their_words(ray: ModuleType) -> None:
    """AC12: the error of a call says whether its actor's process, its owner or somebody's ray.kill ended it."""

    @ray.remote(num_cpus=0)
    class Mortal:
        def process(self):
            return os.getpid()

        def quit(self):
            ray.actor.exit_actor()

        def child(self):
            self.made = Mortal.remote()
            return self.made

    def words(actor) -> str:
        with pytest.raises(ray.exceptions.ActorDiedError) as caught:
            ray.get(actor.process.remote(), timeout=30)
        assert caught.value.actor_id == actor._actor_id.hex()
        return str(caught.value)

    def is_dead(actor) -> bool:
        try:
            ray.get(actor.process.remote(), timeout=30)
        except ray.exceptions.ActorDiedError:
            return True
        return False

    killed, crashed, owner, leaving = (Mortal.remote() for _ in range(4))
    owned = ray.get(owner.child.remote())
    ray.get(owned.process.remote())
    ray.kill(killed)
    os.kill(ray.get(crashed.process.remote()), 9)
    ray.kill(owner)
    with pytest.raises(ray.exceptions.ActorDiedError, match="INTENDED_USER_EXIT"):
        ray.get(leaving.quit.remote(), timeout=30)
    assert "exit_actor() is called" in words(leaving)
    assert "it was killed by `ray.kill" in words(killed)
    facts = words(crashed)
    assert "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR" in facts
    assert f"actor_id: {crashed._actor_id.hex()}" in facts
    assert re.search(r"class_name: \S*Mortal\n", facts)
    # The owner is dead at once, what it owns when its process has ended.
    wait_until(lambda: is_dead(owned), "the owner's process has ended")
    assert "The actor is dead because its owner has died" in words(owned)


@program()
def a_coroutine_left_behind_may_end_its_actor(ray: ModuleType) -> None:
    """AC12: exit_actor in a coroutine that an answered call, or the constructor, has started; outside of actors it
    raises TypeError."""
    import asyncio

    @ray.remote(num_cpus=0)
    class Leaving:
        def __init__(self, at_once):
            if at_once:
                self.task = asyncio.create_task(self.leave())

        async def leave(self):
            await asyncio.sleep(0)
            ray.actor.exit_actor()

        async def start(self):
            self.task = asyncio.create_task(self.leave())

        async def ping(self):
            return "pong"

    def is_gone(actor) -> bool:
        try:
            ray.get(actor.ping.remote(), timeout=30)
        except ray.exceptions.ActorDiedError:
            return True
        return False

    later = Leaving.remote(False)
    assert ray.get(later.ping.remote()) == "pong"
    later.start.remote()
    soon = Leaving.remote(True)
    wait_until(lambda: is_gone(later) and is_gone(soon), "both have ended")
    with pytest.raises(TypeError, match="exit_actor API is called on a non-actor worker"):
        ray.actor.exit_actor()


@program(
    engines=(Engine.PROCESSES,),
    reason="calls ray.init itself and so chooses no engine; real Ray 2.60.0 lets it run on to its end",
    starts_session=False,
)
def the_time_for_an_end_in_order_can_be_set(ray: ModuleType) -> None:
    """AC8: actor_graceful_shutdown_timeout_ms; whose __ray_shutdown__ takes longer is killed."""
    with tempfile.TemporaryDirectory() as directory:
        begun, ended = Path(directory, "begun"), Path(directory, "ended")

        @ray.remote(num_cpus=0)
        class Slow:
            def process(self):
                return os.getpid()

            def __ray_shutdown__(self):
                begun.touch()
                time.sleep(60)
                ended.touch()

        ray.init(num_cpus=1, _system_config={"actor_graceful_shutdown_timeout_ms": 500})
        try:
            actor = Slow.remote()
            process = ray.get(actor.process.remote())
            del actor
            wait_until(begun.exists, "it is asked to end")
            wait_until(lambda: _is_gone(process), "it is killed")
            assert not ended.exists()
        finally:
            ray.shutdown()


def _is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@program()
def an_argument_that_failed_ends_the_actor(ray: ModuleType) -> None:
    """AC11: like an error of the constructor, whatever became of the argument; each call tells it."""

    @ray.remote
    def fail():
        raise ValueError("no value")

    @ray.remote
    class Needs:
        def __init__(self, value):
            pass

        def call(self):
            return 1

    @ray.remote
    def use(value):
        return value

    waits_for_ever = fail.options(resources={"none": 1}).remote()
    ray.cancel(waits_for_ever)
    failed = [(fail.remote(), "no value"), (use.remote(fail.remote()), "no value"), (waits_for_ever, "TaskCancelledError")]
    of_its_creation = "because of an error raised in its creation task"
    for argument, words in failed:
        actor = Needs.remote(argument)
        for _ in range(2):
            with pytest.raises(ray.exceptions.ActorDiedError, match=of_its_creation) as died:
                ray.get(actor.call.remote(), timeout=60)
            assert died.value.actor_init_failed
            assert "At least one of the input arguments for this task could not be computed" in str(died.value)
            assert words in str(died.value)
        with pytest.raises(ray.exceptions.RayTaskError, match=words) as used:
            ray.get(use.remote(actor.call.remote()), timeout=60)
        assert isinstance(used.value, ray.exceptions.ActorDiedError)
