"""Which objects there are and who keeps each: what `memory_summary` and the texts on a full store are made of.

A row is one object in the hands of one client, as in Ray. It also keeps where references were made, for programs that
ask for that (``RAY_record_ref_creation_sites=1``). Nothing here changes an object. Must not live here: how it is shown.
"""

from __future__ import annotations

from localray.kernel.history import TASKS_KEPT
from localray.kernel.records import ClientKind, ClientRecord, ObjectRecord, ObjectState, TaskState
from localray.kernel.tables import Tables
from localray.protocol import (
    NODE_SHIFT,
    ON_DISK,
    HeldObject,
    RecordSite,
    ReferenceKind,
    ReplyValue,
    Status,
    StoreTotals,
)

_PUT_INDEX = b"\0\0\0\x40"
"""The end of the id of an object that was put; see `localray.client.client`."""
_SUBMISSIONS = ("(task call)", "(actor call)")
"""What sites of tasks begin with; see `localray.client.creation_sites`."""
_CREATION_PREFIX = b"\xff" * 4
_SPARE_SITES = 1000
_NO_VALUE = (Status.FREED, Status.LOST)
"""What objects say that have had a value, or were never heard of."""

_STATUS = {
    TaskState.WAITING: "PENDING_ARGS_AVAIL",
    TaskState.QUEUED: "PENDING_NODE_ASSIGNMENT",
    TaskState.SENT: "SUBMITTED_TO_WORKER",
}


def record_site(tables: Tables, client: ClientRecord, message: RecordSite) -> None:
    """Keep where a client made a reference, and so submitted its task. Those of objects that are gone are thrown away
    now and then, those of tasks when there are more than are listed."""
    sites = tables.sites
    sites.setdefault(message.object_id, {})[client.number] = message.site
    if message.site.startswith(_SUBMISSIONS):
        tables.task_sites.setdefault(message.object_id[:24], message.site)
    if len(tables.task_sites) > TASKS_KEPT:
        del tables.task_sites[next(iter(tables.task_sites))]
    if len(sites) > 2 * len(tables.objects) + _SPARE_SITES:
        for object_id in [each for each in sites if each not in tables.objects]:
            del sites[object_id]


def rows(tables: Tables) -> ReplyValue:
    """A row for each object and client that has it, in the order of the objects' making."""
    contained = {object_id for record in tables.objects.values() for object_id in record.contained}
    needed = needed_by_tasks(tables)
    found: list[ReplyValue] = []
    for object_id, record in tables.objects.items():
        submitters = needed.get(object_id, ())
        owner = owner_of(tables, object_id)
        holders = [
            client
            for client in tables.clients.values()
            if object_id in client.held or object_id in client.pins or client.number in submitters
        ]
        if not holders and owner is not None:
            # As in Ray, the owner lists what only other objects hold.
            holders = [owner]
        for client in holders:
            kind = kind_of(record, client, client.number in submitters, object_id in contained)
            found.append(tuple(row(tables, record, client, kind, client is owner)))
    return tuple(found)


def row(tables: Tables, record: ObjectRecord, client: ClientRecord, kind: ReferenceKind, is_owner: bool) -> HeldObject:
    """One row; the owner's tells of the task that makes the object too."""
    task = tables.tasks.get(record.object_id[:24])
    worker = client.worker
    actor = worker.actor if worker is not None else None
    is_on_disk = record.location == ON_DISK
    has_own_file = is_on_disk and record.file is not None and record.file.own_bytes > 0
    status = "-"
    if is_owner:
        status = "FINISHED" if task is None else _STATUS[task.state]
    return HeldObject(
        record.object_id,
        -1 if record.state is ObjectState.PENDING or kind is ReferenceKind.ACTOR_HANDLE else record.size_bytes,
        kind.name,
        int(client.kind is ClientKind.DRIVER),
        client.process_id or client.number,
        "" if actor is None else actor.creation.template.name.removesuffix(".__init__"),
        "-" if kind is ReferenceKind.ACTOR_HANDLE else status,
        1 if task is None else task.attempt + 1,
        tables.sites.get(record.object_id, {}).get(client.number, ""),
        int(is_on_disk and not has_own_file),
        int(has_own_file),
    )


