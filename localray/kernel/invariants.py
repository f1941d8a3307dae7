"""What must hold after every step, recomputed from nothing: the oracle of the tests and the simulator.

Each check rebuilds a count or a relation from the records and compares it with what the kernel keeps. Slow on purpose;
the head does not run it.
"""

from __future__ import annotations

from collections import Counter

from localray.kernel import checkpoints, lineage
from localray.kernel.actor_invariants import check_actors
from localray.kernel.records import (
    ActorState,
    GroupState,
    NodeRecord,
    ObjectRecord,
    ObjectState,
    TaskState,
    WorkerState,
)
from localray.kernel.streams import item_id
from localray.kernel.tables import Tables
from localray.protocol import NODE_SHIFT, ON_DISK
from localray.sched.bundle_names import plain, plain_name, provided
from localray.sched.resources import CPU, GPU, RESOURCE_UNIT, amount, give_back, return_devices, take
from localray.shm.allocator import rounded


def check(tables: Tables) -> None:
    """Raise `InternalError` with the story of the first thing that is wrong."""
    check_work_lists(tables)
    check_references(tables)
    check_lineage(tables)
    check_pins(tables)
    check_tasks(tables)
    check_streams(tables)
    check_waits(tables)
    check_queues(tables)
    check_resources(tables)
    check_workers(tables)
    check_actors(tables)
    check_groups(tables)
    check_stores(tables)
    check_spill_files(tables)


def check_work_lists(tables: Tables) -> None:
    """A step leaves nothing half concluded."""
    lists = (
        tables.woken,
        tables.resuming,
        tables.unreferenced_actors,
        tables.crowded,
        tables.unplaceable,
        tables.bereaved,
        tables.lost,
        tables.unneeded_lineage,
    )
    if any(lists) or ((tables.hungry or tables.freed or tables.groups_hungry) and not tables.stopped):
        raise tables.broken("a step ended with work undone", 0)


def check_references(tables: Tables) -> None:
    """An object's count is the number of clients, tasks, containers, functions and detached actors that refer to it."""
    expected: Counter[bytes] = Counter()
    for client in tables.clients.values():
        expected.update(client.held)
    for task in tables.tasks.values():
        expected.update(task.dependencies)
        expected.update(task.borrowed)
    for record in tables.objects.values():
        if record.state in (ObjectState.READY, ObjectState.RELEASED):
            expected.update(record.contained)
    for function in tables.functions.values():
        expected.update(function.contained)
    for actor in tables.actors.values():
        if actor.detached and actor.state is not ActorState.DEAD:
            expected[actor.handle_object_id] += 1
        if actor.may_ever_restart and actor.state is not ActorState.DEAD:
            expected.update((*actor.creation.dependencies, *actor.creation.borrowed))
        if actor.checkpoints is not None:
            expected.update(checkpoints.kept(actor.checkpoints))
    for write in tables.kept_writes.values():
        expected.update(write.held)
    for object_id, record in tables.objects.items():
        if record.references != expected[object_id]:
            text = f"{record.references} references counted, {expected[object_id]} found"
            raise tables.broken(text, object_id)
        is_viewed = record.state is ObjectState.RELEASED and record.pins
        if record.references == 0 and not is_viewed and not record.lineage_references:
            raise tables.broken("an unreferenced object was kept", object_id)


def check_lineage(tables: Tables) -> None:
    """What is kept could be run again and has something to make; what only lineage needs is there, or can be made."""
    expected: Counter[bytes] = Counter()
    made: Counter[bytes] = Counter()
    for record in tables.objects.values():
        if record.maker is not None:
            made[record.maker.task_id] += 1
            if tables.lineage.get(record.maker.task_id, tables.tasks.get(record.maker.task_id)) is not record.maker:
                raise tables.broken("could be made again by a task that was not kept", record.object_id)
        if record.state is ObjectState.DROPPED and (record.references or record.contained or record.location >= 0):
            raise tables.broken("was dropped and is there", record.object_id)
    for task_id, task in tables.lineage.items():
        expected.update((*task.dependencies, *task.borrowed))
        if task.state is not TaskState.FINISHED or task_id in tables.tasks or not lineage.may_run_again(task):
            raise tables.broken("is kept and could not be run again", task_id)
        if not task.makes or task.makes != made[task_id]:
            raise tables.broken(f"is kept for {task.makes} objects, {made[task_id]} are there", task_id)
    for object_id, record in tables.objects.items():
        if record.lineage_references != expected[object_id]:
            text = f"{record.lineage_references} references of lineage counted, {expected[object_id]} found"
            raise tables.broken(text, object_id)
    if tables.lineage_bytes != sum(lineage.size_bytes(task) for task in tables.lineage.values()):
        raise tables.broken("the bytes of lineage are counted wrong", 0)


