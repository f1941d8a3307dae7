"""Small programs in the simulation while workers and nodes die: what they promise must hold under every seed.

    python -m tests.sim.fault_runs --runs 100000             # some ten minutes
    python -m tests.sim.fault_runs --program counters --seed 17 --runs 1

Each run is one program with one seed of its schedule, its own random choice of faults, the invariants of the kernel
checked again and again, and these of its own:

* a task begins at most ``max_retries`` + 1 times, and a call without retries at most once, whatever dies;
* what is answered is the right answer; what is not has one of the errors of a death;
* an actor's process begins each caller's calls in the order made;
* a checkpointed actor's state is the acknowledged calls, each once.

The first run that fails ends the command with 1, and is named with what repeats it. Must not live here: the faults
(`localray.faults`), tests of single rules (`tests/sim/test_sim_faults.py`).
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from types import ModuleType
from typing import Final

from localray import sim
from localray.faults import Fault, Phase, Rule
from localray.sim.program import Report

STEP_LIMIT: Final = 100_000
BIG: Final = 150_000
"""Bytes of a value that lives in its node's store, and is lost with it."""

Program = Callable[[ModuleType, Random, sim.Shared], None]


# ---------------------------------------------------------------- programs


def tasks(ray: ModuleType, random: Random, seen: sim.Shared) -> None:
    """Independent tasks with different numbers of retries."""

    def work(number):
        seen.begun[number] += 1
        return number * number

    retries = [random.choice((0, 0, 1, 2, 3, -1)) for _ in range(10)]
    refs = [ray.remote(work).options(max_retries=count).remote(number) for number, count in enumerate(retries)]
    for number, (count, ref) in enumerate(zip(retries, refs, strict=True)):
        try:
            assert ray.get(ref) == number * number
            assert seen.begun[number] >= 1
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError):
            assert count >= 0, "a task that is retried without end has failed"
        assert count < 0 or seen.begun[number] <= count + 1, f"{seen.begun[number]} attempts, {count} retries"


def lineage(ray: ModuleType, random: Random, seen: sim.Shared) -> None:
    """Chains of values that live in the stores of nodes, and are made again when these die."""

    def grow(number, before):
        seen.begun[number] += 1
        return (before[0] + 1, bytes(BIG)) if before else (1, bytes(BIG))

    budgets = {}
    chains = []
    for chain in range(3):
        ref = None
        for link in range(3):
            number = 3 * chain + link
            budgets[number] = random.choice((1, 3, -1, -1))
            spread = ray.remote(grow).options(max_retries=budgets[number], scheduling_strategy="SPREAD")
            ref = spread.remote(number, ref)
        chains.append(ref)
    for ref in chains:
        for _ in range(2):
            try:
                assert ray.get(ref)[0] == 3
            except ray.exceptions.RayError:
                assert any(count >= 0 for count in budgets.values()), "nothing limits the retries, and yet it is lost"
    for number, count in budgets.items():
        assert count < 0 or seen.begun[number] <= count + 1, f"{seen.begun[number]} attempts, {count} retries"


def nested(ray: ModuleType, random: Random, seen: sim.Shared) -> None:
    """Tasks that submit tasks and wait for them."""

    def leaf(number):
        return number

    def branch(first):
        return sum(ray.get([ray.remote(leaf).options(max_retries=-1).remote(first + each) for each in range(3)]))

    refs = [ray.remote(branch).options(max_retries=-1).remote(10 * number) for number in range(4)]
    assert ray.get(refs) == [3 * 10 * number + 3 for number in range(4)]


def at_most_once(ray: ModuleType, random: Random, seen: sim.Shared) -> None:
    """An actor that is restarted, and calls that are not retried."""

    class Ledger:
        def enter(self, number):
            seen.begun[number] += 1
            return number

    ledger = ray.remote(Ledger).options(max_restarts=-1, num_cpus=0).remote()
    refs = [ledger.enter.remote(number) for number in range(12)]
    for number, ref in enumerate(refs):
        try:
            assert ray.get(ref) == number
            assert seen.begun[number] == 1
        except ray.exceptions.ActorUnavailableError:
            assert seen.begun[number] <= 1, "a call that is not retried began twice"
    assert max(seen.begun.values(), default=0) <= 1


