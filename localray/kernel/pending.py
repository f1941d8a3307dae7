"""Why something is not there yet, in words for a person: what a task waits for, and which node lacks what.

A view: nothing here changes a table. Must not live here: deciding anything.
"""

from __future__ import annotations

from localray.kernel import bundles, demand
from localray.kernel.records import (
    ActorState,
    NodeRecord,
    ObjectState,
    SchedulingClass,
    TaskRecord,
    TaskState,
    WorkerRecord,
)
from localray.kernel.tables import Tables
from localray.protocol import CallMode, Demand, ReplyValue, Status, TaskKind
from localray.sched import placement

FAILED = "It has failed: `ray.get` raises its error, `localray list tasks --detail` shows it."
ID_DIGITS = 12
"""Of a node's id: as lists on terminals show it, and commands take it."""
SHOWN = 5
"""So many arguments, and so many nodes of one kind of reason, are named."""


def why(tables: Tables, object_id: bytes) -> str:
    """Why an object is not ready."""
    record = tables.objects.get(object_id)
    task = tables.tasks.get(object_id[:24])
    if record is None and task is None:
        return _why_gone(tables, object_id[:24])
    if task is None or (record is not None and record.state is not ObjectState.PENDING):
        if record is not None and record.actor:
            return why_actor(tables, record.actor.creation)
        return "It is ready." if record is None or record.status == Status.VALUE else FAILED
    return why_task(tables, task)


def _why_gone(tables: Tables, task_id: bytes) -> str:
    """Of what no table has, what is remembered of the task that has made it."""
    ended = next((each for each in reversed(tables.history.tasks) if each.task_id == task_id), None)
    if ended is None:
        return "This session does not know the object: it was freed, or made in an earlier session."
    since = f"{tables.now_s - ended.ended_at_s:.3g} s ago"
    if ended.status == Status.VALUE:
        return f"{ended.template.name} finished {since}. What it returned has been freed: nobody refers to it any more."
    return f"{ended.template.name} failed {since}. Its error has been freed: nobody refers to it any more."


def why_actor(tables: Tables, creation: TaskRecord) -> str:
    """Why an actor is not alive, if it is not."""
    actor = creation.actor
    if actor is None or actor.state is ActorState.ALIVE:
        return "It is ready."
    return "The actor is dead." if actor.state is ActorState.DEAD else why_task(tables, creation)


def why_task(tables: Tables, task: TaskRecord) -> str:
    """Why a task, constructor or call has not ended; where it waits for another that runs and waits, why that has not,
    and so on."""
    chain, lines = [task], [_why_this(tables, task)]
    while (first := _waits_for(tables, chain[-1])) is not None:
        if first in chain:
            lines.append(_circle(chain[chain.index(first) :]))
            break
        if len(chain) == SHOWN:
            break
        chain.append(first)
        lines.append(_why_this(tables, first))
    return "\n".join(lines)


def _waits_for(tables: Tables, task: TaskRecord) -> TaskRecord | None:
    """The task that has to end before this one goes on, where that is known: what it waits for in `get`, or what is
    before it in its worker's line."""
    worker = task.worker
    if task.actor is not None and task.state is TaskState.QUEUED:
        worker = task.actor.worker  # Its turn is after what has been sent there.
    elif task.state is not TaskState.SENT:
        return None
    if worker is None or not _one_at_a_time(worker):
        return None
    first = next(iter(worker.assigned.values()), None)
    if first is not task:
        return first
    return next(filter(None, (tables.tasks.get(each[:24]) for each in _awaited(tables, worker))), None)


def _short(node: NodeRecord) -> str:
    return node.node_id.hex()[:ID_DIGITS]


def _one_at_a_time(worker: WorkerRecord) -> bool:
    return worker.actor is None or worker.actor.creation.template.call_mode is CallMode.SERIAL


def _awaited(tables: Tables, worker: WorkerRecord) -> list[bytes]:
    """The objects that what runs in a worker waits for, and that are not there."""
    client = tables.clients.get(worker.number)
    asked = () if client is None else (each for wait in client.waits.values() for each in wait.object_ids)
    found = ((each, tables.objects.get(each)) for each in asked)
    return [each for each, record in found if record is not None and record.state is ObjectState.PENDING]


def _circle(chain: list[TaskRecord]) -> str:
    """What is said of tasks each of which waits for the next, and the last for the first."""
    text = "So each waits for the other, and none will ever end."
    actors = {task.actor.actor_id for task in chain if task.actor is not None}
    if len(actors) == 1:
        return (
            f"{text} An actor runs one call at a time: inside of it call the method itself (self.method()) instead of"
            " waiting for .remote(), or give the actor max_concurrency=2."
        )
    return f"{text} An actor runs one call at a time: give one of these max_concurrency=2." if actors else text


