"""A client's channel where everything is one process: what the program submits is run before `send` returns. Implements
`localray.client.channel.Channel`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from localray.client.channel import Waiter
from localray.client.current import set_thread_client, thread_client
from localray.exceptions import RaySystemError
from localray.protocol import ClientMessage, CreateActor, LaneMessage, PutObject, SubmitCall, SubmitTask

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from localray.client.client import Client
    from localray.inline.host import InlineHost

_SUBMISSIONS = frozenset((SubmitTask, SubmitCall, CreateActor))
_POLL_S = 0.001


class InlineChannel:
    """The channel of one client.

    Args:
        host: the other end.
        number: the client's.
    """

    def __init__(self, host: InlineHost, number: int) -> None:
        self.client: Client | None = None
        self.closed = False
        self.sent = 0
        self.before_speaking: Callable[[], None] | None = None
        self._host = host
        self._number = number
        self._outbox: list[ClientMessage] = []

    def send(self, message: ClientMessage) -> None:
        """Queue a message; what the program itself submits is run at once. What a task submits runs when that waits or
        is over: while it computes it has its CPU, and those above it on the stack could wait for that in vain."""
        self._outbox.append(message)
        if type(message) in _SUBMISSIONS:
            self.flush()
            if thread_client() is None:
                while self._host.run_one():
                    self.flush()

    def queue(self, message: ClientMessage) -> None:
        """Queue a message. Called with locks held: nothing happens yet."""
        self._outbox.append(message)

    def take_back(self, message: PutObject) -> bool:
        """Unsend a message that makes an object, if it is the last: nothing behind it can speak of that object."""
        if self._outbox and self._outbox[-1] is message:
            self._outbox.pop()
            return True
        return False

    def open_lane(self, lane: int, descriptor: int) -> bool:
        """There are none: nothing is far away."""
        return False

    def close_lane(self, lane: int) -> tuple[()]:
        """There are none."""
        return ()

    def send_by_lane(self, message: LaneMessage) -> bool:
        """There are none."""
        return False

    def divert(self, call: SubmitCall, instead: ClientMessage) -> bool:
        """There are no lanes that a call could go by."""
        return False

    def replace(self, message: ClientMessage, instead: ClientMessage) -> bool:
        """What is queued leaves as it is."""
        return False

    def flush(self) -> bool:
        """Let the kernel have what is queued."""
        if self.closed:
            return False
        if self.client is not None:
            self.client.before_flush()
        messages, self._outbox = self._outbox, []
        self._host.take(messages, self._number)
        return bool(messages)

    def soon(self) -> None:
        """What died is told with the next flush."""

    def wait(self, waiter: Waiter, timeout_s: float | None, *, gathers: bool = False) -> bool:
        """Run what can run until the waiter is ready.

        Raises:
            RaySystemError: nothing can run any more that would make it ready; or the session is over.
        """
        give_up_at = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self.flush()
            if waiter.ready:
                return True
            if self.closed:
                raise RaySystemError("The session has been shut down.")
            # One at a time: as soon as this is ready it has its CPU back, and nobody else is to run above it.
            if self._host.run_one():
                continue
            left_s = None if give_up_at is None else give_up_at - time.monotonic()
            if left_s is not None and left_s <= 0:
                return waiter.ready
            if not self._host.tick(left_s) and not self._others_run():
                if left_s is None:
                    raise RaySystemError(self._host.deadlock())
                time.sleep(min(left_s, _POLL_S))

    def _others_run(self) -> bool:
        """Whether another thread of the program may still do something; it is given a moment."""
        if threading.active_count() <= 1:
            return False
        time.sleep(_POLL_S)
        return True

    def keep_reading(self, interested: int) -> None:
        """Nothing to do: what is sent is there."""

    def now_s(self) -> float:
        """The time of a clock that never goes back."""
        return time.monotonic()

    def spawn(self, function: Callable[[], None], name: str, at_most: int | None = None) -> None:
        """Run a function on a thread of its own."""

        def run() -> None:
            set_thread_client(self.client)
            function()

        threading.Thread(target=run, name=name, daemon=True).start()

    def new_event_loop(self) -> AbstractEventLoop:
        """An ordinary one."""
        import asyncio

        return asyncio.new_event_loop()

    def close(self) -> None:
        """Nothing leaves or arrives from now on."""
        self.closed = True
        self._outbox.clear()
