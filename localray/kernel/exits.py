"""Why a process has ended, in Ray's names and in words, for the tables of the state API. Nothing here changes a table.

Must not live here: what a death leads to (`localray.kernel.deaths`).
"""

from __future__ import annotations

from localray.kernel.records import JobRecord, WorkerRecord
from localray.protocol import Status

FORCED = "ray.cancel(force=True)"
"""The reason for which a worker is killed whose task is cancelled by force."""
_BY_USER, _BY_SYSTEM, _BY_ERROR, _CRASHED = "INTENDED_USER_EXIT", "INTENDED_SYSTEM_EXIT", "USER_ERROR", "SYSTEM_ERROR"


def of_worker(worker: WorkerRecord) -> tuple[str, str]:
    """A worker's exit type and what there is to say of it, both empty while it lives."""
    if worker.ended_at_s < 0:
        return "", ""
    said = worker.kill_reason or worker.leave_reason or worker.exit_reason
    if worker.out_of_memory is not None:
        return "NODE_OUT_OF_MEMORY", said
    actor = worker.actor
    if actor is not None and actor.death_status is Status.ACTOR_CREATION_FAILED:
        return _BY_ERROR, f"There was an exception in the initialization method of its actor: {said}."
    if worker.killed:
        return _BY_USER if said == FORCED else _BY_SYSTEM, said
    if worker.left:
        return _BY_USER, said
    hint = ". If nobody has sent that, it was the system, for want of memory (OOM)" if "signal 9" in said else ""
    return _CRASHED, said + hint


def of_driver(job: JobRecord) -> tuple[str, str]:
    """The same of the driver of a job."""
    if job.ended_at_s < 0:
        return "", ""
    if job.was_shut_down:
        return _BY_USER, "it called ray.shutdown(), or came to its end"
    return _CRASHED, "it went without ray.shutdown(): it has crashed, or was killed"
