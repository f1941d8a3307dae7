"""What workers print: who is shown it, and the last of it for whoever asks why a worker died.

Must not live here: how it is shown (`localray.client.worker_output`).
"""

from __future__ import annotations

from localray.kernel.effects import WorkerPrinted
from localray.kernel.records import WorkerRecord
from localray.kernel.tables import Tables
from localray.protocol import WorkerOutput

LAST_LINES = 20
"""So many of a worker's last lines of standard error are kept."""


def printed(tables: Tables, event: WorkerPrinted) -> None:
    """A worker has printed lines: the driver of its job is shown them, if it wants."""
    worker = tables.workers.get(event.worker)
    if worker is None:
        return
    if event.is_error:
        worker.last_errors = (*worker.last_errors, *event.lines)[-LAST_LINES:]
    job = tables.jobs.get(worker.job)
    if job is not None and job.shows_output:
        name = event.name or name_of_running(worker)
        process_id = tables.clients[worker.number].process_id
        tables.send(job.driver, WorkerOutput(process_id, name, event.is_error, event.lines))


def name_of_running(worker: WorkerRecord) -> str:
    """What a worker runs, as far as is known here."""
    if worker.actor is not None:
        return worker.actor.creation.template.name.removesuffix(".__init__")
    for task in worker.assigned.values():
        return task.template.name
    return ""
