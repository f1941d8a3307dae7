"""The memory monitor's policy: thresholds and delays by hand, the choice of victims against what is promised of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localray.sched.memory import (
    IDLE_SPARED_BYTES,
    Candidate,
    MemorySettings,
    bytes_to_free,
    choose_victims,
    may_try_again,
    settings_from,
    threshold_bytes,
)

candidates = st.lists(
    st.builds(
        Candidate,
        worker=st.integers(1, 1000),
        used_bytes=st.integers(0, 2 * IDLE_SPARED_BYTES),
        is_idle=st.booleans(),
        is_retriable=st.booleans(),
        since_s=st.floats(0, 100),
    ),
    unique_by=lambda each: each.worker,
    max_size=12,
)


def rank(candidate: Candidate) -> tuple[bool, bool, float]:
    return (not candidate.is_idle, not candidate.is_retriable, -candidate.since_s)


@given(candidates, st.integers(1, 10 * IDLE_SPARED_BYTES))
def test_victims_are_the_fewest_that_free_enough_and_the_first_in_order(
    those: list[Candidate], to_free_bytes: int
) -> None:
    victims = choose_victims(those, to_free_bytes)
    freed = [victim.used_bytes for victim in victims]
    spared = [each for each in those if each not in victims]
    assert [rank(victim) for victim in victims] == sorted(rank(victim) for victim in victims)
    assert not any(victim.is_idle and victim.used_bytes < IDLE_SPARED_BYTES for victim in victims)
    assert sum(freed[:-1]) < to_free_bytes or not victims
    if sum(freed) < to_free_bytes:
        assert all(each.is_idle and each.used_bytes < IDLE_SPARED_BYTES for each in spared)
    for each in spared:
        if victims and not each.is_idle:
            assert rank(each) >= rank(victims[-1])


def test_the_order_they_come_in_does_not_matter() -> None:
    those = [Candidate(number, 10, False, number % 2 == 0, 1.0) for number in range(1, 9)]
    assert choose_victims(those, 35) == choose_victims(those[::-1], 35)
    assert [victim.worker for victim in choose_victims(those, 35)] == [8, 6, 4, 2]


def test_nothing_is_freed_up_to_the_threshold_and_a_margin_above_it() -> None:
    settings = MemorySettings(usage_threshold=0.5)
    assert bytes_to_free(settings, 500, 1000) == 0
    assert bytes_to_free(settings, 501, 1000) == 1 + 50


def test_the_least_free_memory_raises_the_threshold_only() -> None:
    assert threshold_bytes(MemorySettings(usage_threshold=0.95, least_free_bytes=100), 1000) == 950
    assert threshold_bytes(MemorySettings(usage_threshold=0.95, least_free_bytes=10), 1000) == 990


@pytest.mark.parametrize(
    ("max_retries", "oom_retries", "kills", "again"),
    [(0, -1, 1, False), (1, -1, 50, True), (-1, -1, 1, True), (3, 2, 2, True), (3, 2, 3, False), (3, 0, 1, False)],
)
def test_the_budget_is_apart_from_max_retries(max_retries: int, oom_retries: int, kills: int, again: bool) -> None:
    assert may_try_again(MemorySettings(oom_retries=oom_retries), max_retries, kills) is again


def test_settings_come_from_rays_variables() -> None:
    assert settings_from({}) == MemorySettings(refresh_s=0.25)
    given = {
        "RAY_memory_usage_threshold": "0.5",
        "RAY_memory_monitor_refresh_ms": "0",
        "RAY_min_memory_free_bytes": "1000",
        "RAY_task_oom_retries": "2",
        "RAY_task_oom_retry_delay_base_ms": "10",
        "LOCALRAY_ENFORCE_MEMORY": "1",
    }
    assert settings_from(given) == MemorySettings(0.0, 0.5, 1000, 2, 0.01, True)


@pytest.mark.parametrize("value", ["much", "", "1.5", "-1"])
def test_a_wrong_value_names_its_variable(value: str) -> None:
    with pytest.raises(ValueError, match="RAY_memory_usage_threshold"):
        settings_from({"RAY_memory_usage_threshold": value})
