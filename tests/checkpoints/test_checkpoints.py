"""What a checkpointed actor is after its process has died: its state, its calls, its errors."""

from __future__ import annotations

import os
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from conformance.helpers import make_recorder, wait_until


def make_counter(ray: ModuleType) -> Any:
    """A class of actors that count, tell a recorder what they do, and checkpoint themselves."""

    @ray.remote(num_cpus=0, max_restarts=-1)
    class Counter:
        def __init__(self, recorder):
            self.recorder = recorder
            self.count = 0
            self.broken = False

        def add(self, number=1):
            ray.get(self.recorder.add.remote(("add", number)))
            self.count += number
            return self.count

        def read(self):
            return self.count

        def die(self):
            os._exit(1)

        def add_and_die(self):
            self.count += 1000
            os._exit(1)

        def break_checkpoints(self, how):
            self.broken = how

        def checkpoint(self):
            if self.broken == "crash" and "crash" not in ray.get(self.recorder.items.remote()):
                ray.get(self.recorder.add.remote("crash"))
                os._exit(1)
            if self.broken == "raise":
                raise ValueError("not now")
            if self.broken == "unpicklable":
                return (number for number in range(self.count))
            ray.get(self.recorder.add.remote("checkpoint"))
            return self.recorder, self.count

        def restore(self, state):
            self.recorder, self.count = state
            ray.get(self.recorder.add.remote(("restore", self.count)))

    return Counter


def crash(ray: ModuleType, actor: Any) -> None:
    """Kill an actor's process; returns when it is back."""
    with pytest.raises(ray.exceptions.ActorUnavailableError):
        ray.get(actor.die.remote())

    def is_back() -> bool:
        try:
            ray.get(actor.read.remote())
        except ray.exceptions.ActorUnavailableError:
            return False
        return True

    wait_until(is_back, "the actor is back")


def log_of(ray: ModuleType, recorder: Any) -> list[Any]:
    """What the recorder was told."""
    items: list[Any] = ray.get(recorder.items.remote())
    return items


def test_an_actor_comes_back_with_its_state(ray: ModuleType) -> None:
    recorder = make_recorder(ray)
    counter = make_counter(ray).remote(recorder)
    assert ray.get([counter.add.remote() for _ in range(3)]) == [1, 2, 3]
    crash(ray, counter)
    assert ray.get(counter.add.remote()) == 4
    log = log_of(ray, recorder)
    assert ("restore", 3) in log
    assert log.count(("add", 1)) == 4, "calls in the checkpoint were run again"


def test_calls_since_the_checkpoint_are_replayed_in_order(ray: ModuleType) -> None:
    recorder = make_recorder(ray)
    counter = make_counter(ray).options(checkpoint_interval=3).remote(recorder)
    assert ray.get([counter.add.remote(number) for number in range(1, 6)])[-1] == 15
    crash(ray, counter)
    assert ray.get(counter.add.remote(100)) == 115
    log = log_of(ray, recorder)
    replayed = log[log.index(("restore", 6)) + 1 :]
    assert [item for item in replayed if item != "checkpoint"] == [("add", 4), ("add", 5), ("add", 100)]


def test_without_a_checkpoint_all_is_replayed(ray: ModuleType) -> None:
    recorder = make_recorder(ray)
    counter = make_counter(ray).options(checkpoint_interval=0).remote(recorder)
    argument = ray.put(5)
    assert ray.get(counter.add.remote(argument)) == 5
    del argument
    crash(ray, counter)
    assert ray.get(counter.read.remote()) == 5
    assert log_of(ray, recorder) == [("add", 5), ("add", 5)]


def test_what_was_not_answered_is_not_in_the_state(ray: ModuleType) -> None:
    counter = make_counter(ray).remote(make_recorder(ray))
    assert ray.get(counter.add.remote()) == 1
    with pytest.raises(ray.exceptions.ActorUnavailableError):
        ray.get(counter.add_and_die.remote())
    wait_until(lambda: is_one(ray, counter), "the actor is back")


def is_one(ray: ModuleType, counter: Any) -> bool:
    """Whether the counter answers, and with 1."""
    try:
        count = ray.get(counter.read.remote())
    except ray.exceptions.ActorUnavailableError:
        return False
    assert count == 1
    return True


def test_a_call_in_flight_is_run_again_on_the_restored_state(ray: ModuleType) -> None:
    @ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self, recorder, deadly):
            self.count += 1
            if ray.get(recorder.add.remote("run")) == deadly:
                os._exit(1)
            return self.count

        def checkpoint(self):
            return self.count

        def restore(self, count):
            self.count = count

    recorder = make_recorder(ray)
    counter = Counter.remote()
    assert ray.get([counter.add.remote(recorder, 3) for _ in range(5)]) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("how", ["raise", "unpicklable"])
