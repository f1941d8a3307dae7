"""`ray._common.filters`: what tells log records where they were made."""

from __future__ import annotations

import logging
import time

from localray.absent.catalogue import missing_in
from localray.client.logs import whereabouts


class CoreContextFilter(logging.Filter):
    """Lets every record pass, and notes on it the ids of job, worker, node, task and actor, as far as there are any."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Note them; returns True."""
        vars(record).update({name: value for name, value in whereabouts().items() if value is not None})
        vars(record)["_ray_timestamp_ns"] = time.time_ns()
        return True


__getattr__ = missing_in(__name__)

__all__ = ["CoreContextFilter"]
