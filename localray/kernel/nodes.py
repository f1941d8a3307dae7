"""Nodes come, go, and have things taken from them and given back.

Whoever changes what a node has available does it here, or calls `changed`: rankings of nodes (`localray.sched.rooms`)
live by being told. Must not live here: what follows for workers and objects of a node that died (`deaths`).
"""

from __future__ import annotations

from localray.kernel import garbage
from localray.kernel.effects import NodeAdded
from localray.kernel.records import ClientRecord, NodeRecord, ObjectRecord
from localray.kernel.store_records import StoreRecord
from localray.kernel.tables import Tables
from localray.protocol import NODE_SHIFT, Resources
from localray.sched.labels import NODE_ID_LABEL
from localray.sched.resources import GPU, RESOURCE_UNIT, give_back, take
from localray.shm.allocator import Allocator

ENDED_IN_ORDER, FAILED, PREEMPTED, NOT_NEEDED = 1, 2, 3, 4
"""Why a node died: the numbers of Ray's ``NodeDeathInfo.Reason``."""


def add(tables: Tables, event: NodeAdded) -> NodeRecord:
    """A node joins."""
    number = len(tables.nodes)
    if number == 0:
        tables.began_s = tables.now_s
    total = dict(event.total)
    devices = [RESOURCE_UNIT] * (total.get(GPU, 0) // RESOURCE_UNIT)
    labels = {**dict(event.labels), NODE_ID_LABEL: event.node_id.hex()}
    record = StoreRecord(number, Allocator(event.store_capacity_bytes), event.store)
    node = NodeRecord(number, event.node_id, total, dict(total), labels, devices, record, event.name, event.environment)
    node.joined_at_s = node.used_at_s = tables.now_s
    node.node_type = event.node_type
    tables.nodes[number] = node
    tables.index.add(node)
    garbage.begin(tables, record)
    return node


def take_from(tables: Tables, node: NodeRecord, demand: Resources) -> None:
    """Something of a node is in use."""
    take(node.available, demand)
    node.used_at_s = tables.now_s
    tables.index.changed(node.number)


def give_to(tables: Tables, node: NodeRecord, demand: Resources) -> None:
    """Something of a node is free again."""
    give_back(node.available, demand)
    node.used_at_s = tables.now_s
    tables.index.changed(node.number)


def changed(tables: Tables, node: NodeRecord) -> None:
    """What a node has, or has available, was changed elsewhere: kinds of resources that come and go included."""
    node.used_at_s = tables.now_s
    tables.index.membership += 1
    tables.index.changed(node.number)


def was_preempted(node: NodeRecord) -> bool:
    """Whether a node was taken away as announced: what that interrupts costs no retry and no restart, as in Ray."""
    return node.death_reason == PREEMPTED


def home(tables: Tables, client: ClientRecord | None) -> NodeRecord:
    """The node that a client is on; drivers are on the first, unless they said otherwise."""
    if client is None:
        return next(iter(tables.nodes.values()))
    return tables.nodes[client.home] if client.worker is None else client.worker.node


def is_elsewhere(tables: Tables, client: ClientRecord | None, record: ObjectRecord) -> bool:
    """Whether a value is in the store of another node than a client's, and would have to be copied to be read."""
    if record.location < 0 or len(tables.nodes) == 1:
        return False
    number = home(tables, client).number
    return record.location >> NODE_SHIFT != number and number not in record.copied_to


def count_transfer(tables: Tables, client: ClientRecord | None, record: ObjectRecord) -> None:
    """An object in an arena is delivered: where that is another node's, a node of several machines would copy it, once.
    Here it is read in place, and counted."""
    if is_elsewhere(tables, client, record):
        node = home(tables, client)
        record.copied_to = (*record.copied_to, node.number)
        node.transfers += 1
        node.transferred_bytes += record.size_bytes


def most_bytes_at(tables: Tables, object_ids: tuple[bytes, ...]) -> int | None:
    """The number of the living node that has most bytes of these objects; None when all are small or on disk."""
    at = bytes_at(tables, object_ids)
    return max(at, key=lambda number: (at[number], -number), default=None)


def bytes_at(tables: Tables, object_ids: tuple[bytes, ...]) -> dict[int, int]:
    """How many bytes of these objects are on each living node that has any."""
    at: dict[int, int] = {}
    for object_id in object_ids:
        record = tables.objects[object_id]
        if record.location >= 0:
            for number in (record.location >> NODE_SHIFT, *record.copied_to):
                if tables.nodes[number].alive:
                    at[number] = at.get(number, 0) + record.size_bytes
    return at
