"""The one transition table: which state of a thing may follow which, for every kind of thing.

Theory. A task is owned by exactly one place at a time, and its state names the place: the objects it waits for, or the
time of another try (WAITING), a queue (QUEUED: its scheduling class's, or its actor's), a worker (SENT), or nobody
(FINISHED, FAILED, after which it is forgotten). It moves forward, and goes back only from SENT: to QUEUED when it is
recalled before it started, or run again because its worker died or its error is to be retried; to WAITING when its
worker was killed for want of memory, or an argument is lost and made again. "Asked to stop" is a field
(`TaskRecord.cancelled`, `WorkerRecord.stopping`), never a state, because what was asked may still be running.

An object is PENDING until its creator answers, READY with a value or an error, and RELEASED when nothing refers to it
but somebody still looks at its bytes. It goes back to PENDING when its value is lost, or was DROPPED, and it is needed.
A worker is never shared: IDLE or LEASED to one
scheduling class at a time, or an ACTOR until it is DEAD. An actor whose process died is RESTARTING, if its options
allow, until its constructor is sent again; and goes back from STARTING to PENDING or RESTARTING, whichever it came
from, when that worker died before the constructor began.

A placement group is PENDING until all of its bundles have room, CREATED from then on but for the times in which bundles
of a dead node look for another (RESCHEDULING), and REMOVED for ever.

An illegal transition raises `InternalError` with the story of the thing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, TypeVar

from localray.exceptions import InternalError
from localray.kernel.records import ActorState, GroupState, ObjectState, State, TaskState, WorkerState
from localray.kernel.story import TransitionLog

TABLE: Final[Mapping[State, tuple[State, ...]]] = {
    TaskState.WAITING: (TaskState.QUEUED, TaskState.FAILED),
    TaskState.QUEUED: (TaskState.SENT, TaskState.WAITING, TaskState.FAILED),
    TaskState.SENT: (TaskState.QUEUED, TaskState.WAITING, TaskState.FINISHED, TaskState.FAILED),
    TaskState.FINISHED: (),
    TaskState.FAILED: (),
    ObjectState.PENDING: (ObjectState.READY, ObjectState.GONE),
    ObjectState.READY: (ObjectState.RELEASED, ObjectState.DROPPED, ObjectState.PENDING, ObjectState.GONE),
    ObjectState.RELEASED: (ObjectState.GONE, ObjectState.DROPPED, ObjectState.READY),
    ObjectState.DROPPED: (ObjectState.PENDING, ObjectState.GONE),
    ObjectState.GONE: (),
    WorkerState.STARTING: (WorkerState.IDLE, WorkerState.DEAD),
    WorkerState.IDLE: (WorkerState.LEASED, WorkerState.ACTOR, WorkerState.DEAD),
    WorkerState.LEASED: (WorkerState.IDLE, WorkerState.DEAD),
    WorkerState.ACTOR: (WorkerState.DEAD,),
    WorkerState.DEAD: (),
    ActorState.PENDING: (ActorState.STARTING, ActorState.DEAD),
    ActorState.STARTING: (ActorState.ALIVE, ActorState.PENDING, ActorState.RESTARTING, ActorState.DEAD),
    ActorState.ALIVE: (ActorState.RESTARTING, ActorState.DEAD),
    ActorState.RESTARTING: (ActorState.STARTING, ActorState.DEAD),
    ActorState.DEAD: (),
    GroupState.PENDING: (GroupState.CREATED, GroupState.REMOVED),
    GroupState.CREATED: (GroupState.RESCHEDULING, GroupState.REMOVED),
    GroupState.RESCHEDULING: (GroupState.CREATED, GroupState.REMOVED),
    GroupState.REMOVED: (),
}

for _state, _successors in TABLE.items():
    _state.successors = _successors

SomeState = TypeVar("SomeState", bound=State)


class HasState(Protocol[SomeState]):
    """Any record that is in one state of its kind."""

    state: SomeState


def move(log: TransitionLog, identity: bytes | int, record: HasState[SomeState], new: SomeState, reason: str) -> None:
    """Put a record into a new state and note when and why.

    Args:
        log: the kernel's log.
        identity: the id or number under which `story` finds this.
        record: what moves.
        new: the state to move to.
        reason: why, in a few words, for whoever reads the story.

    Raises:
        InternalError: the table does not allow it; nothing was changed.
    """
    old = record.state
    if new not in old.successors:
        raise InternalError(
            f"{type(record).__name__} cannot go from {old.name} to {new.name} ({reason})", story=log.story(identity)
        )
    record.state = new
    # `note`, written out: this is the most frequent call of the kernel.
    log.append((log.now_s, identity, new, reason))
