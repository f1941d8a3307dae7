"""The memory monitor: when to measure, whom to kill, and what becomes of what ran there.

The kernel asks its driver to measure a node (`MeasureMemory`) every so often while something runs on it; above the
threshold it asks again for what each worker uses, and kills those that the policy chooses. While they die nobody else
is chosen. With ``LOCALRAY_ENFORCE_MEMORY=1`` what each task uses is measured every time, and held against its own
``memory=``. Must not live here: the policy (`localray.sched.memory`), the death of a worker (`deaths`).
"""

from __future__ import annotations

from localray.kernel import workers
from localray.kernel.effects import MeasureMemory, MemoryUsed
from localray.kernel.records import TaskRecord, TaskState, WorkerRecord
from localray.kernel.tables import Tables
from localray.kernel.transitions import move
from localray.protocol import Notice, Status, text_payload
from localray.sched import memory as policy
from localray.sched.bundle_names import plain
from localray.sched.resources import MEMORY, RESOURCE_UNIT, amount

TOP_USERS = 10
_GB = 2**30


def deadline_s(tables: Tables) -> float | None:
    """When the monitor wants to measure, or a task has waited long enough to be tried again."""
    times = list(tables.postponed.values())
    if tables.measure_at_s is not None:
        times.append(tables.measure_at_s)
    return min(times) if times else None


def tick(tables: Tables) -> None:
    """Do what is due."""
    if tables.measure_at_s is not None and tables.now_s >= tables.measure_at_s:
        measure(tables)
    if tables.postponed:
        for task in [task for task, at_s in tables.postponed.items() if at_s <= tables.now_s]:
            del tables.postponed[task]
            # What it needs may have been lost meanwhile: then it waits for that.
            if task.missing == 0:
                tables.woken.append(task)


def measure(tables: Tables) -> None:
    """Measure the nodes on which something runs; where nothing does, the next lease starts the clock again."""
    settings = tables.memory
    tables.measure_at_s = None
    for node in tables.nodes.values():
        busy = [worker for worker in node.workers.values() if is_busy(worker)]
        if busy:
            tables.measure_at_s = tables.now_s + settings.refresh_s
            watched = [worker for worker in busy if settings.enforces_task_memory and budget_bytes(worker)]
            tables.effects.append(MeasureMemory(node.number, tuple(worker.number for worker in watched), 0))


def is_busy(worker: WorkerRecord) -> bool:
    """Whether a worker has tasks or is an actor."""
    return bool(worker.assigned) or worker.actor is not None


def budget_bytes(worker: WorkerRecord) -> int:
    """What the task or actor on a worker said it needs; 0 when it said nothing."""
    return amount(plain(worker.resources), MEMORY) // RESOURCE_UNIT


def memory_used(tables: Tables, event: MemoryUsed) -> None:
    """A measurement: kill who is over budget, and, above the threshold, whom the policy chooses."""
    node = tables.nodes[event.node]
    used = dict(event.workers)
    if tables.memory.enforces_task_memory:
        for worker in [node.workers[number] for number in used if number in node.workers]:
            enforce(tables, worker, used[worker.number])
    to_free_bytes = policy.bytes_to_free(tables.memory, event.used_bytes, event.total_bytes)
    if to_free_bytes == 0 or any(worker.out_of_memory is not None for worker in node.workers.values()):
        return
    killable = [worker for worker in node.workers.values() if is_killable(tables, worker)]
    if all(worker.number in used for worker in killable):
        relieve(tables, event, killable, to_free_bytes)
    else:
        tables.effects.append(MeasureMemory(node.number, tuple(worker.number for worker in killable), TOP_USERS))


def is_killable(tables: Tables, worker: WorkerRecord) -> bool:
    """Whether there is a process to kill that is not on its way out."""
    return not worker.stopping and worker.number not in tables.unborn


def enforce(tables: Tables, worker: WorkerRecord, used_bytes: int) -> None:
    """Kill a worker whose task uses more than the ``memory=`` it asked for. It would do so again: it is not retried."""
    budget = budget_bytes(worker)
    if not budget or used_bytes <= budget or not is_killable(tables, worker) or not is_busy(worker):
        return
    text = (
        f"{describe(tables, worker)} was killed because it used {_size(used_bytes)}, "
        f"{_size(used_bytes - budget)} more than the memory={budget} ({_size(budget)}) it asked for. Ask for more, or "
        "unset LOCALRAY_ENFORCE_MEMORY."
    )
    worker.out_of_memory = policy.OutOfMemory(text, may_retry=False)
    workers.kill(tables, worker, "it used more memory than it asked for")