def test_a_failing_checkpoint_leaves_the_last_in_force(
    ray: ModuleType, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    recorder = make_recorder(ray)
    counter = make_counter(ray).remote(recorder)
    assert ray.get(counter.add.remote(7)) == 7
    ray.get(counter.break_checkpoints.remote(how))
    assert ray.get([counter.add.remote(1), counter.add.remote(2)]) == [8, 10]
    crash(ray, counter)
    assert ray.get(counter.read.remote()) == 10
    log = log_of(ray, recorder)
    assert log[log.index(("restore", 7)) + 1 :][:2] == [("add", 1), ("add", 2)]
    told = capfd.readouterr().err
    assert told.count("could not checkpoint itself; the last good checkpoint stays in force") == 1, told


def test_a_crash_inside_checkpoint_is_a_crash_of_the_actor(ray: ModuleType) -> None:
    recorder = make_recorder(ray)
    counter = make_counter(ray).options(max_restarts=1).remote(recorder)
    assert ray.get(counter.add.remote(7)) == 7
    with pytest.raises(ray.exceptions.ActorUnavailableError):
        ray.get([counter.break_checkpoints.remote("crash"), counter.add.remote(1)])
    wait_until(lambda: reads(ray, counter) == 7, "the actor is back")


def reads(ray: ModuleType, counter: Any) -> int:
    """What the counter answers; -1 while it does not."""
    try:
        count: int = ray.get(counter.read.remote())
    except ray.exceptions.ActorUnavailableError:
        return -1
    return count


def test_a_failing_restore_is_told(ray: ModuleType) -> None:
    @ray.remote(num_cpus=0, max_restarts=-1)
    class Lost:
        def ping(self):
            return "pong"

        def die(self):
            os._exit(1)

        def checkpoint(self):
            return "state"

        def restore(self, state):
            raise KeyError(f"cannot use {state}")

    lost = Lost.remote()
    assert ray.get(lost.ping.remote()) == "pong"
    with pytest.raises(ray.exceptions.ActorUnavailableError):
        ray.get(lost.die.remote())

    def is_dead() -> bool:
        try:
            ray.get(lost.ping.remote())
        except ray.exceptions.ActorUnavailableError:
            return False
        except ray.exceptions.ActorDiedError as error:
            assert "cannot use state" in str(error)
            assert "in restore" in str(error)
            return True
        return False

    wait_until(is_dead, "the actor is dead")


def test_checkpoint_now_keeps_what_a_long_call_has_done(ray: ModuleType) -> None:
    @ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
    class Trainer:
        def __init__(self):
            self.epoch = 0

        def train(self, recorder, epochs):
            while self.epoch < epochs:
                ray.get(recorder.add.remote(self.epoch))
                self.epoch += 1
                ray.checkpoint_now()
                if self.epoch == 3 and ray.get(recorder.count.remote()) == 3:
                    os._exit(1)
            return self.epoch

        def checkpoint(self):
            return self.epoch

        def restore(self, epoch):
            self.epoch = epoch

    recorder = make_recorder(ray)
    assert ray.get(Trainer.remote().train.remote(recorder, 6)) == 6
    assert log_of(ray, recorder) == [0, 1, 2, 3, 4, 5]


def test_checkpoint_now_is_for_actors_that_checkpoint_themselves(ray: ModuleType) -> None:
    @ray.remote
    def outside():
        ray.checkpoint_now()

    with pytest.raises(RuntimeError, match="defines checkpoint"):
        ray.checkpoint_now()
    with pytest.raises(RuntimeError, match="max_restarts is not 0"):
        ray.get(outside.remote())


def test_the_interval_is_checked(ray: ModuleType) -> None:
    counter = make_counter(ray)
    with pytest.raises(ValueError, match="checkpoint_interval"):
        counter.options(checkpoint_interval=-1)
    with pytest.raises(TypeError, match="checkpoint_interval"):
        counter.options(checkpoint_interval="often")
    with pytest.raises(ValueError, match="set max_restarts"):
        counter.options(checkpoint_interval=1, max_restarts=0).remote(None)

    @ray.remote(max_restarts=-1, checkpoint_interval=2)
    class Without:
        def checkpoint(self, path):
            return path

    with pytest.raises(ValueError, match="restore"):
        Without.remote()


def test_an_interval_of_time(ray: ModuleType) -> None:
    recorder = make_recorder(ray)
    seldom = make_counter(ray).options(checkpoint_interval=timedelta(hours=1)).remote(recorder)
    often = make_counter(ray).options(checkpoint_interval=timedelta(microseconds=1)).remote(recorder)
    ray.get([seldom.add.remote(1), seldom.add.remote(2)])
    assert "checkpoint" not in log_of(ray, recorder)
    ray.get([often.add.remote(1), often.add.remote(2)])
    wait_until(lambda: log_of(ray, recorder).count("checkpoint") >= 2, "the other has taken checkpoints")


def test_references_and_large_arrays_in_a_state(ray: ModuleType) -> None:
    import numpy

    @ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=1)
    class Holder:
        def __init__(self):
            self.kept = None

        def keep(self, boxed, size):
            self.kept = boxed[0], numpy.ones(size)

        def read(self):
            return ray.get(self.kept[0]), float(self.kept[1].sum())

        def wait_or_die(self, recorder):
            if ray.get(recorder.add.remote("run")) == 1:
                os._exit(1)

        def checkpoint(self):
            return self.kept

        def restore(self, state):
            self.kept = state

    holder = Holder.remote()
    ray.get(holder.keep.remote([ray.put("boxed")], 100_000))
    ray.get(holder.wait_or_die.remote(make_recorder(ray)))
    assert ray.get(holder.read.remote()) == ("boxed", 100_000.0)


