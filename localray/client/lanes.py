"""The caller's side of lanes: which call of an actor goes straight to its worker, and what its answer means.

A call goes by a lane when somebody waits for it who has just made it: then it is still in the outbox, and nothing else
is on its way to the actor. In its place the kernel is told that the worker has it, or, if it is answered before that
leaves, that it has been answered. Whatever is not as it should be, the call goes by the kernel. Must not live here: who
gets a lane (`localray.kernel.lanes`), the worker's side (`localray.client.lane_calls`).
"""

from __future__ import annotations

from localray.client.channel import Channel
from localray.client.deliveries import Deliveries
from localray.client.references import ReferenceTable
from localray.protocol import (
    RETRIES_OF_ACTOR,
    AnswerByLane,
    CallByLane,
    DefineTemplate,
    LaneAnswer,
    LaneCall,
    LaneDiverted,
    ObjectReady,
    ReturnMode,
    SubmitCall,
)

CALLS_AFTER_DIVERSION = 16
"""A method whose worker had to speak to the kernel is called by way of the kernel so many times before a lane is tried
again: most methods that submit tasks or print do so each time."""
_FIRST_RETURN = (1).to_bytes(4, "little")


class Lane:
    """One lane, which ``is_ready`` when the worker reads it. ``latest`` is the last call made of its actor,
    ``is_answered`` whether that has been, ``is_clear`` whether all before it have; ``call`` is what is on the lane, and
    ``is_left`` is set when nobody waits for that any more. ``known`` are the templates that the worker has run, and for
    how many more calls the lane is no good for each."""

    __slots__ = ("actor_id", "call", "is_answered", "is_clear", "is_left", "is_ready", "known", "latest", "number")

    def __init__(self, number: int, actor_id: bytes) -> None:
        self.number = number
        self.actor_id = actor_id
        self.latest: SubmitCall | None = None
        self.is_answered = False
        self.is_clear = False
        self.call: CallByLane | None = None
        self.is_left = False
        self.is_ready = False
        self.known: dict[int, int] = {}