def order(ray: ModuleType, random: Random, seen: sim.Shared) -> None:
    """Two callers of one actor that is restarted and retries: in each life the calls of each begin in their order."""

    class Log:
        def __init__(self):
            self.last = {}

        def note(self, caller, number):
            assert self.last.get(caller, -1) < number, f"call {number} of {caller} began after {self.last[caller]}"
            self.last[caller] = number
            seen.begun[caller, number] += 1
            return number

    def call(log, caller):
        return ray.get([log.note.remote(caller, number) for number in range(5)])

    log = ray.remote(Log).options(max_restarts=-1, max_task_retries=-1, num_cpus=0).remote()
    other = ray.remote(call).options(max_retries=-1).remote(log, "task")
    assert ray.get([log.note.remote("driver", number) for number in range(8)]) == list(range(8))
    try:
        assert ray.get(other) == list(range(5))
    except ray.exceptions.RayTaskError as error:
        # A second try of the caller counts from the beginning again: that is its own doing.
        assert "began after" in str(error), error


def counters(ray: ModuleType, random: Random, seen: sim.Shared) -> None:
    """Checkpointed counters: each is the number of its acknowledged increments."""
    retries = random.choice((0, -1))

    class Counter:
        def __init__(self):
            self.count = 0

        def add(self):
            self.count += 1
            return self.count

        def read(self):
            return self.count

        def checkpoint(self):
            return self.count

        def restore(self, count):
            self.count = count

    options = {"max_restarts": -1, "max_task_retries": retries, "num_cpus": 0, "scheduling_strategy": "SPREAD"}
    actors = [
        ray.remote(Counter).options(checkpoint_interval=random.choice((1, 2, 4)), **options).remote() for _ in range(2)
    ]
    refs = [[actor.add.remote() for _ in range(7)] for actor in actors]
    for actor, adds in zip(actors, refs, strict=True):
        acknowledged = 0
        for ref in adds:
            try:
                answer = ray.get(ref)
            except ray.exceptions.ActorUnavailableError:
                assert retries == 0
                continue
            acknowledged += 1
            assert answer == acknowledged, f"the {acknowledged}th acknowledged increment answered {answer}"
        assert _read(ray, actor) == acknowledged, "the state is not the acknowledged calls"
        assert retries == 0 or acknowledged == len(adds)


def streams(ray: ModuleType, random: Random, seen: sim.Shared) -> None:
    """Generators whose items live in the stores of nodes, and what takes them."""

    def produce(count):
        for number in range(count):
            yield number, bytes(BIG)

    def number_of(item):
        return item[0]

    for count in (4, 2):
        items = ray.remote(produce).options(max_retries=-1, scheduling_strategy="SPREAD").remote(count)
        use = ray.remote(number_of).options(max_retries=-1, scheduling_strategy="SPREAD")
        try:
            kept = list(items)
            assert ray.get([use.remote(item) for item in kept]) == list(range(count))
            assert [ray.get(item)[0] for item in kept] == list(range(count))
        except ray.exceptions.RayError as error:
            # A damaged or lost item of a generator that runs on is the one thing that is not made good.
            assert "Its generator had gone on" in str(error), error


def _read(ray: ModuleType, actor) -> int:  # type: ignore[no-untyped-def]
    """What a counter has, however often it has to be asked."""
    while True:
        try:
            count: int = ray.get(actor.read.remote())
        except ray.exceptions.ActorUnavailableError:
            continue
        return count


