"""The life of an actor: created, named, called in order, out of scope, ended.

Calls of one caller to a serial actor start in the order submitted, even where an earlier one waits for an argument;
callers do not hold each other up. Threaded and asyncio actors start a call as soon as its arguments are there. An
actor's handles are references to what its constructor returns; when the last goes, the actor finishes what was
submitted and ends. Must not live here: placing the constructor (`placing`), the death of its process (`restarts`).
"""

from __future__ import annotations

from collections import deque

from localray.kernel import checkpoints, keeping, lanes, news, objects, queues, tasks, workers
from localray.kernel.records import (
    ActorRecord,
    ActorState,
    CheckpointRecord,
    ClientRecord,
    TaskRecord,
    TaskState,
)
from localray.kernel.scheduling import send_task
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import (
    NOT_CHECKPOINTED,
    RETRIES_OF_ACTOR,
    CreateActor,
    FindActor,
    Outcome,
    Reply,
    Status,
    SubmitCall,
    text_payload,
)


def create(tables: Tables, owner: ClientRecord, message: CreateActor) -> None:
    """Take an actor in; its constructor waits for arguments and a place like any task. A taken name creates nothing."""
    if message.name:
        holder = tables.names.get((message.namespace, message.name))
        if holder is not None:
            answer_taken(tables, owner, message, holder)
            return
    template = tables.templates[message.template]
    creation = tasks.create(
        tables, owner, template, message.task_id, message.payload, message.dependencies, message.borrowed
    )
    handle_object_id = tasks.return_id(message.task_id, 0)
    actor = ActorRecord(
        message.actor_id,
        creation,
        handle_object_id,
        owner.number,
        owner.job,
        message.name,
        message.namespace,
        message.detached,
        message.max_pending_calls,
        message.max_task_retries,
        message.description,
        is_detached=message.detached,
    )
    creation.actor = actor
    if actor.may_ever_restart:
        # What the constructor needs is kept for its next run, whatever its caller lets go of.
        objects.acquire(tables, (*creation.dependencies, *creation.borrowed))
        if tables.template_messages[message.template].checkpoint_calls != NOT_CHECKPOINTED:
            actor.checkpoints = CheckpointRecord()
    if owner.worker is not None and not message.detached:
        owner.children[message.actor_id] = actor
    tables.actors[message.actor_id] = actor
    tables.objects[handle_object_id].actor = actor
    if message.detached:
        creation.root = message.actor_id
        objects.acquire(tables, (handle_object_id,))
        news.detached_out_of_reach(tables, owner.job, message.namespace)
    if message.name:
        tables.names[message.namespace, message.name] = actor
    if message.request:
        tables.send(owner.number, Reply(message.request, None))


def answer_taken(tables: Tables, owner: ClientRecord, message: CreateActor, holder: ActorRecord) -> None:
    """The name is in use: give its actor where that was asked for, else say so."""
    if message.get_if_exists:
        reply = Reply(message.request, (holder.actor_id, holder.handle_object_id, holder.description))
    else:
        reply = Reply(
            message.request,
            f"The name {message.name} (namespace={message.namespace}) is already taken. Please use a different name "
            "or get the "
            f"existing actor using ray.get_actor('{message.name}', namespace='{message.namespace}')",
        )
    tables.send(owner.number, reply)


def find(tables: Tables, client: ClientRecord, message: FindActor) -> None:
    """Look a named actor up for a client."""
    actor = tables.names.get((message.namespace, message.name))
    value = None if actor is None else (actor.actor_id, actor.handle_object_id, actor.description)
    tables.send(client.number, Reply(message.request, value))


def call(tables: Tables, caller: ClientRecord, message: SubmitCall) -> None:
    """Take a method call in, behind the caller's earlier ones."""
    template = tables.templates[message.template]
    task = tasks.create(
        tables,
        caller,
        template,
        message.task_id,
        message.payload,
        message.dependencies,
        message.borrowed,
        message.parent_id,
    )
    actor = task.actor = tables.actors.get(message.actor_id)
    if actor is None or actor.state is ActorState.DEAD:
        fail_call_of_nobody(tables, task, message.actor_id)
        return
    if template.max_retries == RETRIES_OF_ACTOR:
        task.retries_left = actor.max_task_retries
    if actor.is_away and task.retries_left == 0 and actor.max_task_retries == 0:
        # As in Ray: who retries nothing is told at once, and decides for itself whether to call again.
        tasks.fail(tables, task, Status.ACTOR_UNAVAILABLE, b"The actor is restarting", "the actor is restarting")
        return
    if task.missing == 0:
        # Handled here and now: `tasks.create` has put it on the list of the woken, from where `argument_ready` would
        # only find it sent.
        tables.woken.pop()
        waits = actor.keeps_order and (actor.queues.get(caller.number) or actor.holds_back(caller.number))
        if actor.takes_calls and not waits:
            move(tables.log, task.task_id, task, TaskState.QUEUED, "arguments ready")
            start_call(tables, actor, task)
            return
    actor.queues.setdefault(caller.number, deque()).append(task)
    if task.missing == 0:
        move(tables.log, task.task_id, task, TaskState.QUEUED, "arguments ready")


