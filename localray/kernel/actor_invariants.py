"""What must hold of actors after every step; a part of `localray.kernel.invariants`."""

from __future__ import annotations

from collections import Counter

from localray.kernel import nodes
from localray.kernel.records import ActorRecord, ActorState, CheckpointRecord, TaskState
from localray.kernel.tables import Tables


def check_actors(tables: Tables) -> None:
    """A living actor has a worker; a dead one has no calls; a name leads to a living actor."""
    for actor_id, actor in tables.actors.items():
        if not all(actor.queues.values()):
            raise tables.broken("an empty queue of calls was kept", actor_id)
        idle = actor.state is ActorState.ALIVE and not actor.sent and not actor.queues
        if idle and not actor.in_scope:
            raise tables.broken("an actor that nobody can call and that has nothing to do lives on", actor_id)
        if actor.state is ActorState.DEAD and (actor.sent or actor.queues):
            raise tables.broken("a dead actor has unanswered calls", actor_id)
        has_process = actor.state in (ActorState.STARTING, ActorState.ALIVE)
        if has_process != (actor.worker is not None) and actor.state is not ActorState.DEAD:
            raise tables.broken("a living actor has no worker, or one that waits for a process has", actor_id)
        if actor.by_lane is not None and actor.sent.get(actor.by_lane.task_id) is not actor.by_lane:
            raise tables.broken("calls are held back for one that the actor does not have", actor_id)
        if actor.checkpoints is not None:
            check_checkpoints(tables, actor, actor.checkpoints)
        if actor.is_away and actor.restarts == 0:
            raise tables.broken("an actor restarts that nobody counts as restarted", actor_id)
        limit = actor.creation.template.max_retries
        # Whom a preempted node takes along comes back for nothing.
        if 0 <= limit < actor.restarts and not any(map(nodes.was_preempted, tables.nodes.values())):
            raise tables.broken(f"restarted {actor.restarts} times, {limit} are allowed", actor_id)
    lanes = Counter(actor.lane_client for actor in tables.actors.values() if actor.lane)
    for number, client in tables.clients.items():
        if client.lanes != lanes[number]:
            raise tables.broken(f"{client.lanes} lanes are counted, {lanes[number]} are there", number)
        for actor in client.children.values():
            if actor.owner != number or actor.state is ActorState.DEAD:
                raise tables.broken("a dead actor, or another's, is remembered as a child", actor.actor_id)
    for actor in tables.names.values():
        if actor.state is ActorState.DEAD:
            raise tables.broken("a name leads to a dead actor", actor.actor_id)


def check_checkpoints(tables: Tables, actor: ActorRecord, record: CheckpointRecord) -> None:
    """What is replayed has been answered once, is a task of the actor's process or waits to be sent, and comes before
    all that is new."""
    if actor.state is ActorState.DEAD and (record.state or record.since):
        raise tables.broken("a dead actor's checkpoint was kept", actor.actor_id)
    if record.replaying and actor.state is not ActorState.ALIVE:
        raise tables.broken("calls are replayed without a process", actor.actor_id)
    for task_id, task in record.replaying.items():
        if tables.tasks.get(task_id) is not task or task_id not in record.since:
            raise tables.broken("a call is replayed that nobody has answered before", task_id)
    unsent = any(task.state is not TaskState.SENT for task in record.replaying.values())
    if record.holding != (unsent or (bool(record.replaying) and not actor.keeps_order)):
        raise tables.broken("new calls are held back for no reason, or not although there is one", actor.actor_id)
    if record.holding and actor.sent.keys() - record.replaying.keys():
        raise tables.broken("a new call was sent before all are replayed", actor.actor_id)