def in_turn(ray: ModuleType, random: Random, seen: sim.Shared) -> None:
    """An actor that is never restarted and is waited for call by call, so that calls go by a lane: its answers are those
    of one process, none runs twice, and none is answered after one has failed."""

    def double(number):
        return 2 * number

    class Counter:
        def __init__(self):
            self.count = 0

        def add(self, number):
            seen.begun[number] += 1
            self.count += 1
            return number, self.count

        def ask(self, number):
            self.add(number)
            return ray.get(ray.remote(double).options(max_retries=-1).remote(number)) // 2, self.count

        def store(self, number):
            return *self.add(number), ray.put(bytes(BIG)) if number % 2 else bytes(BIG)

    counter = ray.remote(Counter).options(num_cpus=0).remote()
    calls = random.choice(((counter.add,), (counter.add, counter.add, counter.ask), (counter.add, counter.store, counter.ask)))
    answered, is_dead = 0, False
    for number in range(24):
        unawaited = [counter.add.remote(("unawaited", number))] if random.random() < 0.2 else []
        ref = random.choice(calls).remote(number)
        try:
            value = ray.get(ref, timeout=random.choice((None, None, None, 0.0005)))
            assert not is_dead, f"call {number} is answered after one has failed"
        except ray.exceptions.GetTimeoutError:
            continue
        except (ray.exceptions.ActorDiedError, ray.exceptions.OwnerDiedError, ray.exceptions.ObjectLostError):
            is_dead = True
            continue
        answered += 1 + len(unawaited)
        assert value[0] == number and value[1] >= answered, f"call {number} is answered {value[:2]}, {answered} were before"
        assert seen.begun[number] == 1
    assert max(seen.begun.values(), default=0) <= 1, "a call began twice"


PROGRAMS: Final[dict[str, Program]] = {
    program.__name__: program for program in (tasks, lineage, nested, streams, at_most_once, order, counters, in_turn)
}


# ---------------------------------------------------------------- runs


def faults_of(seed: int) -> tuple[Rule, ...]:
    """What goes wrong in the run of this seed: some kinds of deaths often, others never, as in the preset `swarm`."""
    dice = Random(f"faults {seed}")
    rules = [
        Rule(Fault.KILL_WORKER, phase=phase, probability=dice.choice((0.02, 0.1, 0.25)), times=3)
        for phase in Phase
        if dice.random() < 0.6
    ]
    if dice.random() < 0.5:
        rules.append(Rule(Fault.CRASH_NODE, probability=0.01, times=2, returns_s=dice.choice((0.1, 1.0))))
    if dice.random() < 0.2:
        rules.append(Rule(Fault.ZOMBIE_NODE, probability=0.005, times=1, lasts_s=0.5, returns_s=1.0))
    if dice.random() < 0.5:
        rules.append(Rule(Fault.DELAY_MESSAGES, probability=0.05, times=0, by_s=0.02))
    if dice.random() < 0.2:
        rules.append(Rule(Fault.PARTITION, probability=0.005, times=1, lasts_s=0.3))
    return tuple(rules)


def run(name: str, seed: int, *, check_invariants: bool = True) -> Report:
    """One run."""
    program = PROGRAMS[name]
    return sim.run(
        lambda ray: program(ray, Random(f"program {seed}"), sim.Shared(begun=Counter())),
        seed=seed,
        nodes="3x2cpu",
        faults=faults_of(seed),
        step_limit=STEP_LIMIT,
        check_invariants=check_invariants,
    )


def main() -> int:
    """Run as many as the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(description="Small programs in the simulation while workers and nodes die.")
    parser.add_argument("--runs", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--program", choices=PROGRAMS, help="only this one; else they take turns")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument(
        "--thin", type=int, default=1, help="check the invariants of the kernel after each step in each nth run only"
    )
    options = parser.parse_args()
    names = [options.program] if options.program else list(PROGRAMS)
    began_s = time.monotonic()
    done = deaths = steps = 0
    for number in range(options.runs):
        name, seed = names[number % len(names)], options.seed + number // len(names)
        report = run(name, seed, check_invariants=seed % options.thin == 0)
        if report.error is not None:
            print(f"{name} fails: python -m tests.sim.fault_runs --program {name} --seed {seed} --runs 1")
            print(*report.happened, sep="\n")
            raise report.error
        done, deaths, steps = done + 1, deaths + len(report.happened), steps + report.steps
        if done % 5000 == 0:
            gc.collect()
            print(f"{done} runs, {deaths} faults, {time.monotonic() - began_s:.0f} s", flush=True)
        if time.monotonic() - began_s > options.seconds:
            break
    took_s = time.monotonic() - began_s
    print(f"{done} runs of {len(names)} programs, {deaths} faults, {steps} steps of the kernel, {took_s:.0f} s: no alarm")
    return 0


if __name__ == "__main__":
    sys.exit(main())
