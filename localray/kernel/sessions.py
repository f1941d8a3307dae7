"""How long a session goes on, and nodes that a client adds and removes while it runs.

A session ends when it is told to; one that somebody keeps, with its keeper, whoever else works in it: the driver whose
`init` has started it, or whoever has started a cluster; any other that is not standing, with its last driver. Must not
live here: what follows when a driver leaves or a node dies (`deaths`).
"""

from __future__ import annotations

from localray.kernel import deaths, keeping, nodes, queues
from localray.kernel.effects import NodeAdded, Stop
from localray.kernel.records import ClientKind, ClientRecord
from localray.kernel.tables import Tables
from localray.protocol import AddNode, EndSession, RemoveNode, Reply

_FOR_DRIVERS = "Only a driver, not a task or an actor, changes the nodes of its session."


def end(tables: Tables, client: ClientRecord, message: EndSession) -> None:
    """The session is to end now."""
    if client.kind is ClientKind.DRIVER:
        stop(tables, "told to end")


def stop(tables: Tables, reason: str) -> None:
    """The session is over: nothing is placed any more."""
    if not tables.stopped:
        tables.stopped = True
        keeping.session_ends(tables)
        tables.effects.append(Stop(reason))


def client_left(tables: Tables, number: int) -> None:
    """A driver, or somebody who only looked, is gone: whether the session goes too."""
    if tables.keeper:
        if number == tables.keeper:
            stop(tables, "its keeper has left")
    elif not tables.standing and not any(job.driver for job in tables.jobs.values()):
        stop(tables, "the last driver left")


def add_node(tables: Tables, client: ClientRecord, message: AddNode) -> None:
    """A node joins; its workers are started when they are needed."""
    if client.kind is not ClientKind.DRIVER:
        tables.send(client.number, Reply(message.request, _FOR_DRIVERS))
        return
    # Spilled objects go where those of the first node go: it is one machine.
    settings = next(iter(tables.nodes.values())).store.settings
    event = NodeAdded(
        message.node_id,
        message.total,
        message.labels,
        message.store_capacity_bytes,
        0,
        settings,
        message.name,
        message.environment,
    )
    node = nodes.add(tables, event)
    queues.nodes_changed(tables)
    tables.send(client.number, Reply(message.request, node.number))


def remove_node(tables: Tables, client: ClientRecord, message: RemoveNode) -> None:
    """A node leaves. The first stays: drivers are on it."""
    node = next((node for node in tables.nodes.values() if node.node_id == message.node_id and node.alive), None)
    refusal = None
    if client.kind is not ClientKind.DRIVER:
        refusal = _FOR_DRIVERS
    elif node is None:
        refusal = f"There is no living node {message.node_id.hex()} in this session."
    elif node.number == 0:
        refusal = "The head node cannot be removed: end the session instead."
    else:
        deaths.node_died(tables, node, message.cause)
    tables.send(client.number, Reply(message.request, refusal))
