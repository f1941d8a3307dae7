"""Calls that a driver has sent by a lane, as the kernel hears of them: from the caller, from the worker, or from both.

Whoever speaks first makes the record. That who comes second finds it, or knows that the call is over, rests on what
each says and in which order: a caller lets go of what a call returns after it has told of the call, and tells of an
answer to one that it has not told of (``is_new``) only if its worker has not; a worker tells of its call before the
answer, and is believed while its actor lives. Must not live here: who gets a lane (`lanes`).
"""

from __future__ import annotations

from localray.kernel import actors, lanes, tasks
from localray.kernel.records import ActorState, ClientRecord, ObjectState, TaskRecord, TaskState, WorkerRecord
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import AnswerByLane, CallByLane, Status, text_payload


def sent(tables: Tables, client: ClientRecord, message: CallByLane) -> None:
    """A call is with the worker, or was when that died."""
    caller = tables.clients.get(message.caller)
    known = tables.tasks.get(message.task_id)
    if known is not None and client.worker is not None and known.worker is client.worker:
        _runs_now(client.worker, known)
    if caller is None or known is not None or tasks.return_id(message.task_id, 0) in tables.objects:
        return
    actor = tables.actors.get(message.actor_id)
    is_alive = actor is not None and actor.state is ActorState.ALIVE
    if client.worker is not None and not is_alive:
        # The caller will tell of it too, unless it has, and nobody looks at what it returns any more.
        return
    task = _take_in(tables, caller, message)
    if actor is None or not is_alive:
        actors.fail_call_of_nobody(tables, task, message.actor_id)
        return
    worker = actor.worker
    if worker is None:
        raise tables.broken("a call came by a lane that leads to no worker", actor.actor_id)
    move(tables.log, task.task_id, task, TaskState.SENT, worker.label)
    task.worker = worker
    worker.assigned[task.task_id] = task
    actor.sent[task.task_id] = actor.by_lane = task
    if client.worker is not None:
        _runs_now(worker, task)


def _runs_now(worker: WorkerRecord, task: TaskRecord) -> None:
    """A worker speaks of the call that it runs, which comes before all that the kernel has sent it: whose children it
    submits is told by who is first in its line."""
    worker.assigned.pop(task.task_id, None)
    worker.assigned = {task.task_id: task, **worker.assigned}


def answered(tables: Tables, caller: ClientRecord, message: AnswerByLane) -> None:
    """The caller has the answer: hand it to whoever else wants it. It stands even where the actor has died since."""
    task = tables.tasks.get(message.task_id)
    if message.is_new:
        task = _take_in(tables, caller, message)
        move(tables.log, task.task_id, task, TaskState.SENT, "and answered")
        task.worker = None if task.actor is None else task.actor.worker
        task.created_at_s = task.sent_at_s = tables.now_s - message.duration_s
    elif task is None:
        _answered_after_all(tables, message)
        return
    task.duration_s = message.duration_s
    record = tables.objects.get(tasks.return_id(task.task_id, 0))
    if record is not None:
        # The caller knows it by now, and says itself what became of it.
        record.heard = True
    worker, actor = task.worker, task.actor
    if worker is not None:
        worker.ended_count += 1
        worker.assigned.pop(task.task_id, None)
    tasks.finish(tables, task, (message.outcome,))
    if actor is not None:
        actors.call_ended(tables, actor, task)


def _answered_after_all(tables: Tables, message: AnswerByLane) -> None:
    """A call has failed with its actor, and had been answered before that died. Who asked in between was told that it
    failed; from now on all are told what its caller knows."""
    record = tables.objects.get(tasks.return_id(message.task_id, 0))
    if record is not None and record.state is ObjectState.READY and record.status == Status.ACTOR_DIED:
        record.status, record.payload, _, record.size_bytes, _ = message.outcome
        record.heard = True
        tables.log.note(record.object_id, record.state, "answered before its actor died")


def caller_left(tables: Tables, number: int) -> None:
    """A driver is gone: whatever its calls on lanes have come to, nobody tells."""
    for task in lanes.caller_left(tables, number):
        worker, actor = task.worker, task.actor
        if worker is not None:
            worker.assigned.pop(task.task_id, None)
        task.worker = None
        text = f"The driver that made this call of {task.template.name} has ended."
        tasks.fail(tables, task, Status.WORKER_CRASHED, text_payload(text), "its caller is gone")
        if actor is not None:
            actors.call_ended(tables, actor, task)


def _take_in(tables: Tables, caller: ClientRecord, message: CallByLane | AnswerByLane) -> TaskRecord:
    task = tasks.create(tables, caller, tables.templates[message.template], message.task_id, b"", (), ())
    # It needs no arguments, and is not to be sent.
    tables.woken.pop()
    task.actor = tables.actors.get(message.actor_id)
    task.retries_left = 0
    task.sent_at_s = tables.now_s
    move(tables.log, task.task_id, task, TaskState.QUEUED, "by a lane")
    return task