def check_pins(tables: Tables) -> None:
    """An object's pins are the sum of what its readers have not let go of."""
    expected: Counter[bytes] = Counter()
    for client in tables.clients.values():
        expected.update(client.pins)
    for write in tables.kept_writes.values():
        expected.update(write.pinned)
    for object_id, record in tables.objects.items():
        if record.pins != expected[object_id]:
            raise tables.broken(f"{record.pins} pins counted, {expected[object_id]} found", object_id)


def check_tasks(tables: Tables) -> None:
    """A task is where its state says: waiting for a pending object, in a queue, or in exactly one worker's line."""
    for task in tables.postponed:
        if task.state is not TaskState.WAITING:
            raise tables.broken(f"is postponed in state {task.state.name}", task.task_id)
    for task_id, task in tables.tasks.items():
        held = task.worker is not None and task_id in task.worker.assigned
        if (task.state is TaskState.SENT) != held:
            raise tables.broken(
                f"a task in state {task.state.name} is {'' if held else 'not '}in a worker's line", task_id
            )
        # What was sent has its arguments, even where one was lost since.
        if task.state is TaskState.SENT:
            continue
        pending = sum(1 for object_id in task.dependencies if tables.objects[object_id].state is ObjectState.PENDING)
        if task.missing != pending:
            raise tables.broken(f"waits for {task.missing} arguments, {pending} are pending", task_id)
        if task.state is TaskState.WAITING and not pending and task not in tables.postponed:
            raise tables.broken("waits although its arguments are there", task_id)


def check_streams(tables: Tables) -> None:
    """A stream has a living owner, and a task until it ends; its owner waits for no item that will not come."""
    for task_id, stream in tables.streams.items():
        if stream.owner not in tables.clients:
            raise tables.broken("a stream has outlived its owner", task_id)
        task = tables.tasks.get(task_id)
        if stream.ended is (task is not None and not task.is_replayed) and not (task is not None and task.makes):
            raise tables.broken("a stream goes on without its task, or has ended before it", task_id)
        if not stream.yielded <= stream.declared or stream.taken > stream.yielded:
            raise tables.broken(
                f"{stream.taken} taken of {stream.yielded} items yielded of {stream.declared} declared", task_id
            )
        for position in range(stream.declared):
            record = tables.objects.get(item_id(task_id, position))
            is_due = position >= stream.yielded and not stream.ended
            if record is not None and not record.maker and (record.state is ObjectState.PENDING) is not is_due:
                raise tables.broken(f"item {position} is {record.state.name}", task_id)


def check_waits(tables: Tables) -> None:
    """A request that somebody waits for is unsatisfied, and remembered by what it waits for; no other is remembered."""
    watched: Counter[tuple[int, int]] = Counter()
    for record in tables.objects.values():
        for number, waits in (record.watchers or {}).items():
            if record.state is not ObjectState.PENDING:
                raise tables.broken("a finished object is watched", record.object_id)
            watched.update((number, wait.request) for wait in waits)
    for client in tables.clients.values():
        for request, wait in client.waits.items():
            if not 0 < wait.missing <= wait.watched == watched.pop((client.number, request), 0):
                raise tables.broken(f"request {request} waits for what will not come", client.number)
    if watched:
        raise tables.broken("a request that is over is remembered", next(iter(watched))[0])


def check_queues(tables: Tables) -> None:
    """Queue lengths are right, and a class with queued tasks is on the list of those to try again."""
    for group in tables.classes.values():
        queued = sum(1 for queue in group.queues.values() for task in queue if not task.cancelled)
        if queued != group.queued:
            raise tables.broken(f"a class counts {group.queued} queued tasks, has {queued}", 0)
        listed = group in tables.starved or group in tables.hungry or group in tables.infeasible
        if queued and not listed and not tables.stopped:
            raise tables.broken("a class with queued tasks is on no list", 0)


