"""A client's channel in a simulation: messages are scheduled deliveries, waiting lets the world go on. Implements
`localray.client.channel.Channel`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from localray.client import outbox
from localray.client.channel import Waiter
from localray.client.current import set_thread_client
from localray.exceptions import RaySystemError
from localray.protocol import (
    ClientMessage,
    KernelMessage,
    LaneAnswer,
    LaneMessage,
    ObjectYielded,
    PutObject,
    SubmitCall,
    SubmitTask,
    TaskDone,
)
from localray.sim.carrier import Blocked, Owner
from localray.sim.carriers import Carriers
from localray.sim.clock import NANOSECONDS, to_ns
from localray.sim.errors import NotSimulatedError
from localray.sim.links import Link, Timing

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from localray.client.client import Client

_POLL_NS = 5_000_000
"""What a wait with a timeout of 0 takes: long enough for a question and its answer, so that polling finds what is
there, and lets time pass."""


_COUNTED = frozenset((SubmitTask, SubmitCall, PutObject, ObjectYielded))
"""What a program may send again and again without ever waiting; sent while no lock is held."""


class Wakeable(Protocol):
    """An event loop that may be blocked in its selector."""

    def wake(self) -> None: ...


class VirtualChannel:
    """The channel of a virtual driver or worker.

    Args:
        carriers: where waiting happens.
        timing: of the simulation.
        owner: the virtual process at this end.
        outward: takes messages to the kernel.
        describe: tells what is known of an object that somebody waits for.
    """

    def __init__(
        self,
        carriers: Carriers,
        timing: Timing,
        owner: Owner,
        outward: Link[ClientMessage],
        describe: Callable[[bytes], str],
    ) -> None:
        self._carriers = carriers
        self._timing = timing
        self._owner = owner
        self._outward = outward
        self._describe = describe
        self._armed = False
        self._loops: list[Wakeable] = []
        self.client: Client | None = None
        self.closed = False
        self.task_cost_s = 0.0
        self.before_speaking: Callable[[], None] | None = None
        self.sent = 0
        self.lanes: dict[int, Link[LaneMessage]] = {}
        # How faults are told of a task's last moments; the first says whether its worker has died of it.
        self.answering: Callable[[bytes], bool] | None = None
        self.answered: Callable[[bytes], None] | None = None

    # ---------------------------------------------------------------- out

    def send(self, message: ClientMessage) -> None:
        """Let a message arrive at the kernel after a while."""
        before_speaking = self.before_speaking
        if before_speaking is not None:
            before_speaking()
        if type(message) is TaskDone:
            self._answer(message)
        elif not self.closed:
            self._outward.send(message)
            self.sent += outbox.may_be_missed((message,))
            if type(message) in _COUNTED and self._carriers.in_user_code:
                self._carriers.count_submission()

    def queue(self, message: ClientMessage) -> None:
        """The same: here a message leaves by itself in any case."""
        before_speaking = self.before_speaking
        if before_speaking is not None:
            before_speaking()
        if type(message) is TaskDone:
            self._answer(message)
        elif not self.closed:
            self._outward.send(message)
            self.sent += outbox.may_be_missed((message,))

    def _answer(self, message: TaskDone) -> None:
        if self.closed or (self.answering is not None and self.answering(message.task_id)):
            return
        if self.task_cost_s:
            # User code takes no virtual time of its own; what its start took counts as the task's.
            message = message._replace(duration_s=message.duration_s + self.task_cost_s)
        self._outward.send(message)
        if self.answered is not None:
            self.answered(message.task_id)

    def take_back(self, message: PutObject) -> bool:
        """Every message is on its way as soon as it is made."""
        return False

    # ---------------------------------------------------------------- lanes

    def open_lane(self, lane: int, descriptor: int) -> bool:
        """It is there already, unless its other end is gone by now."""
        return lane in self.lanes

    def close_lane(self, lane: int) -> tuple[()]:
        """Nothing leaves by it any more."""
        self.lanes.pop(lane, None)
        return ()

    def lane_lost(self, lane: int) -> None:
        """The other end of a lane is gone."""
        client = self.client
        if self.lanes.pop(lane, None) is not None and client is not None and not self.closed:
            set_thread_client(client)
            client.lane_lost(lane)

    def divert(self, call: SubmitCall, instead: ClientMessage) -> bool:
        """Unsend a call that is still on its way, and overtakes nothing that is."""
        on_its_way = [] if self.closed else self._outward.in_flight()
        position = outbox.place_to_divert(on_its_way, call)
        return position is not None and self._outward.replace(call, instead)

    def replace(self, message: ClientMessage, instead: ClientMessage) -> bool:
        """Replace a message that is still on its way; see `localray.client.channel.Channel`."""
        return not self.closed and self._outward.replace(message, instead)

    def send_by_lane(self, message: LaneMessage) -> bool:
        """Let a message arrive at the other end after a while."""
        link = self.lanes.get(message.lane)
        if link is None or self.closed:
            return False
        if type(message) is not LaneAnswer:
            link.send(message)
        elif self.answering is None or not self.answering(message.task_id):
            link.send(message._replace(duration_s=message.duration_s + self.task_cost_s))
            if self.answered is not None:
                self.answered(message.task_id)
        return True

    def flush(self) -> bool:
        """Tell what references died; everything else is on its way already, so there is nothing left to send."""
        if not self.closed and self.client is not None:
            self.client.before_flush()
        return False

    def soon(self) -> None:
        """See that what died is told after a while."""
        if not self._armed and not self.closed:
            self._armed = True
            self._carriers.events.add(self._carriers.clock.now_ns + self._timing.gathering_ns(), self._conclude)

    def _conclude(self) -> None:
        self._armed = False
        self.flush()

    # ---------------------------------------------------------------- in

    def deliver(self, messages: Sequence[KernelMessage | LaneMessage]) -> None:
        """Messages have arrived from the kernel, or by a lane."""
        client = self.client
        if self.closed or client is None:
            return
        # Callbacks that run here work for this client, whoever's thread it is.
        set_thread_client(client)
        for message in messages:
            client.handle(message)
        for loop in self._loops:
            loop.wake()

    def wait(self, waiter: Waiter, timeout_s: float | None, *, gathers: bool = False) -> bool:
        """Let the world go on until the waiter is ready; see `localray.client.channel.Channel`."""
        carriers = self._carriers
        if carriers.current is not carriers.mine():
            raise NotSimulatedError(
                f"Thread {threading.current_thread().name!r} is no part of the simulation: it was started before "
                "ray.init(engine='sim'). Start it afterwards, by threading.Thread."
            )
        self.flush()
        if waiter.ready:
            return True
        if self.closed and not carriers.current.stopped:
            # Also what is called back when a worker ends, on the carrier that ends it: nobody would wake it.
            raise RaySystemError("The session has been shut down.")
        timeout_ns = None if timeout_s is None else max(_POLL_NS, to_ns(timeout_s))
        try:
            carriers.block(lambda: self._what(waiter), timeout_ns, lambda blocked: _attach(waiter, carriers, blocked))
        finally:
            waiter.wake = None
        return waiter.ready

    def _what(self, waiter: Waiter) -> str:
        """What a waiter is for, in words."""
        if self.client is None or self.closed:
            return "waits"
        entries = self.client.references.entries.items()
        awaited = [object_id for object_id, entry in entries if entry.waiters is not None and waiter in entry.waiters]
        if not awaited:
            return "waits for an answer from the kernel"
        return "waits for " + "\n    and ".join(self._describe(object_id) for object_id in awaited)

    def keep_reading(self, interested: int) -> None:
        """Nothing to do: messages are delivered whether or not somebody waits."""

    # ---------------------------------------------------------------- the rest

    def now_s(self) -> float:
        """The virtual time, on the clock that `time.monotonic` has."""
        return self._carriers.clock.now_ns / NANOSECONDS

    def spawn(self, function: Callable[[], None], name: str, at_most: int | None = None) -> None:
        """Run a function on a carrier after a little while."""
        carriers = self._carriers
        carriers.events.add(
            carriers.clock.now_ns + self._timing.task_cost_ns(), lambda: carriers.start(function, self._owner)
        )

    def new_event_loop(self) -> AbstractEventLoop:
        """An event loop that lives in virtual time."""
        from localray.sim.loops import VirtualEventLoop

        loop = VirtualEventLoop(self._carriers, "")
        self._loops.append(loop)
        return loop

    def close(self) -> None:
        """Nothing leaves or arrives from now on.

        What a program keeps (a remote function that remembers its client) must not keep the whole simulation.
        """
        if not self.closed:
            self.closed = True
            self._loops.clear()
            self.lanes.clear()
            self.before_speaking = None
            del self._outward, self._describe


class _Alarm:
    """Stands where a waiter expects the lock that its thread sleeps on."""

    __slots__ = ("_blocked", "_carriers")

    def __init__(self, carriers: Carriers, blocked: Blocked) -> None:
        self._carriers = carriers
        self._blocked = blocked

    def locked(self) -> bool:
        """Whether somebody sleeps."""
        return not self._blocked.ready

    def release(self) -> None:
        """Wake who sleeps."""
        self._carriers.wake(self._blocked)


def _attach(waiter: Waiter, carriers: Carriers, blocked: Blocked) -> None:
    waiter.wake = cast("threading.Lock", _Alarm(carriers, blocked))
