"""The worker's side of lanes: calls that come past the kernel, and where their answers go.

The kernel does not know of such a call until its caller says so. Before the worker says anything else to the kernel
while one runs (it submits a task, asks for an object, prints), it tells it of the call, and so whose child that is, and
where an answer belongs that not all can do without; from then on it is a call like any other. Must not live here: the
caller's side (`localray.client.lanes`).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from localray.client.context import Actor
from localray.exceptions import RaySystemError
from localray.ids import client_number_of
from localray.protocol import INLINE, CallByLane, LaneAnswer, LaneCall, LaneDiverted, Outcome, RunTask

if TYPE_CHECKING:
    from localray.client.client import Client


class LaneCalls:
    """The calls that a worker has by lanes.

    Args:
        client: the worker's.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: dict[bytes, LaneCall] = {}
        self._running: LaneCall | None = None
        self._actor_id = b""
        # Any thread may speak while the executing one answers: it is either told or answered by the lane, and told of
        # before it is answered. Re-entrant, because a signal handler of the user's may print in between.
        self._lock = threading.RLock()

    def take(self, call: LaneCall, actor: Actor | None) -> RunTask:
        """A call of the actor here has come; returns what the kernel would have sent."""
        if actor is None:
            raise RaySystemError("a call came by a lane to a worker that is no actor")
        self._waiting[call.task_id] = call
        return RunTask(call.task_id, call.template, call.payload, (), (), actor.actor_id, actor.name, 0, actor.units)

    def begins(self, message: RunTask) -> None:
        """A call begins."""
        if self._waiting:
            call = self._waiting.pop(message.task_id, None)
            if call is not None:
                self._actor_id = message.actor_id
                self._running = call
                self._client.channel.before_speaking = self.tell

    def tell(self) -> None:
        """Tell the kernel of the call that runs, and its caller that the kernel has been told."""
        with self._lock:
            call, self._running = self._running, None
            if call is None:
                return
            channel = self._client.channel
            # This comes back here, and finds nothing to tell; whoever else speaks meanwhile waits for the lock.
            channel.queue(CallByLane(call.task_id, call.template, self._actor_id, client_number_of(call.task_id)))
            channel.before_speaking = None
            channel.send_by_lane(LaneDiverted(call.lane, call.task_id))

    def answer(self, task_id: bytes, outcomes: tuple[Outcome, ...], duration_s: float) -> bool:
        """Answer a call by its lane; returns whether it was one that is to be answered so."""
        if self._client.channel.before_speaking is None:
            return False
        with self._lock:
            call = self._running
            if call is None or call.task_id != task_id:
                return False
            (outcome,) = outcomes
            if outcome[2] != INLINE or outcome[4]:
                self.tell()
                return False
            if not self._client.channel.send_by_lane(LaneAnswer(call.lane, task_id, outcome, duration_s)):
                # Its caller is gone; others may wait for what the kernel has heard of.
                self.tell()
                return False
            self._running = None
            self._client.channel.before_speaking = None
        return True
