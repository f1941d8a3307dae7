"""The memory monitor: what a task and an actor say that were killed because the node has too little memory left, when what
was killed is tried again, and who goes first.

A threshold of nothing is exceeded by any machine, so that whatever runs is killed.
"""

from __future__ import annotations

import itertools
import pathlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, SLOW, program
from .worker_processes import running

_REASON = "a simulation has no memory of its own to measure; the kernel's traces test its rules"


@contextmanager
def _starved(ray: ModuleType, **settings: str) -> Iterator[pathlib.Path]:
    """A session on a node that is always too full; gives a directory for the tasks' notes."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setenv("RAY_memory_usage_threshold", "0.0")
        patch.setenv("RAY_memory_monitor_refresh_ms", "50")
        patch.setenv("RAY_task_oom_retry_delay_base_ms", "10")
        for name, value in settings.items():
            patch.setenv(f"RAY_{name}", value)
        ray.init(num_cpus=1, include_dashboard=False)
        try:
            yield pathlib.Path(directory) / "notes"
        finally:
            ray.shutdown()


def _run_for_ever(ray: ModuleType, notes: pathlib.Path, **options: object) -> object:
    @ray.remote(**options)
    def run_for_ever():
        import time

        with notes.open("a") as file:
            file.write("x")
        time.sleep(1000)

    return run_for_ever.remote()


@program(starts_session=False, engines=NOT_SIMULATED, reason=_REASON)
def killed_for_memory_without_retries(ray: ModuleType) -> None:
    """Surface 13: A task that may not be retried fails with OutOfMemoryError, which has the figures; it ran once."""
    with _starved(ray) as notes:
        with pytest.raises(ray.exceptions.OutOfMemoryError) as caught:
            ray.get(_run_for_ever(ray, notes, max_retries=0), timeout=60)
        assert isinstance(caught.value, ray.exceptions.RayError)
        assert not isinstance(caught.value, ray.exceptions.WorkerCrashedError)
        for word in ("Memory on the node", "low on memory", "threshold", "Top ", "run_for_ever", "max_retries"):
            assert word in str(caught.value)
        assert len(notes.read_text()) <= 1


@program(starts_session=False, engines=NOT_SIMULATED, reason=_REASON)
def killed_for_memory_and_retried(ray: ModuleType) -> None:
    """T16, surface 13: the monitor's retries are a budget of their own, beside max_retries."""
    with _starved(ray, task_oom_retries="2") as notes:
        with pytest.raises(ray.exceptions.OutOfMemoryError):
            ray.get(_run_for_ever(ray, notes, max_retries=1), timeout=60)
        assert len(notes.read_text()) <= 3


@program(starts_session=False, engines=NOT_SIMULATED, reason=_REASON)
def actor_killed_for_memory(ray: ModuleType) -> None:
    """Surface 13: An actor that is killed is dead: this call and those that follow fail with OutOfMemoryError."""
    with _starved(ray):

        @ray.remote
        class Sleeper:
            def sleep(self):
                import time

                time.sleep(1000)

        sleeper = Sleeper.remote()
        for _ in range(2):
            with pytest.raises(ray.exceptions.OutOfMemoryError, match="low on memory"):
                ray.get(sleeper.sleep.remote(), timeout=60)


@program(starts_session=False, engines=NOT_SIMULATED, reason=_REASON)
def monitor_turned_off(ray: ModuleType) -> None:
    """Surface 13: RAY_memory_monitor_refresh_ms=0: nobody is killed however full the node is."""
    with _starved(ray, memory_monitor_refresh_ms="0"):

        @ray.remote(max_retries=0)
        def last():
            import time

            time.sleep(0.5)
            return "alive"

        assert ray.get(last.remote(), timeout=60) == "alive"