def locations(tables: Tables, object_ids: list[bytes]) -> ReplyValue:
    """For each of these objects that there is ``(id, ids of the nodes that have it, bytes, whether it is on disk)``; -1
    bytes while it is not known, or no more. As in Ray, what is on disk is on its file's node, and what was put and
    travels inside messages where it was put."""
    found: list[ReplyValue] = []
    for object_id in object_ids:
        record = tables.objects.get(object_id)
        if record is None:
            continue
        is_put = object_id[24:] == _PUT_INDEX
        has_value = record.state is not ObjectState.PENDING and record.status not in _NO_VALUE
        is_there = has_value and (record.location >= 0 or record.file is not None or is_put)
        first = record.file.node if record.file is not None else max(record.location, 0) >> NODE_SHIFT
        numbers = (first, *record.copied_to) if is_there else ()
        size_bytes = record.size_bytes if has_value else -1
        nodes = tuple(tables.nodes[number].node_id for number in numbers)
        found.append((object_id, nodes, size_bytes, int(record.location == ON_DISK)))
    return tuple(found)


def kind_of(record: ObjectRecord, client: ClientRecord, is_needed: bool, is_contained: bool) -> ReferenceKind:
    """Why a client keeps an object; of several reasons the first, in Ray's order."""
    if record.object_id[:4] == _CREATION_PREFIX or record.actor is not None:
        return ReferenceKind.ACTOR_HANDLE
    if record.object_id in client.pins:
        return ReferenceKind.PINNED_IN_MEMORY
    if is_needed:
        return ReferenceKind.USED_BY_PENDING_TASK
    if record.object_id in client.held or not is_contained:
        return ReferenceKind.LOCAL_REFERENCE
    return ReferenceKind.CAPTURED_IN_OBJECT


def owner_of(tables: Tables, object_id: bytes) -> ClientRecord | None:
    """The client that made an object or submitted its task, by the number in the id; None when it is gone."""
    number = object_id[8:12] if object_id[:4] == _CREATION_PREFIX else object_id[:4]
    return tables.clients.get(int.from_bytes(number, "little"))


def needed_by_tasks(tables: Tables) -> dict[bytes, set[int]]:
    """For each object that a task has not done with, the clients that submitted such tasks."""
    needed: dict[bytes, set[int]] = {}
    for task in tables.tasks.values():
        for object_id in (*task.dependencies, *task.borrowed):
            needed.setdefault(object_id, set()).add(task.submitter)
    return needed


def needed_of(tables: Tables, client: ClientRecord) -> ReplyValue:
    """For each object that tasks of a client have not done with ``(id, how many tasks)``."""
    counts: dict[bytes, int] = {}
    for task in tables.tasks.values():
        if task.submitter == client.number:
            for object_id in {*task.dependencies, *task.borrowed}:
                counts[object_id] = counts.get(object_id, 0) + 1
    return tuple(counts.items())


def store(tables: Tables) -> ReplyValue:
    """All nodes' stores together; see `localray.protocol.StoreTotals`."""
    nodes = tables.nodes.values()
    totals = StoreTotals(
        used_bytes=sum(node.store_used_bytes for node in nodes),
        capacity_bytes=sum(node.store_capacity_bytes for node in nodes),
        objects=sum(1 for record in tables.objects.values() if record.location >= 0),
        spilled_bytes=sum(node.store.spilled_bytes for node in nodes),
        spilled_objects=sum(node.store.spilled_objects for node in nodes),
        spilling_took_s=sum(node.store.spilling_took_s for node in nodes),
        own_files_bytes=sum(file.own_bytes for file in tables.spill_files.values()),
        own_files=sum(1 for file in tables.spill_files.values() if file.own_bytes),
    )
    return tuple(totals)


def site_of(tables: Tables, object_id: bytes) -> str:
    """Where the first reference to an object was made; empty where nobody keeps that."""
    return next(iter(tables.sites.get(object_id, {}).values()), "")
