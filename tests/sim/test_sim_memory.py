"""The memory monitor in a simulation: a virtual node says how full it is, and the kernel does the rest."""

from __future__ import annotations

import time

import pytest

import localray as ray
from localray.kernel.effects import MeasureMemory, MemoryUsed
from localray.sched.memory import MemorySettings
from localray.session import _session
from localray.sim.host import Host


def virtual_node(full_between_s: tuple[float, float]) -> Host:
    """A simulation whose node of 1000 bytes is full for a while of virtual time; every worker has 100 of them."""
    ray.init(engine="sim", num_cpus=2)
    host = _session.engine.host  # type: ignore[union-attr]
    assert isinstance(host, Host)
    started_s = time.monotonic()

    def measure(asked: MeasureMemory) -> MemoryUsed:
        start_s, end_s = full_between_s
        is_full = start_s <= time.monotonic() - started_s < end_s
        return MemoryUsed(asked.node, 990 if is_full else 100, 1000, tuple((each, 100) for each in asked.workers), ())

    host.kernel.tables.memory = MemorySettings(refresh_s=0.25)
    host.memory = measure
    return host


@ray.remote(max_retries=1)
def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return time.monotonic()


@ray.remote(max_retries=0)
def sleep_once(seconds: float) -> None:
    time.sleep(seconds)


def test_what_may_be_tried_again_is_killed_first_and_waits() -> None:
    virtual_node((1, 1.2))
    try:
        started_s = time.monotonic()
        once = sleep_once.remote(5)
        ended_s = ray.get(sleep.remote(5))
        # Killed after one second, tried again one later, five more.
        assert 6.9 < ended_s - started_s < 7.5
        assert ray.get(once) is None
    finally:
        ray.shutdown()


def test_without_retries_it_is_an_error() -> None:
    virtual_node((1, 10))
    try:
        with pytest.raises(ray.exceptions.OutOfMemoryError, match="sleep_once"):
            ray.get(sleep_once.remote(5))
    finally:
        ray.shutdown()


def test_an_idle_node_is_not_measured() -> None:
    host = virtual_node((1000, 1001))
    try:
        ray.get(sleep_once.remote(1))
        time.sleep(1)
        assert host.kernel.tables.measure_at_s is None
    finally:
        ray.shutdown()
