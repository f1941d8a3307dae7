"""What a worker's answer to a task leads to: outcomes handed on, another try, an actor alive or dead, a line
refilled."""

from __future__ import annotations

from collections import deque

from localray.kernel import actors, checkpoints, news, objects, queues, scheduling, tasks, workers
from localray.kernel.records import ClientRecord, TaskRecord, TaskState
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import INLINE, Status, TaskDone


def task_done(tables: Tables, client: ClientRecord, message: TaskDone) -> None:
    task_id, outcomes, duration_s, retryable, around_s = message
    for outcome in outcomes:
        if outcome[2] != INLINE:
            objects.claim_buffer(tables, client, outcome[2], outcome[3], outcome[1])
    worker = client.worker
    task = tables.tasks.get(task_id)
    if worker is None or task is None or task.worker is not worker:
        tasks.discard_outcomes(tables, outcomes)
        if worker is not None:
            worker.ended_count += 1
        return
    worker.ended_count += 1
    worker.assigned.pop(task_id, None)
    task.duration_s = duration_s
    task.around_s = around_s
    if retryable and tasks.may_retry(tables, task):
        # A stream yields its error before what ends it; where a value holds what was yielded, the error is put.
        error = next((payload for status, payload, *_ in outcomes if status == Status.TASK_ERROR), b"")
        tables.history.over(task, Status.TASK_ERROR.value, error, tables.now_s)
        tasks.discard_outcomes(tables, outcomes)
        _retry(tables, task)
        news.error_retried(tables, task, error)
    else:
        actor = task.actor
        is_checkpointed = actor is not None and actor.checkpoints is not None and actor.creation is not task
        if actor is not None and is_checkpointed:
            checkpoints.remember(tables, actor, task, outcomes)
        tasks.finish(tables, task, outcomes)
        if is_checkpointed:
            checkpoints.keep_results(tables, task)
        if actor is not None:
            if actor.creation is task:
                actors.created(tables, actor, outcomes[0])
            else:
                actors.call_ended(tables, actor, task)
    if worker.actor is None:
        workers.count_call(tables, worker, task.template)
        scheduling.task_ended(tables, worker, task, duration_s)


def _retry(tables: Tables, task: TaskRecord) -> None:
    """Run a task again whose error its options want retried: a call on its own actor, anything else wherever there is
    room."""
    tasks.use_retry(task)
    actor = task.actor
    reason = "its error is to be retried"
    if actor is None:
        queues.try_again(tables, task, reason)
    elif actor.creation is task or task.worker is None:
        queues.requeue(tables, task, reason)
    elif queues.awaits_lost(tables, task, reason):
        task.worker = None
        actor.sent.pop(task.task_id, None)
        actor.queues.setdefault(task.submitter, deque()).appendleft(task)
    else:
        move(tables.log, task.task_id, task, TaskState.QUEUED, reason)
        scheduling.send_task(tables, task.worker, task)
