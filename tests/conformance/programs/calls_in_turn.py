"""Calls of an actor that somebody waits for, one after the other, and what may come between them.

localray lets such calls pass its head by, on a *lane*; nothing of that may be seen. So each program first makes a few
calls in turn.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from ..helpers import wait_until
from ..registry import program

CALLS_BEFORE = 8


def make_counter(ray: ModuleType) -> Any:
    """An actor whose calls have been waited for a few times."""

    @ray.remote(num_cpus=0)
    class Counter:
        def __init__(self) -> None:
            self.value = 0
            self.kept: list[object] = []

        def add(self, amount: int = 1) -> int:
            self.value += amount
            return self.value

        def read(self) -> int:
            return self.value

        def fail(self, text: str) -> None:
            raise ValueError(text)

        def nap(self, duration_s: float) -> int:
            time.sleep(duration_s)
            self.value += 1
            return self.value

        def put(self, value: object) -> object:
            return ray.put(value)

        def through_a_task(self, value: int) -> int:
            @ray.remote(num_cpus=0)
            def double(number: int) -> int:
                return 2 * number

            return ray.get(double.remote(value))

        def zeros(self, size: int) -> bytes:
            return bytes(size)

        def keep(self, references: list[object]) -> int:
            self.kept = references
            return len(references)

        def read_kept(self) -> object:
            return ray.get(self.kept)

        def die(self) -> None:
            os._exit(3)

        def leave(self) -> None:
            ray.actor.exit_actor()

    counter = Counter.remote()
    for _ in range(CALLS_BEFORE):
        ray.get(counter.add.remote(0))
        ray.get(counter.read.remote())
    return counter


@program()
def calls_waited_for_in_turn_keep_their_state(ray: ModuleType) -> None:
    """Each call sees what those before it did, whether or not somebody waits for them."""
    counter = make_counter(ray)
    for number in range(1, 60):
        assert ray.get(counter.add.remote()) == number


@program()
def a_call_nobody_waits_for_comes_before_the_next(ray: ModuleType) -> None:
    """Calls of one caller run in the order submitted, those that are waited for and those that are not."""
    counter = make_counter(ray)
    for number in range(1, 30):
        counter.add.remote()
        assert ray.get(counter.read.remote()) == number
        assert ray.get(counter.read.remote()) == number
    references = [counter.add.remote() for _ in range(20)]
    assert ray.get(counter.read.remote()) == 49
    assert ray.get(references) == list(range(30, 50))
    assert ray.get(counter.add.remote()) == 50


@program()
def threads_may_wait_for_one_actor(ray: ModuleType) -> None:
    """Calls of several threads mix, and each thread's own keep their order."""
    counter = make_counter(ray)
    seen: list[list[int]] = [[], [], []]

    def count(mine: list[int]) -> None:
        for _ in range(25):
            mine.append(ray.get(counter.add.remote()))

    threads = [threading.Thread(target=count, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in seen)
    assert sorted(number for mine in seen for number in mine) == list(range(1, 76))


@program()
def an_answer_may_be_passed_on(ray: ModuleType) -> None:
    """What has been waited for is an argument like any other, before and after the wait."""

    @ray.remote(num_cpus=0)
    def plus_one(value: int) -> int:
        return value + 1

    counter = make_counter(ray)
    for number in range(1, 10):
        reference = counter.add.remote()
        before = plus_one.remote(reference)
        assert ray.get(reference) == number
        after = plus_one.remote(reference)
        assert ray.get(plus_one.remote(reference)) == number + 1
        assert ray.get([before, after]) == [number + 1, number + 1]


@program()
def a_call_in_turn_may_use_the_cluster(ray: ModuleType) -> None:
    """Between plain calls a method submits tasks, puts, returns references and large values, and takes references."""
    counter = make_counter(ray)
    for number in range(1, 6):
        assert ray.get(counter.through_a_task.remote(number)) == 2 * number
        assert ray.get(ray.get(counter.put.remote(number))) == number
        assert ray.get(counter.add.remote()) == number
        assert len(ray.get(counter.zeros.remote(200_000 * number))) == 200_000 * number
        assert ray.get(counter.keep.remote([ray.put("kept"), ray.put(number)])) == 2
        assert ray.get(counter.read_kept.remote()) == ["kept", number]
        assert ray.get(counter.read.remote()) == number


@program()
def errors_between_calls_in_turn(ray: ModuleType) -> None:
    """An exception reaches who waits for its call, each time they look, and the actor goes on."""
    counter = make_counter(ray)
    for number in range(1, 6):
        reference = counter.fail.remote(f"no {number}")
        for _ in range(2):
            try:
                ray.get(reference)
            except ValueError as error:
                assert f"no {number}" in str(error)
                assert isinstance(error, ray.exceptions.RayTaskError)
            else:
                raise AssertionError("nothing was raised")
        assert ray.get(counter.add.remote()) == number


@program()
def an_actor_may_die_between_calls_in_turn(ray: ModuleType) -> None:
    """The call that its process dies in fails, and so do later ones; earlier answers stay."""

    @ray.remote(num_cpus=0)
    def same(value: int) -> int:
        return value

    counter = make_counter(ray)
    references = []
    for number in range(1, 5):
        references.append(counter.add.remote())
        assert ray.get(references[-1]) == number
    for call in (counter.die, counter.add):
        try:
            ray.get(call.remote())
        except ray.exceptions.ActorDiedError:
            pass
        else:
            raise AssertionError("a dead actor answered")
    assert ray.get(references) == [1, 2, 3, 4]
    assert ray.get([same.remote(reference) for reference in references]) == [1, 2, 3, 4]


@program()
def a_killed_actor_leaves_its_answers(ray: ModuleType) -> None:
    """What was answered before `ray.kill` can be read and passed on after it."""

    @ray.remote(num_cpus=0)
    def same(value: int) -> int:
        return value

    for _ in range(3):
        counter = make_counter(ray)
        reference = counter.add.remote(5)
        assert ray.get(reference) == 5
        ray.kill(counter)
        assert ray.get(same.remote(reference)) == 5
        try:
            ray.get(counter.add.remote())
        except ray.exceptions.ActorDiedError:
            pass
        else:
            raise AssertionError("a dead actor answered")


@program()
def an_actor_may_leave_between_calls_in_turn(ray: ModuleType) -> None:
    """`exit_actor` ends the actor with the call that asks for it."""
    for _ in range(3):
        counter = make_counter(ray)
        assert ray.get(counter.add.remote()) == 1
        for call in (counter.leave, counter.add):
            try:
                ray.get(call.remote())
            except ray.exceptions.ActorDiedError:
                pass
            else:
                raise AssertionError("an actor that has left answered")


@program()
def a_wait_in_turn_may_end_early(ray: ModuleType) -> None:
    """After a timeout the call goes on, later ones come behind it, and its answer can still be read."""
    counter = make_counter(ray)
    for number in range(1, 8, 2):
        slow = counter.nap.remote(0.3)
        try:
            ray.get(slow, timeout=0.05)
        except ray.exceptions.GetTimeoutError:
            pass
        else:
            raise AssertionError("a nap took no time")
        assert ray.get(counter.add.remote(), timeout=30) == number + 1
        assert ray.get(slow, timeout=30) == number


@program()
def all_ways_to_wait_in_turn(ray: ModuleType) -> None:
    """`get`, `wait`, futures and lists of references may take turns."""
    counter = make_counter(ray)
    for number in range(1, 40, 4):
        assert ray.get(counter.add.remote()) == number
        reference = counter.add.remote()
        assert ray.wait([reference], timeout=30) == ([reference], [])
        assert ray.get(reference) == number + 1
        assert counter.add.remote().future().result(30) == number + 2
        assert ray.get([counter.add.remote(), counter.read.remote()]) == [number + 3, number + 3]


@program()
def others_may_call_between_calls_in_turn(ray: ModuleType) -> None:
    """A task's calls mix with those that the driver waits for."""

    @ray.remote(num_cpus=0)
    def add_some(counter: Any, times: int) -> int:
        for _ in range(times):
            ray.get(counter.add.remote())
        return times

    counter = make_counter(ray)
    added = [add_some.remote(counter, 20) for _ in range(2)]
    last = 0
    for _ in range(20):
        now = ray.get(counter.add.remote())
        assert now > last
        last = now
    assert ray.get(added) == [20, 20]
    assert ray.get(counter.read.remote()) == 60


@program()
def a_handle_may_go_while_its_call_is_waited_for(ray: ModuleType) -> None:
    """What was submitted runs although the last handle is gone, and then the actor ends."""
    for number in range(3):
        counter = make_counter(ray)
        assert ray.get(counter.add.remote()) == 1
        reference = counter.add.remote(number)
        del counter
        assert ray.get(reference) == 1 + number


@program()
def a_waited_for_call_of_an_actor_may_be_cancelled(ray: ModuleType) -> None:
    """A method that looks sees that it is cancelled, while another thread waits for it."""

    @ray.remote(num_cpus=0)
    class Patient:
        def ready(self) -> int:
            return 1

        def until_cancelled(self, begun: str) -> str:
            Path(begun).touch()
            give_up_at = time.monotonic() + 30
            while not ray.get_runtime_context().is_canceled():
                assert time.monotonic() < give_up_at
                time.sleep(0.01)
            return "seen"

    patient = Patient.remote()
    for _ in range(CALLS_BEFORE):
        assert ray.get(patient.ready.remote()) == 1
    outcome: list[object] = []

    def wait() -> None:
        try:
            outcome.append(ray.get(reference))
        except ray.exceptions.TaskCancelledError as error:
            outcome.append(error)

    with tempfile.TemporaryDirectory() as directory:
        begun = Path(directory) / "begun"
        reference = patient.until_cancelled.remote(str(begun))
        thread = threading.Thread(target=wait)
        thread.start()
        wait_until(begun.exists, "the call runs")
        ray.cancel(reference)
        thread.join(30)
    assert len(outcome) == 1
    assert isinstance(outcome[0], ray.exceptions.TaskCancelledError)
    assert ray.get(patient.ready.remote()) == 1


@program()
def many_actors_may_be_called_in_turn(ray: ModuleType) -> None:
    """Several actors, each waited for many times, end with their handles."""
    counters = [make_counter(ray) for _ in range(4)]
    for number in range(1, 12):
        for counter in counters:
            assert ray.get(counter.add.remote()) == number
    del counter, counters
    wait_until(lambda: ray.get(make_counter(ray).add.remote()) == 1, "a new actor counts")


@program()
def what_waits_for_an_answer_needs_no_further_word(ray: ModuleType) -> None:
    """Who waits for a call's answer gets it although the driver, which has it, says and asks nothing more."""

    @ray.remote(num_cpus=0)
    def note(value: object, path: str) -> None:
        Path(path).write_text(str(value))

    counter = make_counter(ray)
    with tempfile.TemporaryDirectory() as directory:
        answered, left = Path(directory) / "answered", Path(directory) / "left"
        slow = counter.nap.remote(0.3)
        noted = [note.remote(slow, str(answered))]
        assert ray.get(slow) == 1
        wait_until(lambda: answered.exists() and answered.read_text() == "1", "the answer has been passed on")
        slower = counter.nap.remote(0.3)
        with contextlib.suppress(ray.exceptions.GetTimeoutError):
            ray.get(slower, timeout=0.05)
        noted.append(note.remote(slower, str(left)))
        wait_until(lambda: left.exists() and left.read_text() == "2", "the answer nobody waited for has been passed on")
        ray.get(noted)


@program()
def a_killed_actor_answers_no_more(ray: ModuleType) -> None:
    """What is called after `ray.kill` fails, if not at once: on real Ray it may still be answered for a moment."""

    def is_dead(actor: Any) -> bool:
        try:
            ray.get(actor.add.remote())
        except ray.exceptions.ActorDiedError:
            return True
        return False

    for _ in range(4):
        counter = make_counter(ray)
        ray.kill(counter)
        wait_until(lambda actor=counter: is_dead(actor), "a killed actor answers no more")
        assert is_dead(counter)


@program(num_gpus=2)
def calls_in_turn_know_their_devices(ray: ModuleType) -> None:
    """The accelerators of an actor are those of each of its calls."""

    @ray.remote(num_cpus=0, num_gpus=1)
    class Device:
        def ids(self) -> list[int]:
            return ray.get_gpu_ids()

        def name(self) -> tuple[object, ...]:
            context = ray.get_runtime_context()
            return context.get_actor_id(), context.get_actor_name(), context.get_assigned_resources()

    device = Device.options(name="device").remote()
    assert len({tuple(ray.get(device.ids.remote())) for _ in range(12)}) == 1
    assert len(ray.get(device.ids.remote())) == 1
    names = [ray.get(device.name.remote()) for _ in range(12)]
    assert names == [names[0]] * 12
    assert names[0][1] == "device" and names[0][2].get("GPU") == 1


@program()
def a_dropped_call_in_turn_leaves_nothing(ray: ModuleType) -> None:
    """A call whose reference goes before its answer comes runs all the same, and the actor goes on."""
    counter = make_counter(ray)
    for number in range(1, 4):
        reference = counter.nap.remote(0.2)
        with contextlib.suppress(ray.exceptions.GetTimeoutError):
            ray.get(reference, timeout=0.02)
        del reference
        assert ray.get(counter.read.remote()) == number
