"""What there is and was, row by row: what the state API and the command line ask for.

Rows are made of the records themselves and of what `localray.kernel.history` remembers; nothing is kept for them, and
nothing here changes a table. States have Ray's names. Must not live here: filters, limits and layout, which are the
asker's; objects (`localray.kernel.inventory`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, TypeAlias, cast

from localray.kernel import exits
from localray.kernel.history import EndedTask, is_listed
from localray.kernel.nodes import home
from localray.kernel.records import (
    NEVER_S,
    ActorRecord,
    ActorState,
    GroupRecord,
    GroupState,
    JobRecord,
    TaskRecord,
    TaskState,
    Template,
    WorkerRecord,
)
from localray.kernel.tables import Tables
from localray.listings import ActorRow, GroupRow, JobRow, NodeRow, RuntimeEnvRow, TaskRow, WorkerRow
from localray.protocol import CallMode, Query, ReplyValue, Status, TaskKind
from localray.sched.resources import RESOURCE_UNIT

MOST_ROWS: Final = 10_000
"""So many of one kind are told at once, the last: as many as Ray tells."""

Row: TypeAlias = TaskRow | ActorRow | WorkerRow | NodeRow | JobRow | GroupRow | RuntimeEnvRow

_NO_STATUS = -1
_TASK_STATES = {TaskState.WAITING: "PENDING_ARGS_AVAIL", TaskState.QUEUED: "PENDING_NODE_ASSIGNMENT"}


def answer(tables: Tables, query: Query, wanted: bytes) -> ReplyValue:
    """The rows of a kind, or the one of this id: ``(now in seconds, how many there are, the rows)``."""
    rows = [cast("ReplyValue", tuple(row)) for row in LISTINGS[query](tables) if wanted in (b"", row[0])]
    return tables.now_s, len(rows), tuple(rows[-MOST_ROWS:])


# ---------------------------------------------------------------- tasks


def tasks(tables: Tables) -> Iterator[TaskRow]:
    """Each attempt of each task, constructor and call: those that are over, then those that are not."""
    gone = {actor.actor_id: actor for actor in tables.history.actors}
    for ended in tables.history.tasks:
        yield _ended(tables, ended, tables.actors.get(ended.actor_id) or gone.get(ended.actor_id))
    for task in tables.tasks.values():
        if tables.history.with_tasks and is_listed(task):
            yield _going_on(tables, task)


def _ended(tables: Tables, task: EndedTask, actor: ActorRecord | None) -> TaskRow:
    started_at_s = task.ended_at_s - task.duration_s if task.duration_s else task.sent_at_s
    return _row(
        tables,
        (task.task_id, task.attempt, task.template, task.actor_id, task.parent_id),
        actor,
        "FINISHED" if task.status == Status.VALUE else "FAILED",
        task.worker,
        (task.status, task.error),
        (task.created_at_s, task.sent_at_s, started_at_s, task.ended_at_s),
        (task.dependencies, task.output_bytes),
        task.around_s,
    )


def _going_on(tables: Tables, task: TaskRecord) -> TaskRow:
    state = state_of(tables, task)
    sent_at_s = task.sent_at_s if task.state is TaskState.SENT else NEVER_S
    worker = task.worker if task.state is TaskState.SENT else None
    started_at_s = NEVER_S
    if worker is not None and state.startswith("RUNNING"):
        started_at_s = sent_at_s if worker.actor is not None else max(sent_at_s, worker.progress_at_s)
    actor = task.actor
    return _row(
        tables,
        (task.task_id, task.attempt, task.template, b"" if actor is None else actor.actor_id, task.parent_id),
        actor,
        state,
        worker,
        (_NO_STATUS, b""),
        (task.created_at_s, sent_at_s, started_at_s, NEVER_S),
        (task.dependencies, 0),
    )


def _row(
    tables: Tables,
    identity: tuple[bytes, int, Template, bytes, bytes],
    actor: ActorRecord | None,
    state: str,
    worker: WorkerRecord | None,
    outcome: tuple[int, bytes],
    times_s: tuple[float, float, float, float],
    data: tuple[tuple[bytes, ...], int],
    around_s: tuple[float, ...] = (),
) -> TaskRow:
    task_id, attempt, template, actor_id, parent_id = identity
    function = _function_of(tables, template, actor)
    name = template.name
    if actor is not None and template.kind is TaskKind.ACTOR_CREATION and actor.name:
        name = f"{actor.name}:{name}"
    elif actor is not None and actor.repr_name and times_s[2] != NEVER_S and name == function:
        name = f"{actor.repr_name}.{template.method}"
    return TaskRow(
        task_id,
        attempt,
        name,
        function,
        state,
        template.job,
        actor_id,
        template.kind.value,
        parent_id,
        b"" if worker is None else worker.node.node_id,
        0 if worker is None else worker.number,
        0 if worker is None else worker.process_id,
        *outcome,
        template.to_hold,
        template.group,
        *times_s,
        *data,
        tables.task_sites.get(task_id, ""),
        _environment(tables, (template if actor is None else actor.creation.template).runtime_env),
        around_s,
    )


def _environment(tables: Tables, key: bytes) -> str:
    """What a runtime environment is, as JSON."""
    return tables.runtime_envs[key].fields if key else ""


def _function_of(tables: Tables, template: Template, actor: ActorRecord | None) -> str:
    """The function's or method's own name, whatever the task is called."""
    if template.kind is TaskKind.TASK:
        function = tables.functions.get(template.function_id)
        return template.name if function is None else function.name.rpartition(".")[2]
    if template.kind is TaskKind.ACTOR_CALL and actor is not None:
        return f"{actor.creation.template.name.removesuffix('.__init__')}.{template.method}"
    return template.name


def state_of(tables: Tables, task: TaskRecord) -> str:
    """The state of a task that is not over, by Ray's name: one that was sent runs, or waits in its worker's line. As in
    Ray nothing tells what waits in `get` from what computes."""
    if task in tables.postponed:
        return "PENDING_NODE_ASSIGNMENT"
    worker = task.worker
    if task.state is not TaskState.SENT or worker is None:
        return _TASK_STATES.get(task.state, task.state.name)
    actor = worker.actor
    at_once = 1
    if actor is not None and actor.creation is not task and actor.creation.template.call_mode is not CallMode.SERIAL:
        at_once = actor.creation.template.max_concurrency
    if not any(first is task for first in islice(worker.assigned.values(), at_once)):
        return "SUBMITTED_TO_WORKER" if actor is None else "PENDING_ACTOR_TASK_ORDERING_OR_CONCURRENCY"
    if worker.number in tables.unborn:
        return "SUBMITTED_TO_WORKER"
    return "RUNNING"


# ---------------------------------------------------------------- actors


def actors(tables: Tables) -> Iterator[ActorRow]:
    """Those that are gone, then those that are, or that somebody still holds a handle of."""
    for actor in tables.history.actors:
        yield _actor(tables, actor)
    for actor in tables.actors.values():
        yield _actor(tables, actor)


def _actor(tables: Tables, actor: ActorRecord) -> ActorRow:
    template = actor.creation.template
    function = tables.functions.get(template.function_id)
    worker = actor.worker
    is_dead = actor.state is ActorState.DEAD
    return ActorRow(
        actor.actor_id,
        template.name.removesuffix(".__init__") if function is None else function.qualname or function.name,
        actor_state(actor),
        actor.job,
        actor.name,
        actor.namespace,
        b"" if worker is None else worker.node.node_id,
        0 if worker is None else worker.process_id,
        actor.owner,
        template.to_hold,
        template.group,
        int(actor.is_detached),
        actor.restarts,
        actor.repr_name,
        actor.death_status.value if is_dead else _NO_STATUS,
        actor.death_payload if is_dead else b"",
        tables.task_sites.get(actor.creation.task_id, ""),
        _environment(tables, template.runtime_env),
        0 if worker is None else worker.number,
        actor.began_at_s,
        actor.ended_at_s,
    )


def actor_state(actor: ActorRecord) -> str:
    """Its state by Ray's name."""
    if actor.state in (ActorState.ALIVE, ActorState.DEAD):
        return actor.state.name
    if actor.is_away:
        return "RESTARTING"
    return "DEPENDENCIES_UNREADY" if actor.creation.state is TaskState.WAITING else "PENDING_CREATION"


