"""What follows when an actor's process is gone: whether it comes back, and what becomes of its calls meanwhile.

A restart is another try of the constructor, wherever there is room, out of the budget ``max_restarts``. Of the calls
its process had, those with retries left (``max_task_retries``) run again in their order and before any newer one; what
had not begun costs no retry. The others fail: nobody knows how much of them was done. Must not live here: the lives of
actors that nothing happens to (`actors`), the deaths of other workers (`deaths`).
"""

from __future__ import annotations

from collections import deque

from localray.kernel import actors, checkpoints, news, nodes, queues, tasks, workers
from localray.kernel.records import ActorRecord, ActorState, TaskRecord, TaskState, WorkerRecord
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import PREEMPTED_WORDS, Status, text_payload


def process_died(
    tables: Tables, actor: ActorRecord, worker: WorkerRecord, assigned: list[TaskRecord], begun: int, cause: str
) -> None:
    """An actor's process is gone.

    Args:
        tables: all of the kernel's.
        actor: whose it was; dead already if it was killed for good or ended itself.
        worker: the process.
        assigned: the constructor or the calls that it had, in the order sent.
        begun: how many of these it had begun.
        cause: why it died.
    """
    if actor.state is ActorState.DEAD:
        return
    actor.worker = None
    if actor.state is ActorState.STARTING and begun == 0:
        constructor_not_begun(tables, actor, cause)
        return
    if nodes.was_preempted(worker.node):
        tasks.spare_retry(actor.creation)
    if not tasks.may_retry(tables, actor.creation):
        end(tables, actor, worker, assigned, cause)
        return
    actor.sent.clear()
    if actor.checkpoints is not None:
        checkpoints.interrupt(tables, actor.checkpoints)
    if actor.state is ActorState.ALIVE:
        if nodes.was_preempted(worker.node):
            for call in assigned[:begun]:
                tasks.spare_retry(call)
        keep_or_fail(tables, actor, assigned, begun, cause)
    if actor.in_scope or actor.queues:
        restart(tables, actor, cause)
    else:
        text = "The actor is dead because all references to the actor were removed."
        actors.end(tables, actor, Status.ACTOR_DIED, text_payload(text), "nobody needs it any more")


def end(
    tables: Tables, actor: ActorRecord, worker: WorkerRecord, assigned: list[TaskRecord], cause: str
) -> None:
    """It has no restart left: it is dead, and all that was asked of it fails."""
    for task in assigned:
        task.worker = None
    if worker.out_of_memory is not None:
        status, text = Status.OUT_OF_MEMORY, worker.out_of_memory.text
    else:
        status, text = Status.ACTOR_DIED, _words_of_death(worker, cause)
        if actor.restarts:
            text += f" It was restarted {actor.restarts} time{'s' if actor.restarts > 1 else ''} before."
        text += news.last_words(worker)
    actors.end(tables, actor, status, text_payload(text), f"its worker died: {cause}")
    # Whoever asks where it lived, for its log files, is told the last of its processes.
    actor.worker = worker


def _words_of_death(worker: WorkerRecord, cause: str) -> str:
    """Why an actor is dead, in Ray's words: programs tell deaths apart by them."""
    node = worker.node
    if node.alive:
        died = "The actor is dead because its worker process has died."
        return f"{died} Worker exit type: SYSTEM_ERROR Worker exit detail: {cause}."
    # A client knows by these words that it was preempted.
    expected = "expectedly" if node.death_reason == nodes.ENDED_IN_ORDER else "unexpectedly"
    how = PREEMPTED_WORDS if nodes.was_preempted(node) else f"the actor's node was terminated {expected}"
    return f"The actor died because its node has died. Node Id: {node.node_id.hex()}\n\t{how}: {node.death_cause}"


def restart(tables: Tables, actor: ActorRecord, cause: str) -> None:
    """Its constructor is to run again."""
    creation = actor.creation
    reason = f"its worker died: {cause}"
    if creation.state is TaskState.SENT:
        tables.history.over(creation, Status.WORKER_CRASHED.value, text_payload(cause), tables.now_s)
        tasks.use_retry(creation)
        move(tables.log, actor.actor_id, actor, ActorState.RESTARTING, reason)
        queues.requeue(tables, creation, reason)
    else:
        left = tasks.one_fewer(creation.retries_left)
        actor.creation = tasks.run_again(tables, creation, left, f"restart {actor.restarts + 1}")
        move(tables.log, actor.actor_id, actor, ActorState.RESTARTING, reason)


def constructor_not_begun(tables: Tables, actor: ActorRecord, cause: str) -> None:
    """The worker died before the constructor's turn: the actor is placed again, unless no worker ever comes up."""
    if workers.never_start(tables):
        text = f"Worker processes die before they can run the actor's constructor: {cause}."
        actor.creation.worker = None
        actors.end(tables, actor, Status.ACTOR_DIED, text_payload(text), "workers do not start")
        return
    before = ActorState.RESTARTING if actor.restarts else ActorState.PENDING
    move(tables.log, actor.actor_id, actor, before, f"its worker died before its constructor: {cause}")
    queues.requeue(tables, actor.creation, "its worker died before it started")
    actors.end_if_unneeded(tables, actor)


def keep_or_fail(tables: Tables, actor: ActorRecord, calls: list[TaskRecord], begun: int, cause: str) -> None:
    """Of the calls that the process had, put back those that may run again, in front of all that wait; fail the
    others."""
    for position in range(len(calls) - 1, -1, -1):
        task = calls[position]
        if task.state is not TaskState.SENT:
            continue  # It was being replayed, and will be again.
        task.worker = None
        if tasks.may_retry(tables, task):
            if position < begun:
                tables.history.over(task, Status.ACTOR_DIED.value, b"The actor died.", tables.now_s)
                tasks.use_retry(task)
            if not queues.awaits_lost(tables, task, "an argument is lost"):
                move(tables.log, task.task_id, task, TaskState.QUEUED, "waits for its actor's restart")
            actor.queues.setdefault(task.submitter, deque()).appendleft(task)
    for task in calls:
        if task.state is TaskState.SENT:
            status, payload = tasks.refusal(tables, task) or (
                Status.ACTOR_UNAVAILABLE,
                text_payload(f"The actor is temporarily unavailable: {cause}"),
            )
            tasks.fail(tables, task, status, payload, "its actor's worker died")


def kill(tables: Tables, actor: ActorRecord, *, no_restart: bool) -> None:
    """`ray.kill`: the actor is dead for good, or, if its options allow, only its process is."""
    if actor.state is ActorState.DEAD:
        return
    if no_restart or not tasks.may_retry(tables, actor.creation):
        text = "The actor is dead because it was killed by `ray.kill`."
        actors.end(tables, actor, Status.ACTOR_DIED, text_payload(text), "ray.kill")
    elif actor.worker is not None:
        workers.kill(tables, actor.worker, "ray.kill(no_restart=False)")