def check_resources(tables: Tables) -> None:
    """What is free and what is held add up to what there is; only a resumed task may make a node's CPU negative."""
    for node in tables.nodes.values():
        free = dict(node.total)
        for group in tables.groups.values():
            for bundle in group.bundles:
                if bundle.node is node:
                    take(free, bundle.demand)
        for worker in node.workers.values():
            take(free, worker.resources)
            give_back(free, worker.lent)
        for name, units in node.available.items():
            if units != free.get(name, 0):
                raise tables.broken(f"node {node.number} counts {units} of {name} free, {free.get(name, 0)} are", 0)
            if units < 0 and plain_name(name) != CPU:
                raise tables.broken(f"node {node.number} is oversubscribed in {name}", 0)


def check_workers(tables: Tables) -> None:
    """A worker's state tells what it holds."""
    for number, worker in tables.workers.items():
        if (worker.state is WorkerState.LEASED) != (worker.leased_to is not None):
            raise tables.broken("a lease without a class or the other way round", number)
        if worker.state is WorkerState.IDLE and worker.assigned:
            raise tables.broken("an idle worker has tasks", number)
        if worker.state is WorkerState.LEASED and not worker.assigned:
            raise tables.broken("a lease with nothing to do was kept", number)
        served = worker.actor.creation.template if worker.actor is not None else worker.leased_to
        if served is not None and served.runtime_env != worker.runtime_env:
            raise tables.broken("serves another runtime environment than its own", number)
        waits = sum(1 for wait in tables.clients[number].waits.values() if wait.stalled_worker is worker)
        if worker.stalled != waits:
            raise tables.broken(f"stalled by {worker.stalled} requests, has {waits}", number)
        if worker.lent and not worker.stalled:
            raise tables.broken("resources are lent although nothing is stalled", number)


def check_groups(tables: Tables) -> None:
    """A group has all its bundles or waits; only its living bundles are resources of nodes; devices add up."""
    expected: dict[int, dict[str, int]] = {number: {} for number in tables.nodes}
    for group_id, group in tables.groups.items():
        homeless = sum(1 for bundle in group.bundles if bundle.node is None)
        waits = group in tables.pending_groups
        if waits != (group.state is not GroupState.CREATED) or bool(homeless) != waits:
            raise tables.broken(f"a group in state {group.state.name} lacks {homeless} bundles", group_id)
        if group.state is GroupState.PENDING and homeless != len(group.bundles):
            raise tables.broken("a group that waits holds a part of what it asks for", group_id)
        if group.name and tables.group_names.get((group.namespace, group.name)) is not group:
            raise tables.broken("a named group cannot be found", group_id)
        for index, bundle in enumerate(group.bundles):
            if bundle.node is not None:
                give_back(expected[bundle.node.number], provided(bundle.demand, group_id.hex(), index))
        for worker in group.workers.values():
            if worker.placement_group is not group or worker.node.workers.get(worker.number) is not worker:
                raise tables.broken("a group counts a worker that does not use it", group_id)
    if len(tables.group_names) != sum(1 for group in tables.groups.values() if group.name):
        raise tables.broken("the name of a removed group is kept", 0)
    for node in tables.nodes.values():
        found = {name: units for name, units in node.total.items() if "_group_" in name}
        if found != expected[node.number]:
            raise tables.broken(f"node {node.number} has {found} of groups, {expected[node.number]} are there", 0)
        check_devices(tables, node)


def check_devices(tables: Tables, node: NodeRecord) -> None:
    """Each device is free, or somebody's, by the node or by a bundle, and no part of it twice."""
    free = list(node.gpu_free)
    for group in tables.groups.values():
        for bundle in group.bundles:
            if bundle.node is node:
                for device, share in enumerate(bundle.shares):
                    free[device] += share
                inside = list(bundle.gpu_free)
                for worker in group.workers.values():
                    if worker.devices is bundle.gpu_free:
                        return_devices(inside, amount(plain(worker.resources), GPU), worker.units)
                if inside != bundle.shares:
                    raise tables.broken(f"a bundle counts its devices {inside}, has {bundle.shares}", group.group_id)
    for worker in node.workers.values():
        if worker.devices is node.gpu_free:
            return_devices(free, amount(worker.resources, GPU), worker.units)
    if any(units != (device not in node.lost_devices) * RESOURCE_UNIT for device, units in enumerate(free)):
        raise tables.broken(f"the devices of node {node.number} add up to {free}", 0)


