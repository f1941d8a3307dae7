"""The store when processes are killed in the middle of using it: nothing half written is ever seen, views never change,
memory is given back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest

from localray.exceptions import ActorDiedError, WorkerCrashedError

from .drivers import Driver, is_alive, wait_until

DEADLINE_S = 60
MB = 2**20
STORE_BYTES = 100 * MB
FREED_BYTES = MB


@pytest.fixture
def ray(nothing_left: None) -> ModuleType:
    """A session with a small store."""
    import localray

    localray.init(num_cpus=4, object_store_memory=STORE_BYTES)
    return localray


def stored_bytes(ray: ModuleType) -> float:
    """What is taken of the store."""
    free: float = ray.available_resources()["object_store_memory"]
    total: float = ray.cluster_resources()["object_store_memory"]
    return total - free


def wait_until_freed(ray: ModuleType, let_go: Callable[[], object] = lambda: None) -> None:
    """Fails with who holds what; `let_go` is called before each look."""
    from localray._private.internal_api import memory_summary

    try:
        wait_until(lambda: (let_go(), stored_bytes(ray))[1] < FREED_BYTES, "the store is empty", DEADLINE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}: {stored_bytes(ray)} bytes\n{memory_summary()}") from None


def checksum(array: numpy.ndarray[Any, Any]) -> int:
    return int(array.view(numpy.uint64).sum(dtype=numpy.uint64))


@pytest.mark.parametrize("where", ["put", "return", "argument"])
def test_a_writer_is_killed_while_its_object_is_pickled(ray: ModuleType, tmp_path: Path, where: str) -> None:
    """One large buffer is out already, the reducer of the next part says so and blocks; then comes SIGKILL."""
    told = str(tmp_path / "told")

    @ray.remote(max_retries=0)
    def write(where: str, told: str) -> Any:
        class Blocks:
            def __reduce__(self) -> Any:
                Path(told).write_text(str(os.getpid()))
                while True:
                    time.sleep(10)

        value = [numpy.ones(30 * MB // 8), Blocks()]
        if where == "put":
            return ray.put(value)
        if where == "argument":
            return ray.remote(lambda value: None).remote(value)
        return value

    for _ in range(5):
        ref = write.remote(where, told)
        wait_until(lambda: Path(told).exists() and Path(told).read_text() != "", "the writer writes", DEADLINE_S)
        os.kill(int(Path(told).read_text()), signal.SIGKILL)
        with pytest.raises(WorkerCrashedError, match="SIGKILL"):
            ray.get(ref, timeout=DEADLINE_S)
        Path(told).unlink()
    wait_until_freed(ray)
    assert ray.get(ray.put(numpy.full(60 * MB, 3, numpy.uint8)))[-1] == 3


def test_writers_are_killed_at_random_moments(ray: ModuleType, tmp_path: Path) -> None:
    """Workers that put without end, killed at any point of copying: readers see whole objects only, all room comes back."""
    import random

    moments = random.Random(5)

    @ray.remote(num_cpus=0)
    class Reader:
        def __init__(self) -> None:
            self.seen = 0

        def look(self, box: list[Any]) -> bool:
            array = ray.get(box[0])
            self.seen += 1
            return bool((array == array[0]).all())

        def count(self) -> int:
            return self.seen

    @ray.remote(max_retries=0)
    def write(reader: Any, pid_file: str) -> None:
        Path(pid_file).write_text(str(os.getpid()))
        number = 0
        while True:
            number += 1
            if not ray.get(reader.look.remote([ray.put(numpy.full(12 * MB, number % 250, numpy.uint8))])):
                raise AssertionError("a torn object")

    reader = Reader.remote()
    pid_file = tmp_path / "writer"
    for _ in range(12):
        seen = ray.get(reader.count.remote())
        ref = write.remote(reader, str(pid_file))
        wait_until(lambda seen=seen: ray.get(reader.count.remote()) > seen, "the writer writes", DEADLINE_S)
        time.sleep(moments.uniform(0, 0.03))
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        with pytest.raises(WorkerCrashedError):
            ray.get(ref, timeout=DEADLINE_S)
    wait_until_freed(ray)


@pytest.mark.parametrize("kind", ["task", "actor"])
def test_a_reader_is_killed_with_a_view(ray: ModuleType, kind: str) -> None:
    """The object stays right for the others, and goes with the last of them."""

    @ray.remote(num_cpus=0)
    class Holder:
        def hold(self, array: numpy.ndarray[Any, Any]) -> int:
            self.view = array[::1024]
            return os.getpid()

        def total(self) -> int:
            return int(self.view.sum())

    @ray.remote(max_retries=0)
    def hold_and_die(array: numpy.ndarray[Any, Any]) -> None:
        view = array[5:]
        os.kill(os.getpid(), signal.SIGKILL)
        view.sum()

    for number in range(1, 5):
        ref = ray.put(numpy.full(40 * MB, number, numpy.uint8))
        survivor = Holder.remote()
        ray.get(survivor.hold.remote(ref))
        if kind == "actor":
            victim = Holder.remote()
            process = ray.get(victim.hold.remote(ref))
            os.kill(process, signal.SIGKILL)
            with pytest.raises(ActorDiedError):
                ray.get(victim.total.remote(), timeout=DEADLINE_S)
            wait_until(lambda process=process: not is_alive(process), "the reader is dead")
        else:
            with pytest.raises(WorkerCrashedError):
                ray.get(hold_and_die.remote(ref), timeout=DEADLINE_S)
        mine = ray.get(ref)
        del ref
        # What would overwrite it, if its bytes were thought free.
        for _ in range(5):
            assert ray.get(ray.put(numpy.full(20 * MB, 200, numpy.uint8)))[-1] == 200
        assert (int(mine.min()), int(mine.max())) == (number, number)
        assert ray.get(survivor.total.remote()) == number * 40 * 1024
        del mine
        ray.kill(survivor)
        del survivor
        wait_until_freed(ray)


def _adversary_actors(ray: ModuleType) -> tuple[Any, Any]:
    @ray.remote(num_cpus=0)
    class Viewer:
        """Holds views whose refs are gone, and their sums as they were at first."""

        def __init__(self) -> None:
            self.views: list[tuple[Any, int]] = []

        def hold(self, array: numpy.ndarray[Any, Any], expected: int) -> None:
            self.views.append((array, expected))
            if len(self.views) > 8:
                del self.views[0]

        def check(self) -> list[tuple[int, int]]:
            sums = [(int(view.view(numpy.uint64).sum(dtype=numpy.uint64)), expected) for view, expected in self.views]
            return [pair for pair in sums if pair[0] != pair[1]]

        def forget(self) -> None:
            self.views.clear()

    @ray.remote(num_cpus=0)
    class Churner:
        """Writes, reads and frees objects of odd sizes; every third it lets a viewer look at and drops."""

        def run(self, seed: int, rounds: int, viewers: list[Any]) -> int:
            dice = numpy.random.default_rng(seed)
            kept: list[Any] = []
            for number in range(rounds):
                words = int(dice.integers(20_000, 200_000))
                array = numpy.full(words, int(dice.integers(1, 2**40)), numpy.uint64)
                expected = int(array.sum(dtype=numpy.uint64))
                ref = ray.put(array)
                if number % 3 == 0:
                    ray.get(viewers[number % len(viewers)].hold.remote(ref, expected))
                elif number % 3 == 1:
                    kept.append((ref, expected))
                if len(kept) > 3:
                    old, was = kept.pop(0)
                    if int(ray.get(old).sum(dtype=numpy.uint64)) != was:
                        raise AssertionError(f"object {number} was damaged")
            return rounds

    return Viewer, Churner


def test_views_never_change_while_others_use_the_store_at_full_speed(ray: ModuleType) -> None:
    """Four processes allocate, write and free as fast as they can; views of what is long gone keep their sums."""
    viewer_class, churner_class = _adversary_actors(ray)
    viewers = [viewer_class.remote() for _ in range(2)]
    churners = [churner_class.remote() for _ in range(4)]
    mine = [ray.get(ray.put(numpy.full(150_000, 10**15 + number, numpy.uint64))) for number in range(5)]
    sums = [checksum(view) for view in mine]
    running = [churner.run.remote(seed, 150, viewers) for seed, churner in enumerate(churners)]
    while running:
        _, running = ray.wait(running, timeout=0.05)
        assert [checksum(view) for view in mine] == sums
        assert ray.get([viewer.check.remote() for viewer in viewers], timeout=DEADLINE_S) == [[], []]
    ray.get([viewer.forget.remote() for viewer in viewers])
    del mine
    wait_until_freed(ray)


def test_views_never_change_while_others_are_killed(ray: ModuleType) -> None:
    """The same with the churners killed again and again: what a dead process had written or looked at is reused."""
    viewer_class, churner_class = _adversary_actors(ray)
    viewers = [viewer_class.remote()]
    for seed in range(6):
        churners = [churner_class.remote() for _ in range(2)]
        running = [churner.run.remote(100 * seed + index, 10_000, viewers) for index, churner in enumerate(churners)]
        ready, _ = ray.wait(running, timeout=0.3)
        assert not ready
        for churner in churners:
            ray.kill(churner)
        for ref in running:
            with pytest.raises(ActorDiedError):
                ray.get(ref, timeout=DEADLINE_S)
        assert ray.get(viewers[0].check.remote(), timeout=DEADLINE_S) == []
    # Calls are answered as those of a dead actor before its process is gone: its last may come after a first `forget`.
    wait_until_freed(ray, lambda: ray.get(viewers[0].forget.remote()))


def test_the_head_is_killed_with_a_gigabyte_live() -> None:
    """Nothing is left in /dev/shm, and the machine has its memory back."""
    program = """
    import numpy
    from localray.session import _session
    ray.init(num_cpus=2, object_store_memory=1280 * 2**20)
    refs = [ray.put(numpy.full(64 * 2**20, number, numpy.uint8)) for number in range(16)]

    @ray.remote(num_cpus=0)
    class Holder:
        def hold(self, *arrays):
            self.arrays = arrays
            return sum(int(array[-1]) for array in arrays)

    holder = Holder.remote()
    print(f"sum={ray.get(holder.hold.remote(*refs))}")
    print(f"head={_session.engine.head_process_id}")
    sys.stdin.readline()
    try:
        ray.get(holder.hold.remote(*refs))
    except ray.exceptions.RayError as error:
        print("told", type(error).__name__)
    ray.shutdown()
    del refs, holder
    print("shut down")
    sys.stdin.readline()
    """
    before = _shared_bytes()
    with Driver(program, stdin=-1) as driver:
        assert driver.wait_for_number("sum") == sum(range(16))
        head = driver.wait_for_number("head")
        assert _shared_bytes() - before > 900 * MB
        os.kill(head, signal.SIGKILL)
        driver.say("go on")
        driver.wait_for("told")
        driver.wait_for("shut down")
        wait_until(lambda: _shared_bytes() - before < 100 * MB, "the memory is back while the driver still runs")
        driver.say("end")
        assert driver.end().code == 0


def _shared_bytes() -> int:
    """Memory of the machine in shared-memory files, named or not."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Shmem:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("/proc/meminfo says nothing of shared memory")
