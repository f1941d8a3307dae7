"""What workers print: who is shown it, what of it a slow driver misses, and the last of it for whoever asks why a
worker died.

Must not live here: how it is shown (`localray.client.worker_output`).
"""

from __future__ import annotations

from localray.kernel.effects import DriverLags, WorkerPrinted
from localray.kernel.records import WorkerRecord
from localray.kernel.tables import Tables
from localray.protocol import Notice, WorkerOutput

LAST_LINES = 20
"""So many of a worker's last lines of standard error are kept."""
_CRASH, _OF_A_CRASH = "Fatal Python error:", 5
MOST_UNSENT_BYTES = 16 << 20
"""While more than this waits for a driver, stopped or slow, what its workers print is kept in log files only."""


def printed(tables: Tables, event: WorkerPrinted) -> None:
    """A worker has printed lines: the driver of its job is shown them, if it wants."""
    worker = tables.workers.get(event.worker)
    if worker is None:
        return
    if event.is_error:
        worker.last_errors = _kept((*worker.last_errors, *event.lines))
    job = tables.jobs.get(worker.job)
    driver = None if job is None or not job.shows_output else tables.clients.get(job.driver)
    if driver is None:
        return
    if driver.lags:
        driver.missed_lines += len(event.lines)
    else:
        name = event.name or name_of_running(worker)
        process_id = tables.clients[worker.number].process_id
        tables.send(driver.number, WorkerOutput(process_id, name, event.is_error, event.lines))


def _kept(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The last lines; of a crash in native code the first, as its stack is printed from the innermost frame out."""
    for place, line in enumerate(lines):
        if line.startswith(_CRASH):
            return lines[place : place + _OF_A_CRASH]
    return lines[-LAST_LINES:]


def lags(tables: Tables, event: DriverLags) -> None:
    """A driver takes nothing, or takes again; then it is told how many lines it has missed."""
    driver = tables.clients.get(event.client)
    if driver is None:
        return
    driver.lags = event.lags
    if not driver.lags and driver.missed_lines:
        text = f"{driver.missed_lines} lines that workers printed are not shown; they are in the session's log files."
        driver.missed_lines = 0
        tables.send(driver.number, Notice(text))


def name_of_running(worker: WorkerRecord) -> str:
    """What a worker runs, as far as is known here."""
    if worker.actor is not None:
        return worker.actor.creation.template.name.removesuffix(".__init__")
    for task in worker.assigned.values():
        return task.template.name
    return ""
