"""What the state of checkpointed actors is worth when anything dies at any moment, in the simulation: it is the
acknowledged calls, each once, in their order, and nothing else."""

from __future__ import annotations

from types import ModuleType

import pytest

from localray import sim
from localray.faults import Fault, Phase, Rule

SEEDS = 2
ACTORS = 24
CALLS = 13
DEATHS = (
    *(Rule(Fault.KILL_WORKER, phase=phase, probability=0.06, times=0) for phase in Phase),
    Rule(Fault.CRASH_NODE, probability=0.002, times=2, returns_s=0.5),
    Rule(Fault.DELAY_MESSAGES, probability=0.05, times=0, by_s=0.02),
)


def keep_numbers(ray: ModuleType, interval: int, retries: int, concurrency: int) -> int:
    """Actors keep numbers; returns how many of them were acknowledged."""

    @ray.remote(
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=retries,
        checkpoint_interval=interval,
        max_concurrency=concurrency,
        scheduling_strategy="SPREAD",
    )
    class Keeper:
        def __init__(self, name):
            self.name = name
            self.numbers = []

        def keep(self, number):
            self.numbers.append(number)
            return self.name, number

        def read(self):
            return list(self.numbers)

        def checkpoint(self):
            return self.numbers

        def restore(self, numbers):
            self.numbers = numbers

    keepers = [Keeper.remote(name) for name in range(3)]
    acknowledged: dict[int, list[int]] = {name: [] for name in range(3)}
    for first in range(0, 24, 4):
        refs = [(name, keeper.keep.remote(n)) for n in range(first, first + 4) for name, keeper in enumerate(keepers)]
        for name, ref in refs:
            try:
                answer = ray.get(ref)
            except ray.exceptions.ActorUnavailableError:
                assert retries == 0
                continue
            assert answer[0] == name
            acknowledged[name].append(answer[1])
    for name, keeper in enumerate(keepers):
        state = read(ray, keeper)
        assert sorted(state) == acknowledged[name], "the state is not the acknowledged calls"
        assert concurrency > 1 or state == acknowledged[name], "out of order"
    if retries:
        assert list(acknowledged.values()) == [list(range(24))] * 3
    return sum(map(len, acknowledged.values()))


def read(ray: ModuleType, keeper) -> list[int]:  # type: ignore[no-untyped-def]
    """What a keeper has, however often it has to be asked."""
    while True:
        try:
            state: list[int] = ray.get(keeper.read.remote())
        except ray.exceptions.ActorUnavailableError:
            continue
        return state


@pytest.mark.parametrize("concurrency", [1, 3], ids=["serial", "threaded"])
@pytest.mark.parametrize("retries", [0, -1], ids=["at most once", "retried"])
@pytest.mark.parametrize("interval", [1, 4])
def test_the_state_is_the_acknowledged_calls(interval: int, retries: int, concurrency: int) -> None:
    deaths = 0
    for seed in range(SEEDS):
        report = sim.run(
            lambda ray: keep_numbers(ray, interval, retries, concurrency),
            seed=seed,
            nodes="3x2cpu",
            faults=DEATHS,
            step_limit=100_000,
        )
        if report.error is not None:
            raise report.error
        deaths += len(report.happened)
    assert deaths > SEEDS


def test_what_is_lost_costs_no_more_than_the_interval() -> None:
    """A node dies with its share of the actors, each with 13 calls behind it: without checkpoints they all run again."""
    again = {}
    for interval in (5, 0):
        seen = sim.Shared(runs=0, lost=0)
        report = sim.run(
            lambda ray, interval=interval, seen=seen: lose_a_node(ray, interval, seen),
            seed=1,
            nodes=4,
            check_invariants=False,
        )
        if report.error is not None:
            raise report.error
        assert 0 < seen.lost < ACTORS
        again[interval] = (seen.runs - ACTORS * (CALLS + 1)) / seen.lost
    assert again == {5: CALLS % 5, 0: CALLS}


def lose_a_node(ray: ModuleType, interval: int, seen: sim.Shared) -> None:
    """Several calls of each of several actors, then a node dies, then one call more; counts what was run and lost."""

    @ray.remote(max_restarts=-1, max_task_retries=-1, num_cpus=0, scheduling_strategy="SPREAD")
    class Counter:
        checkpoint_interval = interval

        def __init__(self):
            self.count = 0

        def add(self):
            seen.runs += 1
            self.count += 1
            return self.count, ray.get_runtime_context().get_node_id()

        def checkpoint(self):
            return self.count

        def restore(self, count):
            self.count = count

    counters = [Counter.remote() for _ in range(ACTORS)]
    for _ in range(CALLS):
        answers = ray.get([counter.add.remote() for counter in counters])
    homes = [node for _, node in answers]
    elsewhere = next(node for node in homes if node != ray.get_runtime_context().get_node_id())
    seen.lost = homes.count(elsewhere)
    sim.remove_node(elsewhere)
    answers = ray.get([counter.add.remote() for counter in counters])
    assert [count for count, _ in answers] == [CALLS + 1] * ACTORS
