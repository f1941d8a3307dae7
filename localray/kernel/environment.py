"""The events of the driver of the kernel: nodes, drivers, worker processes, buffers, the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, cast

from localray.kernel import deaths, objects, patience, scheduling, workers
from localray.kernel.effects import (
    BufferAllocated,
    DriverConnected,
    DriverDisconnected,
    EnvironmentEvent,
    NodeAdded,
    Tick,
    WorkerDied,
    WorkerStarted,
)
from localray.kernel.records import ClientKind, ClientRecord, NodeRecord
from localray.kernel.tables import Tables
from localray.protocol import Reply
from localray.sched.resources import GPU, RESOURCE_UNIT

EnvironmentHandler: TypeAlias = Callable[[Tables, EnvironmentEvent], None]


def _node_added(tables: Tables, event: NodeAdded) -> None:
    number = len(tables.nodes)
    total = dict(event.total)
    devices = [RESOURCE_UNIT] * (total.get(GPU, 0) // RESOURCE_UNIT)
    node = NodeRecord(
        number, event.node_id, total, dict(total), dict(event.labels), devices, event.store_capacity_bytes
    )
    tables.nodes[number] = node
    for _ in range(event.prestart):
        node.idle.append(workers.start(tables, node))
    scheduling.capacity_freed(tables)


def _driver_connected(tables: Tables, event: DriverConnected) -> None:
    tables.clients[event.client] = ClientRecord(event.client, ClientKind.DRIVER, 0)


def _driver_disconnected(tables: Tables, event: DriverDisconnected) -> None:
    deaths.driver_left(tables, event.client)


def _worker_started(tables: Tables, event: WorkerStarted) -> None:
    worker = tables.workers.get(event.worker)
    if worker is not None:
        workers.started(tables, worker)
        scheduling.capacity_freed(tables)


def _worker_died(tables: Tables, event: WorkerDied) -> None:
    worker = tables.workers.get(event.worker)
    if worker is not None:
        deaths.worker_died(tables, worker, event.cause, event.started)


def _buffer_allocated(tables: Tables, event: BufferAllocated) -> None:
    node = tables.nodes[event.node]
    client = tables.clients.get(event.client)
    if event.location < 0:
        node.store_used_bytes -= event.size_bytes
        if client is not None:
            text = f"The object store has no gap of {event.size_bytes} bytes."
            tables.send(event.client, Reply(event.request, text))
    elif client is None:
        objects.release_bytes(tables, event.location, event.size_bytes)
    else:
        client.buffers[event.location] = event.size_bytes
        tables.send(event.client, Reply(event.request, event.location))


def _tick(tables: Tables, event: Tick) -> None:
    workers.reap_idle(tables)
    scheduling.check_backlogs(tables)
    if patience.is_over(tables):
        scheduling.capacity_freed(tables)


ENVIRONMENT_HANDLERS: Final = cast(
    "dict[type[EnvironmentEvent], EnvironmentHandler]",
    {
        NodeAdded: _node_added,
        DriverConnected: _driver_connected,
        DriverDisconnected: _driver_disconnected,
        WorkerStarted: _worker_started,
        WorkerDied: _worker_died,
        BufferAllocated: _buffer_allocated,
        Tick: _tick,
    },
)