@program(starts_session=False, engines=NOT_SIMULATED, reason=_REASON)
def what_is_killed_for_memory_waits_longer_each_time(ray: ModuleType) -> None:
    """T16, surface 13: before a second, third and fourth try half a second, one, and two."""
    with _starved(
        ray, task_oom_retries="3", task_oom_retry_delay_base_ms="500", memory_monitor_refresh_ms="300"
    ) as notes:

        @ray.remote(max_retries=1)
        def note_the_time():
            import time

            with notes.open("a") as file:
                file.write(f"{time.monotonic()}\n")
            time.sleep(1000)

        began = time.monotonic()
        with pytest.raises(ray.exceptions.OutOfMemoryError):
            ray.get(note_the_time.remote(), timeout=60)
        assert time.monotonic() - began >= 3.5
        times = [float(text) for text in notes.read_text().split()]
    # A try that was killed before it came so far has left no note; then the next pause is only the longer.
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(pause >= shortest for pause, shortest in zip(pauses, (0.5, 1, 2), strict=False)), times


@program(starts_session=False, engines=NOT_SIMULATED, reason=_REASON, tags={SLOW})
def what_is_killed_for_memory_waits_a_minute_at_most(ray: ModuleType) -> None:
    """T16, surface 13: with an hour to begin with, the next try is after a minute."""
    with _starved(ray, task_oom_retries="1", task_oom_retry_delay_base_ms="3600000") as notes:
        began = time.monotonic()
        with pytest.raises(ray.exceptions.OutOfMemoryError):
            ray.get(_run_for_ever(ray, notes, max_retries=1), timeout=110)
        assert time.monotonic() - began >= 55


def _used_and_total_bytes() -> tuple[int, int]:
    """Of the machine, as the monitor counts it where no container has a limit of its own."""
    with open("/proc/meminfo") as file:
        fields = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file}
    return fields["MemTotal"] - fields["MemAvailable"], fields["MemTotal"]


@program(starts_session=False, engines=NOT_SIMULATED, reason=_REASON, tags={SLOW})
def the_newest_that_may_be_tried_again_is_killed_first(ray: ModuleType) -> None:
    """T16, surface 13: of three tasks with as much memory the one goes that started last of those that may be tried again; an older one
    and one that may not be retried go on."""
    used, total = _used_and_total_bytes()
    # What is to be freed is what is above the threshold and a twentieth of all: a little less than one task has.
    share = int(total * 0.05) + 400 * 2**20
    if total - used < 5 * share or share > 3 * 2**30:
        pytest.skip("three tasks with enough memory to choose among do not fit here")
    threshold = (used + 3.5 * share) / total
    settings = {"memory_monitor_refresh_ms": "100", "task_oom_retry_delay_base_ms": "1000"}
    with _starved(ray, memory_usage_threshold=f"{threshold:.6f}", **settings) as notes:
        directory = notes.parent

        def hold(name, bytes_held):
            import os
            import time

            held = bytearray(b"x") * bytes_held
            with (directory / name).open("a") as file:
                file.write(f"{os.getpid()} ")
            while not (directory / "enough").exists():
                time.sleep(0.01)
            return len(held)

        def processes(name):
            return [int(text) for text in (directory / name).read_text().split()] if (directory / name).exists() else []

        refs = []
        for name, retries in (("older", 3), ("newer", 3), ("not again", 0)):
            refs.append(ray.remote(hold).options(num_cpus=0, name=name, max_retries=retries).remote(name, share))
            wait_until(lambda name=name: len(processes(name)) == 1, f"{name} has its memory")
        ours: list[bytearray] = []

        def one_is_killed() -> bool:
            if len(ours) * 50 * 2**20 < share:
                ours.append(bytearray(b"x") * (50 * 2**20))
                time.sleep(0.1)
            return any(not running(process) for name in names for process in processes(name))

        names = ("older", "newer", "not again")
        wait_until(one_is_killed, "somebody is killed")
        ours.clear()
        killed = [name for name in names if not running(processes(name)[0])]
        assert killed == ["newer"]
        wait_until(lambda: len(processes("newer")) == 2, "it is tried again")
        (directory / "enough").touch()
        assert ray.get(refs, timeout=60) == [share] * 3