def relieve(tables: Tables, event: MemoryUsed, killable: list[WorkerRecord], to_free_bytes: int) -> None:
    """Kill the workers that the policy chooses, with a text that says why them."""
    used = dict(event.workers)
    victims = policy.choose_victims([candidate(worker, used[worker.number]) for worker in killable], to_free_bytes)
    by_number = {worker.number: worker for worker in killable}
    chosen = [by_number[victim.worker] for victim in victims]
    text = explain(tables, event, chosen)
    for worker in chosen:
        worker.out_of_memory = policy.OutOfMemory(text, may_retry=True)
        workers.kill(tables, worker, "the node is low on memory")


def candidate(worker: WorkerRecord, used_bytes: int) -> policy.Candidate:
    """What the policy needs to know of a worker. An actor is as old as its lease, a task as its start."""
    if worker.actor is not None:
        return policy.Candidate(worker.number, used_bytes, False, False, worker.leased_at_s)
    task = next(iter(worker.assigned.values()), None)
    if task is None:
        return policy.Candidate(worker.number, used_bytes, True, True, worker.idle_since_s)
    return policy.Candidate(worker.number, used_bytes, False, task.template.max_retries != 0, worker.progress_at_s)


def explain(tables: Tables, event: MemoryUsed, victims: list[WorkerRecord]) -> str:
    """What the user reads: how full the node was, who was killed, who uses the most, what can be done."""
    node = tables.nodes[event.node]
    used_bytes, total_bytes = event.used_bytes, event.total_bytes
    limit_bytes = policy.threshold_bytes(tables.memory, total_bytes)
    of_workers = dict(event.workers)
    killed = [f"{describe(tables, worker)}, memory used={_size(of_workers[worker.number])}" for worker in victims]
    names = {tables.clients[worker.number].process_id: describe(tables, worker) for worker in node.workers.values()}
    top_users = [f"  {each}\t{_size(size)}\t{names.get(each, command)}" for each, size, command in event.top_users]
    return "\n".join(
        [
            f"{len(victims)} worker(s) were killed due to the node running low on memory. Memory on the node (ID: "
            f"{node.node_id.hex()}) was {_size(used_bytes)} used / {_size(total_bytes)} limit "
            f"({used_bytes / max(1, total_bytes):.6f}).",
            f"Memory usage {used_bytes}B exceeded the threshold of {limit_bytes}B "
            f"({100 * limit_bytes / max(1, total_bytes):.1f}% of {total_bytes}B limit).",
            "Killed: " + "; ".join(killed),
            *(["Top memory users: PID, memory, command"] if top_users else []),
            *top_users,
            "Reduce how much runs at once by asking for more CPUs or memory per task, or set max_retries to have tasks "
            "tried again. RAY_memory_usage_threshold sets the threshold; RAY_memory_monitor_refresh_ms=0 turns the "
            "monitor off.",
        ]
    )


def describe(tables: Tables, worker: WorkerRecord) -> str:
    """The task or actor that a worker runs, in words."""
    process_id = tables.clients[worker.number].process_id
    process = f"pid={process_id}" if process_id else f"worker {worker.number}"
    if worker.actor is not None:
        return f"Actor {worker.actor.creation.template.name.removesuffix('.__init__')} ({process})"
    for task in worker.assigned.values():
        return f"Task {task.template.name} ({process})"
    return f"Idle worker ({process})"


def postpone(tables: Tables, task: TaskRecord, reason: str) -> None:
    """A task that was killed for want of memory waits before its next try, the longer the more often it was."""
    tables.history.over(task, Status.OUT_OF_MEMORY.value, text_payload(reason), tables.now_s)
    task.memory_kills += 1
    task.attempt += 1
    task.worker = None
    delay_s = policy.retry_delay_s(tables.memory, task.memory_kills)
    move(tables.log, task.task_id, task, TaskState.WAITING, "its worker was killed for want of memory")
    tables.postponed[task] = tables.now_s + delay_s
    job = tables.jobs.get(task.template.job)
    if job is not None:
        left = tables.memory.oom_retries - task.memory_kills
        times = "without limit" if tables.memory.oom_retries < 0 else f"{left} more time(s) after that"
        first_line = reason.partition("\n")[0]
        text = f"Task {task.template.name} is tried again in {delay_s:g} s, {times}: {first_line}"
        tables.send(job.driver, Notice(text))


def may_try_again(tables: Tables, task: TaskRecord) -> bool:
    """Whether the monitor's budget of retries allows one more."""
    return policy.may_try_again(tables.memory, task.template.max_retries, task.memory_kills + 1)


def _size(size_bytes: int) -> str:
    if size_bytes >= _GB / 10:
        return f"{size_bytes / _GB:.2f}GB"
    return f"{size_bytes / 2**20:.1f}MB" if size_bytes >= 2**20 else f"{size_bytes}B"
