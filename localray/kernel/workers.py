"""The pool of worker processes: obtained from idle ones or started, taught what they need to know, returned, reaped.

Must not live here: what a worker is given to do (`scheduling`), and what follows when one dies (`deaths`).
"""

from __future__ import annotations

from localray.kernel.effects import KillWorker, StartWorker
from localray.kernel.records import (
    ActorState,
    ClientKind,
    ClientRecord,
    NodeRecord,
    SchedulingClass,
    TaskRecord,
    Template,
    WorkerRecord,
    WorkerState,
)
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import Exit, SetUpJob
from localray.sched.resources import CPU, RESOURCE_UNIT

START_FAILURES_TOLERATED = 3
IDLE_KEPT_S = 1.0
"""An idle worker beyond one for each CPU is ended after this long (Ray's default)."""


def start(tables: Tables, node: NodeRecord) -> WorkerRecord:
    """Ask for a new worker process. It can be sent to at once: what is sent waits in its channel."""
    number = tables.new_client_number()
    worker = WorkerRecord(number, node, f"to worker {number}", launched_at_s=tables.now_s)
    tables.workers[number] = worker
    node.workers[number] = worker
    node.starting += 1
    tables.unborn[number] = None
    tables.clients[number] = ClientRecord(number, ClientKind.WORKER, 0, worker=worker)
    tables.log.note(number, WorkerState.STARTING, f"on node {node.number}")
    tables.effects.append(StartWorker(number, node.number))
    move(tables.log, number, worker, WorkerState.IDLE, "can be sent to")
    return worker


def started(tables: Tables, worker: WorkerRecord) -> None:
    """The worker's process is up: another may start in its stead, and workers do start here after all."""
    if tables.unborn.pop(worker.number, 1) is None:
        worker.started_at_s = tables.now_s
        worker.node.starting -= 1
        tables.start_failures = 0


def never_start(tables: Tables) -> bool:
    """Whether one worker after the other has died before it came up: then another is not worth waiting for."""
    return tables.start_failures > START_FAILURES_TOLERATED


