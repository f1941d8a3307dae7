"""`ray.timeline()`: what the kernel's log says of tasks, as a Chrome trace. Reads; decides nothing."""

from __future__ import annotations

import json
from pathlib import Path

from localray.client.current import current_client
from localray.protocol import Query

_ENDED = ("FINISHED", "FAILED", "QUEUED")
_MICROSECONDS = 1_000_000


def timeline(filename: str | None = None) -> list[dict[str, object]] | None:
    """The tasks that ran lately, each as one complete event of Chrome's trace format (`chrome://tracing`, Perfetto).

    Args:
        filename: write the trace there as JSON, and return nothing.

    Returns:
        The events: ``ts`` and ``dur`` in microseconds of the session's clock, ``tid`` the worker; a task in a worker's
            line counts
        from when it was sent. The log is bounded: only the last few thousand tasks are in it.

    Raises:
        RuntimeError: there is no session.
    """
    client = current_client()
    if client is None:
        raise RuntimeError("Ray has not been initialized yet. Call ray.init() before ray.timeline().")
    answer = client.ask(Query.TASK_EVENTS)
    events = to_chrome_trace(answer if isinstance(answer, tuple) else ())
    if filename is None:
        return events
    Path(filename).write_text(json.dumps(events))
    return None


def to_chrome_trace(entries: tuple[tuple[float, bytes, str, str], ...]) -> list[dict[str, object]]:
    """Pair each start with its end.

    Example:
        >>> submitted = (1.0, b"t", "WAITING", "submitted: f")
        >>> entries = (submitted, (1.5, b"t", "SENT", "to worker 3"), (2.0, b"t", "FINISHED", "answered"))
        >>> event = to_chrome_trace(entries)[0]
        >>> event["name"], event["tid"], event["ts"], event["dur"]
        ('f', 'worker 3', 1500000.0, 500000.0)
    """
    names: dict[bytes, str] = {}
    sent: dict[bytes, tuple[float, str]] = {}
    events: list[dict[str, object]] = []
    for now_s, task_id, state, reason in entries:
        if state == "WAITING":
            names[task_id] = reason.removeprefix("submitted: ")
        elif state == "SENT":
            sent[task_id] = (now_s, reason.removeprefix("to "))
        elif state in _ENDED and task_id in sent:
            started_s, worker = sent.pop(task_id)
            name = names.get(task_id, "task")
            events.append(
                {
                    "cat": "task",
                    "name": name,
                    "ph": "X",
                    "pid": "localray",
                    "tid": worker,
                    "ts": started_s * _MICROSECONDS,
                    "dur": (now_s - started_s) * _MICROSECONDS,
                    "args": {"task_id": task_id.hex(), "ended": state},
                }
            )
    return events
