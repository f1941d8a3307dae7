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
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from localray.client import outbox
from localray.client.channel import Waiter
from localray.client.current import set_thread_client
from localray.exceptions import RaySystemError
from localray.protocol import ClientMessage, LaneMessage, Message, PutObject, SubmitCall
from localray.runtime.frames import DONT_WAIT, BrokenFrame, FrameReader, frame
from localray.runtime.interrupts import guard, interruptible
from localray.runtime.lanes import LaneSockets
from localray.runtime.spin import Spinner, look_again
from localray.runtime.threads import KeptThreads

if TYPE_CHECKING:
    import asyncio

    from localray.client.client import Client

GATHER_S = 0.003
"""No message waits longer than about this for others."""
_TICK_MS = 3
_IDLE_TICKS = 10
"""The steward looks after gathered messages this often, until there were none for so many."""
FIRST_LOOK_MS = 50
LAST_LOOK_MS = 1000
"""A driver that computes reads nothing. What its workers print meanwhile is looked for so often, seldomer and seldomer
while nothing comes."""
TICKS_KEPT_BACK = 16
"""So many ticks, about 50 ms, objects that nobody was told of are kept back for: dropped by then they need not be told
at all, and the next object is written where they were."""
BATCH_MESSAGES = 32
DROPS_TOGETHER = 32
"""Deaths of references wait for so many others, or for the steward's next tick."""
LONGEST_WAIT_S = 1_000_000.0
"""What a longer timeout, or an infinite one, means: poll can't count further than 24 days."""