def fail_call_of_nobody(tables: Tables, task: TaskRecord, actor_id: bytes) -> None:
    """A call of an actor that is dead, or of one that nobody knows."""
    if task.actor is None:
        text = f"The actor {actor_id.hex()} is not known to this session; it may belong to an earlier one."
        tasks.fail(tables, task, Status.ACTOR_DIED, text_payload(text), "no such actor")
    else:
        tasks.fail(tables, task, task.actor.death_status, task.actor.death_told, "the actor is dead")


def argument_ready(tables: Tables, task: TaskRecord) -> None:
    """The last argument of a waiting call has arrived."""
    move(tables.log, task.task_id, task, TaskState.QUEUED, "arguments ready")
    actor = task.actor
    if actor is None:
        return
    if actor.checkpoints is not None and task.task_id in actor.checkpoints.replaying:
        go_on(tables, actor)
    else:
        pump(tables, actor, task.submitter)


def pump(tables: Tables, actor: ActorRecord, caller: int) -> None:
    """Start what may start of one caller's calls."""
    queue = actor.queues.get(caller)
    if queue is None or not actor.takes_calls or actor.holds_back(caller):
        return
    if actor.keeps_order:
        while queue and queue[0].state is TaskState.QUEUED:
            start_call(tables, actor, queue.popleft())
    else:
        waiting = [task for task in queue if task.state is not TaskState.QUEUED]
        ready = [task for task in queue if task.state is TaskState.QUEUED]
        queue.clear()
        queue.extend(waiting)
        for task in ready:
            start_call(tables, actor, task)
    if not queue:
        actor.queues.pop(caller, None)
    end_if_unneeded(tables, actor)


def withdraw_call(tables: Tables, actor: ActorRecord, task: TaskRecord, status: Status, payload: bytes) -> None:
    """A call that has not been sent is not to run: those behind it may have waited only for it."""
    queue = actor.queues[task.submitter]
    queue.remove(task)
    if not queue:
        del actor.queues[task.submitter]
    tasks.fail(tables, task, status, payload, "ray.cancel")
    pump(tables, actor, task.submitter)
    end_if_unneeded(tables, actor)


def start_call(tables: Tables, actor: ActorRecord, task: TaskRecord) -> None:
    """Send a call whose turn it is to the actor, or fail it with its failed argument."""
    if task.dependencies:
        failure = tasks.failed_dependency(tables, task)
        if failure is not None:
            tasks.fail(tables, task, *failure, "an argument failed")
            return
    if actor.worker is None:
        raise tables.broken("a living actor has no worker", actor.actor_id)
    actor.sent[task.task_id] = task
    send_task(tables, actor.worker, task)


def created(tables: Tables, actor: ActorRecord, outcome: Outcome) -> None:
    """The constructor answered: the actor is alive and its waiting calls start, or it is dead with the constructor's
    error."""
    if outcome[0] == Status.VALUE:
        move(tables.log, actor.actor_id, actor, ActorState.ALIVE, "constructed")
        if actor.began_at_s < 0:
            actor.began_at_s = tables.now_s
        if actor.checkpoints is not None:
            checkpoints.begin_replay(tables, actor)
        keeping.constructed(tables, actor)
        go_on(tables, actor)
        return
    status = Status.ACTOR_CREATION_FAILED if outcome[0] == Status.TASK_ERROR else Status(outcome[0])
    end(tables, actor, status, outcome[1], "its constructor failed")


def go_on(tables: Tables, actor: ActorRecord) -> None:
    """Start what may start of all that waits: first what is to be replayed."""
    if actor.checkpoints is not None and actor.checkpoints.holding:
        lost = checkpoints.go_on(tables, actor)
        if lost:
            end(tables, actor, Status.ACTOR_DIED, text_payload(lost), "a call cannot be replayed")
            return
    for caller in list(actor.queues):
        pump(tables, actor, caller)
    end_if_unneeded(tables, actor)