def check_stores(tables: Tables) -> None:
    """What is taken of an arena is what living objects, buffers and views of freed ones take; what may give way is what
    nobody looks at."""
    used: Counter[int] = Counter()
    places: list[tuple[int, int]] = []
    for record in tables.objects.values():
        if record.location >= 0:
            places.append((record.location, record.size_bytes))
        places.extend(record.lingering)
        if record.lingering and not record.pins:
            raise tables.broken("bytes that nobody looks at linger", record.object_id)
        check_givable(tables, record)
    held: Counter[int] = Counter()
    for client in tables.clients.values():
        places.extend(client.buffers.items())
        for location, size_bytes in client.buffers.items():
            held[location >> NODE_SHIFT] += rounded(size_bytes)
    end = 0
    for location, size_bytes in sorted(places):
        if location < end:
            raise tables.broken(f"two objects overlap at {location}", 0)
        end = location + rounded(size_bytes)
        used[location >> NODE_SHIFT] += rounded(size_bytes)
    for node in tables.nodes.values():
        store = node.store
        if store.allocator.used_bytes != used[node.number]:
            raise tables.broken(f"{store.allocator.used_bytes} bytes are taken, {used[node.number]} are known of", 0)
        if store.held_bytes != held[node.number]:
            raise tables.broken(f"{store.held_bytes} bytes are held, {held[node.number]} are known of", 0)
        for counted, records in ((store.spillable_bytes, store.spillable), (store.evictable_bytes, store.evictable)):
            if counted != sum(rounded(record.size_bytes) for record in records.values()):
                raise tables.broken("the bytes that may give way are counted wrong", 0)
        if not tables.objects.keys() >= store.spillable.keys() | store.evictable.keys():
            raise tables.broken("an object that is gone may give way", 0)
        if any(reservation.client not in tables.clients for reservation in store.waiting):
            raise tables.broken("a client that is gone waits for room", 0)
        if store.waiting and store.batch is None and store.starving_since_s is None:
            raise tables.broken("somebody waits for room and nothing is done about it", 0)


def check_givable(tables: Tables, record: ObjectRecord) -> None:
    """An object may give way if it is in the arena, nobody looks at it, and it is not being spilled."""
    settled = record.location >= 0 and not record.pins and record.batch is None
    if record.location >= 0:
        store = tables.nodes[record.location >> NODE_SHIFT].store
        spillable, evictable = record.object_id in store.spillable, record.object_id in store.evictable
        if spillable != (settled and record.file is None) or evictable != (settled and record.file is not None):
            raise tables.broken("an object may give way that must not, or the other way round", record.object_id)
        if record.batch is not None and store.batch is not record.batch:
            raise tables.broken("an object is in a batch that is over", record.object_id)
    elif record.batch is not None or (record.location == ON_DISK) != (record.file is not None):
        raise tables.broken("an object is on disk and nobody knows where, or the other way round", record.object_id)


def check_spill_files(tables: Tables) -> None:
    """A file is there for the objects in it, or because it is being written."""
    live: Counter[str] = Counter(record.file.path for record in tables.objects.values() if record.file is not None)
    written = {path for client in tables.clients.values() for path in client.files}
    for node in tables.nodes.values():
        written.update(file.path for _, file, _ in node.store.creating.values())
        if node.store.batch is not None:
            written.add(node.store.batch.file.path)
    for path, file in tables.spill_files.items():
        if file.live != live.pop(path, 0):
            raise tables.broken(f"{path} counts {file.live} objects wrongly", 0)
        if not file.live and path not in written:
            raise tables.broken(f"{path} holds nothing and was kept", 0)
    if live:
        raise tables.broken(f"{next(iter(live))} is gone and holds an object", 0)
