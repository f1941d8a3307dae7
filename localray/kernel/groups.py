"""Placement groups: reserved on all their nodes in one step or not at all, waiting for room, removed with all that runs
in them.

A bundle takes its resources from a node and gives them back under names of the group's own
(`localray.sched.bundle_names`), so that what runs in the group is queued and placed like anything else. Removing a
group kills what uses it and gives its resources back at once, as Ray does: the dying processes are not waited for.
Must not live here: which nodes the bundles get (`localray.sched`), the names of resources.
"""

from __future__ import annotations

from collections.abc import Set

from localray.kernel import actors, bundles, demand, objects, queues, scheduling, tasks, workers
from localray.kernel.records import BundleRecord, ClientRecord, GroupRecord, GroupState, ObjectState, TaskRecord
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import (
    INLINE,
    CreateGroup,
    FindGroup,
    Notice,
    PlacementStrategy,
    Reply,
    Status,
    WatchGroup,
    text_payload,
)

REMOVED_KEPT = 1000
"""Of so many removed groups, the last, the table still tells."""


def create(tables: Tables, client: ClientRecord, message: CreateGroup) -> None:
    """Take a group in; it gets its resources as soon as there is room for all of it. A taken name creates nothing."""
    key = (message.namespace, message.name)
    if message.name and key in tables.group_names:
        text = (
            f"Failed to create placement group '{message.group_id.hex()}' because name '{message.name}' already exists."
        )
        tables.send(client.number, Reply(message.request, text))
        return
    creator = None if client.worker is None else client.worker.actor
    group = GroupRecord(
        message.group_id,
        PlacementStrategy(message.strategy),
        [BundleRecord(demand) for demand in message.bundles],
        message.name,
        message.namespace,
        client.job,
        message.detached,
        message.soft_target,
        message.selectors,
        creator.actor_id if creator is not None and creator.detached else b"",
        tables.now_s,
    )
    tables.groups[message.group_id] = group
    tables.log.note(message.group_id, group.state, f"{group.strategy.name}, {len(group.bundles)} bundles")
    if message.name:
        tables.group_names[key] = group
    if message.request:
        tables.send(client.number, Reply(message.request, None))
    tables.pending_groups[group] = None
    tables.groups_hungry = True
    if client.job not in tables.jobs and not group.detached:
        # Its driver left while the message was on its way.
        remove(tables, group, "its driver had left")


def find(tables: Tables, client: ClientRecord, message: FindGroup) -> None:
    """Look a named group up for a client."""
    group = tables.group_names.get((message.namespace, message.name))
    tables.send(client.number, Reply(message.request, None if group is None else group.group_id))


def watch(tables: Tables, client: ClientRecord, message: WatchGroup) -> None:
    """Make the object that tells of a group's readiness."""
    record = objects.declare(tables, message.object_id, client)
    group = tables.groups.get(message.group_id)
    if group is None:
        objects.fail(tables, record, Status.GROUP_REMOVED, removal_text(message.group_id))
    elif group.state is GroupState.CREATED:
        objects.deliver(tables, record, value_of(message.payload))
    else:
        group.watchers[message.object_id] = message.payload


def value_of(payload: bytes) -> tuple[int, bytes, int, int, tuple[bytes, ...]]:
    """The outcome that holds a group's handle."""
    return (Status.VALUE.value, payload, INLINE, len(payload), ())


def place_pending(tables: Tables) -> None:
    """Something was given back: try the groups that wait, those that have lost bundles first, then in their order.

    What failed is not tried again for another group of the same shape, so that many that wait cost little.
    """
    tables.groups_hungry = False
    tables.groups_wait = False
    failed: dict[tuple[object, ...], bool] = {}
    for group in sorted(tables.pending_groups, key=lambda each: each.state is GroupState.PENDING):
        is_whole = group.state is GroupState.PENDING
        shape = (group.strategy, tuple(bundle.demand for bundle in group.bundles), group.selectors, group.soft_target)
        if is_whole and shape in failed:
            group.feasible = failed[shape]
        elif bundles.reserve(tables, group):
            placed(tables, group)
            continue
        else:
            group.feasible = bundles.are_feasible(tables, group)
            if is_whole:
                failed[shape] = group.feasible
        tables.groups_wait |= group.feasible
        if not group.feasible:
            warn(tables, group)


def placed(tables: Tables, group: GroupRecord) -> None:
    """All bundles have their resources: whoever waits for that is told, what is queued in the group may run."""
    if not group.placed_after_s:
        group.placed_after_s = tables.now_s - group.created_at_s
    del tables.pending_groups[group]
    move(tables.log, group.group_id, group, GroupState.CREATED, "there is room for all bundles")
    watchers, group.watchers = group.watchers, {}
    for object_id, payload in watchers.items():
        record = tables.objects.get(object_id)
        if record is not None and record.state is ObjectState.PENDING:
            objects.deliver(tables, record, value_of(payload))
    for each in group.classes:
        if each.queued:
            tables.starved.pop(each, None)
            tables.patient.pop(each, None)
            tables.infeasible.pop(each, None)
            tables.hungry[each] = None