# ---------------------------------------------------------------- the others


def workers(tables: Tables) -> Iterator[WorkerRow]:
    """Processes: drivers, workers that have ended, workers that are."""
    first_node = next((node.node_id for node in tables.nodes.values()), b"")
    for job in _jobs(tables):
        is_alive = job.ended_at_s < 0
        exit_type, why = exits.of_driver(job)
        times_s = (NEVER_S, job.started_at_s, job.ended_at_s)
        yield WorkerRow(job.client, 1, int(is_alive), first_node, job.process_id, why, exit_type, b"", *times_s)
    for worker in (*tables.history.workers, *tables.workers.values()):
        exit_type, why = exits.of_worker(worker)
        yield WorkerRow(
            worker.number,
            0,
            int(worker.ended_at_s < 0),
            worker.node.node_id,
            worker.process_id,
            why,
            exit_type,
            b"" if worker.actor is None else worker.actor.actor_id,
            worker.launched_at_s,
            worker.started_at_s,
            worker.ended_at_s,
        )


def nodes(tables: Tables) -> Iterator[NodeRow]:
    """All nodes there are or were; what placement groups provide is no node's own."""
    groups = {group_id.hex() for group_id in tables.groups}
    for node in tables.nodes.values():
        yield NodeRow(
            node.node_id,
            node.number,
            node.name,
            int(node.alive),
            node.death_cause,
            (
                *(pair for pair in node.total.items() if pair[0].rpartition("_")[2] not in groups),
                ("object_store_memory", node.store_capacity_bytes * RESOURCE_UNIT),
            ),
            tuple(node.labels.items()),
            node.joined_at_s,
            node.died_at_s,
        )


