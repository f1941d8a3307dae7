"""Bugs of the kernel, as patches: each changes one line of it, as somebody might have written it; and programs under
whose seeds they must be found.

    python -m tests.sim.planted_bugs                           # how many seeds it takes to find each
    python -m tests.sim.planted_bugs --at-random --most 500    # that random schedules do not find the deep ones
    python -m tests.sim.planted_bugs --shrink                  # how small the failures get

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

from localray import sim
from localray.sim.schedule import Search
from localray.sim.search.case import Case, Settings, Target
from localray.sim.search.seeds import calibrated
from localray.sim.search.shrink import Shrunk, shrink

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
    depth: int = 0
    """Of a bug that random schedules do not find: how deep priorities have to look for it."""


PLANTS = (
    Plant("a retry counts twice", "tasks:use_retry", "one_fewer(task.retries_left)", "one_fewer(one_fewer(task.retries_left))", "stubborn", "kill_worker:task=twice,times=2"),
    Plant("what had begun counts as not begun", "deaths:worker_died", "started - worker.ended_count", "started - worker.ended_count - 1", "once", "kill_worker:task=add,phase=after,probability=0.2"),
    Plant("what had not begun is lost", "deaths:worker_died", "assigned[begun:]", "assigned[begun + 1:]"),
    Plant("a node gives what it does not have", "nodes:take_from", "take(node.available, demand)", "None"),
    Plant("a call overtakes one that waits", "actors:call", "actor.keeps_order and (actor.queues.get(caller.number) or actor.holds_back(caller.number))", "False", "in_order", "calm"),
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
    Plant("what is borrowed is freed before", "tasks:create", "objects.acquire(tables, borrowed)", "None", "lent", "calm"),
    Plant("a group is committed by half", "bundles:commit", "for index, node in placing:", "for index, node in placing[:-1]:", "grouped", "calm"),
    Plant("a restart skips a call", "restarts:keep_or_fail", "range(len(calls) - 1, -1, -1)", "range(len(calls) - 1, 0, -1)", "in_order", "kill_worker:task=Log.note,phase=before,probability=0.1"),
    Plant("what is spilled back is lost", "scheduling:tasks_returned", "take_back(tables, task, \"recalled\")", "None"),
    Plant("a retry too few", "tasks:may_retry", "task.retries_left != 0", "task.retries_left not in (0, 1)", "stubborn", "kill_worker:task=twice,times=2"),
    Plant("what is cancelled runs", "queues:first_of", "if task.cancelled:", "if False:", "called_off", "calm"),
    Plant("a stream repeats itself", "streams:take_in", "position == stream.yielded:", "position <= stream.yielded:", "streamed", "kill_worker:task=count,phase=during,probability=0.3"),
    Plant("two missing arguments count as one", "objects:wait_for", "task.missing += 1", "task.missing = 1", "late_arguments", "calm", depth=3),
    Plant("a dead actor forgets a second call", "actors:mark_dead", "for task in queue)", "for task in list(queue)[:1])", "late_calls", "calm", depth=3),
    Plant("a group's second user lives on", "groups:kill_users", "list(group.workers.values())", "list(group.workers.values())[:1]", "late_users", "calm", depth=3),
    Plant("two callers are none", "actors:end_if_unneeded", "actor.sent or actor.queues", "actor.sent or len(actor.queues) == 1", "late_callers", "calm", depth=3),
    Plant("a group is tried twice", "groups:place_pending", "elif bundles.reserve(tables, group):", "elif group.attempts < 2 and bundles.reserve(tables, group):", "late_group", "calm", depth=3),
    Plant("a wait is over by half", "objects:end_wait", "in wait.object_ids:", "in wait.object_ids[:1]:", "late_waits", "calm", depth=3),
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


def settings_for(plant: Plant, *, at_random: bool = False) -> Settings:
    """How the program of a bug is searched; at random too where that is not enough."""
    search = Search("pct", plant.depth) if plant.depth and not at_random else Search()
    settings = Settings(NODES, plant.faults, search, step_limit=20_000, finish_within_s=600.0)
    return calibrated(target_of(plant), settings)


def target_of(plant: Plant) -> Target:
    """The program of a bug."""
    return Target(f"tests.sim.planted_bugs:{plant.program}")


def seeds_to_find(plant: Plant, first: int, most: int, *, at_random: bool = False) -> int | None:
    """How many seeds it takes, from the first; None if the most are not enough."""
    target, settings = target_of(plant), settings_for(plant, at_random=at_random)
    with planted(plant):
        for count in range(1, most + 1):
            if Case(target, settings, first + count - 1).run().error is not None:
                return count
    return None


def shrunk(plant: Plant, most_seeds: int, most_runs: int) -> Shrunk | None:
    """The first seed that finds a bug, made small; None if none does."""
    count = seeds_to_find(plant, 0, most_seeds)
    if count is None:
        return None
    with planted(plant):
        return shrink(Case(target_of(plant), settings_for(plant), count - 1), most_runs)


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


def lent(ray: ModuleType) -> None:
    """References inside of arguments, which their first holder lets go of at once."""

    @ray.remote
    def read(references: list[object]) -> int:
        return len(ray.get(references[0]))

    taken = [read.remote([ray.put(bytes(1000 + number))]) for number in range(6)]
    assert ray.get(taken) == [1000 + number for number in range(6)]


def called_off(ray: ModuleType) -> None:
    """What waits for its turn and is cancelled never runs."""
    import time

    ran = sim.Shared(numbers=[])

    @ray.remote(num_cpus=2)
    def work(number: int, ran: sim.Shared) -> None:
        ran.numbers.append(number)
        time.sleep(0.1)

    works = [work.remote(number, ran) for number in range(8)]
    time.sleep(0.06)
    waiting = [number for number in (3, 4, 5) if number not in ran.numbers]
    for number in waiting:
        ray.cancel(works[number])
    ray.get([works[number] for number in range(8) if number not in waiting])
    assert not set(waiting) & set(ran.numbers)


def streamed(ray: ModuleType) -> None:
    """Items of a generator come once, although its worker may die."""
    import time

    @ray.remote(max_retries=-1)
    def count() -> Iterator[int]:
        for number in range(6):
            time.sleep(0.001)
            yield number

    assert [ray.get(item) for item in count.remote()] == list(range(6))


LONG_S = 0.008
"""Far longer than what follows it takes to happen, unless somebody is slow all the time."""
TALKS = 10


def _talk(ray: ModuleType) -> None:
    """Ask the kernel something again and again."""
    for _ in range(TALKS):
        try:
            ray.get_actor("nobody")
        except ValueError:
            continue


def _talkers(ray: ModuleType) -> list[object]:
    """Two actors that are up and take a while to answer."""

    @ray.remote
    class Talker:
        def talk(self, number: int) -> int:
            _talk(ray)
            return number

    talkers = [Talker.remote() for _ in range(2)]
    ray.get([talker.talk.remote(0) for talker in talkers])
    return talkers


def _answers(ray: ModuleType) -> list[object]:
    """What two actors answer: both are there when this returns, unless both are slow."""
    import time

    answers = [talker.talk.remote(number) for number, talker in enumerate(_talkers(ray))]  # type: ignore[attr-defined]
    time.sleep(LONG_S)
    return answers


def late_arguments(ray: ModuleType) -> None:
    """A task whose arguments have long been there, in most runs."""

    @ray.remote
    def total(first: int, second: int) -> int:
        return first + second

    assert ray.get(total.remote(*_answers(ray))) == 1


def late_calls(ray: ModuleType) -> None:
    """An actor is killed when it has long done what was asked of it, in most runs."""

    @ray.remote
    class Taker:
        def take(self, number: int) -> int:
            return number

    taker = Taker.remote()
    ray.get(taker.take.remote(0))
    calls = [taker.take.remote(answer) for answer in _answers(ray)]
    import time

    time.sleep(0.001)
    ray.kill(taker)
    for number, call in enumerate(calls):
        try:
            assert ray.get(call, timeout=60) == number
        except ray.exceptions.RayActorError:
            continue


def late_users(ray: ModuleType) -> None:
    """A placement group is removed when all in it is done, in most runs."""
    import time

    from localray.util.placement_group import placement_group, remove_placement_group
    from localray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = placement_group([{"CPU": 1}] * 2, strategy="STRICT_SPREAD")
    ray.get(group.ready())

    @ray.remote(max_retries=0)
    def inside() -> None:
        _talk(ray)

    both = [inside.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group, index)) for index in (0, 1)]
    ray.get([each.remote() for each in both])
    users = [each.remote() for each in both]
    time.sleep(LONG_S)
    remove_placement_group(group)
    for user in users:
        try:
            ray.get(user, timeout=60)
        except ray.exceptions.WorkerCrashedError:
            continue
    time.sleep(1)
    assert ray.available_resources()["CPU"] == 6


def late_callers(ray: ModuleType) -> None:
    """The last handle of an actor goes when nobody's calls wait, in most runs."""

    @ray.remote
    class Taker:
        def take(self, number: int) -> int:
            return number

    @ray.remote
    def pass_on(taker: object, answer: list[object]) -> list[object]:
        return [taker.take.remote(answer[0])]  # type: ignore[attr-defined]

    taker = Taker.remote()
    ray.get(ray.get(pass_on.remote(taker, [ray.put(0)]))[0])
    first, second = _answers(ray)
    mine = taker.take.remote(first)
    theirs = ray.get(pass_on.remote(taker, [second]))[0]
    del taker
    assert ray.get([mine, theirs]) == [0, 1]


