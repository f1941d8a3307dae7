"""The rows of the benchmark as data, and what each of them runs.

A row says what is measured, in which unit, and which ratio to real Ray is aimed at. A workload adds the code: a context
manager that sets a system up, yields the loop to be timed, and clears away. Nothing here reads a clock, and nothing
here knows which system it is given. The rows are those of Ray's own microbenchmark, and a few of ours.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from . import bodies
from .systems import Capability, System

BATCH = 1_000
MIB = 1 << 20
REFS_HELD = 10_000
THREADS = 16
KEPT = 64


class Unit(enum.Enum):
    """Units of the rows: the label, how many of the measured unit make one, and whether more is better."""

    TASKS = ("tasks/s", 1.0, True)
    CALLS = ("calls/s", 1.0, True)
    GETS = ("gets/s", 1.0, True)
    PUTS = ("puts/s", 1.0, True)
    REFS = ("refs/s", 1.0, True)
    GIGABYTES = ("GB/s", 1e9, True)
    MILLISECONDS = ("ms", 1e-3, False)
    MEBIBYTES = ("MiB", float(MIB), False)
    PROCESSES = ("", 1.0, False)
    PERCENT = ("% of a core", 1e-2, False)

    def __init__(self, label: str, base_units: float, higher_is_better: bool) -> None:
        self.label = label
        self.base_units = base_units
        self.higher_is_better = higher_is_better


class Group(enum.Enum):
    """The headings under which rows are shown, in this order."""

    START = "start and stop"
    IDLE = "at rest, after a few tasks"
    TASKS = "tasks"
    ACTORS = "actor calls"
    ASYNC_ACTORS = "async actor calls"
    OBJECTS = "objects"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        key: the name that `--rows` matches and the JSON uses.
        title: what the table says; `{n}` stands for the number of processors.
        goal: how many times better than real Ray localray means to be, where that was decided.
    """

    key: str
    title: str
    group: Group
    unit: Unit
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """What is timed: `run` is called again and again, and each call counts as `operations` in the row's unit."""

    run: Callable[[], object]
    operations: int = 1


@dataclass(frozen=True, slots=True)
class Workload:
    """A row that is measured by calling a loop for a while.

    Attributes:
        prepare: sets up on a started system and yields the loop.
        needs: what the system must be able to do; others show a dash.
        once: too long to repeat: one call, no warm-up, in one turn only.
    """

    row: Row
    prepare: Callable[[System], AbstractContextManager[Loop]]
    needs: Capability
    once: bool = False


def batch_of(system: System, submit: Callable[..., object], count: int, *arguments: object) -> object:
    """Submit `count` calls at once and wait for all the results."""
    return system.collect([submit(*arguments) for _ in range(count)])


@contextmanager
def tasks_sync(system: System) -> Iterator[Loop]:
    """One task at a time."""
    submit = system.task(bodies.small_value)
    yield Loop(lambda: system.collect_one(submit()))


@contextmanager
def tasks_batched(system: System, count: int) -> Iterator[Loop]:
    """Many tasks submitted at once, then all their results."""
    yield Loop(partial(batch_of, system, system.task(bodies.small_value), count), operations=count)


@contextmanager
def tasks_multi_client(system: System) -> Iterator[Loop]:
    """Several clients at once, each an actor that submits a batch of tasks."""
    clients = [system.actor(bodies.Submitter, system.name.value) for _ in range(system.processors)]
    submits = [system.method(client, "submit_tasks") for client in clients]
    yield Loop(lambda: system.collect([submit(BATCH) for submit in submits]), operations=BATCH * len(clients))
    release_all(system, clients)


@contextmanager
def tasks_nested(system: System) -> Iterator[Loop]:
    """A task that itself submits a batch of tasks and gets their results."""
    submit = system.task(bodies.submit_and_get)
    yield Loop(lambda: system.collect_one(submit(system.name.value, BATCH)), operations=BATCH)


@contextmanager
def wait_for_refs(system: System) -> Iterator[Loop]:
    """Wait for a batch of tasks one ref at a time, each time passing all refs that are left."""
    submit = system.task(bodies.small_value)

    def run() -> None:
        not_ready = [submit() for _ in range(BATCH)]
        while not_ready:
            not_ready = system.wait_for_one(not_ready)

    yield Loop(run, operations=BATCH)