def jobs(tables: Tables) -> Iterator[JobRow]:
    """Drivers' programs."""
    for job in _jobs(tables):
        yield JobRow(
            job.number,
            job.client,
            job.process_id,
            job.namespace,
            job.entrypoint,
            int(job.ended_at_s < 0),
            job.started_at_s,
            job.ended_at_s,
        )


def _jobs(tables: Tables) -> list[JobRecord]:
    """Those whose driver has left, then the others."""
    return [*tables.history.jobs, *(job for job in tables.jobs.values() if job.driver)]


def placement_groups(tables: Tables) -> Iterator[GroupRow]:
    """Those that are removed, of the last, then those that are."""
    for group in (*tables.removed_groups.values(), *tables.groups.values()):
        yield GroupRow(
            group.group_id,
            group.name,
            group.job,
            group.state.name,
            group.strategy.name,
            tuple(bundle.demand for bundle in group.bundles),
            tuple(bundle.node_id for bundle in group.bundles),
            group.selectors,
            int(group.detached),
            group.created_at_s,
            group.placed_after_s,
            group.attempts,
            last_attempt(group),
        )


def last_attempt(group: GroupRecord) -> str:
    """What became of the last attempt to place a group, by Ray's names."""
    if group.state is GroupState.CREATED:
        return "FINISHED"
    if group.state is GroupState.REMOVED:
        return "REMOVED"
    if group.attempts == 0:
        return "QUEUED"
    return "NO_RESOURCES" if group.feasible else "INFEASIBLE"


def runtime_envs(tables: Tables) -> Iterator[RuntimeEnvRow]:
    """Those that could not be set up, of the last, then those that somebody is in."""
    users: dict[tuple[bytes, bytes], int] = {}
    for job in tables.jobs.values():
        if job.driver and job.runtime_env:
            place = (job.runtime_env, home(tables, tables.clients.get(job.driver)).node_id)
            users[place] = users.get(place, 0) + 1
    for node in tables.nodes.values():
        for worker in node.workers.values():
            if worker.runtime_env:
                place = (worker.runtime_env, node.node_id)
                users[place] = users.get(place, 0) + 1
    for (key, node_id), reason in reversed(tables.history.failed_environments.items()):
        if (key, node_id) not in users:
            yield RuntimeEnvRow(_environment(tables, key), node_id, reason, 0)
    for (key, node_id), number in users.items():
        yield RuntimeEnvRow(_environment(tables, key), node_id, "", number)


LISTINGS: Final[dict[Query, Callable[[Tables], Iterator[Row]]]] = {
    Query.LIST_TASKS: tasks,
    Query.LIST_ACTORS: actors,
    Query.LIST_WORKERS: workers,
    Query.LIST_NODES: nodes,
    Query.LIST_JOBS: jobs,
    Query.LIST_GROUPS: placement_groups,
    Query.LIST_RUNTIME_ENVS: runtime_envs,
}
