"""What is about to go, and devices that are gone: a node that is drained, a GPU that is lost.

Must not live here: what follows when a node dies (`deaths`), which devices a lease has (`devices`).
"""

from __future__ import annotations

from localray.kernel import deaths, nodes, queues, scheduling, workers
from localray.kernel.effects import DeviceLost, NodeDraining
from localray.kernel.records import ClientRecord, NodeRecord
from localray.kernel.tables import Tables
from localray.protocol import DrainNode, Notice, Reply
from localray.sched.resources import GPU, RESOURCE_UNIT


def request(tables: Tables, client: ClientRecord, message: DrainNode) -> None:
    """A client wants a node gone: at once if it is idle, else when it is. Nodes that are gone are so already."""
    node = next((each for each in tables.nodes.values() if each.node_id == message.node_id), None)
    refusal = ""
    if node is not None and node.alive:
        if message.preempts or _is_idle(node):
            node.leave = message._replace(gone_at_s=tables.now_s + message.gone_at_s)
            tables.departing[node.number] = node
            drain(tables, NodeDraining(node.number, message.message))
        else:
            refusal = "The node to be idle terminated is no longer idle."
    tables.send(client.number, Reply(message.request, (int(not refusal), refusal)))


def let_go(tables: Tables) -> None:
    """Nodes that are to go when they are idle, and are, go. The first is everybody's: it stays until it is taken."""
    for node in list(tables.departing.values()):
        if not node.alive or node.leave is None:
            del tables.departing[node.number]
        elif node.number and _is_idle(node):
            deaths.node_died(tables, node, node.leave.message)


def _is_idle(node: NodeRecord) -> bool:
    """Whether nothing runs on a node, is reserved on it, or is kept only there."""
    busy = any(worker.assigned or worker.actor is not None for worker in node.workers.values())
    return not busy and node.available == node.total and node.store_used_bytes == 0


def drain(tables: Tables, event: NodeDraining) -> None:
    """A node will be gone soon: nothing new begins there, what its workers have in their lines is taken back, drivers
    are told. What runs, and what is in its store, stays until then."""
    node = tables.nodes.get(event.node)
    if node is None or not node.alive or node.draining:
        return
    node.draining = True
    nodes.changed(tables, node)
    for worker in node.workers.values():
        if worker.leased_to is not None:
            scheduling.recall(tables, worker)
    for job in tables.jobs.values():
        if job.driver:
            text = f"Node {node.node_id.hex()} will be gone soon: {event.cause}. Nothing new is placed there."
            tables.send(job.driver, Notice(text))
    queues.nodes_changed(tables)


def device_lost(tables: Tables, event: DeviceLost) -> None:
    """A GPU is gone: the node has one less for good, and whoever has it, or a part of it, ends."""
    node = tables.nodes.get(event.node)
    if node is None or not node.alive or event.device in node.lost_devices or event.device >= len(node.gpu_free):
        return
    node.lost_devices.add(event.device)
    for worker in list(node.workers.values()):
        if worker.devices is node.gpu_free and event.device in worker.units:
            workers.kill(tables, worker, f"GPU {event.device} of its node was lost")
            scheduling.release_resources(tables, worker)
    node.gpu_free[event.device] -= RESOURCE_UNIT
    node.total[GPU] -= RESOURCE_UNIT
    node.available[GPU] -= RESOURCE_UNIT
    nodes.changed(tables, node)
    queues.nodes_changed(tables)
