"""Actors that checkpoint themselves, in the worker: when a checkpoint is due, taking it, restoring one.

`checkpoint()` is only ever called while no call runs: after one of a serial actor, and of a threaded or asyncio actor
when the last that ran beside others has ended; calls that come meanwhile wait. Where calls overlap all the time, new
ones are held up for a moment. It is sent right behind the answers of
the calls that are in it, in the same stream, so that the kernel never has one without the other. Must not live here:
which calls are in a checkpoint, what is replayed (the kernel).
"""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING, Protocol, cast

from localray.client.channel import Waiter
from localray.client.client import Client
from localray.client.context import current_task
from localray.client.serialization import serialize
from localray.client.values import error_of
from localray.exceptions import RaySystemError
from localray.protocol import (
    NOT_CHECKPOINTED,
    CallMode,
    CheckpointFailed,
    DefineTemplate,
    Outcome,
    RestoreActor,
    SaveCheckpoint,
    Status,
)

OVERDUE = 2
"""A checkpoint that should have been taken so many times already is worth holding calls up for."""
HOLD_S = 0.1
HOLD_AGAIN_S = 1.0
LOOK_AGAIN_S = 0.002

if TYPE_CHECKING:
    from collections.abc import Sequence


class Checkpointed(Protocol):
    """What the user's class must have."""

    def checkpoint(self) -> object: ...

    def restore(self, state: object) -> object: ...


class Checkpoints:
    """The checkpoints of the actor in one worker.

    Args:
        client: the worker's.
        template: of the actor's constructor, which says how often.
        instance: the actor.
    """

    def __init__(self, client: Client, template: DefineTemplate, instance: Checkpointed) -> None:
        self._client = client
        self._every_calls = template.checkpoint_calls
        self._period_s = template.checkpoint_period_s
        self._instance = instance
        self._calls = 0
        self._taken_at_s = client.channel.now_s()
        self._running: set[bytes] = set()
        self._held_up: list[Waiter] = []
        self._taking = False
        self._blocks = template.call_mode == CallMode.THREADED
        self._hold_until_s = self._hold_again_s = 0.0
        self._lock = threading.Lock()

    def restore(self, message: RestoreActor) -> None:
        """Give the actor, which has just been constructed, the state of its latest checkpoint.

        Raises:
            RayError: the state is lost, or can't be unpickled; whatever the actor's own `restore` raises.
        """
        value = message[1:]
        if message.status != Status.VALUE:
            raise error_of(message.object_id, value)
        self._instance.restore(self._client.gets.argument(message.object_id, value)())

    # ---------------------------------------------------------------- calls

    def hold_s(self) -> float:
        """For how long at most a call should put its start off, so that those that run can end first: calls have
        overlapped until a checkpoint is long overdue.

        It is only for a moment, and not again for a while: what runs may wait for the very call that is held up.
        """
        with self._lock:
            if not self._running or not self._is_due(OVERDUE):
                return 0.0
            now_s = self._client.channel.now_s()
            if now_s >= self._hold_again_s:
                self._hold_until_s = now_s + HOLD_S
                self._hold_again_s = now_s + HOLD_AGAIN_S
            return max(0.0, self._hold_until_s - now_s)

    def enter(self, task_id: bytes) -> None:
        """A call is about to start: not while a checkpoint is taken."""
        while self._blocks and self.hold_s() > 0:
            self._client.channel.wait(Waiter(), LOOK_AGAIN_S)
        while True:
            with self._lock:
                if not self._taking:
                    self._running.add(task_id)
                    return
                waiter = Waiter()
                self._held_up.append(waiter)
            self._client.channel.wait(waiter, None)

    def leave(self, task_id: bytes) -> None:
        """A call's answer has been queued: take a checkpoint if one is due and nothing else runs."""
        with self._lock:
            if task_id not in self._running:
                return  # The constructor's answer.
            self._running.discard(task_id)
            self._calls += 1
            if self._running or not self._is_due():
                return
            self._taking = True
        try:
            self._client.channel.queue(SaveCheckpoint(0, self._client.new_object_id(), *self._state()))
        except Exception:  # noqa: BLE001 - the call has succeeded; the user is told, and the last checkpoint stays
            self._client.channel.queue(CheckpointFailed(traceback.format_exc()))
        finally:
            self._taken()

    def now(self, task_id: bytes) -> None:
        """The running call wants a checkpoint, with what it has done so far in it; returns when it is kept.

        Raises:
            RuntimeError: other calls run beside it; whatever `checkpoint()` or pickling its result raises.
            RaySystemError: it could not be written to the session's state directory.
        """
        with self._lock:
            if self._taking or self._running - {task_id}:
                raise RuntimeError("checkpoint_now() while other calls of the actor run, which may have half done.")
            self._taking = True
        try:
            state = self._state()
            problem = self._client.request(
                lambda request: SaveCheckpoint(request, self._client.new_object_id(), *state)
            )
        finally:
            self._taken()
        if problem is not None:
            raise RaySystemError(str(problem))

    def _is_due(self, times: int = 1) -> bool:
        if self._period_s:
            return self._client.channel.now_s() - self._taken_at_s >= times * self._period_s
        return 0 < times * self._every_calls <= self._calls

    def _state(self) -> Outcome:
        return self._client.puts.pack(serialize(self._instance.checkpoint()))

    def _taken(self) -> None:
        """Taken or failed: the next is due so many calls from here, and calls that were held up may start."""
        with self._lock:
            self._calls = 0
            self._taken_at_s = self._client.channel.now_s()
            self._taking = False
            held_up: Sequence[Waiter] = self._held_up
            self._held_up = []
        for waiter in held_up:
            waiter.fire()


def checkpoints_of(
    client: Client, template: DefineTemplate, instance: object, restored: RestoreActor | None
) -> Checkpoints | None:
    """The checkpoints of an actor that has just been constructed, and is given the state of the last; None for one that
    does not checkpoint itself."""
    if template.checkpoint_calls == NOT_CHECKPOINTED:
        return None
    checkpoints = Checkpoints(client, template, cast("Checkpointed", instance))
    if restored is not None:
        checkpoints.restore(restored)
    return checkpoints


def checkpoint_now() -> None:
    """Take a checkpoint of the actor that is running, in the middle of the calling method: what the method has done so
    far is in it. If the method is run again after a crash (``max_task_retries``) it starts from that state.

    Returns when the checkpoint is kept; of an actor that is kept in a state directory (``localray start --state-dir``)
    when it is on the disk.

    Raises:
        RuntimeError: called outside of an actor that checkpoints itself, or while other calls of it run.
        RaySystemError: it could not be written to the state directory. The actor has the state all the same.
    """
    context = current_task.get()
    checkpoints = None if context is None else context.checkpoints
    if context is None or checkpoints is None:
        raise RuntimeError(
            "checkpoint_now() works in the methods of an actor that checkpoints itself: its class defines "
            "checkpoint(self) and restore(self, state), and its max_restarts is not 0."
        )
    checkpoints.now(context.task_id)