def may_start(node: NodeRecord) -> bool:
    """Whether another worker may start beside those that are starting now."""
    return node.starting < max(4, 2 * node.total.get(CPU, 0) // RESOURCE_UNIT)


def obtain(tables: Tables, node: NodeRecord, group: SchedulingClass) -> WorkerRecord | None:
    """A worker of this node for tasks of a class: the one last used, whose caches are warm, else a new one; None if too
    many are starting. What has devices runs in no worker that has run something without: libraries look for devices
    once, when they are imported."""
    idle = node.idle
    sees_devices = group.gpu_units > 0
    for position in range(len(idle) - 1, -1, -1):
        worker = idle[position]
        same = worker.job == group.job and worker.runtime_env == group.runtime_env
        if worker.job == 0 or (same and worker.sees_devices == sees_devices):
            del idle[position]
            break
    else:
        if not may_start(node):
            return None
        worker = start(tables, node)
    worker.sees_devices = sees_devices
    assign_job(tables, worker, group.job, group.runtime_env)
    return worker


def assign_job(tables: Tables, worker: WorkerRecord, number: int, runtime_env: bytes) -> None:
    """Tell a worker whose program it works for and what it is to be set up with, once: workers are shared neither
    between jobs nor between runtime environments."""
    if worker.job == number:
        return
    job = tables.jobs[number]
    worker.job = number
    tables.clients[worker.number].job = number
    node = worker.node
    tables.send(
        worker.number,
        SetUpJob(
            number,
            job.namespace,
            job.sys_path,
            job.working_directory,
            node.node_id,
            node.environment,
            job.logging,
            job.detaches_actors,
        ),
    )
    if runtime_env:
        worker.runtime_env = runtime_env
        definition = tables.runtime_envs[runtime_env]
        if definition.hook:
            worker.known.add(definition.hook)
            tables.send(worker.number, tables.functions[definition.hook])
        tables.send(worker.number, definition)


def teach(tables: Tables, worker: WorkerRecord, template: Template) -> None:
    """Send a worker a template, and the function it names, before its first task of that kind."""
    # A method has no function of its own: it is an attribute of the instance that the worker has made.
    if template.function_id and template.function_id not in worker.known:
        worker.known.add(template.function_id)
        tables.send(worker.number, tables.functions[template.function_id])
    worker.known.add(template.number)
    tables.send(worker.number, tables.template_messages[template.number])


def become_actor(tables: Tables, worker: WorkerRecord, creation: TaskRecord) -> None:
    """From now on the worker is this actor, until it dies."""
    actor = creation.actor
    if actor is None:
        raise tables.broken("a constructor without its actor", creation.task_id)
    move(tables.log, worker.number, worker, WorkerState.ACTOR, "becomes an actor")
    worker.actor = actor
    actor.worker = worker
    move(tables.log, actor.actor_id, actor, ActorState.STARTING, f"on worker {worker.number}")


def return_to_pool(tables: Tables, worker: WorkerRecord) -> None:
    """A worker without a lease is idle: offered to whoever waits, or reaped when nobody wants it for long."""
    node = worker.node
    move(tables.log, worker.number, worker, WorkerState.IDLE, "lease ended")
    if worker.stopping:
        return
    worker.idle_since_s = tables.now_s
    node.idle.append(worker)
    if tables.reap_at_s is None and len(node.idle) > kept_idle(node):
        tables.reap_at_s = tables.now_s + IDLE_KEPT_S


def kept_idle(node: NodeRecord) -> int:
    """How many idle workers a node keeps for ever: one for each CPU."""
    return max(1, node.total.get(CPU, 0) // RESOURCE_UNIT)


def reap_idle(tables: Tables) -> None:
    """End the workers that have been idle for too long, longest first, down to the number kept."""
    if tables.reap_at_s is None or tables.now_s < tables.reap_at_s:
        return
    tables.reap_at_s = None
    for node in tables.nodes.values():
        spare = len(node.idle) - kept_idle(node)
        for worker in list(node.idle):
            if spare <= 0:
                break
            if tables.now_s - worker.idle_since_s >= IDLE_KEPT_S:
                retire(tables, worker, "it was idle for long")
                spare -= 1
        if spare > 0:
            tables.reap_at_s = tables.now_s + IDLE_KEPT_S


def retire(tables: Tables, worker: WorkerRecord, reason: str) -> None:
    """Ask a worker to end in an orderly way; nothing more is given to it."""
    if worker.stopping:
        return
    worker.stopping = worker.left = True
    worker.leave_reason = reason
    if worker in worker.node.idle:
        worker.node.idle.remove(worker)
    if worker.actor is not None:
        tables.leaving[worker] = tables.now_s + tables.survival.actor_grace_s
    tables.send(worker.number, Exit(reason))


def end_the_late(tables: Tables) -> None:
    """Actors whose own exit handlers do not come to an end are killed."""
    for worker, at_s in list(tables.leaving.items()):
        if at_s > tables.now_s:
            return
        del tables.leaving[worker]
        kill(tables, worker, f"it had {tables.survival.actor_grace_s:g} s to end")


def kill(tables: Tables, worker: WorkerRecord, reason: str) -> None:
    """End a worker's process at once. It may be asked for twice: a task is cancelled of one that runs out of memory."""
    if worker.killed:
        return
    worker.killed = worker.stopping = True
    worker.kill_reason = reason
    if worker in worker.node.idle:
        worker.node.idle.remove(worker)
    tables.log.note(worker.number, worker.state, f"kill: {reason}")
    tables.effects.append(KillWorker(worker.number))


def count_call(tables: Tables, worker: WorkerRecord, template: Template) -> None:
    """`max_calls`: a worker that has run a function so often is replaced by a fresh one."""
    if template.max_calls == 0:
        return
    count = worker.calls.get(template.function_id, 0) + 1
    worker.calls[template.function_id] = count
    if count >= template.max_calls:
        retire(tables, worker, f"max_calls={template.max_calls} of {template.name}")
