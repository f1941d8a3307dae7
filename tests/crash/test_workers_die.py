"""A worker is killed: in each phase of its life only what it ran is concerned, as often as was agreed, and nothing hangs."""

from __future__ import annotations

import os
import signal
import sys
import time
from types import ModuleType
from typing import Any

import numpy
import pytest

from localray.exceptions import ActorDiedError, RayActorError, WorkerCrashedError

from .drivers import Driver, is_alive, wait_until

DEADLINE_S = 30


def make_counter(ray: ModuleType) -> Any:
    """An actor that counts executions by name."""

    @ray.remote(num_cpus=0)
    class Counter:
        def __init__(self) -> None:
            self.counts: dict[str, int] = {}
            self.processes: list[int] = []

        def add(self, name: str, process: int = 0) -> int:
            self.counts[name] = self.counts.get(name, 0) + 1
            self.processes.append(process)
            return self.counts[name]

        def get(self) -> dict[str, int]:
            return self.counts

        def seen(self) -> list[int]:
            return self.processes

    counter = Counter.remote()
    ray.get(counter.get.remote())
    return counter


def check_usable(ray: ModuleType) -> None:
    """The session answers ordinary tasks and actors, and all CPUs are free again."""

    @ray.remote
    def double(value: int) -> int:
        return 2 * value

    assert ray.get([double.remote(number) for number in range(20)], timeout=DEADLINE_S) == list(range(0, 40, 2))
    wait_until(lambda: ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"], "all CPUs are free")


def test_an_idle_worker_is_killed(ray: ModuleType) -> None:
    pid = ray.remote(lambda: os.getpid())
    for _ in range(5):
        victims = set(ray.get([pid.remote() for _ in range(8)]))
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        # With a retry: the head may not have heard yet, and send the task to a worker that is no more.
        assert not victims & set(ray.get([pid.remote() for _ in range(4)], timeout=DEADLINE_S))
    check_usable(ray)


@pytest.mark.parametrize("how", ["sigkill", "sigsegv", "os_exit", "abort", "sigterm"])
@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_are_honoured_exactly(ray: ModuleType, how: str, retries: int) -> None:
    counter = make_counter(ray)

    @ray.remote(max_retries=retries)
    def crash(how: str) -> None:
        ray.get(counter.add.remote("crash"))
        if how == "os_exit":
            os._exit(7)
        if how == "abort":
            os.abort()
        os.kill(os.getpid(), getattr(signal, how.upper()))
        time.sleep(DEADLINE_S)

    with pytest.raises(WorkerCrashedError) as caught:
        ray.get(crash.remote(how), timeout=DEADLINE_S)
    assert {"os_exit": "code 7", "abort": "SIGABRT"}.get(how, how.upper()) in str(caught.value)
    assert ray.get(counter.get.remote()) == {"crash": retries + 1}
    check_usable(ray)


def test_a_task_that_crashes_twice_and_then_works(ray: ModuleType) -> None:
    counter = make_counter(ray)

    @ray.remote(max_retries=2)
    def third_time() -> str:
        if ray.get(counter.add.remote("x")) < 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return "works"

    assert ray.get(third_time.remote(), timeout=DEADLINE_S) == "works"
    assert ray.get(counter.get.remote()) == {"x": 3}
    check_usable(ray)


@pytest.mark.parametrize("retries", [0, 1, 3, -1])
def test_a_crashing_task_does_not_take_its_neighbours_along(ray: ModuleType, retries: int) -> None:
    """Short tasks wait in a worker's own line; those beside one that always crashes end well whatever their retries."""

    @ray.remote(max_retries=retries)
    def short(number: int) -> int:
        return number

    @ray.remote(max_retries=min(1, abs(retries)))
    def crash() -> None:
        os._exit(1)

    ray.get([short.remote(number) for number in range(200)])
    for _ in range(5):
        mixed = [crash.remote() if number % 40 == 20 else short.remote(number) for number in range(200)]
        for number, ref in enumerate(mixed):
            if number % 40 == 20:
                with pytest.raises(WorkerCrashedError):
                    ray.get(ref, timeout=DEADLINE_S)
            else:
                assert ray.get(ref, timeout=DEADLINE_S) == number
    check_usable(ray)


def test_tasks_without_retries_run_at_most_once(ray: ModuleType) -> None:
    """Workers are killed at random while many tasks run: no task with max_retries=0 is ever executed twice."""
    counter = make_counter(ray)

    @ray.remote(max_retries=0)
    def once(number: int) -> int:
        counter.add.remote(str(number), os.getpid())
        if number % 17 == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    refs = [once.remote(number) for number in range(150)]
    failed = 0
    for number, ref in enumerate(refs):
        try:
            assert ray.get(ref, timeout=DEADLINE_S) == number
        except WorkerCrashedError:
            failed += 1
            assert number % 17 == 3
    assert failed == len(range(3, 150, 17))
    assert set(ray.get(counter.get.remote()).values()) == {1}
    check_usable(ray)


def test_killed_from_outside_at_random_moments(ray: ModuleType) -> None:
    """With retries without end all tasks end well, whoever is killed when."""
    import random

    moments = random.Random(11)

    @ray.remote(max_retries=-1)
    def step(number: int) -> tuple[int, int]:
        time.sleep(0.001)
        return number, os.getpid()

    pending = {number: step.remote(number) for number in range(400)}
    last_killed_s = time.monotonic()
    seen: set[int] = set()
    killed = 0
    for number, ref in pending.items():
        answered, process = ray.get(ref, timeout=DEADLINE_S)
        assert answered == number
        seen.add(process)
        if time.monotonic() - last_killed_s > moments.uniform(0.01, 0.03):
            for victim in [victim for victim in seen if is_alive(victim)]:
                os.kill(victim, signal.SIGKILL)
                killed += 1
            seen.clear()
            last_killed_s = time.monotonic()
    assert killed > 3
    check_usable(ray)


def test_killed_while_blocked_in_get(ray: ModuleType) -> None:
    counter = make_counter(ray)

    @ray.remote(max_retries=0)
    def inner() -> int:
        ray.get(counter.add.remote("inner"))
        time.sleep(0.3)
        return 5

    @ray.remote(max_retries=0)
    def outer() -> int:
        ref = inner.remote()
        counter.add.remote("outer", os.getpid())
        return ray.get(ref)

    ref = outer.remote()
    wait_until(lambda: ray.get(counter.get.remote()) == {"outer": 1, "inner": 1}, "both are under way")
    os.kill(max(ray.get(counter.seen.remote())), signal.SIGKILL)
    with pytest.raises(WorkerCrashedError):
        ray.get(ref, timeout=DEADLINE_S)
    check_usable(ray)


def test_killed_with_a_view_of_a_large_object(ray: ModuleType) -> None:
    """Its pin goes with it: the bytes are given back once the last reference goes, and can be used again at once."""
    capacity_bytes = 100 * 2**20
    ray.shutdown()
    ray.init(num_cpus=2, object_store_memory=capacity_bytes)

    @ray.remote(max_retries=0)
    def hold(array: numpy.ndarray) -> None:
        assert not array.flags.writeable
        os.kill(os.getpid(), signal.SIGKILL)

    for round_number in range(6):
        ref = ray.put(numpy.full(60 * 2**17, round_number))
        with pytest.raises(WorkerCrashedError):
            ray.get(hold.remote(ref), timeout=DEADLINE_S)
        assert ray.get(ref)[-1] == round_number
        del ref
    check_usable(ray)


@pytest.mark.parametrize("phase", ["pickling_a_put", "between_reserve_and_put", "unpickling_arguments", "unpickling_function", "returning"])
def test_killed_in_a_phase_of_putting(nothing_left: None, phase: str) -> None:
    """A half-written object is given back: the store has room for the next, again and again."""
    import localray as ray

    ray.init(num_cpus=2, object_store_memory=100 * 2**20)
    kill_on_unpickle = _kill_on_unpickle()

    @ray.remote(max_retries=0)
    def put(phase: str) -> Any:
        if phase == "between_reserve_and_put":
            from localray.client.current import current_client
            from localray.protocol import ReserveBuffer

            client = current_client()
            assert client is not None
            location = client.request(lambda number: ReserveBuffer(number, 60 * 2**20))
            if not isinstance(location, int):
                return f"no room: {location}"
            os.kill(os.getpid(), signal.SIGKILL)
        value = [numpy.ones(40 * 2**17), make_killer()]
        if phase == "returning":
            return value
        return ray.put(value)

    def make_killer() -> Any:
        class Killer:
            def __reduce__(self) -> Any:
                os.kill(os.getpid(), signal.SIGKILL)

        return Killer()

    for _ in range(6):
        if phase == "unpickling_arguments":
            ref = put.remote(kill_on_unpickle)
        elif phase == "unpickling_function":
            captured = kill_on_unpickle
            ref = ray.remote(max_retries=0)(lambda: captured).remote()
        else:
            ref = put.remote(phase)
        with pytest.raises(WorkerCrashedError):
            ray.get(ref, timeout=DEADLINE_S)
    assert ray.get(ray.put(numpy.ones(60 * 2**17))).sum() == 60 * 2**17
    check_usable(ray)


def _kill_on_unpickle() -> Any:
    driver = os.getpid()

    class KillOnUnpickle:
        def __reduce__(self) -> Any:
            return eval, (f"__import__('os').getpid() != {driver} and __import__('os').kill(__import__('os').getpid(), 9)",)

    return KillOnUnpickle()


@pytest.mark.parametrize("concurrency", ["serial", "threaded", "asyncio"])
def test_an_actors_worker_is_killed(ray: ModuleType, concurrency: str) -> None:
    """Pending and later calls raise ActorDiedError, everywhere, and its name is free."""

    class Serial:
        def pid(self) -> int:
            return os.getpid()

        def sleep(self) -> None:
            time.sleep(1000)

    class Asyncio:
        async def pid(self) -> int:
            return os.getpid()

        async def sleep(self) -> None:
            import asyncio

            await asyncio.sleep(1000)

    kind = ray.remote(num_cpus=0)(Asyncio if concurrency == "asyncio" else Serial)
    options: dict[str, object] = {"name": "victim"}
    if concurrency == "threaded":
        options["max_concurrency"] = 4
    actor = kind.options(**options).remote()
    victim = ray.get(actor.pid.remote())
    pending = [actor.sleep.remote() for _ in range(3)] + [actor.pid.remote() for _ in range(concurrency == "serial")]

    @ray.remote
    def call_it(handle: Any) -> str:
        try:
            ray.get(handle.sleep.remote())
        except ActorDiedError:
            return "died"
        return "alive"

    other = call_it.remote(actor)
    os.kill(victim, signal.SIGKILL)
    for ref in pending:
        with pytest.raises(ActorDiedError):
            ray.get(ref, timeout=DEADLINE_S)
    assert ray.get(other, timeout=DEADLINE_S) == "died"
    for _ in range(3):
        with pytest.raises(RayActorError, match="SIGKILL"):
            ray.get(actor.pid.remote(), timeout=DEADLINE_S)
    with pytest.raises(ValueError, match="victim"):
        ray.get_actor("victim")
    successor = kind.options(**options).remote()
    assert ray.get(successor.pid.remote(), timeout=DEADLINE_S) != victim
    del successor
    check_usable(ray)


def test_an_actors_worker_is_killed_before_its_constructor(ray: ModuleType) -> None:
    """The worker chosen for the constructor is idle, and dead before it is told: the actor is made on another one."""

    @ray.remote(num_cpus=1)
    class Late:
        def pid(self) -> int:
            return os.getpid()

    pid = ray.remote(lambda: os.getpid())
    for _ in range(5):
        victims = set(ray.get([pid.remote() for _ in range(8)]))
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        actor = Late.remote()
        assert ray.get(actor.pid.remote(), timeout=DEADLINE_S) not in victims
        del actor
    check_usable(ray)


def test_an_actor_dies_in_its_constructor(ray: ModuleType) -> None:
    @ray.remote(num_cpus=1)
    class Stillborn:
        def __init__(self) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        def hello(self) -> None:
            raise AssertionError("it lives")

    actors = [Stillborn.remote() for _ in range(5)]
    for ref in [actor.hello.remote() for actor in actors]:
        with pytest.raises(ActorDiedError):
            ray.get(ref, timeout=DEADLINE_S)
    check_usable(ray)


def test_what_a_dead_worker_owned(ray: ModuleType) -> None:
    """Objects that a worker put stay for those who refer to them; children of a killed task run on."""
    holder = make_counter(ray)

    @ray.remote(max_retries=0)
    def child() -> int:
        return 11

    @ray.remote
    class Maker:
        def make(self) -> list[Any]:
            return [ray.put("small"), ray.put(numpy.arange(100_000)), child.remote()]

        def pid(self) -> int:
            return os.getpid()

    maker = Maker.remote()
    small, large, task = ray.get(maker.make.remote())
    victim = ray.get(maker.pid.remote())
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not is_alive(victim), "the maker is dead")
    assert ray.get(small) == "small"
    assert ray.get(large).sum() == 4999950000
    assert ray.get(task, timeout=DEADLINE_S) == 11
    del holder, maker
    check_usable(ray)


