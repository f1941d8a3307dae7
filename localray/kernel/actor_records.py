"""What the kernel remembers of an actor, and of its checkpoints. Passive, like `localray.kernel.records`.

Must not live here: rules (`localray.kernel.actors`, `localray.kernel.restarts`, `localray.kernel.checkpoints`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localray.kernel.states import ActorState
from localray.protocol import CallMode, Status, text_payload

if TYPE_CHECKING:
    from localray.kernel.records import TaskRecord, WorkerRecord


@dataclass(slots=True, eq=False)
class CheckpointRecord:
    """What brings an actor back with its state: the latest of its checkpoints, an object that is held for it (empty
    before the first), and the calls answered ``since``, by id, in the order of their answers.

    After a restart those are run again: ``replaying`` holds what is not answered yet, and while ``holding`` nothing new
    is sent. ``told_of_failure`` is set until a checkpoint succeeds again.
    """

    state: bytes = b""
    since: dict[bytes, TaskRecord] = field(default_factory=dict)
    replaying: dict[bytes, TaskRecord] = field(default_factory=dict)
    holding: bool = False
    told_of_failure: bool = False


@dataclass(slots=True, eq=False)
class KeptRecord:
    """What of an actor is in the state directory, and what is on its way there (`localray.kernel.keeping`).

    ``revision`` is the last that a checkpoint's file was named after, and ``files`` are those on disk, the next to go
    first; ``is_made`` says whether how it was made is there, ``writing`` counts what is being written. Since the latest
    of these ``is_stale``, and ``awaited`` are requests to be answered when that has been written. ``was_alive`` is set
    once it has been constructed in this session, ``is_over`` when it is dead.
    """

    revision: int = 0
    files: list[str] = field(default_factory=list)
    is_made: bool = False
    writing: int = 0
    is_stale: bool = False
    awaited: list[tuple[int, int]] = field(default_factory=list)
    was_alive: bool = False
    is_over: bool = False
    told_of_failure: bool = False


@dataclass(slots=True, eq=False)
class KeptWrite:
    """One file that is being written: the objects that are ``held`` for it, those of them that are ``pinned`` because
    their bytes are in an arena, and the requests that wait for it."""

    name: str
    actor_id: bytes
    kept: KeptRecord
    held: tuple[bytes, ...]
    replies: tuple[tuple[int, int], ...]
    pinned: list[bytes] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ActorRecord:
    """One actor. ``queues`` holds, for each caller, the calls that wait for their turn; ``sent`` those its worker has.
    ``lane`` is the number of the one that leads to it, 0 for none, and ``lane_client`` the driver at its other end;
    ``by_lane`` is the call that came by it and is not answered yet, of those that the kernel has heard of;
    ``calls_alone`` counts calls of that client that found the actor idle. ``repr_name`` is what its class's own
    ``__repr__`` said of it when it was made. It was first alive at ``began_at_s`` and dead at ``ended_at_s``, negative
    before.

    A restart is another try of its constructor: ``creation`` is the latest, and counts them.
    """

    actor_id: bytes
    creation: TaskRecord
    handle_object_id: bytes
    owner: int
    job: int
    name: str
    namespace: str
    detached: bool
    max_pending_calls: int
    max_task_retries: int
    description: bytes
    state: ActorState = ActorState.PENDING
    worker: WorkerRecord | None = None
    queues: dict[int, deque[TaskRecord]] = field(default_factory=dict)
    sent: dict[bytes, TaskRecord] = field(default_factory=dict)
    in_scope: bool = True
    checkpoints: CheckpointRecord | None = None
    kept: KeptRecord | None = None
    death_status: Status = Status.ACTOR_DIED
    death_payload: bytes = b""
    is_detached: bool = False
    lane: int = 0
    lane_client: int = 0
    by_lane: TaskRecord | None = None
    calls_alone: int = 0
    repr_name: str = ""
    began_at_s: float = -1.0
    ended_at_s: float = -1.0

    @property
    def death_told(self) -> bytes:
        """What its calls' errors say: of an actor that has died which one it was, too, in Ray's lines."""
        if self.death_status is not Status.ACTOR_DIED:
            return self.death_payload
        facts = {
            "class_name": self.creation.template.name.removesuffix(".__init__"),
            "actor_id": self.actor_id.hex(),
            "name": self.name,
            "namespace": self.namespace,
        }
        lines = "".join(f"\t{what}: {value}\n" for what, value in facts.items() if value)
        return text_payload(lines) + self.death_payload

    @property
    def keeps_order(self) -> bool:
        """Whether one caller's calls start in the order submitted: only a serial actor promises that."""
        return self.creation.template.call_mode is CallMode.SERIAL

    @property
    def takes_calls(self) -> bool:
        """Whether new calls may be sent to it now."""
        return self.state is ActorState.ALIVE and not (self.checkpoints is not None and self.checkpoints.holding)

    def holds_back(self, caller: int) -> bool:
        """Whether this caller's next calls wait for one that it has sent by a lane: that may reach the worker later
        than what the kernel sends."""
        return self.by_lane is not None and self.by_lane.submitter == caller

    @property
    def may_ever_restart(self) -> bool:
        """Whether its options allow restarts at all: then what its constructor needs is kept for as long as it
        lives."""
        return self.creation.template.max_retries != 0

    @property
    def restarts(self) -> int:
        """How often it has been restarted: what Ray calls ``num_restarts``."""
        return self.creation.attempt

    @property
    def is_away(self) -> bool:
        """Whether it was there and is on its way back."""
        return self.state is ActorState.RESTARTING or (self.state is ActorState.STARTING and self.restarts > 0)
