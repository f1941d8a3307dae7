"""`ray.cancel`: a task that has not started never runs, one that runs is interrupted or its worker killed; and so,
unless asked otherwise, are the tasks and calls that it has submitted."""

from __future__ import annotations

from collections import deque

from localray.kernel import actors, queues, tasks, workers
from localray.kernel.exits import FORCED
from localray.kernel.records import ClientRecord, TaskRecord, TaskState
from localray.kernel.tables import Tables
from localray.protocol import CancelRunning, CancelTask, Status, text_payload


def cancel_task(tables: Tables, client: ClientRecord, message: CancelTask) -> None:
    """Cancel the task that makes an object, then its descendants. One that has ended is left alone, and so are its
    children; an actor's constructor always is."""
    task = tables.tasks.get(message.object_id[:24])
    ahead = deque([task] if task is not None else [])
    while ahead:
        task = ahead.popleft()
        if task.actor is not None and (task.actor.creation is task or task.is_replayed):
            continue
        # Only what runs has submitted anything, now or in an earlier attempt.
        if message.recursive and (task.worker is not None or task.attempt):
            ahead.extend(children(tables, task))
        # One that waits for another of the same tree may have failed with it.
        if tables.tasks.get(task.task_id) is task:
            cancel(tables, task, force=message.force)


def children(tables: Tables, task: TaskRecord) -> list[TaskRecord]:
    """What a task has submitted and has not ended, in that order."""
    return [other for other in tables.tasks.values() if other.parent_id == task.task_id]


def cancel(tables: Tables, task: TaskRecord, *, force: bool) -> None:
    """Cancel one task. One that runs may be cancelled again: it may have caught the first interrupt, and ``force`` is
    then what is left (as in Ray)."""
    if task.state is TaskState.SENT and task.worker is not None:
        task.cancelled = True
        # Only the first in a worker's line is running; killing the worker for one behind it would hit an innocent.
        is_running = next(iter(task.worker.assigned), None) == task.task_id
        if force and task.actor is None and is_running:
            workers.kill(tables, task.worker, FORCED)
        else:
            tables.send(task.worker.number, CancelRunning(task.task_id))
        return
    if task.cancelled:
        return
    task.cancelled = True
    text = f"Task {task.template.name} was cancelled before it started."
    if task.actor is not None:
        actors.withdraw_call(tables, task.actor, task, Status.CANCELLED, text_payload(text))
        return
    if task.state is TaskState.QUEUED:
        queues.withdraw(tables, task)
    tasks.fail(tables, task, Status.CANCELLED, text_payload(text), "ray.cancel")
