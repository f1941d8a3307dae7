"""The memory monitor over real processes: a task's own budget is held against it."""

from __future__ import annotations

import pytest

import localray as ray


@pytest.fixture
def enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALRAY_ENFORCE_MEMORY", "1")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "50")


@ray.remote(max_retries=3, memory=100_000_000)
def take_bytes(size_bytes: int, hold_s: float) -> int:
    import time

    ballast = b"x" * size_bytes
    time.sleep(hold_s)
    return len(ballast)


@pytest.mark.usefixtures("enforced")
def test_a_task_over_its_own_budget_is_killed_and_told_by_how_much() -> None:
    with ray.init(num_cpus=2, _memory=1_000_000_000):
        with pytest.raises(ray.exceptions.OutOfMemoryError, match=r"take_bytes.*B more than the memory=100000000"):
            ray.get(take_bytes.remote(300_000_000, 1000), timeout=60)
        assert ray.get(take_bytes.remote(1_000_000, 0.3), timeout=60) == 1_000_000


def test_without_enforcement_a_budget_is_only_for_placement() -> None:
    with ray.init(num_cpus=2, _memory=1_000_000_000):
        assert ray.get(take_bytes.remote(150_000_000, 0.6), timeout=60) == 150_000_000


def test_a_wrong_setting_is_the_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_memory_usage_threshold", "lots")
    with pytest.raises(ValueError, match="RAY_memory_usage_threshold"):
        ray.init(num_cpus=1)
    assert not ray.is_initialized()
