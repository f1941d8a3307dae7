"""How drivers and workers log where `LoggingConfig` says so: the root logger's handler, whose lines tell which task,
worker and node they are from, as text or as JSON.

Must not live here: what a configuration may be (`localray.logging_config`).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from localray.client.context import current_task
from localray.client.current import current_client
from localray.ids import JobID, WorkerID

TEXT_FORMAT = "%(asctime)s\t%(levelname)s %(filename)s:%(lineno)s -- %(message)s"
"""Ray's."""
_STANDARD = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))


class RecordFormatter(logging.Formatter):
    """One line for a record, with what is known of where it was made.

    Args:
        encoding: TEXT or JSON.
        attributes: of the record, to be told too.
    """

    def __init__(self, encoding: str, attributes: Sequence[str]) -> None:
        super().__init__(TEXT_FORMAT)
        self._encoding = encoding
        self._attributes = attributes

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        more = {name: getattr(record, name, None) for name in self._attributes}
        more.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        more.update(whereabouts())
        more["timestamp_ns"] = time.time_ns()
        if self._encoding == "TEXT":
            return f"{super().format(record)} {' '.join(f'{name}={value}' for name, value in more.items())}"
        facts: dict[str, Any] = {
            "asctime": self.formatTime(record),
            "levelname": record.levelname,
            "message": record.getMessage(),
            "filename": record.filename,
            "lineno": record.lineno,
            "process": record.process,
        }
        if record.exc_info:
            facts["exc_text"] = self.formatException(record.exc_info)
        return json.dumps({**facts, **more}, default=str)


def whereabouts() -> dict[str, str | None]:
    """The ids of job, worker, node, task and actor, as far as there are any."""
    client = current_client()
    if client is None:
        return {}
    facts: dict[str, str | None] = {
        "job_id": JobID.from_int(client.job).hex(),
        "worker_id": WorkerID(client.number.to_bytes(4, "little") + b"\0" * 24).hex(),
        "node_id": client.node_id.hex(),
    }
    context = current_task.get()
    if context is not None:
        facts["task_id"] = context.task_id.hex()
        facts["task_name"] = context.name
        facts["task_func_name"] = context.function_name
        if context.actor_id:
            facts["actor_id"] = context.actor_id.hex()
            facts["actor_name"] = context.actor_name
    return facts


def set_package_logger(level: int | str | None, line_format: str | None = None) -> None:
    """Set the level of the logger named ``ray``, and how its lines look on the standard error.

    Raises:
        ValueError: there is no such level.
    """
    logger = logging.getLogger("ray")
    if level is not None:
        logger.setLevel(level.upper() if isinstance(level, str) else level)
    if line_format is None:
        return
    if level is None:
        # Ray's, whose own lines are to be seen in this format.
        logger.setLevel(logging.INFO)
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
        logger.propagate = False
    for handler in logger.handlers:
        handler.setFormatter(logging.Formatter(line_format))


def configure(config: Mapping[str, Any]) -> None:
    """Set the root logger up, and the one named ``ray``.

    Args:
        config: the fields of a `LoggingConfig`.
    """
    handler = logging.StreamHandler()
    handler.setLevel(config["log_level"])
    handler.setFormatter(RecordFormatter(config["encoding"], config["additional_log_standard_attrs"]))
    root, own = logging.getLogger(), logging.getLogger("ray")
    for logger in (root, own):
        logger.setLevel(config["log_level"])
    root.addHandler(handler)
    own.handlers[:] = [handler]
    own.propagate = False
