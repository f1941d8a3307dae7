"""Workers whose processes are stopped (SIGSTOP, or a shell's job control): found by looking, killed after a while.

A worker that computes, or holds the interpreter's lock for minutes, answers nobody either, and is in good health. So
silence says nothing, and the kernel has its driver look at the state of the processes instead, every so often while
they have something to do. A process that a debugger has stopped is left alone. Must not live here: what follows from a
worker's death (`deaths`).
"""

from __future__ import annotations

from localray.kernel import workers
from localray.kernel.effects import LookAtWorkers, WorkersStopped
from localray.kernel.memory import is_busy
from localray.kernel.tables import Tables
from localray.protocol import Notice

LOOKS = 4
"""So many times within the limit the driver of the kernel looks."""


def watch(tables: Tables) -> None:
    """A worker has been given something to do."""
    if tables.look_at_s is None and tables.survival.frozen_after_s:
        tables.look_at_s = tables.now_s + tables.survival.frozen_after_s / LOOKS


def tick(tables: Tables) -> None:
    """Have a look if it is time; where nothing runs, the next lease starts the clock again."""
    if tables.look_at_s is None or tables.now_s < tables.look_at_s:
        return
    tables.look_at_s = None
    for node in tables.nodes.values():
        busy = tuple(worker.number for worker in node.workers.values() if is_busy(worker) and not worker.killed)
        if busy:
            watch(tables)
            tables.effects.append(LookAtWorkers(node.number, busy))


def stopped(tables: Tables, event: WorkersStopped) -> None:
    """The answer: those of a node that are stopped now; the others go on."""
    now_stopped = set(event.stopped)
    for worker in list(tables.nodes[event.node].workers.values()):
        if worker.number not in now_stopped:
            worker.stopped_at_s = None
        elif worker.stopped_at_s is None:
            worker.stopped_at_s = tables.now_s
        elif tables.now_s - worker.stopped_at_s >= tables.survival.frozen_after_s:
            long_s = tables.now_s - worker.stopped_at_s
            reason = f"its process was stopped (SIGSTOP) for {long_s:.1f} s, and so was killed"
            tell = tables.jobs.get(worker.job)
            if tell is not None and not worker.killed:
                tables.send(tell.driver, Notice(f"Worker {worker.number}: {reason}."))
            workers.kill(tables, worker, reason)