def late_group(ray: ModuleType) -> None:
    """A placement group finds all nodes free when it is created, in most runs."""
    import time

    from localray.util.placement_group import placement_group, remove_placement_group

    @ray.remote(num_cpus=2, scheduling_strategy="SPREAD")
    def fill() -> None:
        _talk(ray)

    ray.get([fill.remote() for _ in range(3)])
    filled = [fill.remote() for _ in range(2)]
    time.sleep(LONG_S)
    group = placement_group([{"CPU": 2}] * 3, strategy="STRICT_SPREAD")
    assert group.wait(60), "no room for the group"
    ray.get(filled)
    remove_placement_group(group)


def late_waits(ray: ModuleType) -> None:
    """A task waits for a moment, for what has long been there in most runs."""

    @ray.remote
    def peek(answers: list[object]) -> int:
        return len(ray.wait(answers, num_returns=2, timeout=0.0005)[0])

    ray.get(peek.remote([ray.put(0), ray.put(1)]))
    answers = _answers(ray)
    ray.get(peek.remote(answers))
    assert ray.get(answers) == [0, 1]


def main() -> None:
    """How many seeds each takes, from several beginnings."""
    parser = argparse.ArgumentParser(description="How many seeds it takes to find each planted bug.")
    parser.add_argument("--most", type=int, default=2000)
    parser.add_argument("--beginnings", type=int, default=5)
    parser.add_argument("--only", default="", help="bugs with this in their name")
    parser.add_argument("--at-random", action="store_true", help="only those that need a depth, with random schedules")
    parser.add_argument("--shrink", action="store_true", help="how small the first failure of each gets, instead")
    options = parser.parse_args()
    chosen = [plant for plant in PLANTS if options.only in plant.name and (plant.depth or not options.at_random)]
    if options.shrink:
        _tell_shrunk(chosen, options.most)
        return
    medians = []
    for plant in chosen:
        found = [
            seeds_to_find(plant, 10_000 * number, options.most, at_random=options.at_random)
            for number in range(options.beginnings)
        ]
        counts = [options.most + 1 if count is None else count for count in found]
        medians.append(statistics.median(counts))
        print(f"{plant.name:45} {sorted(counts)} median {medians[-1]:g}", flush=True)
    print(f"median of medians {statistics.median(medians):g}")


def _tell_shrunk(chosen: list[Plant], most_seeds: int) -> None:
    faults, deviations = [], []
    for plant in chosen:
        small = shrunk(plant, most_seeds, most_runs=400)
        if small is None:
            print(f"{plant.name:45} not found", flush=True)
            continue
        faults.append(len(small.firings))
        deviations.append(len(small.deviations))
        nodes = len(small.nodes)
        print(f"{plant.name:45} {faults[-1]} faults, {deviations[-1]} deviations, {nodes} nodes", flush=True)
    print(f"median {statistics.median(faults):g} faults, {statistics.median(deviations):g} deviations")


if __name__ == "__main__":
    main()