class Lanes:
    """The lanes of one driver.

    Args:
        channel: to the kernel.
        references: which objects are known here.
        deliveries: takes what the calls end with.
        number: the client's.
    """

    def __init__(self, channel: Channel, references: ReferenceTable, deliveries: Deliveries, number: int) -> None:
        self.by_actor: dict[bytes, Lane] = {}
        self._by_number: dict[int, Lane] = {}
        self._unfit: set[int] = set()
        self._channel = channel
        self._references = references
        self._deliveries = deliveries
        self._client_number = number
        # Of what the channel counts as sent, so much has been taken in by the kernel for certain.
        self._taken_in = 0

    def defined(self, template: DefineTemplate) -> None:
        """Remember which calls can never go by a lane: one answer must be all there is to them."""
        is_plain = template.return_mode == ReturnMode.FIXED and template.num_returns == 1
        may_be_retried = template.max_retries not in (0, RETRIES_OF_ACTOR) or template.retry_exceptions
        if not is_plain or may_be_retried:
            self._unfit.add(template.template)

    def opened(self, number: int, actor_id: bytes) -> None:
        """There is a lane to an actor. What has been asked of that before may not have been answered."""
        self.by_actor[actor_id] = self._by_number[number] = Lane(number, actor_id)

    def ready(self, number: int) -> None:
        """The worker reads its end of the lane."""
        lane = self._by_number.get(number)
        if lane is not None:
            lane.is_ready = True

    def submitted(self, lane: Lane, message: SubmitCall) -> None:
        """A call was made of the actor, and is about to be queued."""
        with self._references.lock:
            lane.is_clear = lane.is_answered
            lane.latest = message
            lane.is_answered = False

    def answered(self, object_id: bytes, sent: int) -> None:
        """Somebody has waited for this object, and it is there: so much of what was sent has been taken in, because the
        kernel takes it in order."""
        self._taken_in = max(self._taken_in, sent)
        lane = self.by_actor.get(object_id[8:24])
        if lane is None:
            return
        with self._references.lock:
            if lane.latest is None or lane.latest.task_id != object_id[:24]:
                return
            # The worker runs one caller's calls in order: all before it have been answered too.
            lane.is_answered = True
            template = lane.latest.template
            if template not in self._unfit:
                lane.known[template] = max(0, lane.known.get(template, 0) - 1)

    def try_call(self, object_id: bytes) -> bool:
        """Send the call that makes this object by a lane, if it may; the caller holds the lock of the references.

        Returns:
            Whether the call is on the lane: nobody else need be asked for its answer.
        """
        lane = self.by_actor.get(object_id[8:24])
        if lane is None or lane.call is not None or not (lane.is_clear and lane.is_ready):
            return False
        if self._channel.sent != self._taken_in:
            # It would overtake what may still be on its way: a `ray.kill` of this very actor.
            return False
        message = lane.latest
        if message is None or message.task_id != object_id[:24] or lane.known.get(message.template, 1):
            return False
        task_id, template, payload, dependencies, borrowed, actor_id, parent_id = message
        if dependencies or borrowed or parent_id:
            return False
        call = CallByLane(task_id, template, actor_id, self._client_number)
        channel = self._channel
        if not channel.divert(message, call):
            return False
        lane.call = call
        if not channel.send_by_lane(LaneCall(lane.number, task_id, template, payload)):
            # Its worker is dead; the kernel finds out about the call like about any that the worker had.
            self._forget(lane)
            return False
        return True

    # ---------------------------------------------------------------- arriving messages

    def take_answer(self, message: LaneAnswer) -> None:
        """The call has ended: that is the answer, and the kernel is told in its turn."""
        lane = self._by_number.get(message.lane)
        if lane is None or lane.call is None or lane.call.task_id != message.task_id:
            return
        call, lane.call = lane.call, None
        answer = AnswerByLane(call.task_id, call.template, call.actor_id, message.outcome, message.duration_s, True)
        channel = self._channel
        if not channel.replace(call, answer):
            channel.queue(answer._replace(is_new=False))
            channel.soon()
        self._no_longer_left(lane)
        status, payload, location, size_bytes, _ = message.outcome
        self._deliveries.ready(ObjectReady(message.task_id + _FIRST_RETURN, status, payload, location, size_bytes))

    def diverted(self, message: LaneDiverted) -> None:
        """The kernel will tell how the call ends."""
        lane = self._by_number.get(message.lane)
        if lane is not None and lane.call is not None and lane.call.task_id == message.task_id:
            lane.known[lane.call.template] = CALLS_AFTER_DIVERSION
            lane.call = None
            self._no_longer_left(lane)
            self._deliveries.ask_kernel(message.task_id + _FIRST_RETURN)

    def lost(self, number: int) -> None:
        """The worker at the end of a lane is gone."""
        lane = self._by_number.get(number)
        if lane is not None:
            self._forget(lane)
            self._no_longer_left(lane)
            if lane.call is not None:
                self._deliveries.ask_kernel(lane.call.task_id + _FIRST_RETURN)

    def left(self, object_id: bytes) -> None:
        """Nobody waits for this any more: that its call is answered is still to be noticed, since others may wait."""
        lane = self.by_actor.get(object_id[8:24])
        with self._references.lock:
            if lane is not None and lane.call is not None and lane.call.task_id == object_id[:24] and not lane.is_left:
                lane.is_left = True
                self._channel.keep_reading(1)

    def _no_longer_left(self, lane: Lane) -> None:
        with self._references.lock:
            was_left, lane.is_left = lane.is_left, False
        if was_left:
            self._channel.keep_reading(-1)

    def _forget(self, lane: Lane) -> None:
        self._by_number.pop(lane.number, None)
        self.by_actor.pop(lane.actor_id, None)
