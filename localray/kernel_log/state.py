"""All that a kernel knows, in lines: for looking at, and for telling whether two kernels know the same.

Must not live here: anything that changes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from localray.kernel import Kernel


def lines(kernel: Kernel) -> Iterator[str]:
    """A line for each thing that there is, in the order in which they came."""
    tables = kernel.tables
    for node in tables.nodes.values():
        alive = "alive" if node.alive else "dead"
        yield f"node {node.number} {node.node_id.hex()} {alive}: {dict(node.available)} of {dict(node.total)}"
    for job in tables.jobs.values():
        yield f"job {job.number} of driver {job.driver}"
    for worker in tables.workers.values():
        line = ", ".join(task_id.hex() for task_id in worker.assigned) or "nothing"
        yield f"worker {worker.number} on node {worker.node.number} {worker.state.name}: has {line}"
    for client in tables.clients.values():
        yield f"client {client.number} holds {len(client.held)} references and looks at {len(client.pins)} objects"
    for task in tables.tasks.values():
        yield f"task {task.task_id.hex()} {task.template.name} {task.state.name}, attempt {task.attempt}"
    for actor_id, actor in tables.actors.items():
        yield f"actor {actor_id.hex()} {actor.creation.template.name} {actor.state.name}"
    for group_id, group in tables.groups.items():
        yield f"placement group {group_id.hex()} {group.state.name}"
    for record in tables.objects.values():
        yield (
            f"object {record.object_id.hex()} {record.state.name}: {record.size_bytes} bytes at {record.location}, "
            f"{record.references} references, {record.pins} views"
        )


def digest(kernel: Kernel) -> bytes:
    """A digest of everything that there is and of the last transitions."""
    found = blake2b(digest_size=16)
    for line in lines(kernel):
        found.update(line.encode())
    found.update(repr(kernel.deadline_s).encode())
    return found.digest()