def warn(tables: Tables, group: GroupRecord) -> None:
    """Tell the driver once that there will never be room, as things are."""
    job = tables.jobs.get(group.job)
    if group.warned or job is None or demand.could_place(tables, group):
        return
    group.warned = True
    text = (
        f"The placement group {group.name or group.group_id.hex()} ({group.strategy.name}, bundles: "
        f"{len(group.bundles)}) fits on no choice of nodes and will wait for ever: {bundles.lacks(tables, group)}."
    )
    tables.send(job.driver, Notice(text))


def remove_by_id(tables: Tables, group_id: bytes) -> None:
    """`remove_placement_group`: nothing happens to one that is removed already."""
    group = tables.groups.get(group_id)
    if group is not None:
        remove(tables, group, "remove_placement_group")


def remove(tables: Tables, group: GroupRecord, reason: str) -> None:
    """End a group: what waits in it fails, what runs in it is killed, its resources go back to their nodes."""
    move(tables.log, group.group_id, group, GroupState.REMOVED, reason)
    del tables.groups[group.group_id]
    tables.pending_groups.pop(group, None)
    if group.name:
        del tables.group_names[group.namespace, group.name]
    tables.removed_groups[group.group_id] = group
    if len(tables.removed_groups) > REMOVED_KEPT:
        del tables.removed_groups[next(iter(tables.removed_groups))]
    for each in group.classes:
        for task in [task for queue in each.queues.values() for task in queue if not task.cancelled]:
            fail_queued(tables, task)
        del tables.classes[each.key]
        for waiting in (tables.hungry, tables.starved, tables.patient, tables.infeasible):
            waiting.pop(each, None)
    group.classes.clear()
    for task in [task for task in tables.postponed if task.template.group == group.group_id]:
        tasks.fail(tables, task, Status.GROUP_REMOVED, removal_text(group.group_id), "its placement group was removed")
    kill_users(tables, group)
    for index, bundle in enumerate(group.bundles):
        if bundle.node is not None:
            bundles.give_back(tables, group, index)
    watchers, group.watchers = group.watchers, {}
    for object_id in watchers:
        record = tables.objects.get(object_id)
        if record is not None and record.state is ObjectState.PENDING:
            objects.fail(tables, record, Status.GROUP_REMOVED, removal_text(group.group_id))
    queues.capacity_freed(tables)


def fail_queued(tables: Tables, task: TaskRecord) -> None:
    """A task or constructor that waits for its turn in a group that is removed will not have it."""
    status, payload = tasks.refusal(tables, task) or (Status.GROUP_REMOVED, b"")
    if task.actor is not None:
        actors.end(tables, task.actor, status, payload, "its placement group was removed")
    else:
        queues.withdraw(tables, task)
        tasks.fail(tables, task, status, payload, "its placement group was removed")


def kill_users(tables: Tables, group: GroupRecord) -> None:
    """End the processes that have resources of a group; they count as given back from now on."""
    reason = f"its placement group was removed: {group.group_id.hex()}"
    for worker in list(group.workers.values()):
        if worker.actor is not None:
            text = f"The actor is dead because {reason}."
            actors.end(tables, worker.actor, Status.ACTOR_DIED, text_payload(text), reason)
        workers.kill(tables, worker, reason)
        scheduling.release_resources(tables, worker)


def removal_text(group_id: bytes) -> bytes:
    """What a task hears whose group is gone."""
    return text_payload(f"The placement group {group_id.hex()} has been removed.")


def keeper_died(tables: Tables, actor_id: bytes) -> None:
    """A detached actor is dead: the groups that it created, and that are not detached, go with it."""
    for group in list(tables.groups.values()):
        if group.keeper == actor_id and not group.detached:
            remove(tables, group, "the actor that created it is dead")


def driver_left(tables: Tables, job: int, keepers: Set[bytes]) -> None:
    """A driver has left: the groups of its job go with it, unless they are detached, or one of these detached actors
    created them."""
    for group in list(tables.groups.values()):
        if group.job == job and not group.detached and group.keeper not in keepers:
            remove(tables, group, "its driver left")


def node_died(tables: Tables, node_number: int) -> None:
    """A node is gone, and its workers: the bundles that were there look for another place, the others stay."""
    for group in tables.groups.values():
        lost = [
            index
            for index, bundle in enumerate(group.bundles)
            if bundle.node is not None and bundle.node.number == node_number
        ]
        for index in lost:
            bundles.give_back(tables, group, index)
        if lost and group.state is GroupState.CREATED:
            move(tables.log, group.group_id, group, GroupState.RESCHEDULING, f"node {node_number} died")
            tables.pending_groups[group] = None
            tables.groups_hungry = True
