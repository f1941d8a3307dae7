"""What a client needs of the world: one ordered channel to the kernel, a store, a clock. Implemented over sockets and
shared memory by `localray.runtime`, over virtual ones by `localray.sim`. Must not live here: any implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from localray.protocol import ClientMessage, LaneMessage, Message, PutObject, SubmitCall

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


class Waiter:
    """Something a thread waits for: counts down to `ready`, or is fired at once. ``asked_again`` are requests that were
    made for its sake meanwhile. Where it does not ``fetch``, to know that there is a value is enough."""

    __slots__ = ("asked_again", "fail_fast", "fetches", "missing", "ready", "reply", "wake")

    def __init__(self, missing: int = 1, *, fail_fast: bool = False, fetches: bool = True) -> None:
        self.missing = missing
        self.ready = missing <= 0
        self.fail_fast = fail_fast
        self.fetches = fetches
        self.reply: object = None
        self.asked_again: tuple[int, ...] = ()
        self.wake: Lock | None = None

    def count_down(self) -> None:
        """One of the things waited for has come."""
        self.missing -= 1
        if self.missing <= 0:
            self.fire()

    def fire(self) -> None:
        """Ready, whatever else is missing."""
        self.ready = True
        self.wake_up()

    def wake_up(self) -> bool:
        """Wake the thread that sleeps on this, if one does and nobody else has woken it."""
        wake = self.wake
        if wake is None or not wake.locked():
            return False
        try:
            wake.release()
        except RuntimeError:
            return False  # Somebody else was faster between the test and here.
        return True


class Channel(Protocol):
    """The client's end of its channel into the kernel. All messages arrive in `Client.handle`, on whichever thread
    reads."""

    def send(self, message: ClientMessage) -> None:
        """Queue a message; it leaves soon by itself, at the latest about a millisecond later."""

    def queue(self, message: ClientMessage) -> None:
        """Queue a message that leaves with the next flush; never sends by itself."""

    def take_back(self, message: PutObject) -> bool:
        """Unsend a message that makes an object, if it has not left and nothing behind it may speak of that object."""

    before_speaking: Callable[[], None] | None
    """Called once before the next message is queued; it may queue others first."""

    sent: int
    """How often something has left that could be missed where it were overtaken (`localray.client.outbox`)."""

    def open_lane(self, lane: int, descriptor: int) -> bool:
        """From now on what comes by this lane arrives in `Client.handle` too; `Client.lane_lost` when its other end is
        gone. Returns whether there is such a lane."""

    def close_lane(self, lane: int) -> Sequence[Message]:
        """Nothing more of this lane matters but what has come; returns that."""

    def send_by_lane(self, message: LaneMessage) -> bool:
        """Send a message by its lane, at once; returns whether the lane was there."""

    def divert(self, call: SubmitCall, instead: ClientMessage) -> bool:
        """Unsend a call and put this in its place, if it has not left and overtakes nothing by going another way."""

    def replace(self, message: ClientMessage, instead: ClientMessage) -> bool:
        """Put a message in the place of another, if that has not left; returns whether that was so."""

    def flush(self) -> bool:
        """Send what is queued now; returns whether there was anything."""

    def wait(self, waiter: Waiter, timeout_s: float | None, *, gathers: bool = False) -> bool:
        """Block until the waiter is ready, or for so many seconds; returns whether it is ready. What is queued leaves
        first, or, if the wait ``gathers``, when it is not over at once.

        Raises:
            RaySystemError: the other end is gone.
        """

    def soon(self) -> None:
        """Something was queued without a lock (a reference died): see that `Client.before_flush` is called soon. Never
        blocks."""

    def keep_reading(self, interested: int) -> None:
        """Change by so much how many callbacks wait for messages while no thread does; while positive, somebody
        reads."""

    def now_s(self) -> float:
        """The time in seconds on a clock that never goes back; virtual in a simulation."""

    def spawn(self, function: Callable[[], None], name: str, at_most: int | None = None) -> None:
        """Run a function on a thread whose current client is this channel's, and that nothing else runs on meanwhile.

        Args:
            function: what to run.
            name: of the thread; what is spawned under the same name later may be run on it again.
            at_most: so many run under this name at once; whoever spawns sees to it. None if nobody counts.
        """

    def new_event_loop(self) -> AbstractEventLoop:
        """An event loop for an asyncio actor that, while it runs, also reads this channel."""

    def close(self) -> None:
        """End the channel; waiting threads get an error."""


class Store(Protocol):
    """Where large objects' bytes are."""

    def map_arena(self, node: int, capacity_bytes: int, descriptor: int) -> None:
        """A node's arena is to be used here; the descriptor is taken over."""

    def forget_arena(self, node: int) -> None:
        """A dead node's arena is empty: nobody will name a place in it any more."""

    def writable(self, location: int, size_bytes: int) -> memoryview:
        """A reserved range, to write into."""

    def readable(self, location: int, size_bytes: int, on_gone: Callable[[], None]) -> memoryview:
        """A read-only view; ``on_gone`` is called when it and all made from it are gone. It must not lock or block."""

    def readable_on_disk(self, path: str, offset: int, object_id: bytes, size_bytes: int) -> memoryview:
        """A read-only view of an object in a spill file; raises `DamagedEntryError` when it is not there."""

    def writable_on_disk(self, path: str, size_bytes: int) -> memoryview:
        """A file for one object, to write it into; raises `OSError`."""