def test_an_asyncio_actor_checkpoints_when_nothing_runs(ray: ModuleType) -> None:
    @ray.remote(num_cpus=0, max_restarts=-1)
    class Concurrent:
        def __init__(self):
            self.done = []
            self.running = 0

        async def work(self, gate, number):
            self.running += 1
            while gate is not None and not await gate.is_open.remote():
                import asyncio

                await asyncio.sleep(0.01)
            self.running -= 1
            self.done.append(number)
            return list(self.done)

        async def read(self):
            return list(self.done)

        async def die(self):
            os._exit(1)

        def checkpoint(self):
            assert self.running == 0
            return self.done

        def restore(self, done):
            self.done = done

    from conformance.helpers import make_gate

    gate = make_gate(ray)
    actor = Concurrent.remote()
    slow = actor.work.remote(gate, 1)
    assert ray.get(actor.work.remote(None, 2)) == [2]
    ray.get(gate.open.remote())
    assert ray.get(slow) == [2, 1]
    crash(ray, actor)
    assert ray.get(actor.read.remote()) == [2, 1]


def test_a_threaded_actor_replays_one_by_one(ray: ModuleType) -> None:
    recorder = make_recorder(ray)
    counter = make_counter(ray).options(max_concurrency=3, checkpoint_interval=100).remote(recorder)
    for number in range(5):
        ray.get(counter.add.remote(number))
    crash(ray, counter)
    assert ray.get(counter.read.remote()) == 10
    assert log_of(ray, recorder) == [("add", number) for number in (*range(5), *range(5))]


def test_a_generator_is_a_call_like_any_other(ray: ModuleType) -> None:
    @ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=1, checkpoint_interval=0)
    class Source:
        def __init__(self):
            self.yielded = 0

        def items(self, count):
            for number in range(count):
                self.yielded += 1
                yield number

        def read(self):
            return self.yielded

        def wait_or_die(self, recorder):
            if ray.get(recorder.add.remote("run")) == 1:
                os._exit(1)

        def checkpoint(self):
            return self.yielded

        def restore(self, state):
            self.yielded = state

    source = Source.remote()
    items = source.items.options(num_returns="streaming").remote(4)
    assert [ray.get(item) for item in items] == [0, 1, 2, 3]
    kept = source.items.options(num_returns="streaming").remote(2)
    assert ray.get(source.read.remote()) == 6
    ray.get(source.wait_or_die.remote(make_recorder(ray)))
    assert ray.get(source.read.remote()) == 6
    assert [ray.get(item) for item in kept] == [0, 1]


@pytest.mark.parametrize("mode", ["threads", "coroutines"])
def test_an_actor_whose_calls_always_overlap_is_checkpointed(ray: ModuleType, mode: str) -> None:
    class Busy:
        def __init__(self):
            self.taken = []
            self.done = 0

        def checkpoint(self):
            self.taken.append(self.done)
            return self.done

        def restore(self, done):
            self.done = done

    class Threads(Busy):
        def work(self, seconds):
            import time

            time.sleep(seconds)
            self.done += 1

        def read(self):
            return self.taken

    class Coroutines(Busy):
        async def work(self, seconds):
            import asyncio

            await asyncio.sleep(seconds)
            self.done += 1

        async def read(self):
            return self.taken

    chosen = Threads if mode == "threads" else Coroutines
    options = {"num_cpus": 0, "max_restarts": -1, "max_concurrency": 3, "checkpoint_interval": 5}
    busy = ray.remote(**options)(chosen).remote()
    ray.get([busy.work.remote(0.002 + number % 3 * 0.002) for number in range(40)])
    taken = ray.get(busy.read.remote())
    assert 5 <= taken[0] < 30, f"the first checkpoint was taken after {taken} of 40 calls"


def test_a_held_up_call_that_others_wait_for_gets_its_turn(ray: ModuleType) -> None:
    @ray.remote(num_cpus=0, max_restarts=-1)
    class Signal:
        def __init__(self):
            self.event = None

        async def wait(self):
            import asyncio

            self.event = self.event or asyncio.Event()
            await self.event.wait()
            return "sent"

        async def ping(self):
            return "pong"

        async def send(self):
            self.event.set()

        def checkpoint(self):
            return None

        def restore(self, state):
            pass

    signal = Signal.remote()
    waiting = signal.wait.remote()
    assert ray.get([signal.ping.remote() for _ in range(4)]) == ["pong"] * 4
    ray.get(signal.send.remote())
    assert ray.get(waiting) == "sent"
