"""The events of the driver of the kernel: nodes, drivers, worker processes, disks, the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, cast

from localray.kernel import (
    deaths,
    departures,
    frozen,
    garbage,
    jobs,
    keeping,
    memory,
    nodes,
    output,
    patience,
    queues,
    reservations,
    reviving,
    scaling,
    scheduling,
    sessions,
    spilled,
    starvation,
    store,
    workers,
)
from localray.kernel.effects import (
    DeviceLost,
    DriverConnected,
    DriverDisconnected,
    DriverLags,
    EnvironmentEvent,
    FileKept,
    LaunchFailed,
    MemoryUsed,
    NodeAdded,
    NodeDied,
    NodeDraining,
    ObjectsSpilled,
    SpillFileCreated,
    Tick,
    WorkerDied,
    WorkerPrinted,
    WorkersStopped,
    WorkerStarted,
)
from localray.kernel.records import ClientKind, ClientRecord
from localray.kernel.tables import Tables

EnvironmentHandler: TypeAlias = Callable[[Tables, EnvironmentEvent], None]


def _node_added(tables: Tables, event: NodeAdded) -> None:
    node = nodes.add(tables, event)
    scaling.answered(tables, event.node_type)
    for _ in range(event.prestart):
        node.idle.append(workers.start(tables, node))
    if tables.to_revive:
        reviving.revive(tables, node)
    queues.nodes_changed(tables)


def _node_died(tables: Tables, event: NodeDied) -> None:
    node = tables.nodes.get(event.node)
    if node is not None and node.alive:
        deaths.node_died(tables, node, event.cause)


def _driver_connected(tables: Tables, event: DriverConnected) -> None:
    tables.clients[event.client] = ClientRecord(event.client, ClientKind.DRIVER, 0, home=event.node)
    if event.keeps:
        tables.keeper = event.client


def _driver_disconnected(tables: Tables, event: DriverDisconnected) -> None:
    jobs.driver_left(tables, event.client, in_order=False)
    sessions.client_left(tables, event.client)


def _worker_started(tables: Tables, event: WorkerStarted) -> None:
    worker = tables.workers.get(event.worker)
    if worker is not None:
        workers.started(tables, worker)
        queues.capacity_freed(tables)


def _worker_died(tables: Tables, event: WorkerDied) -> None:
    worker = tables.workers.get(event.worker)
    if worker is not None:
        deaths.worker_died(tables, worker, event.cause, event.started)


def _objects_spilled(tables: Tables, event: ObjectsSpilled) -> None:
    spilled.objects_spilled(tables, event)


def _spill_file_created(tables: Tables, event: SpillFileCreated) -> None:
    spilled.file_created(tables, event)


def _tick(tables: Tables, event: Tick) -> None:
    workers.reap_idle(tables)
    workers.end_the_late(tables)
    scheduling.check_backlogs(tables)
    memory.tick(tables)
    frozen.tick(tables)
    store.tick(tables)
    garbage.tick(tables)
    scaling.tick(tables)
    reservations.check(tables)
    starvation.tick(tables)
    if patience.is_over(tables):
        queues.capacity_freed(tables)


ENVIRONMENT_HANDLERS: Final = cast(
    "dict[type[EnvironmentEvent], EnvironmentHandler]",
    {
        NodeAdded: _node_added,
        LaunchFailed: scaling.launch_failed,
        NodeDied: _node_died,
        NodeDraining: departures.drain,
        DeviceLost: departures.device_lost,
        DriverConnected: _driver_connected,
        DriverDisconnected: _driver_disconnected,
        DriverLags: output.lags,
        WorkerStarted: _worker_started,
        WorkerDied: _worker_died,
        MemoryUsed: memory.memory_used,
        WorkersStopped: frozen.stopped,
        WorkerPrinted: output.printed,
        ObjectsSpilled: _objects_spilled,
        SpillFileCreated: _spill_file_created,
        FileKept: keeping.answered,
        Tick: _tick,
    },
)
