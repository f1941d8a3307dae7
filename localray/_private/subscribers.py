"""What a driver is told unasked, for whoever wants to look at it one by one: what its workers print, and notices.

A subscriber stands in front of what shows these things to the user, which goes on. Must not live here: who is told what
(the kernel).
"""

from __future__ import annotations

import queue
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from localray.client.client import Client
from localray.ids import JobID
from localray.node_description import NODE_ADDRESS
from localray.protocol import WorkerOutput
from localray.session import require_session

Batch = dict[str, Any]


class _Subscriber(ABC):
    """Takes in what a driver's client is told, from `subscribe` on, and passes it on to whoever was told before."""

    _told = ""
    """The client's attribute that takes it."""
    _what = ""

    def __init__(self) -> None:
        self._arrived: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._leave: Callable[[], None] | None = None

    def subscribe(self) -> None:
        """Begin.

        Raises:
            RaySystemError: there is no session.
        """
        client = require_session(f"reading {self._what}")
        show = getattr(client, self._told)

        def take(told: Any) -> None:
            if self._leave is leave:
                self._arrived.put(self._batch(client, told))
            if show is not None:
                show(told)

        def leave() -> None:
            # Who has subscribed after this one stands before it, and goes on passing things on by way of it.
            if getattr(client, self._told) is take:
                setattr(client, self._told, show)

        setattr(client, self._told, take)
        self._leave = leave

    def close(self) -> None:
        """Take in no more."""
        if self._leave is not None:
            self._leave()
            self._leave = None

    def _next(self, timeout_s: float | None) -> Batch | None:
        try:
            return self._arrived.get(timeout=None if timeout_s is None else max(0.0, timeout_s))
        except queue.Empty:
            return None

    @abstractmethod
    def _batch(self, client: Client, told: Any) -> Batch: ...


class LogSubscriber(_Subscriber):
    """Takes in what workers print, from `subscribe` on."""

    _told = "on_output"
    _what = "what workers print"

    def poll(self, timeout: float | None = None) -> Batch | None:
        """The next lines of a worker; None when there are none in so many seconds."""
        return self._next(timeout)

    def _batch(self, client: Client, told: WorkerOutput) -> Batch:
        return {
            "ip": NODE_ADDRESS,
            "pid": told.process_id,
            "job": JobID.from_int(client.job).hex(),
            "is_err": bool(told.is_error),
            "lines": list(told.lines),
            "task_name": told.name,
        }


class NoticeSubscriber(_Subscriber):
    """Takes in the notices to this driver, from `subscribe` on."""

    _told = "notify"
    _what = "notices"

    def poll(self, timeout: float | None = None) -> tuple[bytes | None, Batch | None]:
        """The job, and the next notice to it; both None when there is none in so many seconds."""
        notice = self._next(timeout)
        return (None, None) if notice is None else (notice["job_id"], notice)

    def _batch(self, client: Client, told: str) -> Batch:
        # Notices are of no kinds here.
        job = JobID.from_int(client.job).binary()
        return {"job_id": job, "type": "", "error_message": told, "timestamp": time.time()}


def init_log_pubsub() -> LogSubscriber:
    """A subscriber to what workers print."""
    subscriber = LogSubscriber()
    subscriber.subscribe()
    return subscriber


def init_error_pubsub() -> NoticeSubscriber:
    """A subscriber to notices."""
    subscriber = NoticeSubscriber()
    subscriber.subscribe()
    return subscriber


def get_error_message(
    subscriber: NoticeSubscriber, num: float = 1e6, error_type: str | None = None, timeout: float = 20
) -> list[Batch]:
    """Notices, as soon as there are ``num`` of them, and at the latest after so many seconds.

    Args:
        subscriber: to notices.
        num: of how many to wait for.
        error_type: only those of this kind.
        timeout: seconds.
    """
    return _collect(
        lambda left_s: subscriber.poll(left_s)[1],
        num,
        timeout,
        lambda notice: error_type is None or notice["type"] == error_type,
    )


def get_log_batch(
    subscriber: LogSubscriber,
    num: float,
    timeout: float = 20,
    job_id: str | None = None,
    matcher: Callable[[Batch], bool] | None = None,
) -> list[Batch]:
    """What workers print, in the portions in which it comes, as soon as there are ``num`` of them.

    Args:
        subscriber: to what workers print.
        num: of how many portions to wait for.
        timeout: seconds.
        job_id: only of this job.
        matcher: says which portions count.
    """
    return _collect(
        subscriber.poll,
        num,
        timeout,
        lambda batch: job_id in (None, batch["job"]) and (matcher is None or matcher(batch)),
    )


def get_log_data(
    subscriber: LogSubscriber,
    num: float = 1e6,
    timeout: float = 20,
    job_id: str | None = None,
    matcher: Callable[[str], bool] | None = None,
) -> list[Batch]:
    """As `get_log_batch`; ``matcher`` looks at lines, of which one must count."""
    return get_log_batch(
        subscriber, num, timeout, job_id, None if matcher is None else lambda batch: any(map(matcher, batch["lines"]))
    )


def get_log_message(
    subscriber: LogSubscriber,
    num: float = 1e6,
    timeout: float = 20,
    job_id: str | None = None,
    matcher: Callable[[str], bool] | None = None,
) -> list[list[str]]:
    """As `get_log_data`, only the lines."""
    return [batch["lines"] for batch in get_log_data(subscriber, num, timeout, job_id, matcher)]


def get_log_sources(
    subscriber: LogSubscriber,
    num: float = 1e6,
    timeout: float = 20,
    job_id: str | None = None,
    matcher: Callable[[str], bool] | None = None,
) -> set[int]:
    """As `get_log_data`, only whose lines these are."""
    return {batch["pid"] for batch in get_log_data(subscriber, num, timeout, job_id, matcher)}


def _collect(
    poll: Callable[[float], Batch | None], num: float, timeout_s: float, counts: Callable[[Batch], bool]
) -> list[Batch]:
    found: list[Batch] = []
    give_up_at_s = time.monotonic() + timeout_s
    while len(found) < num and (left_s := give_up_at_s - time.monotonic()) > 0:
        batch = poll(left_s)
        if batch is None:
            break
        if counts(batch):
            found.append(batch)
    return found


__all__ = [
    "LogSubscriber",
    "NoticeSubscriber",
    "get_error_message",
    "get_log_batch",
    "get_log_data",
    "get_log_message",
    "get_log_sources",
    "init_error_pubsub",
    "init_log_pubsub",
]
