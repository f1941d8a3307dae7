"""What follows when a worker or a node dies: which tasks run again, which fail and how, who lets go of what.

Must not live here: deciding to end a healthy worker (`workers`, `actors`), what follows when a driver leaves (`jobs`).
"""

from __future__ import annotations

from localray.kernel import (
    actors,
    arenas,
    groups,
    holdings,
    memory,
    news,
    nodes,
    queues,
    recovery,
    restarts,
    scheduling,
    streams,
    tasks,
    workers,
)
from localray.kernel.records import (
    ClientRecord,
    NodeRecord,
    TaskRecord,
    WorkerRecord,
    WorkerState,
)
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import ENDED_IN_ORDER, Status, text_payload
from localray.sched.memory import OutOfMemory


def worker_died(tables: Tables, worker: WorkerRecord, cause: str, started: int) -> None:
    """A worker's process is gone; what it had not started is queued again as if nothing had been, what it had started
    is retried or fails."""
    node = worker.node
    move(tables.log, worker.number, worker, WorkerState.DEAD, cause)
    retired, worker.stopping = worker.stopping, True
    unborn = worker.number in tables.unborn
    if unborn:
        del tables.unborn[worker.number]
        node.starting -= 1
        if not worker.killed:
            tables.start_failures += 1
    if worker in node.idle:
        node.idle.remove(worker)
    del node.workers[worker.number]
    del tables.workers[worker.number]
    worker.ended_at_s, worker.exit_reason = tables.now_s, cause
    tables.history.workers.append(worker)
    tables.backlogged.pop(worker, None)
    tables.leaving.pop(worker, None)
    if worker.leased_to is not None:
        worker.leased_to.leased.pop(worker.number, None)
        worker.leased_to = None
    assigned = list(worker.assigned.values())
    worker.assigned.clear()
    begun = max(0, started - worker.ended_count)
    actor = worker.actor
    if actor is not None:
        restarts.process_died(tables, actor, worker, assigned, begun, worker.kill_reason or cause)
    else:
        cause = worker.kill_reason or cause
        for task in reversed(assigned[begun:]):
            # A worker that goes with its placement group takes along what it had been sent, begun or not, as in Ray.
            if went_with_its_group(tables, task):
                crashed(tables, worker, task, cause)
            else:
                not_started(tables, task, cause)
        for task in reversed(assigned[:begun]):
            if nodes.was_preempted(node):
                tasks.spare_retry(task)
            if worker.out_of_memory is None:
                crashed(tables, worker, task, cause)
            else:
                ran_out_of_memory(tables, task, worker.out_of_memory)
    client = tables.clients.pop(worker.number)
    streams.owner_left(tables, client)
    if actor is not None or worker.killed or not retired:
        owner_died(tables, client)
    holdings.drop_client(tables, client)
    scheduling.release_resources(tables, worker)


def owner_died(tables: Tables, owner: ClientRecord) -> None:
    """The actors that a worker created go with it, if they are not detached, as in Ray. Those of a worker that was
    merely not needed any more do not: Ray would have kept it."""
    for actor in list(owner.children.values()):
        text = "The actor is dead because its owner has died: the worker that created it."
        actors.end(tables, actor, Status.ACTOR_DIED, text_payload(text), "its owner died")


def node_died(tables: Tables, node: NodeRecord, cause: str) -> None:
    """A node is gone: nothing is placed there any more, its workers end, what only its store had is lost."""
    node.alive = False
    node.died_at_s = tables.now_s
    node.death_cause, node.death_reason = _reason_of(tables, node, cause)
    tables.index.left(node)
    tables.log.note(node.node_id, WorkerState.DEAD, f"the node died: {cause}")
    for worker in list(node.workers.values()):
        workers.kill(tables, worker, f"its node died: {node.death_cause}")
        scheduling.release_resources(tables, worker)
    groups.node_died(tables, node.number)
    recovery.node_died(tables, node, node.death_cause)
    arenas.drop_if_empty(tables, node)
    queues.nodes_changed(tables)


def _reason_of(tables: Tables, node: NodeRecord, cause: str) -> tuple[str, int]:
    """Why a node died, in words and by Ray's number: one that was to go has gone if it went by itself, or not before
    it was to be taken."""
    leave = node.leave
    if leave is None or (cause != leave.message and tables.now_s < leave.gone_at_s):
        return cause, nodes.ENDED_IN_ORDER if cause == ENDED_IN_ORDER else nodes.FAILED
    return leave.message, nodes.PREEMPTED if leave.preempts else nodes.NOT_NEEDED


def not_started(tables: Tables, task: TaskRecord, cause: str) -> None:
    """The worker died before this task's turn: queue it again, unless no worker ever comes up."""
    if workers.never_start(tables):
        text = f"Worker processes die before they can run a task: {cause}."
        task.worker = None
        tasks.fail(tables, task, Status.WORKER_CRASHED, text_payload(text), "workers do not start")
    else:
        scheduling.take_back(tables, task, "its worker died before it started")


def went_with_its_group(tables: Tables, task: TaskRecord) -> bool:
    """With its placement group removed a task that may not be retried has crashed, as in Ray; others may not run
    again."""
    refusal = tasks.refusal(tables, task)
    return refusal is not None and refusal[0] is Status.GROUP_REMOVED and task.retries_left == 0


def crashed(tables: Tables, worker: WorkerRecord, task: TaskRecord, cause: str) -> None:
    """The worker died while it had this task: run it again if its options allow, else it fails."""
    if tasks.may_retry(tables, task):
        tables.history.over(task, Status.WORKER_CRASHED.value, text_payload(cause), tables.now_s)
        tasks.use_retry(task)
        queues.try_again(tables, task, f"its worker died: {cause}")
        news.retried(tables, task, cause)
        return
    _fail(tables, worker, task, cause)
    # Only now: what is remembered of the task says in which worker it was.
    task.worker = None


def _fail(tables: Tables, worker: WorkerRecord, task: TaskRecord, cause: str) -> None:
    """A task whose worker has died will not run again."""
    refusal = tasks.refusal(tables, task)
    if refusal is not None and not went_with_its_group(tables, task):
        tasks.fail(tables, task, *refusal, "nobody wants it any more")
        return
    node = worker.node
    if not node.alive:
        text = f"Task {task.template.name} failed because node {node.node_id.hex()}, which it was running on, is dead."
        tasks.fail(tables, task, Status.NODE_DIED, text_payload(text), "its node died")
        return
    text = (
        f"It was {task.template.name}: {cause}. "
        f"It was tried {task.attempt + 1} time{'s' if task.attempt else ''}.{news.last_words(worker)}"
    )
    tasks.fail(tables, task, Status.WORKER_CRASHED, text_payload(text), f"its worker died: {cause}")


def ran_out_of_memory(tables: Tables, task: TaskRecord, why: OutOfMemory) -> None:
    """The memory monitor killed the worker while it had this task: try it again after a while if it may be, else it
    fails."""
    refusal = tasks.refusal(tables, task)
    if refusal is None and why.may_retry and memory.may_try_again(tables, task):
        memory.postpone(tables, task, why.text)
        return
    status, payload = refusal or (Status.OUT_OF_MEMORY, text_payload(why.text))
    tasks.fail(tables, task, status, payload, "its worker was killed for want of memory")
    task.worker = None
