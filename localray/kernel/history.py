"""What is remembered of the tasks, actors, workers and jobs that have ended: the last of each, for whoever lists them.

Nothing is decided by it. A task's record is not kept itself, because its arguments would be; what is kept of one is a
tuple, made when it ends. Must not live here: listing (`localray.kernel.listing`), the log of transitions (`story`).
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Final, NamedTuple

from localray.kernel.records import ActorRecord, JobRecord, TaskRecord, Template, WorkerRecord
from localray.protocol import Status

TASKS_KEPT: Final = 10_000
ACTORS_KEPT: Final = 1_000
WORKERS_KEPT: Final = 1_000
JOBS_KEPT: Final = 1_000
FAILED_ENVIRONMENTS_KEPT: Final = 100
LONGEST_ERROR_BYTES: Final = 8 * 1024
"""Errors are pickles, which cannot be cut: longer ones are not kept."""


class EndedTask(NamedTuple):
    """One attempt of a task, constructor or call, as it ended; ``status`` and ``error`` as in its first outcome;
    ``dependencies`` are the objects that it took, ``output_bytes`` is the size of all that it returned,
    ``around_s`` as in `localray.protocol.TaskDone`."""

    task_id: bytes
    template: Template
    attempt: int
    parent_id: bytes
    actor_id: bytes
    worker: WorkerRecord | None
    created_at_s: float
    sent_at_s: float
    ended_at_s: float
    duration_s: float
    status: int
    error: bytes
    dependencies: tuple[bytes, ...]
    output_bytes: int
    around_s: tuple[float, ...]


# Straight to the tuple's own constructor: a fifth of the cost of the class's.
_ended_task = partial(tuple.__new__, EndedTask)


def is_listed(task: TaskRecord) -> bool:
    """Whether those who list tasks are told of this one, or, where it does not say, of what its actor does."""
    own = task.template.is_listed
    if own is None:
        return task.actor is None or task.actor.creation.template.is_listed is not False
    return own


class History:
    """The last that ended, oldest first; without tasks where nobody wants these to be told of."""

    __slots__ = ("actors", "failed_environments", "jobs", "tasks", "with_tasks", "workers")

    def __init__(self) -> None:
        self.with_tasks = True
        self.tasks: deque[EndedTask] = deque(maxlen=TASKS_KEPT)
        self.actors: deque[ActorRecord] = deque(maxlen=ACTORS_KEPT)
        self.workers: deque[WorkerRecord] = deque(maxlen=WORKERS_KEPT)
        self.jobs: deque[JobRecord] = deque(maxlen=JOBS_KEPT)
        self.failed_environments: dict[tuple[bytes, bytes], str] = {}
        """Of runtime environments that could not be set up on a node: why, the last time, by their key and the node."""

    def over(self, task: TaskRecord, status: int, error: bytes, now_s: float, output_bytes: int = 0) -> None:
        """An attempt of a task is over: this was the status of its first outcome, and this the error, if it is one, and
        so large was what it returned. Called for every task. A call that was to end its actor has done so, whatever its
        caller is told."""
        actor = task.actor
        if not self.with_tasks or not is_listed(task):
            return
        if status and task.worker is not None and task.task_id in task.worker.left_by:
            status = Status.VALUE.value
        self.tasks.append(
            _ended_task(
                (
                    task.task_id,
                    task.template,
                    task.attempt,
                    task.parent_id,
                    b"" if actor is None else actor.actor_id,
                    task.worker,
                    task.created_at_s,
                    task.sent_at_s,
                    now_s,
                    task.duration_s,
                    status,
                    error if status and len(error) <= LONGEST_ERROR_BYTES else b"",
                    task.dependencies,
                    output_bytes,
                    task.around_s,
                )
            )
        )

    def not_set_up(self, runtime_env: bytes, node_id: bytes, reason: str) -> None:
        """A runtime environment could not be set up on a node."""
        known = self.failed_environments
        known.pop((runtime_env, node_id), None)
        known[runtime_env, node_id] = reason
        if len(known) > FAILED_ENVIRONMENTS_KEPT:
            del known[next(iter(known))]

    def actor_gone(self, actor: ActorRecord) -> None:
        """A dead actor is forgotten; its constructor's arguments are not kept."""
        actor.creation.payload = actor.description = b""
        self.actors.append(actor)
