"""Bugs of the kernel, as patches: each changes one line of it, as somebody might have written it; and programs under
whose seeds they must be found.

    python -m tests.sim.planted_bugs        # how many seeds it takes to find each

Must not live here: searching (`localray.sim.search`).
"""

from __future__ import annotations

import argparse
import inspect
import statistics
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from localray.sim.search.case import Case, Settings, Target

NODES = "3x2cpu"
CRASHES = "crash_node:probability=0.01,times=2,returns_s=0.2"


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug: in this function of the kernel, instead of ``old`` there is ``new``."""

    name: str
    function: str
    old: str
    new: str
    program: str = "everything"
    faults: str = "swarm"


PLANTS = (
    Plant("a retry counts twice", "tasks:use_retry", "one_fewer(task.retries_left)", "one_fewer(one_fewer(task.retries_left))", "stubborn", "kill_worker:task=twice,times=2"),
    Plant("what had begun counts as not begun", "deaths:worker_died", "started - worker.ended_count", "started - worker.ended_count - 1", "once", "kill_worker:task=add,phase=after,probability=0.2"),
    Plant("what had not begun is lost", "deaths:worker_died", "assigned[begun:]", "assigned[begun + 1:]"),
    Plant("a node gives what it does not have", "nodes:take_from", "take(node.available, demand)", "None"),
    Plant("a call overtakes one that waits", "actors:call", "actor.keeps_order and actor.queues.get(caller.number)", "False", "in_order", "calm"),
    Plant("a restart turns calls around", "restarts:keep_or_fail", "range(len(calls) - 1, -1, -1)", "range(len(calls))", "in_order", "kill_worker:task=Log.note,phase=before,probability=0.1"),
    Plant("an argument is freed before it is read", "objects:need", "refer(tables, record)", "None"),
    Plant("who resumes takes nothing back", "scheduling:resume", "nodes.take_from(tables, worker.node, worker.lent)", "None"),
    Plant("a worker is granted twice", "workers:obtain", "del idle[position]", "pass"),
    Plant("a wake-up is lost", "queues:capacity_freed", "tables.hungry.update(starved)", "None"),
    Plant("half of a group stays behind", "groups:node_died", "for index in lost:", "for index in lost[:1]:", "grouped", "crash_node:probability=0.02,returns_s=0.5"),
    Plant("a wait is forgotten", "objects:count_down", "wait.missing == 0", "wait.missing == 1"),
    Plant("a wait that is over is remembered", "objects:end_wait", "waits.remove(wait)", "pass"),
    Plant("a dead worker is idle", "deaths:worker_died", "node.idle.remove(worker)", "pass"),
    Plant("a view does not keep its bytes", "objects:unreferenced", "if record.pins:", "if False:", "stored", "calm"),
    Plant("a lost argument is not waited for", "recovery:wait_again", "objects.wait_for(task, tables.objects[object_id])", "None", "stored", CRASHES),
    Plant("what is lost is not made again", "recovery:recover", "elif task.task_id not in tables.tasks:", "elif False:", "stored", CRASHES),
    Plant("a dead reader's views stay", "holdings:drop_client", "objects.unpin(tables, client, pins)", "None", "stored", "kill_worker:probability=0.1,times=3"),
    Plant("a lease keeps what it had", "scheduling:end_lease", "release_resources(tables, worker)", "None"),
)  # fmt: skip


@contextmanager
def planted(plant: Plant) -> Iterator[None]:
    """The kernel has this bug meanwhile.

    Raises:
        AssertionError: the kernel has changed, and the line is not there, or not once.
    """
    function = _function(plant.function)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(plant.old) == 1, f"{plant.function} has not one {plant.old!r}"
    made: dict[str, Callable[..., object]] = {}
    patched = "from __future__ import annotations\n" + source.replace(plant.old, plant.new)
    exec(compile(patched, f"<planted: {plant.name}>", "exec"), function.__globals__, made)
    sound = function.__code__
    # In place, so that whoever has imported the function has the bug.
    function.__code__ = made[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = sound


def _function(path: str) -> Callable[..., object]:
    module, _, name = path.partition(":")
    found: object = import_module(f"localray.kernel.{module}")
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[return-value]


def seeds_to_find(plant: Plant, first: int, most: int) -> int | None:
    """How many seeds it takes, from the first; None if the most are not enough."""
    settings = Settings(NODES, plant.faults, step_limit=20_000, finish_within_s=600.0)
    target = Target(f"tests.sim.planted_bugs:{plant.program}")
    with planted(plant):
        for count in range(1, most + 1):
            if Case(target, settings, first + count - 1).run().error is not None:
                return count
    return None


# ---------------------------------------------------------------- programs, right unless the kernel is wrong


def everything(ray: ModuleType) -> None:
    """Nested tasks, large objects, an actor, a cancelled task: all of it may be tried again."""
    import time

    @ray.remote(max_retries=-1)
    def leaf(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        return number

    @ray.remote(max_retries=-1)
    def parent(number: int) -> int:
        return sum(ray.get([leaf.remote(number), leaf.remote(number + 1)]))

    @ray.remote(max_retries=-1)
    def size(data: bytes, *more: int) -> int:
        return len(data)

    @ray.remote(max_restarts=-1, max_task_retries=-1)
    class Echo:
        def echo(self, value: object) -> object:
            return value

    data = ray.put(bytes(150_000))
    numbers = [leaf.remote(number) for number in range(12)]
    parents = [parent.remote(number) for number in range(6)]
    sizes = [size.remote(data, *numbers[:3]) for _ in range(4)]
    echo = Echo.remote()
    echoes = [echo.echo.remote(reference) for reference in numbers[:4]]
    assert len(ray.wait(numbers, num_returns=2)[0]) == 2
    assert ray.get(numbers) == list(range(12))
    assert ray.get(parents) == [2 * number + 1 for number in range(6)]
    assert ray.get(sizes) == [150_000] * 4
    assert ray.get(echoes) == [0, 1, 2, 3]


def stubborn(ray: ModuleType) -> None:
    """Survives as many deaths as it has retries."""

    @ray.remote(max_retries=2)
    def twice() -> int:
        return 1

    assert ray.get(twice.remote()) == 1


def once(ray: ModuleType) -> None:
    """What may not be tried again is not done twice."""

    @ray.remote
    class Counter:
        def __init__(self) -> None:
            self.done: dict[int, int] = {}

        def count(self, number: int) -> None:
            self.done[number] = self.done.get(number, 0) + 1

        def twice(self) -> list[int]:
            return [number for number, times in self.done.items() if times > 1]

    counter = Counter.remote()

    @ray.remote(max_retries=0)
    def add(number: int) -> None:
        ray.get(counter.count.remote(number))

    references = [add.remote(number) for number in range(6)]
    for reference in references:
        try:
            ray.get(reference)
        except ray.exceptions.WorkerCrashedError:
            continue  # It may not be tried again: that is what it is to say.
    assert ray.get(counter.twice.remote()) == []


def in_order(ray: ModuleType) -> None:
    """One caller's calls are done in its order, those whose arguments are late too."""
    import time

    @ray.remote(max_restarts=-1, max_task_retries=-1)
    class Log:
        def __init__(self) -> None:
            self.last = -1

        def note(self, number: int) -> int:
            assert number > self.last, f"{number} after {self.last}"
            self.last = number
            return number

    @ray.remote(max_retries=-1)
    def late(number: int) -> int:
        time.sleep(0.002)
        return number

    log = Log.remote()
    ray.get(log.__ray_ready__.remote())
    arguments = [late.remote(number) if number % 3 == 0 else number for number in range(9)]
    assert ray.get([log.note.remote(argument) for argument in arguments]) == list(range(9))


