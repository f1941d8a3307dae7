"""Runtime environments: what is known of each, and what follows when one cannot be set up.

An environment is part of a scheduling class, and a worker serves one for life (`workers.obtain`). Must not live here:
what is in one (`localray.runtime_env`), which the kernel never looks at.
"""

from __future__ import annotations

from localray.kernel import actors, queues, scheduling, tasks, workers
from localray.kernel.records import ClientRecord, SchedulingClass, TaskRecord, WorkerRecord
from localray.kernel.tables import Tables
from localray.protocol import RuntimeEnvFailed, Status, text_payload

_WHY = "its runtime environment cannot be set up"


def failed(tables: Tables, client: ClientRecord, message: RuntimeEnvFailed) -> None:
    """A worker could not be set up: what it was sent fails, and what is queued for the same environment, which would
    fail one worker after the other. What is submitted later is tried again."""
    worker = client.worker
    if worker is None:
        return
    payload = text_payload(message.reason)
    runtime_env, job = worker.runtime_env, worker.job
    tables.history.not_set_up(runtime_env, worker.node.node_id, message.reason)
    workers.kill(tables, worker, _WHY)
    if worker.actor is not None:
        actors.end(tables, worker.actor, Status.RUNTIME_ENV_FAILED, payload, _WHY)
    else:
        fail_sent(tables, worker, payload)
    for group in list(tables.classes.values()):
        if group.runtime_env == runtime_env and group.job == job:
            fail_queued(tables, group, payload)


def fail_sent(tables: Tables, worker: WorkerRecord, payload: bytes) -> None:
    """The tasks in a worker's line fail; it has begun none of them."""
    unrun = list(worker.assigned.values())
    worker.assigned.clear()
    tables.backlogged.pop(worker, None)
    if worker.leased_to is not None:
        scheduling.end_lease(tables, worker)
    for task in unrun:
        tasks.fail(tables, task, Status.RUNTIME_ENV_FAILED, payload, _WHY)


def fail_queued(tables: Tables, group: SchedulingClass, payload: bytes) -> None:
    """All queued tasks of a class fail."""
    waiting: list[TaskRecord] = [task for queue in group.queues.values() for task in queue if not task.cancelled]
    for task in waiting:
        if task.actor is not None:
            actors.end(tables, task.actor, Status.RUNTIME_ENV_FAILED, payload, _WHY)
        else:
            queues.withdraw(tables, task)
            tasks.fail(tables, task, Status.RUNTIME_ENV_FAILED, payload, _WHY)
