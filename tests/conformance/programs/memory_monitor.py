"""The memory monitor: what a task and an actor say that were killed because the node has too little memory left.

A threshold of nothing is exceeded by any machine, so that whatever runs is killed.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from ..registry import NOT_SIMULATED, program

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
    """A task that may not be retried fails with OutOfMemoryError, which has the figures; it ran once."""
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
    """T16: the monitor's retries are a budget of their own, beside max_retries."""
    with _starved(ray, task_oom_retries="2") as notes:
        with pytest.raises(ray.exceptions.OutOfMemoryError):
            ray.get(_run_for_ever(ray, notes, max_retries=1), timeout=60)
        assert len(notes.read_text()) <= 3


@program(starts_session=False, engines=NOT_SIMULATED, reason=_REASON)
def actor_killed_for_memory(ray: ModuleType) -> None:
    """An actor that is killed is dead: this call and those that follow fail with OutOfMemoryError."""
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
    """RAY_memory_monitor_refresh_ms=0: nobody is killed however full the node is."""
    with _starved(ray, memory_monitor_refresh_ms="0"):

        @ray.remote(max_retries=0)
        def last():
            import time

            time.sleep(0.5)
            return "alive"

        assert ray.get(last.remote(), timeout=60) == "alive"
