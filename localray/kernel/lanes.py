"""Which driver gets a lane to which actor: a way past the kernel for calls that one caller makes one after the other.

A call and its answer are four messages by way of the kernel, and two on a lane; that is most of what a call takes that
somebody waits for. A lane is only for actors of which nothing but one process and its caller need to know while they
run: serial, never restarted, neither checkpointed nor detached. So nothing that went by it is ever run twice, and what
was on it when its worker died fails like any other call. What the kernel hears of such calls: `lane_calls`. Must not
live here: which call goes by a lane (`localray.client.lanes`).
"""

from __future__ import annotations

from localray.kernel.effects import OpenLane
from localray.kernel.records import ActorRecord, ClientRecord, TaskRecord
from localray.kernel.tables import Tables
from localray.protocol import LaneClosed, SubmitCall

CALLS_ALONE = 3
"""So many calls of one driver in a row found the actor idle: it seems to wait for each."""
LANES_OF_A_CLIENT = 64
"""Each costs a descriptor at both ends."""


def consider(tables: Tables, caller: ClientRecord, message: SubmitCall) -> None:
    """A driver has made a call; maybe its next ones had better go straight to the actor."""
    actor = tables.actors.get(message.actor_id)
    if actor is None or (actor.lane and actor.lane_client in tables.clients):
        return
    if actor.lane_client != caller.number:
        actor.lane, actor.lane_client, actor.calls_alone = 0, caller.number, 0
    if len(actor.sent) != 1 or message.task_id not in actor.sent:
        actor.calls_alone = 0
        return
    actor.calls_alone += 1
    if actor.calls_alone < CALLS_ALONE or caller.lanes >= LANES_OF_A_CLIENT or not is_fit(actor):
        return
    if actor.worker is None:
        raise tables.broken("an actor without a worker has been sent a call", actor.actor_id)
    tables.lanes_opened += 1
    actor.lane = tables.lanes_opened
    caller.lanes += 1
    tables.log.note(actor.actor_id, actor.state, f"a lane leads here from client {caller.number}")
    tables.effects.append(OpenLane(actor.lane, caller.number, actor.worker.number, actor.actor_id))


def is_fit(actor: ActorRecord) -> bool:
    """Whether an actor's calls may pass the kernel by."""
    return (
        actor.keeps_order
        and actor.checkpoints is None
        and not (actor.may_ever_restart or actor.is_detached)
        and actor.max_task_retries == 0
        and actor.max_pending_calls < 0
    )


def caller_left(tables: Tables, number: int) -> list[TaskRecord]:
    """A driver is gone, and with it its ends of lanes. Returns the calls that nobody will tell the end of."""
    unanswered = []
    for actor in tables.actors.values():
        if actor.lane_client == number:
            actor.lane = actor.lane_client = actor.calls_alone = 0
            if actor.by_lane is not None:
                unanswered.append(actor.by_lane)
    return unanswered


def close(tables: Tables, actor: ActorRecord) -> None:
    """The actor is dead: its worker's end of the lane closes by itself."""
    actor.by_lane = None
    caller = tables.clients.get(actor.lane_client)
    if actor.lane and caller is not None:
        caller.lanes -= 1
        tables.send(caller.number, LaneClosed(actor.lane))
    actor.lane = 0
