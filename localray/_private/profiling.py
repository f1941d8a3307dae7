"""`ray._private.profiling`: spans that a program marks, and tasks of the state API as a Chrome trace. As in Ray without
``RAY_PROFILING``, spans are not recorded; `ray.timeline` shows tasks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from localray.absent.catalogue import missing_in
from localray.listings import PHASES
from localray.util.state.common import TaskState

_INHERITED = ("task_id", "job_id", "attempt_number", "func_or_class_name", "actor_id")


def profile(event_type: str, extra_data: Mapping[str, str] | None = None) -> contextlib.AbstractContextManager[None]:
    """Mark a span."""
    return contextlib.nullcontext()


def chrome_tracing_dump(tasks: Iterable[TaskState | Mapping[str, Any]]) -> str:
    """What `list_tasks(detail=True)` tells, as a Chrome trace in JSON: a group of rows for each node, a row for each
    worker, an event for each part of a task."""
    nodes: dict[str, int] = {}
    workers: dict[tuple[int, str], int] = {}
    events: list[dict[str, Any]] = []
    for task in tasks:
        data = task.get("profiling_data")
        if not data:
            continue
        node = nodes.setdefault(data["node_ip_address"], len(nodes))
        worker = workers.setdefault((node, f"{data['component_type']}:{data['component_id']}"), len(workers))
        for event in data["events"]:
            more = {**event["extra_data"], **{name: task[name] for name in _INHERITED}}
            events.append(
                {
                    "cat": event["event_name"],
                    "name": more.get("name", event["event_name"]),
                    "ph": "X",
                    "pid": node,
                    "tid": worker,
                    "ts": event["start_time"] * 1000,
                    "dur": (event["end_time"] - event["start_time"]) * 1000,
                    "cname": PHASES.get(event["event_name"], "generic_work"),
                    "args": more,
                }
            )
    events += [_named("process_name", number, None, f"Node {address}") for address, number in nodes.items()]
    events += [_named("thread_name", node, number, name) for (node, name), number in workers.items()]
    return json.dumps(events)


def _named(kind: str, pid: int, tid: int | None, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}


__getattr__ = missing_in(__name__)
