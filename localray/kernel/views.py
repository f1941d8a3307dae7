"""Read-only answers about the whole cluster, in the plain values that travel on the wire. Nothing here changes a
table."""

from __future__ import annotations

from localray.kernel import definitions, inventory, listing, pending
from localray.kernel.records import ClientRecord, ObjectState, WorkerState
from localray.kernel.tables import Tables
from localray.protocol import Ask, BusyWorker, Query, ReplyValue
from localray.sched.resources import RESOURCE_UNIT

_STORE = "object_store_memory"


def answer(tables: Tables, client: ClientRecord, message: Ask) -> ReplyValue:
    """Answer one `Query` of a client."""
    query = Query(message.query)
    if query in listing.LISTINGS:
        return listing.answer(tables, query, identity_of(message.argument))
    if query is Query.CLUSTER_RESOURCES:
        return (*sum_resources(tables, available=False), store_bytes(tables, free=False))
    if query is Query.AVAILABLE_RESOURCES:
        return (*sum_resources(tables, available=True), store_bytes(tables, free=True))
    if query is Query.NODES:
        return nodes(tables)
    if query is Query.NAMED_ACTORS:
        return named_actors(tables, message.argument)
    if query is Query.STORY:
        return tables.log.story(identity_of(message.argument))
    if query is Query.PENDING_CALLS:
        return pending_calls(tables, client, identity_of(message.argument))
    if query is Query.LOCATIONS:
        return inventory.locations(tables, [identity_of(each) for each in message.argument.split(",")])
    if query is Query.NEEDED_OBJECTS:
        return inventory.needed_of(tables, client)
    if query is Query.OBJECTS:
        return inventory.rows(tables)
    if query is Query.WHY_PENDING:
        return pending.why(tables, identity_of(message.argument))
    if query is Query.PER_NODE:
        return per_node(tables)
    if query is Query.DEMANDS:
        return pending.demands(tables)
    if query is Query.BUSY_WORKERS:
        return busy_workers(tables)
    if query is Query.NOTHING:
        return None
    if query is Query.FUNCTIONS:
        return definitions.listed(tables, identity_of(message.argument))
    if query is Query.TASK_DEPTH:
        return task_depth(tables, identity_of(message.argument))
    if query is Query.STORE:
        return inventory.store(tables)
    if query is Query.GROUPS:
        return placement_groups(tables, identity_of(message.argument))
    return table_sizes(tables)


def identity_of(text: str) -> bytes:
    """The id that hexadecimal digits name; empty, which is nobody's, for anything else."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def task_depth(tables: Tables, task_id: bytes) -> int:
    """How deep a task is nested, 1 for what a driver submits: calls that go past the kernel are drivers' calls."""
    task = tables.tasks.get(task_id)
    return 1 if task is None else task.depth + 1


def sum_resources(tables: Tables, *, available: bool) -> tuple[tuple[str, int], ...]:
    """Pairs of a resource and its units over all living nodes; what is lent out while a worker waits counts as
    available."""
    totals: dict[str, int] = {}
    for node in tables.nodes.values():
        if node.alive:
            for name, units in (node.available if available else node.total).items():
                totals[name] = totals.get(name, 0) + units
    return tuple((name, units) for name, units in totals.items())


def store_bytes(tables: Tables, *, free: bool) -> tuple[str, int]:
    """The size of all stores, or what is free in them, in the form of a resource: told with the resources, though
    nobody can ask for it."""
    total_bytes = sum(node.store_capacity_bytes for node in tables.nodes.values() if node.alive)
    used_bytes = sum(node.store_used_bytes for node in tables.nodes.values() if node.alive) if free else 0
    return _STORE, (total_bytes - used_bytes) * RESOURCE_UNIT


