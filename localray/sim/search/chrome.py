"""A run in the format of Chrome's trace viewer (`chrome://tracing`, Perfetto): a process for each node, a thread for
each worker, times in microseconds.

Must not live here: reading a trace (`chronicle`).
"""

from __future__ import annotations

import json

from localray.sim.search.chronicle import DRIVER, Chronicle


def to_chrome(found: Chronicle) -> str:
    """The events as JSON."""
    lanes = {DRIVER: 0, **found.nodes}
    events: list[dict[str, object]] = []
    for node in sorted(set(lanes.values())):
        events.append({"ph": "M", "name": "process_name", "pid": node, "args": {"name": f"node {node}"}})
    for lane, node in lanes.items():
        name = "driver" if lane == DRIVER else f"worker {lane}"
        events.append({"ph": "M", "name": "thread_name", "pid": node, "tid": lane, "args": {"name": name}})
    for attempt in found.tries:
        ended_ns = attempt.ended_ns if attempt.ended_ns >= 0 else found.end_ns
        events.append(
            {
                "ph": "X",
                "name": attempt.name,
                "cat": attempt.how,
                "pid": lanes.get(attempt.worker, 0),
                "tid": attempt.worker,
                "ts": attempt.sent_ns / 1000,
                "dur": (ended_ns - attempt.sent_ns) / 1000,
                "args": {"task": attempt.task_id.hex(), "try": attempt.attempt + 1, "ended": attempt.how},
            }
        )
    for mark in found.marks:
        lane = max(mark.worker, DRIVER)
        events.append(
            {
                "ph": "i",
                "name": mark.text,
                "cat": mark.kind,
                "s": "g" if mark.worker < 0 else "t",
                "pid": lanes.get(lane, 0),
                "tid": lane,
                "ts": mark.at_ns / 1000,
            }
        )
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, indent=1)