@contextmanager
def calls_sync(system: System, kind: type) -> Iterator[Loop]:
    """One call of an actor at a time."""
    actor = system.actor(kind)
    submit = system.method(actor, "small_value")
    yield Loop(lambda: system.collect_one(submit()))
    system.release(actor)


@contextmanager
def calls_batched(system: System, kind: type, max_concurrency: int | None = None) -> Iterator[Loop]:
    """A batch of calls of one actor."""
    actor = system.actor(kind, max_concurrency=max_concurrency)
    yield Loop(partial(batch_of, system, system.method(actor, "small_value"), BATCH), operations=BATCH)
    system.release(actor)


@contextmanager
def calls_with_ref(system: System, kind: type) -> Iterator[Loop]:
    """A batch of calls of one actor, each with a ref as its argument."""
    actor = system.actor(kind)
    argument = system.put(0)
    submit = system.method(actor, "small_value_of")
    yield Loop(partial(batch_of, system, submit, BATCH, argument), operations=BATCH)
    system.release(actor)


@contextmanager
def calls_by_clients(system: System, kind: type, method_name: str, clients_per_server: bool) -> Iterator[Loop]:
    """Calls of as many actors as processors, by one client or by as many clients, each making a batch in all."""
    servers = [system.actor(kind) for _ in range(system.processors)]
    count = system.processors if clients_per_server else 1
    clients = [system.actor(bodies.Submitter, system.name.value, servers) for _ in range(count)]
    submits = [system.method(client, method_name) for client in clients]
    yield Loop(lambda: system.collect([submit(BATCH) for submit in submits]), operations=BATCH * count)
    release_all(system, clients + servers)


@contextmanager
def get_small(system: System) -> Iterator[Loop]:
    """Get a small object again and again."""
    handle = system.put(0)
    yield Loop(lambda: system.collect_one(handle))


@contextmanager
def get_large(system: System, size_bytes: int) -> Iterator[Loop]:
    """Get a large array that a task has made, again and again."""
    handle = system.task(bodies.zeros)(size_bytes)
    yield Loop(lambda: system.collect_one(handle))


@contextmanager
def get_many_refs(system: System) -> Iterator[Loop]:
    """Get an object that holds many refs."""
    handle = system.task(bodies.hold_refs)(system.name.value, REFS_HELD)
    yield Loop(lambda: system.collect_one(handle), operations=REFS_HELD)


@contextmanager
def put_small(system: System) -> Iterator[Loop]:
    """Put a small object; its ref is dropped at once."""
    yield Loop(lambda: system.put(0))


@contextmanager
def put_small_multi_client(system: System) -> Iterator[Loop]:
    """Put small objects from as many tasks as processors."""
    submit = system.task(bodies.put_small_values)
    count = system.processors

    def run() -> None:
        system.collect([submit(system.name.value, BATCH) for _ in range(count)])

    yield Loop(run, operations=BATCH * count)


@contextmanager
def put_large(system: System, size_bytes: int) -> Iterator[Loop]:
    """Put a large array; its ref is dropped at once, so that its memory can serve the next put."""
    array = bodies.zeros(size_bytes)
    yield Loop(lambda: system.put(array), operations=size_bytes)


@contextmanager
def put_large_kept(system: System, size_bytes: int) -> Iterator[Loop]:
    """Put a large array while the last few are still referred to, as in a program that uses what it puts."""
    array = bodies.zeros(size_bytes)
    kept: list[object] = [None] * KEPT
    turn = itertools.cycle(range(KEPT))

    def run() -> None:
        kept[next(turn)] = system.put(array)

    yield Loop(run, operations=size_bytes)


@contextmanager
def copy_memory_in_turn(_system: System, size_bytes: int) -> Iterator[Loop]:
    """Copy an array into as many buffers in turn: the same traffic as `put_large_kept`."""
    import numpy

    source = bodies.zeros(size_bytes)
    turn = itertools.cycle([bodies.zeros(size_bytes) for _ in range(KEPT)])
    yield Loop(lambda: numpy.copyto(next(turn), source), operations=size_bytes)