def nodes(tables: Tables) -> ReplyValue:
    """For each node ``(node id, alive, resources, labels, name, cause of its death)``; what placement groups provide is
    no node's own, and a dead node has nothing."""
    groups = {group_id.hex() for group_id in tables.groups}
    return tuple(
        (
            node.node_id,
            int(node.alive),
            (
                *(pair for pair in node.total.items() if pair[0].rpartition("_")[2] not in groups),
                (_STORE, node.store_capacity_bytes * RESOURCE_UNIT),
            )
            if node.alive
            else (),
            tuple(node.labels.items()),
            node.name,
            node.death_cause,
            node.death_reason,
        )
        for node in tables.nodes.values()
    )


def per_node(tables: Tables) -> ReplyValue:
    """For each living node ``(node id, triples of a resource, all there is and what is free, transfers, their
    bytes)``."""
    return tuple(
        (
            node.node_id,
            tuple((name, units, node.available.get(name, 0)) for name, units in node.total.items()),
            node.transfers,
            node.transferred_bytes,
        )
        for node in tables.nodes.values()
        if node.alive
    )


def named_actors(tables: Tables, namespace: str) -> ReplyValue:
    """Pairs of a namespace and a name; of one namespace, or of all when it is empty."""
    return tuple(key for key in tables.names if not namespace or key[0] == namespace)


def pending_calls(tables: Tables, client: ClientRecord, actor_id: bytes) -> int:
    """How many of this client's calls of an actor are not answered yet."""
    actor = tables.actors.get(actor_id)
    if actor is None:
        return 0
    sent = sum(1 for task in actor.sent.values() if task.submitter == client.number)
    return sent + len(actor.queues.get(client.number, ()))


def placement_groups(tables: Tables, group_id: bytes) -> ReplyValue:
    """For each group, or the one of this id, ``(id, name, strategy, state, bundles, node ids, seconds until it was
    created, attempts, what became of the last)``; the node id of a bundle that never had one is empty."""
    known = [*tables.groups.values(), *tables.removed_groups.values()]
    return tuple(
        (
            group.group_id,
            group.name,
            group.strategy.name,
            group.state.name,
            tuple(bundle.demand for bundle in group.bundles),
            tuple(bundle.node_id for bundle in group.bundles),
            group.placed_after_s,
            group.attempts,
            listing.last_attempt(group),
        )
        for group in known
        if group_id in (b"", group.group_id)
    )


def busy_workers(tables: Tables) -> ReplyValue:
    """A row for each worker whose process is up and that has tasks, or calls of its actor."""
    rows: list[ReplyValue] = []
    for worker in tables.workers.values():
        process_id = tables.clients[worker.number].process_id
        running = next(iter(worker.assigned.values()), None)
        if running is None or not process_id or worker.killed:
            continue
        tasks = worker.assigned.values()
        stays = worker.actor is None or worker.actor.creation.retries_left != 0
        comes_again = stays and all(task.retries_left != 0 for task in tasks)
        names = tuple(task.template.name for task in tasks)
        row = BusyWorker(
            worker.number, process_id, worker.node.number, running.task_id, running.attempt, names, int(comes_again)
        )
        rows.append(tuple(row))
    return tuple(rows)


def table_sizes(tables: Tables) -> ReplyValue:
    """How many records of each kind there are; at rest all but workers, clients, nodes and jobs are zero."""
    busy = sum(1 for worker in tables.workers.values() if worker.state is WorkerState.LEASED)
    pinned = sum(1 for record in tables.objects.values() if record.state is ObjectState.RELEASED)
    return (
        ("objects", len(tables.objects)),
        ("tasks", len(tables.tasks)),
        ("lineage", len(tables.lineage)),
        ("streams", len(tables.streams)),
        ("actors", len(tables.actors)),
        ("workers", len(tables.workers)),
        ("leased workers", busy),
        ("viewed objects", pinned),
        ("store bytes", sum(node.store_used_bytes for node in tables.nodes.values())),
        ("spill files", len(tables.spill_files)),
        ("placement groups", len(tables.groups)),
        ("waiting for room", sum(len(node.store.waiting) for node in tables.nodes.values())),
    )