def call_ended(tables: Tables, actor: ActorRecord, task: TaskRecord) -> None:
    """A call has been answered."""
    actor.sent.pop(task.task_id, None)
    if actor.by_lane is task:
        actor.by_lane = None
        pump(tables, actor, task.submitter)
    if actor.checkpoints is not None and checkpoints.answered(tables, actor.checkpoints, task):
        go_on(tables, actor)
    else:
        end_if_unneeded(tables, actor)


def out_of_scope(tables: Tables, actor: ActorRecord) -> None:
    """No handle is left: what was submitted still runs, then the actor ends."""
    actor.in_scope = False
    tables.log.note(actor.actor_id, actor.state, "the last handle is gone")
    end_if_unneeded(tables, actor)


def end_if_unneeded(tables: Tables, actor: ActorRecord) -> None:
    """End an actor that has no handle once it has no call either; one whose constructor has not been sent need not be
    made at all."""
    if actor.in_scope or actor.sent or actor.queues:
        return
    if actor.state in (ActorState.PENDING, ActorState.RESTARTING):
        text = "All handles to the actor went out of scope before it was created."
        end(tables, actor, Status.ACTOR_DIED, text_payload(text), "no handle")
    elif actor.state is ActorState.ALIVE:
        worker = actor.worker
        text = "The actor is dead because all references to the actor were removed."
        mark_dead(tables, actor, Status.ACTOR_DIED, text_payload(text), "out of scope")
        if worker is not None:
            workers.retire(tables, worker, "its actor went out of scope")


def end(tables: Tables, actor: ActorRecord, status: Status, payload: bytes, reason: str) -> None:
    """The actor is dead from now on: sent, queued and later calls fail with this, its process is killed, its name is
    free."""
    if actor.state is ActorState.DEAD:
        return
    worker = actor.worker
    mark_dead(tables, actor, status, payload, reason)
    if worker is not None and not worker.stopping:
        workers.kill(tables, worker, reason)


def mark_dead(tables: Tables, actor: ActorRecord, status: Status, payload: bytes, reason: str) -> None:
    """Fail all that was asked of an actor and will not be answered."""
    move(tables.log, actor.actor_id, actor, ActorState.DEAD, reason)
    actor.ended_at_s = tables.now_s
    actor.death_status = status
    actor.death_payload = payload
    keeping.ended(tables, actor)
    if actor.checkpoints is not None:
        checkpoints.forget(tables, actor, actor.checkpoints)
    if actor.name and tables.names.get((actor.namespace, actor.name)) is actor:
        del tables.names[actor.namespace, actor.name]
    unanswered = [*actor.sent.values(), *(task for queue in actor.queues.values() for task in queue)]
    actor.sent.clear()
    actor.queues.clear()
    lanes.close(tables, actor)
    owner = tables.clients.get(actor.owner)
    if owner is not None:
        owner.children.pop(actor.actor_id, None)
    creation = actor.creation
    if creation.state in (TaskState.WAITING, TaskState.QUEUED, TaskState.SENT):
        if creation.state is TaskState.QUEUED:
            queues.withdraw(tables, creation)
        unanswered.insert(0, creation)
    for task in unanswered:
        if actor.worker is not None:
            actor.worker.assigned.pop(task.task_id, None)
        task.cancelled = True
        tasks.fail(tables, task, status, actor.death_told, reason)
    if actor.may_ever_restart:
        objects.release(tables, (*creation.dependencies, *creation.borrowed))
    if actor.detached:
        actor.detached = False
        tables.bereaved.append(actor.actor_id)
        objects.release(tables, (actor.handle_object_id,))
    forget_if_unreferenced(tables, actor)


def forget_if_unreferenced(tables: Tables, actor: ActorRecord) -> None:
    """A dead actor's record is kept only while a handle might still be used to call it. Lineage is no such use: a task
    that is run again finds the actor dead, known or not."""
    handle = tables.objects.get(actor.handle_object_id)
    if actor.state is ActorState.DEAD and (handle is None or handle.references == 0):
        forget(tables, actor)


def forget(tables: Tables, actor: ActorRecord) -> None:
    """Nobody will call a dead actor any more: what is left of it is history."""
    if tables.actors.pop(actor.actor_id, None) is not None:
        tables.history.actor_gone(actor)
