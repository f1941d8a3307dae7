"""`ray._common.test_utils`: what test suites of Ray programs use to hold things up, to wait, and to run drivers."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from localray._common.prometheus import (
    MetricSamplePattern,
    PrometheusTimeseries,
    fetch_prometheus,
    fetch_prometheus_metric_timeseries,
    fetch_prometheus_metrics,
    fetch_prometheus_timeseries,
    fetch_raw_prometheus,
)
from localray.absent.catalogue import missing_in
from localray.alias import environment_of_children, is_installed
from localray.api import remote

DEFAULT_DRIVER_TIMEOUT_SECONDS = 300
_NOT_MET = "The condition wasn't met before the timeout expired."


class _SignalActor:
    """Holds up whoever waits for it until it is sent."""

    def __init__(self) -> None:
        self.ready_event = asyncio.Event()
        self.num_waiters = 0

    def send(self, clear: bool = False) -> None:
        """Let all who wait go on.

        Args:
            clear: hold up again whoever comes from now on.
        """
        self.ready_event.set()
        if clear:
            self.ready_event.clear()

    async def wait(self, should_wait: bool = True) -> None:
        """Wait until it is sent."""
        if should_wait:
            self.num_waiters += 1
            await self.ready_event.wait()
            self.num_waiters -= 1

    async def cur_num_waiters(self) -> int:
        """How many wait."""
        return self.num_waiters


class _Semaphore:
    """A semaphore between processes."""

    def __init__(self, value: int = 1) -> None:
        self._semaphore = asyncio.Semaphore(value)

    async def acquire(self) -> None:
        """Take one, as soon as there is one."""
        await self._semaphore.acquire()

    async def release(self) -> None:
        """Give one back."""
        self._semaphore.release()

    async def locked(self) -> bool:
        """Whether there is none."""
        return self._semaphore.locked()


SignalActor = remote(num_cpus=0)(_SignalActor)
Semaphore = remote(num_cpus=0)(_Semaphore)


def wait_for_condition(
    condition_predictor: Callable[..., object],
    timeout: float = 10,
    retry_interval_ms: float = 100,
    raise_exceptions: bool = False,
    **kwargs: Any,
) -> None:
    """Return when a condition holds.

    Args:
        condition_predictor: asked again and again, with ``kwargs``.
        timeout: seconds.
        retry_interval_ms: pause between two questions.
        raise_exceptions: do not take an exception of the condition for "not yet".

    Raises:
        RuntimeError: it did not hold in time.
    """
    give_up_at_s = time.monotonic() + timeout
    last = ""
    while time.monotonic() <= give_up_at_s:
        try:
            if condition_predictor(**kwargs):
                return
        except Exception:
            if raise_exceptions:
                raise
            last = f" Last exception: {traceback.format_exc()}"
        time.sleep(retry_interval_ms / 1000)
    raise RuntimeError(_NOT_MET + last)


async def async_wait_for_condition(
    condition_predictor: Callable[..., Any], timeout: float = 10, retry_interval_ms: float = 100, **kwargs: Any
) -> None:
    """As `wait_for_condition`, for coroutines; the condition may be one itself."""
    give_up_at_s = time.monotonic() + timeout
    last = ""
    while time.monotonic() <= give_up_at_s:
        try:
            answer = condition_predictor(**kwargs)
            if await answer if inspect.isawaitable(answer) else answer:
                return
        except Exception as error:  # noqa: BLE001 - "not yet", as in Ray; the last one is told in the end
            last = f" Last exception: {error}"
        await asyncio.sleep(retry_interval_ms / 1000)
    raise RuntimeError(_NOT_MET + last)


class TelemetryCallsite(Enum):
    """From where a test uses a library."""

    DRIVER = "driver"
    ACTOR = "actor"
    TASK = "task"


def is_named_tuple(cls: type) -> bool:
    """Whether a class is one of `collections.namedtuple`."""
    names = getattr(cls, "_fields", None)
    return cls.__bases__ == (tuple,) and isinstance(names, tuple) and all(type(name) is str for name in names)


class FakeTimer:
    """A clock that stands until it is told to go on.

    Args:
        start_time: what it shows first; now by default.
    """

    def __init__(self, start_time: float | None = None) -> None:
        self._lock = threading.Lock()
        self.reset(start_time)

    def reset(self, start_time: float | None = None) -> None:
        """Set it."""
        with self._lock:
            self._now_s = time.time() if start_time is None else start_time

    def time(self) -> float:
        """What it shows."""
        return self._now_s

    def advance(self, by: float) -> None:
        """Go on by so many seconds."""
        with self._lock:
            self._now_s += by

    def realistic_sleep(self, amt: float) -> None:
        """Go on by so many seconds and a millisecond, as sleeping does."""
        self.advance(amt + 0.001)


def run_string_as_driver(
    driver_script: str,
    env: Mapping[str, str] | None = None,
    encode: str = "utf-8",
    timeout: float | None = DEFAULT_DRIVER_TIMEOUT_SECONDS,
) -> str:
    """Run a program in an interpreter of its own, where `ray` means what it means here.

    Args:
        driver_script: its source.
        env: its environment; by default this process's.
        encode: of source and output.
        timeout: seconds after which it is killed.

    Returns:
        What it printed, standard error included.

    Raises:
        subprocess.CalledProcessError: it failed.
        subprocess.TimeoutExpired: it had to be killed.
    """
    done = subprocess.run(
        [sys.executable, "-"],
        input=driver_script.encode(encode),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment_of_driver(env),
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        print(done.stdout.decode(encode))
    done.check_returncode()
    return done.stdout.decode(encode)


def environment_of_driver(environment: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """The environment of a driver that is to take `ray` for what it is here."""
    if not is_installed():
        return environment
    return environment_of_children(os.environ if environment is None else environment)


__getattr__ = missing_in(__name__)

__all__ = [
    "FakeTimer",
    "MetricSamplePattern",
    "PrometheusTimeseries",
    "Semaphore",
    "SignalActor",
    "async_wait_for_condition",
    "fetch_prometheus",
    "fetch_prometheus_metric_timeseries",
    "fetch_prometheus_metrics",
    "fetch_prometheus_timeseries",
    "fetch_raw_prometheus",
    "is_named_tuple",
    "run_string_as_driver",
    "wait_for_condition",
]