@contextmanager
def copy_memory(_system: System, size_bytes: int) -> Iterator[Loop]:
    """Copy the same array within the process, the best that any put could do."""
    import numpy

    source = bodies.zeros(size_bytes)
    target = bodies.zeros(size_bytes)
    yield Loop(partial(numpy.copyto, target, source), operations=size_bytes)


@contextmanager
def large_results(system: System, size_bytes: int) -> Iterator[Loop]:
    """Tasks that return a large array each, one at a time."""
    submit = system.task(bodies.zeros)
    yield Loop(lambda: system.collect_one(submit(size_bytes)), operations=size_bytes)


def release_all(system: System, actors: list[object]) -> None:
    """Destroy all the actors of a workload."""
    for actor in actors:
        system.release(actor)


STARTUP = Row("startup", "fresh interpreter to first result", Group.START, Unit.MILLISECONDS, goal=15)
STARTUP_IMPORT = Row("startup-import", "  of which: import", Group.START, Unit.MILLISECONDS)
STARTUP_INIT = Row("startup-init", "  of which: init", Group.START, Unit.MILLISECONDS)
STARTUP_FIRST_TASK = Row("startup-first-task", "  of which: first task", Group.START, Unit.MILLISECONDS)
SHUTDOWN = Row("startup-shutdown", "shutdown", Group.START, Unit.MILLISECONDS)
STARTUP_ROWS = (STARTUP, STARTUP_IMPORT, STARTUP_INIT, STARTUP_FIRST_TASK, SHUTDOWN)

IDLE_MEMORY = Row("idle-memory", "memory, all processes", Group.IDLE, Unit.MEBIBYTES, goal=6)
IDLE_PROCESSES = Row("idle-processes", "processes", Group.IDLE, Unit.PROCESSES)
IDLE_CPU = Row("idle-cpu", "processor time used", Group.IDLE, Unit.PERCENT)
IDLE_ROWS = (IDLE_MEMORY, IDLE_PROCESSES, IDLE_CPU)


def _task_workloads() -> tuple[Workload, ...]:
    def row(key: str, title: str, goal: float | None = None) -> Row:
        return Row(key, title, Group.TASKS, Unit.TASKS, goal)

    tasks, refs = Capability.TASKS, Capability.REFS
    return (
        Workload(row("tasks-sync", "one at a time", goal=6), tasks_sync, tasks),
        Workload(row("tasks-batched", "1,000 at once", goal=10), partial(tasks_batched, count=BATCH), tasks),
        Workload(row("tasks-multi-client", "{n} actors, each 1,000 at once"), tasks_multi_client, refs),
        Workload(row("tasks-nested", "1,000 at once from inside a task"), tasks_nested, refs),
        Workload(row("wait-1k-refs", "wait for 1,000, one by one"), wait_for_refs, refs),
        Workload(
            row("batch-100k", "100,000 at once (measured once)"),
            partial(tasks_batched, count=100_000),
            tasks,
            once=True,
        ),
    )


def _actor_workloads() -> tuple[Workload, ...]:
    def row(key: str, title: str, goal: float | None = None) -> Row:
        return Row(key, title, Group.ACTORS, Unit.CALLS, goal)

    server = bodies.Server
    threaded = partial(calls_batched, kind=server, max_concurrency=THREADS)
    one_to_n = partial(calls_by_clients, kind=server, method_name="call_servers", clients_per_server=False)
    n_to_n = partial(calls_by_clients, kind=server, method_name="call_servers", clients_per_server=True)
    n_to_n_ref = partial(calls_by_clients, kind=server, method_name="call_servers_with_ref", clients_per_server=True)
    actors, concurrent, refs = Capability.ACTORS, Capability.CONCURRENT_ACTORS, Capability.REFS
    return (
        Workload(row("actor-sync", "1:1, one at a time", goal=4), partial(calls_sync, kind=server), actors),
        Workload(row("actor-batched", "1:1, 1,000 at once", goal=5), partial(calls_batched, kind=server), actors),
        Workload(row("actor-threaded", f"1:1, {THREADS} threads, 1,000 at once"), threaded, concurrent),
        Workload(row("actor-ref", "1:1, a ref as argument, 1,000 at once"), partial(calls_with_ref, kind=server), refs),
        Workload(row("actor-1-n", "1:{n}, 1,000 at once"), one_to_n, refs),
        Workload(row("actor-n-n", "{n}:{n}, 1,000 at once each"), n_to_n, refs),
        Workload(row("actor-n-n-ref", "{n}:{n}, a ref as argument"), n_to_n_ref, refs),
    )