class SocketChannel:
    """The channel of a driver or worker process.

    Args:
        stream: connected to the head; the channel owns it from now on.
        nudge: a descriptor that becomes readable when the head wants the stream read although nobody waits; None for a
            driver.
        on_lost: called on each thread that needs the head once it is gone: raises what that thread is to be told, or
            ends the process.
    """

    def __init__(self, stream: socket.socket, nudge: int | None, on_lost: Callable[[], NoReturn]) -> None:
        self._stream = stream
        self._nudge = nudge
        self._on_lost = on_lost
        self._client: Client | None = None
        self._outbox: list[Message] = []
        # Both locks are re-entrant: a finalizer or signal handler of the user's may call us on a thread that has them.
        self._send_lock = threading.RLock()
        self._sending = False
        self._reader = FrameReader(takes_descriptors=True)
        self._arrived: deque[Message] = deque()
        self._read_lock = threading.RLock()
        self._leads = 0
        self._spinner = Spinner()
        self._followers: deque[Waiter] = deque()
        self._poll = select.poll()
        self._poll.register(stream, select.POLLIN)
        # What the steward waits with while nobody else reads.
        self._reading = select.poll()
        self._reading.register(stream, select.POLLIN)
        self._lanes = LaneSockets((self._poll, self._reading), self._lane_lost)
        self.before_speaking: Callable[[], None] | None = None
        self.before_sleeping: Callable[[], None] | None = None
        """Called on a thread that has looked again in vain, and will now sleep."""
        # Asked for nothing, poll still tells when the other end is gone. Not to be waited with: while a thread waits, a
        # stream that the user closes stays open.
        self._hung_up = select.poll()
        self._hung_up.register(stream, 0)
        self._armed = False
        self._ticked_at_s = 0.0
        self._looked_at_s = 0.0
        self._idle_ticks = 0
        self._look_ms = FIRST_LOOK_MS
        self._kept_back = 0
        self._interested = 0
        self._interested_lock = threading.Lock()
        self._read_by_loop = False
        self._closed = False
        self._released = False
        self.lost = False
        self.sent = 0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._threads = KeptThreads()
        self._steward = threading.Thread(target=self._run_steward, name="localray-steward", daemon=True)

    def start(self, client: Client) -> None:
        """Begin to deliver messages to this client."""
        self._client = client
        self._steward.start()

    # ---------------------------------------------------------------- out

    def send(self, message: ClientMessage) -> None:
        """Queue a message; see `localray.client.channel.Channel`."""
        if self.lost:
            self._on_lost()
        before_speaking = self.before_speaking
        if before_speaking is not None:
            before_speaking()
        messages = self._outbox
        messages.append(message)
        if len(messages) >= BATCH_MESSAGES:
            self.flush()
        elif not self._armed:
            self.soon()

    def queue(self, message: ClientMessage) -> None:
        """Queue a message for the next flush."""
        before_speaking = self.before_speaking
        if before_speaking is not None:
            before_speaking()
        self._outbox.append(message)

    def take_back(self, message: PutObject) -> bool:
        """Unsend a message; see `localray.client.channel.Channel`."""
        messages = self._outbox
        with self._send_lock:
            if self._sending:
                return False
            last = len(messages) - 1
            if last >= 0 and messages[last] is message:
                # The most frequent case, of an object that dies before anything else happens. By its place: another
                # thread may append at any time.
                del messages[last]
                return True
            return outbox.take_back(messages, message)

    def divert(self, call: SubmitCall, instead: ClientMessage) -> bool:
        """Unsend a call; see `localray.client.channel.Channel`."""
        with self._send_lock:
            position = None if self._sending else outbox.place_to_divert(self._outbox, call)
            if position is None:
                return False
            self._outbox[position] = instead
            return True

    def replace(self, message: ClientMessage, instead: ClientMessage) -> bool:
        """Replace a message that has not left; see `localray.client.channel.Channel`."""
        with self._send_lock:
            return not self._sending and outbox.put_instead(self._outbox, message, instead)

    def open_lane(self, lane: int, descriptor: int) -> bool:
        """See `localray.client.channel.Channel`."""
        return self._lanes.open(lane, descriptor)

    def close_lane(self, lane: int) -> list[Message]:
        """See `localray.client.channel.Channel`."""
        came = self._lanes.receive_from(lane)
        self._lanes.close(lane)
        return came

    def send_by_lane(self, message: LaneMessage) -> bool:
        """See `localray.client.channel.Channel`."""
        with guard:
            return self._lanes.send(message)

    def _lane_lost(self, lane: int) -> None:
        if self._client is not None:
            self._client.lane_lost(lane)

    def flush(self, dropped: int = DROPS_TOGETHER) -> bool:
        """Send all that is queued; returns whether there was anything.

        Args:
            dropped: how many references must have died for that to be told too. It is nobody's next step that waits
                for it, and a message for many costs as much as one for one.
        """
        client = self._client
        if client is not None:
            client.before_flush(dropped)
        messages = self._outbox
        if not messages:
            return False
        if self.lost:
            messages.clear()
            return False
        with guard, self._send_lock:
            if self._sending:
                # A finalizer in the middle of our own flush, which will take what it queued.
                return True
            self._sending = True
            try:
                while messages:
                    count = len(messages)
                    batch = messages[:count]
                    # By count: another thread may have appended since, and its message must stay.
                    del messages[:count]
                    if self._nudge is None and outbox.may_be_missed(batch):
                        self.sent += 1
                    self._stream.sendall(frame(batch))
            except OSError:
                self._lose()
            finally:
                self._sending = False
        return True

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

    def wait(self, waiter: Waiter, timeout_s: float | None, *, gathers: bool = False) -> bool:
        """Block until the waiter is ready; see `localray.client.channel.Channel`."""
        guard.keep_installed()
        if not gathers or len(self._outbox) >= BATCH_MESSAGES:
            self.flush()
        deadline_s = None if timeout_s is None else time.monotonic() + min(timeout_s, LONGEST_WAIT_S)
        while not waiter.ready:
            if self.lost:
                self._on_lost()
            if self._closed:
                raise RaySystemError("The session has been shut down.")
            if self._read_lock.acquire(blocking=False):
                self._leads += 1
                try:
                    if not self._lead(waiter, deadline_s):
                        return waiter.ready
                finally:
                    self._leads -= 1
                    self._read_lock.release()
                    self._hand_lead_on()
            elif not self._follow(waiter, deadline_s):
                return waiter.ready
        return True

    def _lead(self, waiter: Waiter, deadline_s: float | None) -> bool:
        """Read for everybody until the waiter is ready or the channel ends; False when the time is over first."""
        if self._arrived:
            with guard:
                self._handle_arrived()
        if self._leads == 1:
            return self._lead_with(self._poll, waiter, deadline_s)
        # This thread was interrupted while it waited as leader: a poll object can't be used twice at once.
        poll = select.poll()
        poll.register(self._stream, select.POLLIN)
        self._lanes.watch(poll)
        try:
            return self._lead_with(poll, waiter, deadline_s)
        finally:
            self._lanes.unwatch(poll)

    def _lead_with(self, poll: select.poll, waiter: Waiter, deadline_s: float | None) -> bool:
        """Read with this poll object, for the rest as `_lead`."""
        while not (waiter.ready or self.lost or self._closed):
            wait_ms: int | None = None
            if deadline_s is not None:
                # Rounded up: poll counts in milliseconds, and an early return would only spin.
                wait_ms = max(0, -int(-(deadline_s - time.monotonic()) * 1000 // 1))
            if wait_ms != 0 and self._spinner.worth_it():
                came = look_again(partial(self._receive_if_any, poll))
                self._spinner.came(came)
                if came:
                    continue
            if self.before_sleeping is not None:
                self.before_sleeping()
            if self._outbox:
                # It hoped to be answered at once; or what has come meanwhile was answered with something.
                self.flush()
            if ready := _wait_for_bytes(poll, wait_ms):
                self._receive(ready)
            elif deadline_s is not None and time.monotonic() >= deadline_s:
                return False
        return True

    def _follow(self, waiter: Waiter, deadline_s: float | None) -> bool:
        """Sleep until the waiter is ready or the lead is free; False when the time is over first."""
        self.flush()
        wake = threading.Lock()
        wake.acquire()
        waiter.wake = wake
        self._followers.append(waiter)
        try:
            # The leader may have stopped before it could see us: then nobody would ever wake us.
            if waiter.ready or not self._leads or self.lost or self._closed:
                return True
            timeout_s = -1.0 if deadline_s is None else max(0.0, deadline_s - time.monotonic())
            return _wait_for_wake(wake, timeout_s) or waiter.ready
        finally:
            waiter.wake = None
            if waiter in self._followers:
                self._followers.remove(waiter)

    def _hand_lead_on(self) -> None:
        """The lead is free: wake a follower, else the steward if futures are outstanding."""
        if self._followers:
            for waiter in list(self._followers):
                if waiter.wake_up():
                    return
        if self._interested > 0 and not self._read_by_loop:
            self._wake()

    def _receive_if_any(self, poll: select.poll) -> bool:
        """Read what is there and handle it; the caller holds the lead. Returns whether there was anything, the end of
        a stream included."""
        # Asked first: one call for all streams takes 0.5 µs, or 2.4 for 64 lanes; to read one in vain takes 1.5 each.
        ready = poll.poll(0)
        return bool(ready) and self._receive(ready)

    def _receive(self, ready: Iterable[tuple[int, int]]) -> bool:
        """Read those streams that a poll has found ready, if they are of the head or a lane, and handle what has come;
        the caller holds the lead. Returns whether there was anything, as above."""
        # No guard around reading: a signal that finds the thread in our own code is put off.
        ours = self._stream.fileno()
        came = False
        for descriptor, _ in ready:
            if descriptor == ours:
                came |= self._receive_from_head()
            else:
                came |= self._lanes.receive(descriptor, self._arrived)
        if self._arrived:
            with guard:
                self._handle_arrived()
        return came

    def _receive_from_head(self) -> bool:
        """Read the stream, if there is something or it has ended; returns whether that was so."""
        try:
            messages = self._reader.receive(self._stream, DONT_WAIT)
        except (BlockingIOError, InterruptedError):
            return False
        except (OSError, BrokenFrame):
            messages = None
        if messages is None:
            self._lose()
        else:
            self._arrived += messages
        return True

    def _handle_arrived(self) -> None:
        """Handle what has been read, in order. Each message is taken off first: an exception, which only callbacks and
        signal handlers of the user's can raise here, leaves the rest for whoever leads next."""
        client = self._client
        arrived = self._arrived
        while arrived and client is not None:
            client.handle(arrived.popleft())  # type: ignore[arg-type]

    def receive_available(self) -> None:
        """Handle what has arrived, without waiting; for event loops that watch the stream. Nothing if somebody else
        leads."""
        if self._read_lock.acquire(blocking=False):
            self._leads += 1
            try:
                while not (self.lost or self._closed) and self._receive_if_any(self._poll):
                    continue
            finally:
                self._leads -= 1
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
        reading = self._reading
        reading.register(self._wake_read, select.POLLIN)
        if self._nudge is not None:
            reading.register(self._nudge, select.POLLIN)
        while not self._closed:
            try:
                self._serve_once(quiet, reading)
            except Exception:  # noqa: BLE001 - a callback of the user's may raise anything; whoever waits next must be served
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), self._steward)))
                if not _is_open(self._wake_read):
                    self._lose()
                    return
        os.close(self._wake_read)

    def _serve_once(self, quiet: select.poll, reading: select.poll) -> None:
        """Wait for something to do and do it."""
        if self.lost and self._interested > 0 and self._client is not None:
            self._client.completions.fail_all()
        leads = (
            self._interested > 0
            and not self._read_by_loop
            and not self.lost
            and self._read_lock.acquire(blocking=False)
        )
        try:
            self._leads += leads
            if leads and self._arrived:
                self._handle_arrived()
            ready = dict((reading if leads else quiet).poll(_TICK_MS if self._armed else self._pause_ms()))
            if leads and not self._closed:
                self._receive(ready.items())
        finally:
            if leads:
                self._leads -= 1
                self._read_lock.release()
                self._hand_lead_on()
        if self._nudge is not None and self._nudge in ready:
            self._take_nudge()
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
            self._look_ms = FIRST_LOOK_MS
        elif not ready and not self._armed and not self._closed:
            self._look_ms = min(2 * self._look_ms, LAST_LOOK_MS)
            self.receive_available()
        if self._armed and not self._closed and time.monotonic() - self._ticked_at_s >= GATHER_S:
            self._tick()

    def _pause_ms(self) -> int | None:
        """How long the steward sleeps when it has nothing to do. A worker's head nudges it."""
        return self._look_ms if self._nudge is None and not self.lost else None

    def _tick(self) -> None:
        """Flush what has gathered; stop ticking when nothing has for a while.

        While this thread ticks, `soon` has nothing to do: waking it for each message would cost the sender as much as
        sending.
        """
        self._ticked_at_s = time.monotonic()
        if self._nudge is None and self._ticked_at_s - self._looked_at_s >= FIRST_LOOK_MS / 1000:
            # A driver that submits or puts without end and waits for nothing still sees what workers print.
            self._looked_at_s = self._ticked_at_s
            self.receive_available()
        if self._client is not None:
            # First what died, so that it is told now even where what lives is kept back.
            self._client.before_flush()
        if self._kept_back < TICKS_KEPT_BACK and outbox.may_be_kept_back(self._outbox):
            self._kept_back += 1
            return
        self._kept_back = 0
        if self.flush(dropped=1):
            self._idle_ticks = 0
            return
        if self._hung_up.poll(0):
            # A driver that makes and drops objects needs nobody, and learns only here that the head is gone.
            self.receive_available()
        self._idle_ticks += 1
        if self._idle_ticks >= _IDLE_TICKS:
            self._idle_ticks = 0
            self._armed = False
            # What was queued just before the flag fell has woken nobody.
            self.flush(dropped=1)

    def _take_nudge(self) -> None:
        """The head wants its messages read now, or is gone: its end of the pipe closes with it."""
        if self._nudge is not None and not os.read(self._nudge, 4096):
            self._lose()
            # A worker: whatever the user's code waits for, nobody would ever end it if the fork server is gone too.
            self._on_lost()
        self.receive_available()

    # ---------------------------------------------------------------- ends

    def _lose(self) -> None:
        """The head is gone: whoever waits finds out now, whoever comes later at once."""
        if self.lost or self._closed:
            return
        self.lost = True
        self._wake_all()

    def _wake_all(self) -> None:
        for waiter in list(self._followers):
            waiter.wake_up()
        self._wake()

    def now_s(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def spawn(self, function: Callable[[], None], name: str, at_most: int | None = None) -> None:
        """Run a function on a daemon thread; see `localray.client.channel.Channel`."""
        self._threads.run(function, name, at_most)

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """An event loop that reads this channel; from then on nobody else needs to while futures are outstanding."""
        import asyncio

        loop = asyncio.new_event_loop()
        loop.add_reader(self._stream.fileno(), self.receive_available)
        self._read_by_loop = True
        return loop

    def abandon(self) -> None:
        """In a forked child: the channel is its parent's. Its descriptors are closed here, and nothing reads or
        sends."""
        self.lost = True
        self._outbox.clear()
        self._lanes.close_all()
        for descriptor in (self._stream.detach(), self._wake_read, self._wake_write, self._nudge):
            if descriptor is not None:
                os.close(descriptor)
        self._wake_read = self._wake_write = -1

    def begin_closing(self) -> None:
        """From now on nobody waits here any more; those who do are woken at the latest when the head closes the
        stream."""
        self._closed = True
        self._wake_all()

    def close(self) -> None:
        """End the channel: close the stream and wake everybody."""
        if self._released:
            return
        self._released = True
        self.begin_closing()
        if self._steward.is_alive() and self._steward is not threading.current_thread():
            self._steward.join(1.0)
        elif not self._steward.ident:
            os.close(self._wake_read)
        self._lanes.close_all()
        self._stream.close()
        self._reader.close()
        os.close(self._wake_write)
        self._wake_write = -1


@interruptible
def _wait_for_bytes(poll: select.poll, wait_ms: int | None) -> list[tuple[int, int]]:
    return poll.poll(wait_ms)


@interruptible
def _wait_for_wake(wake: threading.Lock, timeout_s: float) -> bool:
    return wake.acquire(timeout=timeout_s)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
