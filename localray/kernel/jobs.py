"""Jobs: a driver's program ends with it, except for what hangs from its detached actors.

Must not live here: what a dying process takes along (`deaths`), whether the session ends too (`sessions`).
"""

from __future__ import annotations

from localray.kernel import actors, definitions, groups, holdings, lane_calls, queues, streams, tasks, workers
from localray.kernel.records import ActorState, ClientKind, JobRecord, TaskRecord, TaskState, WorkerRecord, WorkerState
from localray.kernel.tables import Tables
from localray.protocol import Status, TaskKind


def driver_left(tables: Tables, number: int, *, in_order: bool) -> None:
    """A driver ended ``in_order`` or vanished: its job, and all it held, go."""
    client = tables.clients.get(number)
    if client is None or client.kind is not ClientKind.DRIVER:
        return
    del tables.clients[number]
    job = tables.jobs.get(client.job)
    if job is not None:
        job.driver, job.ended_at_s, job.was_shut_down = 0, tables.now_s, in_order
        tables.history.jobs.append(job)
        end(tables, job)
    lane_calls.caller_left(tables, client.number)
    streams.owner_left(tables, client)
    holdings.drop_client(tables, client)


def detached_actor_died(tables: Tables, actor_id: bytes) -> None:
    """A detached actor is dead: what hung from it goes, if its driver has left before."""
    groups.keeper_died(tables, actor_id)
    for job in [job for job in tables.jobs.values() if job.driver == 0]:
        end(tables, job)


def end(tables: Tables, job: JobRecord) -> None:
    """A job without its driver: workers, actors, groups and tasks go, except for those that hang from its living
    detached actors; with the last of these the job itself does."""
    spared = {actor.actor_id for actor in tables.actors.values() if actor.job == job.number and actor.detached}
    for worker in list(tables.workers.values()):
        runs = worker.job == job.number and worker.state is not WorkerState.DEAD and not worker.stopping
        if runs and not spared.intersection(roots(worker)):
            workers.kill(tables, worker, "its driver left")
    for actor in list(tables.actors.values()):
        ends = actor.job == job.number and actor.state is not ActorState.DEAD
        if ends and actor.creation.root not in spared:
            text = b"The driver that created the actor has ended."
            actors.end(tables, actor, Status.ACTOR_DIED, text, "its driver left")
    if not spared:
        del tables.jobs[job.number]
    groups.driver_left(tables, job.number, spared)
    for task in list(tables.tasks.values()):
        if task.template.job == job.number and task.template.kind is TaskKind.TASK and task.worker is None:
            give_up(tables, task)
    # What of this job's workers there is goes with the next: they are still dying.
    definitions.forget_unneeded(tables)


def roots(worker: WorkerRecord) -> set[bytes]:
    """The detached actors from which what a worker runs hangs."""
    if worker.actor is not None:
        return {worker.actor.creation.root}
    return {task.root for task in worker.assigned.values()}


def give_up(tables: Tables, task: TaskRecord) -> None:
    """A task that waits or is queued, and whose driver has left, will not run."""
    refusal = tasks.refusal(tables, task)
    if refusal is not None:
        if task.state is TaskState.QUEUED:
            queues.withdraw(tables, task)
        tasks.fail(tables, task, *refusal, "its driver left")