def _why_this(tables: Tables, task: TaskRecord) -> str:
    name = task.template.name
    if task.state is TaskState.SENT and task.worker is not None:
        worker = task.worker
        ahead = list(worker.assigned).index(task.task_id) if task.task_id in worker.assigned else 0
        where = f"{worker.label.removeprefix('to ')} of node {_short(worker.node)}"
        if ahead:
            others = f"{ahead} others" if ahead > 1 else "another"
            return f"{name} is behind {others} in the line of {where}."
        awaited = _awaited(tables, worker) if _one_at_a_time(worker) else []
        waits = f", and waits there for {_objects(tables, awaited)}" if awaited else ""
        return f"{name} runs on {where}{waits}."
    if task in tables.postponed:
        again_s = tables.postponed[task] - tables.now_s
        why = "because its worker was killed for want of memory" if task.memory_kills else "after the last try failed"
        return f"{name} is tried again in {max(0.0, again_s):.3g} s, {why}."
    if task.state is TaskState.WAITING:
        return f"{name} waits for its arguments: {_arguments(tables, task)}."
    if task.template.kind is TaskKind.ACTOR_CALL:
        return _why_call(tables, task)
    group = task.template.scheduling_class
    return f"{name} is {task.state.value}." if group is None else _why_queued(tables, task, group)


def _arguments(tables: Tables, task: TaskRecord) -> str:
    return _objects(tables, [each for each in task.dependencies if tables.objects[each].state is ObjectState.PENDING])


def _objects(tables: Tables, missing: list[bytes]) -> str:
    """Objects that are not there, the first of them by name."""
    parts = []
    for object_id in missing[:SHOWN]:
        maker = tables.tasks.get(object_id[:24])
        made_by = f" of {maker.template.name}, which is {maker.state.value}" if maker is not None else ""
        parts.append(f"{object_id.hex()}{made_by}")
    rest = len(missing) - len(parts)
    return ", ".join(parts) + (f" and {rest} more" if rest else "")


def _why_call(tables: Tables, task: TaskRecord) -> str:
    actor = task.actor
    if actor is not None and actor.state in (ActorState.PENDING, ActorState.STARTING):
        return f"{task.template.name} waits for its actor: {why_task(tables, actor.creation)}"
    return f"{task.template.name} waits for earlier calls of the same caller."


def demands(tables: Tables) -> ReplyValue:
    """A `Demand` for what waits for a place: tasks and constructors that ask for the same, and placement groups."""
    found: list[ReplyValue] = []
    for group in tables.classes.values():
        task = next((task for queue in group.queues.values() for task in queue if not task.cancelled), None)
        if task is not None:
            what = "actor" if group.is_actor else "task"
            _, _, reasons = _why_queued(tables, task, group).partition("\n")
            found.append(tuple(Demand(what, task.template.name, group.queued, (group.to_place,), reasons)))
    for waiting in tables.pending_groups:
        wanted = tuple(bundle.demand for bundle in waiting.bundles if bundle.node is None)
        name = waiting.name or waiting.group_id.hex()
        lacks = "others have what it needs" if waiting.feasible else bundles.lacks(tables, waiting)
        found.append(tuple(Demand("placement group", name, 1, wanted, f"{waiting.strategy.name}: {lacks}")))
    return tuple(found)


def _why_queued(tables: Tables, task: TaskRecord, group: SchedulingClass) -> str:
    """Which node lacks what; nodes that lack the same are told together."""
    reasons: dict[str, list[NodeRecord]] = {}
    for node in tables.nodes.values():
        reasons.setdefault(placement.lacks(node, group.to_place, group.rule) or "has room", []).append(node)
    others = f" with {group.queued - 1} others that ask for the same" if group.queued > 1 else ""
    lines = [f"{task.template.name} is queued{others}."]
    for reason, alike in reasons.items():
        names = ", ".join(map(_short, alike[:SHOWN]))
        more = f" and {len(alike) - SHOWN} more" if len(alike) > SHOWN else ""
        lines.append(f"node{'s' if len(alike) > 1 else ''} {names}{more}: {reason}")
    if "has room" in reasons:
        lines.append("A worker is being started, or a task that lends its CPU is expected to go on soon.")
    elif group in tables.infeasible:
        lines.append("No node could take it even if nothing else ran there.")
        if demand.could_take(tables, group):
            lines.append("A node that the autoscaler may launch could.")
    return "\n".join(lines)