def _async_actor_workloads() -> tuple[Workload, ...]:
    def row(key: str, title: str) -> Row:
        return Row(key, title, Group.ASYNC_ACTORS, Unit.CALLS)

    server = bodies.AsyncServer
    n_to_n = partial(calls_by_clients, kind=server, method_name="call_servers", clients_per_server=True)
    concurrent, refs = Capability.CONCURRENT_ACTORS, Capability.REFS
    return (
        Workload(row("async-sync", "1:1, one at a time"), partial(calls_sync, kind=server), concurrent),
        Workload(row("async-batched", "1:1, 1,000 at once"), partial(calls_batched, kind=server), concurrent),
        Workload(row("async-ref", "1:1, a ref as argument, 1,000 at once"), partial(calls_with_ref, kind=server), refs),
        Workload(row("async-n-n", "{n}:{n}, 1,000 at once each"), n_to_n, refs),
    )


def _object_workloads() -> tuple[Workload, ...]:
    def row(key: str, title: str, unit: Unit, goal: float | None = None) -> Row:
        return Row(key, title, Group.OBJECTS, unit, goal)

    tasks, objects, refs = Capability.TASKS, Capability.OBJECTS, Capability.REFS
    gigabytes, large = Unit.GIGABYTES, 100 * MIB
    return (
        Workload(row("get-small", "get, small", Unit.GETS, goal=8), get_small, objects),
        Workload(row("put-small", "put, small", Unit.PUTS, goal=12), put_small, objects),
        Workload(row("put-small-n", "put, small, from {n} tasks", Unit.PUTS), put_small_multi_client, refs),
        Workload(row("put-1mib", "put, 1 MiB", gigabytes, goal=1), partial(put_large, size_bytes=MIB), objects),
        Workload(row("memcpy-1mib", "  memcpy, 1 MiB", gigabytes), partial(copy_memory, size_bytes=MIB), objects),
        Workload(
            row("put-1mib-kept", "put, 1 MiB, 64 kept", gigabytes), partial(put_large_kept, size_bytes=MIB), objects
        ),
        Workload(
            row("memcpy-1mib-kept", "  memcpy, 1 MiB, 64 buffers", gigabytes),
            partial(copy_memory_in_turn, size_bytes=MIB),
            objects,
        ),
        Workload(row("put-100mib", "put, 100 MiB", gigabytes, goal=1), partial(put_large, size_bytes=large), objects),
        Workload(row("memcpy-100mib", "  memcpy, 100 MiB", gigabytes), partial(copy_memory, size_bytes=large), objects),
        Workload(row("get-100mib", "get, 100 MiB", Unit.GETS, goal=3), partial(get_large, size_bytes=large), objects),
        Workload(row("get-10k-refs", "get an object that holds 10,000 refs", Unit.REFS), get_many_refs, refs),
        Workload(
            row("result-10mib", "tasks that return 10 MiB", gigabytes),
            partial(large_results, size_bytes=10 * MIB),
            tasks,
        ),
    )


WORKLOADS = (*_task_workloads(), *_actor_workloads(), *_async_actor_workloads(), *_object_workloads())
ROWS = (*STARTUP_ROWS, *IDLE_ROWS, *(workload.row for workload in WORKLOADS))

MEMCPY_ROW_OF = {"put-1mib": "memcpy-1mib", "put-1mib-kept": "memcpy-1mib-kept", "put-100mib": "memcpy-100mib"}
"""The rows to be read beside each other: a put, and the copy of the same bytes."""
