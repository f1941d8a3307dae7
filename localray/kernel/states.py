"""The states of every kind of thing in the kernel, and what each means.

Must not live here: which may follow which, and why (`localray.kernel.transitions`).
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """A state of some kind of thing. ``successors`` is filled in from the one table in `localray.kernel.transitions`;
    it is kept on the member because looking an enum member up in a dict costs a call of its Python-level hash."""

    successors: tuple[State, ...]


class ObjectState(State):
    """PENDING until its creator delivers it, and again while a lost one is made anew; READY holds a value or an error;
    RELEASED has no references but is pinned by a view; DROPPED has neither, nor a value, but can be made again for the
    sake of what was made of it."""

    PENDING = "pending"
    READY = "ready"
    RELEASED = "released"
    DROPPED = "dropped"
    GONE = "gone"


class TaskState(State):
    """WAITING for arguments or for the time of another try, QUEUED for a worker, SENT to one (running or next in its
    line), then ended one way or the other."""

    WAITING = "waiting"
    QUEUED = "queued"
    SENT = "sent"
    FINISHED = "finished"
    FAILED = "failed"


class ActorState(State):
    """PENDING until its constructor is sent to a worker, STARTING while it runs, ALIVE; RESTARTING when its process has
    died, until its constructor is sent again; DEAD."""

    PENDING = "pending"
    STARTING = "starting"
    ALIVE = "alive"
    RESTARTING = "restarting"
    DEAD = "dead"


class WorkerState(State):
    """STARTING until its process says hello; IDLE in the pool; LEASED to a scheduling class; ACTOR for life; DEAD."""

    STARTING = "starting"
    IDLE = "idle"
    LEASED = "leased"
    ACTOR = "actor"
    DEAD = "dead"


class GroupState(State):
    """PENDING until there is room for all bundles; CREATED; RESCHEDULING while bundles whose node died have none;
    REMOVED."""

    PENDING = "pending"
    CREATED = "created"
    RESCHEDULING = "rescheduling"
    REMOVED = "removed"
