"""What is about to go, and devices that are gone: a node that is drained, a GPU that is lost.

Must not live here: what follows when a node dies (`deaths`), which devices a lease has (`devices`).
"""

from __future__ import annotations

from localray.kernel import nodes, queues, scheduling, workers
from localray.kernel.effects import DeviceLost, NodeDraining
from localray.kernel.tables import Tables
from localray.protocol import Notice
from localray.sched.resources import GPU, RESOURCE_UNIT


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
