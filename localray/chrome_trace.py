"""`ray.timeline()`: the tasks that ran, as a Chrome trace. Reads the kernel's listing; decides nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from localray.client.current import current_client
from localray.ids import TASK_ID_SIZE_BYTES
from localray.listings import PHASES, TaskRow, phases
from localray.protocol import Query, TaskKind
from localray.sched.bundle_names import plain
from localray.sched.resources import RESOURCE_UNIT

_MICROSECONDS = 1_000_000
_COLOURS = {"FINISHED": "good", "FAILED": "terrible"}


def timeline(filename: str | None = None) -> list[dict[str, Any]] | None:
    """The tasks that ran lately, each as one complete event of Chrome's trace format (`chrome://tracing`, Perfetto).

    Args:
        filename: write the trace there as JSON, and return nothing.

    Returns:
        The events: ``ts`` and ``dur`` in microseconds of the session's clock; a row for each worker, a group of rows
        for each node. Parts of a task that is over are events too, by Ray's names: ``task:deserialize_arguments``,
        ``task:execute`` and, unless it has failed, ``task:store_outputs``; what is shorter than 0.1 ms has no length.
        ``args`` of a task's own event say more: the task that submitted it, those whose results it takes, what it
        holds, and how large its result is, for `localray sim plan`. Of tasks that are over the last 10,000 are known.

    Raises:
        RuntimeError: there is no session.
    """
    client = current_client()
    if client is None:
        raise RuntimeError("Ray has not been initialized yet. Call ray.init() before ray.timeline().")
    events = to_chrome_trace(client.ask(Query.LIST_TASKS))
    if filename is None:
        return events
    Path(filename).write_text(json.dumps(events))
    return None


def to_chrome_trace(answer: object) -> list[dict[str, Any]]:
    """The trace of what the kernel answers to `Query.LIST_TASKS`."""
    now_s, _, rows = cast("tuple[float, int, tuple[Any, ...]]", answer)
    return _events([TaskRow(*row) for row in rows], now_s)


def _events(rows: Iterable[TaskRow], now_s: float) -> list[dict[str, Any]]:
    """A complete event for each attempt that ran or runs, and the names of nodes and workers.

    Example:
        >>> row = TaskRow(b"t", 0, "f", "f", "FINISHED", 1, b"", 0, b"", b"n", 3, 77, 0, b"", (), b"", 1.0, 1.5, 1.5, 2)
        >>> event = _events([row], 9.0)[-1]
        >>> event["name"], event["tid"], event["ts"], event["dur"]
        ('f', 3, 1500000.0, 500000.0)
    """
    nodes: dict[bytes, int] = {}
    names: dict[tuple[int, int], dict[str, Any]] = {}
    events: list[dict[str, Any]] = []
    for row in rows:
        if row.started_at_s < 0 or not row.worker:
            continue
        node = nodes.setdefault(row.node_id, len(nodes) + 1)
        if (node, row.worker) not in names:
            if (node, 0) not in names:
                names[node, 0] = _named("process_name", node, 0, f"Node {row.node_id.hex()[:12]}")
            label = f"worker {row.worker}" + (f" (pid {row.process_id})" if row.process_id else "")
            names[node, row.worker] = _named("thread_name", node, row.worker, label)
        ended_at_s = row.ended_at_s if row.ended_at_s >= 0 else now_s
        events += [
            {
                "cat": name,
                "name": name,
                "ph": "X",
                "pid": node,
                "tid": row.worker,
                "ts": begin_s * _MICROSECONDS,
                "dur": (end_s - begin_s) * _MICROSECONDS,
                "cname": PHASES[name],
                "args": {"task_id": row.task_id.hex()},
            }
            for name, begin_s, end_s in phases(row)
        ]
        events.append(
            {
                "cat": f"task::{row.function}",
                "name": row.name,
                "ph": "X",
                "pid": node,
                "tid": row.worker,
                "ts": row.started_at_s * _MICROSECONDS,
                "dur": (ended_at_s - row.started_at_s) * _MICROSECONDS,
                "cname": _COLOURS.get(row.state, "generic_work"),
                "args": {
                    "task_id": row.task_id.hex(),
                    "attempt_number": row.attempt,
                    "state": row.state,
                    "waited_s": row.started_at_s - row.created_at_s,
                    "kind": TaskKind(row.kind).name,
                    "actor_id": row.actor_id.hex(),
                    "parent_task_id": row.parent_id.hex(),
                    "depends_on": list(dict.fromkeys(each[:TASK_ID_SIZE_BYTES].hex() for each in row.dependencies)),
                    "resources": {name: units / RESOURCE_UNIT for name, units in plain(row.resources)},
                    "output_bytes": row.output_bytes,
                },
            }
        )
    return [*names.values(), *events]


def _named(kind: str, node: int, worker: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": node, "tid": worker, "args": {"name": name}}
