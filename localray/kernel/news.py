"""What the user of a driver is told of deaths that retries make good, one line each, with the cause; of tasks that are
too short; and of detached actors that nobody will find.

The same news again and again is told the tenth time, the hundredth, and so on, with how often it was: nobody reads a
stack of repeats. Must not live here: what is decided.
"""

from __future__ import annotations

import re

from localray.kernel.records import ClientKind, SchedulingClass, TaskRecord, WorkerRecord
from localray.kernel.tables import Tables
from localray.protocol import Notice, UnhandledError

REMEMBERED = 1000
"""Of so many different news is known how often they were; then counting begins anew."""
LAST_WORDS = 5
SHORT_TASK_S = 0.0001
"""A task that takes less costs more than it does."""
SHORT_TASKS = 5000
_MIB = 1 << 20
_ANONYMOUS = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIRST_RETURN = (1).to_bytes(4, "little")


def tell(tables: Tables, job: int, topic: str, text: str, error: bytes = b"") -> None:
    """Tell the driver of a job, and show it a pickled error, unless the topic is an old story."""
    record = tables.jobs.get(job)
    if record is None or record.driver == 0:
        return
    counts = tables.told
    count = counts.get((job, topic), 0) + 1
    if len(counts) >= REMEMBERED:
        counts.clear()
    counts[job, topic] = count
    if count == 1:
        tables.send(record.driver, Notice(text, error))
    elif str(count).strip("0") == "1":
        tables.send(record.driver, Notice(f"{text} ({count} times by now)", error))


def detached_out_of_reach(tables: Tables, job: int, namespace: str) -> None:
    """A detached actor is created in this namespace. One that has the shape of those that drivers without a name for
    theirs are given is known to nobody who comes later; Ray tells the user, too."""
    if _ANONYMOUS.fullmatch(namespace):
        text = (
            "A detached actor was created in an anonymous namespace. To find it from another program, connect that "
            f'to this namespace: init(namespace="{namespace}"), or give both a namespace of your choice.'
        )
        tell(tables, job, "detached actor in an anonymous namespace", text)


def short_tasks(tables: Tables, group: SchedulingClass, last: TaskRecord, count: int) -> None:
    """So many more tasks of this class, of which this is one, were short on the average."""
    before = group.short_tasks
    group.short_tasks += count
    record = tables.jobs.get(last.template.job)
    if before < SHORT_TASKS <= group.short_tasks and record is not None and record.driver:
        text = (
            f"{SHORT_TASKS} tasks like {last.template.name} took less than {SHORT_TASK_S * 1000:g} ms each, which is "
            "about what it costs to run a task at all. Let each do more: give it a slice of the items instead of one. "
            "(LOCALRAY_HINTS=0 silences hints like this one.)"
        )
        tables.send(record.driver, Notice(text))


def retried(tables: Tables, task: TaskRecord, cause: str) -> None:
    """A task is tried again because its worker died."""
    text = f"{_tried_again(task)}: its worker died: {cause}."
    tell(tables, task.template.job, f"retry {task.template.name} {cause}", text)


def error_retried(tables: Tables, task: TaskRecord, error: bytes) -> None:
    """A task is tried again because its options want its error, pickled, retried."""
    tell(tables, task.template.job, f"retry {task.template.name}", f"{_tried_again(task)}: it has failed.", error)


def _tried_again(task: TaskRecord) -> str:
    left = "without limit" if task.retries_left < 0 else f"{task.retries_left} left"
    return f"Task {task.template.name} is tried again (attempt {task.attempt + 1}, retries {left})"


def larger_than_the_store(tables: Tables, job: int, size_bytes: int, capacity_bytes: int) -> None:
    """An object goes to disk because no store could hold it, which takes as long as the disk does."""
    text = (
        f"An object of {_size(size_bytes)} is larger than the object store ({_size(capacity_bytes)}): it goes to disk, "
        "and is read from there. init(object_store_memory=...) makes the store larger."
    )
    tell(tables, job, "larger than the store", text)


def made_again(tables: Tables, task: TaskRecord, why: str) -> None:
    """A task runs again for the sake of a lost object."""
    name = task.template.name
    text = f"Task {name} runs again (attempt {task.attempt + 1}), because what it made is needed. {why}"
    tell(tables, task.template.job, f"made again {name}", text)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:.0f} MiB" if size_bytes >= _MIB else f"{size_bytes} bytes"


def unhandled(tables: Tables, object_id: bytes, payload: bytes) -> None:
    """A task's error is gone, and nobody has seen it: the driver that submitted the task is told, once for all that the
    task would have returned."""
    owner = tables.clients.get(int.from_bytes(object_id[:4], "little"))
    if owner is not None and owner.kind is ClientKind.DRIVER and object_id[24:] == _FIRST_RETURN:
        tables.send(owner.number, UnhandledError(payload))


def last_words(worker: WorkerRecord) -> str:
    """The last lines that a dead worker has printed to its standard error, for the text of an error."""
    lines = worker.last_errors[-LAST_WORDS:]
    return "\n".join(["", "The last lines of its standard error:", *(f"  {line}" for line in lines)]) if lines else ""
