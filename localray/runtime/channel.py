"""A client's end of its stream to the head: batching on the way out, leader and followers on the way in.

Out: messages gather, and leave together when there are many, when a thread waits, or a millisecond later by the
steward's hand. A call and the `get` of its result so travel in one write and wake the head once. In: the thread that
waits reads the stream itself; of several one leads and handles what comes for all, and hands the lead on when it has
what it waited for. The steward is one background thread that does what no waiting thread is there
to do: flush what was queued by the garbage collector, read while futures are outstanding, read when the head nudges.
Must not live here: what messages mean.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from localray.client.channel import Waiter
from localray.client.current import set_thread_client
from localray.exceptions import RaySystemError
from localray.protocol import ClientMessage, Message
from localray.runtime.frames import FrameReader, frame
from localray.runtime.interrupts import guard

if TYPE_CHECKING:
    import asyncio

    from localray.client.client import Client

GATHER_S = 0.001
"""No message waits longer than about this for others."""
BATCH_MESSAGES = 32


class SocketChannel:
    """The channel of a driver or worker process.

    Args:
        stream: connected to the head; the channel owns it from now on.
        nudge: a descriptor that becomes readable when the head wants the stream read although nobody waits; None for a
            driver.
        on_lost: called once, on the thread that notices, when the head is gone; what it raises reaches the one who
            waits.
    """

    def __init__(self, stream: socket.socket, nudge: int | None, on_lost: Callable[[], None]) -> None:
        self._stream = stream
        self._nudge = nudge
        self._on_lost = on_lost
        self._client: Client | None = None
        self._outbox: list[Message] = []
        self._send_lock = threading.Lock()
        self._reader = FrameReader()
        self._read_lock = threading.Lock()
        self._followers: deque[Waiter] = deque()
        self._poll = select.poll()
        self._poll.register(stream, select.POLLIN)
        self._armed = False
        self._interested = 0
        self._interested_lock = threading.Lock()
        self._read_by_loop = False
        self._closed = False
        self.lost = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._steward = threading.Thread(target=self._run_steward, name="localray-steward", daemon=True)

    def start(self, client: Client) -> None:
        """Begin to deliver messages to this client."""
        self._client = client
        self._steward.start()

    # ---------------------------------------------------------------- out

    def send(self, message: ClientMessage) -> None:
        """Queue a message; see `localray.client.channel.Channel`."""
        outbox = self._outbox
        outbox.append(message)
        if len(outbox) >= BATCH_MESSAGES:
            self.flush()
        elif not self._armed:
            self.soon()

    def queue(self, message: ClientMessage) -> None:
        """Queue a message for the next flush."""
        self._outbox.append(message)

    def flush(self) -> None:
        """Send all that is queued."""
        client = self._client
        if client is not None:
            client.before_flush()
        if not self._outbox or self.lost:
            return
        with guard, self._send_lock:
            messages = self._outbox
            count = len(messages)
            batch = messages[:count]
            # By count: another thread may have appended since, and its message must stay.
            del messages[:count]
            if batch:
                try:
                    self._stream.sendall(frame(batch))
                except OSError:
                    self._lose()

    def soon(self) -> None:
        """See that `flush` is called soon. An `os.write` takes no Python lock, so the garbage collector may call this
        anywhere."""
        if not self._armed:
            self._armed = True
            self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"w")
        except (BlockingIOError, OSError):
            return  # The pipe is full of wake-ups already, or the channel is closed.

    # ---------------------------------------------------------------- in

    def wait(self, waiter: Waiter, timeout_s: float | None) -> bool:
        """Block until the waiter is ready; see `localray.client.channel.Channel`."""
        self.flush()
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not waiter.ready:
            if self._closed:
                raise RaySystemError("The session has been shut down.")
            if self._read_lock.acquire(blocking=False):
                try:
                    if not self._lead(waiter, deadline_s):
                        return waiter.ready
                finally:
                    self._read_lock.release()
                    self._hand_lead_on()
            elif not self._follow(waiter, deadline_s):
                return waiter.ready
        return True

    def _lead(self, waiter: Waiter, deadline_s: float | None) -> bool:
        """Read for everybody until the waiter is ready; False when the time is over first."""
        while not waiter.ready:
            wait_ms: float | None = None
            if deadline_s is not None:
                # Rounded up: poll counts in milliseconds, and an early return would only spin.
                wait_ms = max(0.0, (deadline_s - time.monotonic()) * 1000)
                wait_ms = int(wait_ms) + (wait_ms > int(wait_ms))
            if self._poll.poll(wait_ms):
                self._receive()
            elif wait_ms is not None and (deadline_s is None or time.monotonic() >= deadline_s):
                return False
        return True

    def _follow(self, waiter: Waiter, deadline_s: float | None) -> bool:
        """Sleep until the waiter is ready or the lead is free; False when the time is over first."""
        wake = threading.Lock()
        wake.acquire()
        waiter.wake = wake
        self._followers.append(waiter)
        try:
            # The leader may have stopped before it could see us: then nobody would ever wake us.
            if waiter.ready or not self._read_lock.locked():
                return True
            timeout_s = -1.0 if deadline_s is None else max(0.0, deadline_s - time.monotonic())
            return wake.acquire(timeout=timeout_s) or waiter.ready
        finally:
            waiter.wake = None
            if waiter in self._followers:
                self._followers.remove(waiter)

    def _hand_lead_on(self) -> None:
        """The lead is free: wake a follower, else the steward if futures are outstanding."""
        for waiter in list(self._followers):
            wake = waiter.wake
            if wake is not None and wake.locked():
                try:
                    wake.release()
                except RuntimeError:
                    continue  # It was released for its own sake between the test and here.
                return
        if self._interested > 0 and not self._read_by_loop:
            self._wake()

    def _receive(self) -> None:
        """Read what is there and handle it; the caller holds the lead and knows that there is something."""
        with guard:
            try:
                messages = self._reader.receive(self._stream)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                messages = None
            if messages is None:
                self._lose()
                return
            client = self._client
            if client is not None:
                for message in messages:
                    client.handle(message)  # type: ignore[arg-type]

    def receive_available(self) -> None:
        """Handle what has arrived, without waiting; for event loops that watch the stream. Nothing if somebody else
        leads."""
        if self._read_lock.acquire(blocking=False):
            try:
                while self._poll.poll(0) and not self.lost:
                    self._receive()
            finally:
                self._read_lock.release()
                self._hand_lead_on()

    def fileno(self) -> int:
        """The stream's descriptor."""
        return self._stream.fileno()

    def keep_reading(self, interested: int) -> None:
        """Change how many callbacks wait; see `localray.client.channel.Channel`."""
        with self._interested_lock:
            self._interested += interested
        if interested > 0 and not self._read_by_loop:
            self._wake()

    # ---------------------------------------------------------------- steward

    def _run_steward(self) -> None:
        set_thread_client(self._client)
        # Descriptors may be closed and their numbers reused while this thread winds up, so it has its own list.
        quiet = select.poll()
        quiet.register(self._wake_read, select.POLLIN)
        if self._nudge is not None:
            quiet.register(self._nudge, select.POLLIN)
        reading = select.poll()
        reading.register(self._wake_read, select.POLLIN)
        reading.register(self._stream, select.POLLIN)
        if self._nudge is not None:
            reading.register(self._nudge, select.POLLIN)
        while not self._closed:
            leads = self._interested > 0 and not self._read_by_loop and self._read_lock.acquire(blocking=False)
            try:
                ready = dict((reading if leads else quiet).poll())
                if leads and self._stream.fileno() in ready:
                    self._receive()
            except RaySystemError:
                return
            finally:
                if leads:
                    self._read_lock.release()
                    self._hand_lead_on()
            if self._nudge is not None and self._nudge in ready:
                self._take_nudge()
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
                if self._armed and not self._closed:
                    time.sleep(GATHER_S)
                    self._armed = False
                    self.flush()
        os.close(self._wake_read)

    def _take_nudge(self) -> None:
        """The head wants its messages read now, or is gone: its end of the pipe closes with it."""
        if self._nudge is not None and not os.read(self._nudge, 4096):
            self._lose()
        self.receive_available()

    # ---------------------------------------------------------------- ends

    def _lose(self) -> None:
        if self.lost or self._closed:
            return
        self.lost = True
        self._on_lost()

    def now_s(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def spawn(self, function: Callable[[], None], name: str) -> None:
        """Run a function on a new daemon thread."""
        threading.Thread(target=function, name=name, daemon=True).start()

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """An event loop that reads this channel; from then on nobody else needs to while futures are outstanding."""
        import asyncio

        loop = asyncio.new_event_loop()
        loop.add_reader(self._stream.fileno(), self.receive_available)
        self._read_by_loop = True
        return loop

    def close(self) -> None:
        """End the channel: close the stream and wake everybody."""
        if self._closed:
            return
        self._closed = True
        self._stream.close()
        for waiter in list(self._followers):
            waiter.fire()
        self._wake()
        if self._steward.is_alive() and self._steward is not threading.current_thread():
            self._steward.join(1.0)
        elif not self._steward.ident:
            os.close(self._wake_read)
        os.close(self._wake_write)
