"""Giving back what has not started: the kernel has another use for it. Must not live here: running (`executor`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from localray.protocol import RunTask, TasksReturned


def give_back(queue: deque[RunTask], task_ids: Iterable[bytes]) -> TasksReturned:
    """Take tasks out of a worker's line, and say which: one leaves the line at the moment it starts, so it is here or
    there."""
    wanted = set(task_ids)
    returned: list[bytes] = []
    for task in list(queue):
        if task.task_id in wanted:
            try:
                # In one step, and in place: the executing thread takes tasks meanwhile, and relies on their order.
                queue.remove(task)
            except ValueError:
                continue  # It has just started.
            returned.append(task.task_id)
    return TasksReturned(tuple(returned))