def grouped(ray: ModuleType) -> None:
    """A placement group of several nodes, and tasks in it."""
    from localray.util.placement_group import placement_group, remove_placement_group
    from localray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = placement_group([{"CPU": 1}] * 4, strategy="PACK")
    ray.get(group.ready())

    @ray.remote(max_retries=-1, num_cpus=1)
    def inside() -> int:
        import time

        time.sleep(0.01)
        return 1

    for _ in range(3):
        strategies = [PlacementGroupSchedulingStrategy(group, index) for index in range(4)]
        assert sum(ray.get([inside.options(scheduling_strategy=each).remote() for each in strategies])) == 4
    remove_placement_group(group)


def stored(ray: ModuleType) -> None:
    """Large objects, made on all nodes and read on all; what is lost with a node is made again."""
    import time

    import numpy

    @ray.remote(max_retries=-1, scheduling_strategy="SPREAD")
    def make(number: int) -> bytes:
        time.sleep(0.003)
        return bytes(150_000 + number)

    @ray.remote(max_retries=-1, scheduling_strategy="SPREAD")
    def size(first: bytes, second: bytes) -> int:
        time.sleep(0.003)
        return len(first) + len(second)

    made = [make.remote(number) for number in range(6)]
    sizes = [size.remote(made[number], made[(number + 1) % 6]) for number in range(6)]
    expected = [300_000 + number + (number + 1) % 6 for number in range(6)]
    assert ray.get(sizes) == expected
    del sizes
    array = ray.get(ray.put(numpy.full(40_000, 7)))
    others = [ray.put(numpy.zeros(40_000)) for _ in range(3)]
    assert array.sum() == 280_000
    del array, others
    assert ray.get([size.remote(made[0], make.remote(1)) for _ in range(4)]) == [300_001] * 4


def main() -> None:
    """How many seeds each takes, from several beginnings."""
    parser = argparse.ArgumentParser(description="How many seeds it takes to find each planted bug.")
    parser.add_argument("--most", type=int, default=2000)
    parser.add_argument("--beginnings", type=int, default=5)
    options = parser.parse_args()
    medians = []
    for plant in PLANTS:
        found = [seeds_to_find(plant, 10_000 * number, options.most) for number in range(options.beginnings)]
        counts = [options.most + 1 if count is None else count for count in found]
        medians.append(statistics.median(counts))
        print(f"{plant.name:45} {sorted(counts)} median {medians[-1]:g}", flush=True)
    print(f"median of medians {statistics.median(medians):g}")


if __name__ == "__main__":
    main()