def test_the_last_words_of_a_crashed_worker_are_in_its_error(ray: ModuleType) -> None:
    @ray.remote(max_retries=0)
    def crash() -> None:
        print("the reactor is on fire", file=sys.stderr, flush=True)
        os._exit(3)

    with pytest.raises(WorkerCrashedError, match="code 3") as caught:
        ray.get(crash.remote(), timeout=DEADLINE_S)
    assert "the reactor is on fire" in str(caught.value)


def test_the_user_is_told_why_a_task_is_tried_again() -> None:
    """One line for a worker that has died, and for an error that is to be retried the error with its traceback too."""
    with Driver("""
        ray.init(num_cpus=1)

        @ray.remote(num_cpus=0)
        class Counter:
            count = 0

            def next(self):
                self.count += 1
                return self.count

        @ray.remote(max_retries=2, retry_exceptions=[ValueError])
        def flaky(counter):
            count = ray.get(counter.next.remote())
            if count == 1:
                raise ValueError("not yet")
            if count == 2:
                os._exit(7)
            return count

        print("answer", ray.get(flaky.remote(Counter.remote())))
    """) as driver:
        driver.wait_for("Task flaky is tried again (attempt 2, retries 1 left): it has failed.")
        driver.wait_for('raise ValueError("not yet")')
        driver.wait_for("ValueError: not yet")
        driver.wait_for("Task flaky is tried again (attempt 3, retries 0 left): its worker died: its process ended with exit code 7.")
        driver.wait_for("answer 3")
        assert driver.end().code == 0
