"""`ray.cancel`: a task that has not started never runs, one that runs is interrupted or its worker killed."""

from __future__ import annotations

from localray.kernel import actors, scheduling, tasks, workers
from localray.kernel.records import ClientRecord, TaskState
from localray.kernel.tables import Tables
from localray.protocol import CancelRunning, CancelTask, Status, text_payload


def cancel_task(tables: Tables, client: ClientRecord, message: CancelTask) -> None:
    """Cancel the task that makes an object; one that has ended, or an actor's constructor, is left alone."""
    task = tables.tasks.get(message.object_id[:24])
    if task is None or task.cancelled or (task.actor is not None and task.actor.creation is task):
        return
    if task.state is TaskState.SENT and task.worker is not None:
        task.cancelled = True
        # Only the first in a worker's line is running; killing the worker for one behind it would hit an innocent.
        is_running = next(iter(task.worker.assigned), None) == task.task_id
        if message.force and task.actor is None and is_running:
            workers.kill(tables, task.worker, "ray.cancel(force=True)")
        else:
            tables.send(task.worker.number, CancelRunning(task.task_id))
        return
    task.cancelled = True
    text = f"Task {task.template.name} was cancelled before it started."
    if task.actor is not None:
        actors.withdraw_call(tables, task.actor, task, Status.CANCELLED, text_payload(text))
        return
    if task.state is TaskState.QUEUED:
        scheduling.withdraw(tables, task)
    tasks.fail(tables, task, Status.CANCELLED, text_payload(text), "ray.cancel")
