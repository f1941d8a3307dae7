"""Faults in a simulation: each kind happens, is counted, and does what it says; programs that ask for retries come
through all that the presets hold; the same seed has the same faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from types import ModuleType
from typing import Any, get_args

import pytest

import localray
from localray import sim
from localray.exceptions import ActorDiedError, ObjectLostError, WorkerCrashedError
from localray.faults import Fault, Phase, Rule, parse
from localray.faults.meanings import EVENTS, MEANT_BY, MEANT_BY_ALL
from localray.faults.text import to_mapping
from localray.kernel import Event


def work(ray: ModuleType) -> None:
    """Tasks that sleep, on large and small arguments."""
    import time

    @ray.remote(max_retries=-1)
    def add(number: int, data: bytes) -> int:
        time.sleep(0.05)
        return number + len(data)

    data = ray.put(bytes(200_000))
    assert ray.get([add.remote(number, data) for number in range(30)]) == [200_000 + n for n in range(30)]


EVERY_FAULT = [
    *(Rule(Fault.KILL_WORKER, phase=phase, nth=3) for phase in Phase),
    Rule(Fault.KILL_WORKER, at_s=0.1),
    Rule(Fault.KILL_WORKER, on="TaskDone", nth=5),
    Rule(Fault.DELAY_MESSAGES, probability=0.2, times=0),
    Rule(Fault.CRASH_NODE, at_s=0.1, returns_s=0.1),
    Rule(Fault.CRASH_NODE, on="TaskDone", nth=4, node=1),
    Rule(Fault.ZOMBIE_NODE, at_s=0.1, lasts_s=0.2),
    Rule(Fault.SLOW_NODE, at_s=0.05),
    Rule(Fault.PARTITION, at_s=0.1, node=1),
    Rule(Fault.FILL_STORE, at_s=0.05),
    Rule(Fault.FILL_STORE, at_s=0.05, node=2),
    Rule(Fault.OUT_OF_MEMORY, at_s=0.1),
    Rule(Fault.PREEMPT_NODE, at_s=0.05, lasts_s=0.1, returns_s=0.1),
    Rule(Fault.PREEMPT_NODE, on="TaskDone", nth=4, node=2, lasts_s=0.0),
    Rule(Fault.HEAD_AWAY, at_s=0.1, lasts_s=0.5),
    Rule(Fault.HEAD_AWAY, on="TaskDone", nth=3),
]


@pytest.mark.parametrize("rule", EVERY_FAULT, ids=str)
def test_every_fault_happens_and_is_counted_and_retries_make_it_good(rule: Rule) -> None:
    for seed in range(3):
        report = sim.run(work, seed=seed, nodes="3x2cpu", faults=rule, step_limit=20_000)
        if report.error is not None:
            raise report.error
        assert sum(report.fault_counts.values()) >= 1, report.happened
        assert len(report.happened) == sum(report.fault_counts.values())


def test_a_lost_gpu_takes_its_users_along_and_the_others_share_what_is_left() -> None:
    def program(ray: ModuleType) -> None:
        import time

        @ray.remote(num_gpus=1, num_cpus=0)
        def work() -> int:
            time.sleep(1)
            return int(ray.get_gpu_ids()[0])

        used = ray.get([work.remote() for _ in range(6)])
        assert len(set(used)) == 1
        assert ray.cluster_resources()["GPU"] == 1
        assert ray.wait([work.options(num_gpus=2).remote()], timeout=1)[0] == []

    report = sim.run(program, seed=1, nodes="4cpu+2gpu", faults="lose_gpu:at_s=0.5")
    assert report.error is None, report.error
    assert [happened.text.split()[0] for happened in report.happened] == ["GPU"]


def test_a_node_that_is_preempted_gets_nothing_new_and_its_tasks_may_get_done() -> None:
    def program(ray: ModuleType) -> None:
        import time

        @ray.remote(max_retries=0)
        def where() -> str:
            time.sleep(0.8)
            return str(ray.get_runtime_context().get_node_id())

        first, second = (str(node["NodeID"]) for node in ray.nodes())
        began = [where.remote() for _ in range(4)]
        time.sleep(0.5)
        later = [where.remote() for _ in range(2)]
        assert sorted(ray.get(began)) == sorted([first, second] * 2)
        assert ray.get(later) == [first] * 2
        time.sleep(2)
        assert [node["Alive"] for node in ray.nodes()] == [True, False]

    report = sim.run(program, seed=1, nodes="2x2cpu", faults="preempt_node:at_s=0.4,lasts_s=1.5")
    assert report.error is None, report.error
    assert any("will be gone soon" in text for text in report.notices)


def test_a_node_that_cannot_be_launched_is_launched_again() -> None:
    def program(ray: ModuleType) -> None:
        ray.get([sim.task(duration=1.0, num_gpus=1).remote() for _ in range(2)])

    report = sim.run(program, seed=1, autoscaler="0-1x1gpu", faults="fail_launch:times=2")
    assert report.error is None, report.error
    assert list(report.fault_counts.values()) == [2]
    assert any("could not be launched" in text for text in report.notices)


def test_without_retries_a_killed_worker_is_an_error() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote(max_retries=0)
        def once() -> None: ...

        @ray.remote
        class Actor:
            def ping(self) -> int:
                return 1

        with pytest.raises(WorkerCrashedError):
            ray.get(once.remote())
        actor = Actor.remote()
        assert ray.get(actor.ping.remote()) == 1
        with pytest.raises(ActorDiedError):
            ray.get(actor.ping.remote())

    report = sim.run(program, seed=1, faults="kill_worker:task=once;kill_worker:task=Actor.ping,nth=2,phase=after")
    assert report.error is None, report.error
    assert [happened.text.split()[2:] for happened in report.happened] == [
        ["killed", "during", "once"],
        ["killed", "after", "Actor.ping"],
    ]


def test_what_a_task_did_before_it_was_killed_is_done_again() -> None:
    """BEFORE: nothing was done; AFTER: all of it, twice."""
    for phase, times in ((Phase.BEFORE, 1), (Phase.AFTER, 2), (Phase.REPLIED, 1)):
        done = []

        def program(ray: ModuleType, done: list[int] = done) -> None:
            @ray.remote
            class Log:
                def note(self) -> None:
                    self.notes = getattr(self, "notes", 0) + 1

                def count(self) -> int:
                    return self.notes

            @ray.remote
            def task(log: object) -> None:
                ray.get(log.note.remote())  # type: ignore[attr-defined]

            log = Log.remote()
            ray.get(task.remote(log))
            done.append(ray.get(log.count.remote()))

        report = sim.run(program, seed=2, faults=Rule(Fault.KILL_WORKER, phase=phase, task=task_name(program)))
        assert report.error is None
        assert done == [times], phase
        assert len(report.happened) == 1


def task_name(program: object) -> str:
    """How the kernel calls the function `task` that is defined in a program."""
    return "task"


def test_faults_of_disks_and_objects() -> None:
    def program(ray: ModuleType) -> None:
        import time

        first = ray.put(bytes(60_000_000))
        others = [ray.put(bytes(60_000_000)) for _ in range(2)]
        time.sleep(1)
        with pytest.raises(ObjectLostError):
            for reference in [first, *others]:
                ray.get(reference)

    for faults in ("lose_object:at_s=0.9", "corrupt_disk:at_s=0.9,share=1", "slow_disk:at_s=0,factor=3;corrupt_disk:at_s=0.9,share=1"):
        report = sim.run(program, seed=3, object_store_memory=150_000_000, faults=faults)
        assert report.error is None, (faults, report.error, report.happened)
        assert len(report.happened) == len(faults.split(";"))


def test_a_full_disk_passes() -> None:
    def program(ray: ModuleType) -> None:
        kept = [ray.put(bytes(60_000_000)) for _ in range(4)]
        assert [len(ray.get(reference)) for reference in kept] == [60_000_000] * 4

    report = sim.run(program, seed=3, object_store_memory=150_000_000, faults="fill_disk:at_s=0,lasts_s=0.5")
    assert report.error is None, report.error
    assert report.happened and report.virtual_time_s > 0.5


def test_a_point_in_the_program() -> None:
    def program(ray: ModuleType) -> None:
        @ray.remote
        def task() -> int:
            sim.point("half")
            return 1

        sim.point("start")
        assert ray.get(task.remote()) == 1
        assert len([node for node in ray.nodes() if node["Alive"]]) == 1

    report = sim.run(program, seed=3, nodes=2, faults="kill_worker:point=half;crash_node:point=start")
    assert report.error is None, report.error
    assert sorted(report.fault_counts.values()) == [1, 1]
    sim.point("outside")


@pytest.mark.parametrize("preset", ["chaos", "swarm"])
def test_presets_are_made_good_and_the_same_seed_has_the_same(preset: str) -> None:
    happened = 0
    for seed in range(15):
        one, two = (sim.run(work, seed=seed, nodes="3x2cpu", faults=preset, step_limit=20_000) for _ in range(2))
        if one.error is not None:
            raise one.error
        assert (one.digest, one.happened) == (two.digest, two.happened)
        happened += len(one.happened)
    assert happened > 30


def test_only_some_of_what_happened() -> None:
    whole = sim.run(work, seed=4, nodes="3x2cpu", faults="swarm")
    firings = [each.firing for each in whole.happened]
    again = sim.run(work, seed=4, nodes="3x2cpu", faults="swarm", only=frozenset(firings))
    assert (again.digest, again.happened) == (whole.digest, whole.happened)
    none = sim.run(work, seed=4, nodes="3x2cpu", faults="swarm", only=frozenset())
    assert none.happened == () and none.error is None


def test_healed_nothing_goes_wrong_any_more() -> None:
    rule = Rule(Fault.KILL_WORKER, times=0)
    hopeless = sim.run(work, seed=1, faults=rule, step_limit=3000)
    assert isinstance(hopeless.error, sim.SimulationLimitError)
    healed = sim.run(work, seed=1, faults=rule, step_limit=20_000, heal_after_s=1.0)
    assert healed.error is None, healed.error


def test_a_program_that_does_not_get_done_when_healed_fails() -> None:
    def program(ray: ModuleType) -> None:
        import time

        time.sleep(10_000)

    report = sim.run(program, seed=1, heal_after_s=10, finish_within_s=100)
    assert isinstance(report.error, sim.SimulationLimitError)


def test_rules_as_text_and_as_data() -> None:
    rules = parse("chaos; kill_worker:nth=3,task=f,phase=before,only_retriable=true")
    assert parse([to_mapping(rule) for rule in rules]) == rules
    assert parse(";".join(map(str, rules))) == rules
    for wrong, text in (
        ("kill_wroker", "kill_wroker"),
        ("kill_worker:nht=3", "nht"),
        ("kill_worker:nth=x", "nth must be an integer, got 'x'"),
        ("kill_worker:nth", "name=value"),
        ("crash_node:node=0", "driver"),
        ("crash_node:at_s=1,on=TaskDone", "one trigger"),
        ("kill_worker:probability=2", "between 0 and 1"),
        ("kill_worker:among=9,nth=3", "says once when"),
        ("crash_node:on=Foo", "There is no event 'Foo'; there are AbandonBuffer, "),
        ("slow_node:task=f", "task means nothing for slow_node: .* factor, lasts_s, node, and for when after_s"),
        ("lose_object:share=0.5", "share means nothing for lose_object: .* no fields"),
    ):
        with pytest.raises(ValueError, match=text):
            parse(wrong)


def test_rules_wait_for_what_kernels_are_told() -> None:
    assert {event.__name__ for event in get_args(Event)} == EVENTS
    assert set(MEANT_BY) == {fault.value for fault in Fault}
    meant = MEANT_BY_ALL.union(*MEANT_BY.values())
    assert meant == {each.name for each in fields(Rule)} - {"fault"}


def test_init_takes_nodes_and_faults() -> None:
    localray.init(engine="sim", nodes="2x3cpu+1gpu", seed=5, faults="crash_node:at_s=1")
    try:
        assert localray.cluster_resources()["CPU"] == 6
        import time

        time.sleep(2)
        assert localray.cluster_resources()["CPU"] == 3
    finally:
        localray.shutdown()
    with pytest.raises(ValueError, match="engine='sim'"):
        localray.init(nodes=2)


SLOW = [
    ("slow_node:node=1,at_s=0,factor=20,lasts_s=100", 20.0),
    # It has done a twentieth of a second's work when the node is as fast as ever.
    ("slow_node:node=1,at_s=0,factor=20,lasts_s=1", 1.95),
    # Half of it is done when the node becomes slow.
    ("slow_node:node=1,at_s=0.5,factor=4,lasts_s=100", 2.5),
    ("slow_node:node=1,at_s=0.5,factor=4,lasts_s=1", 1.75),
    ("slow_node:node=1,at_s=0.5,factor=4,lasts_s=100;slow_node:node=1,at_s=1.5,factor=8,lasts_s=100", 3.5),
    # Of two that overlap the stronger one counts at each moment, whichever came first.
    ("slow_node:node=1,at_s=0.5,factor=4,lasts_s=100;slow_node:node=1,at_s=1.5,factor=2,lasts_s=100", 2.5),
    ("slow_node:node=1,at_s=0,factor=4,lasts_s=100;slow_node:node=1,at_s=0.5,factor=2,lasts_s=0.1", 4.0),
    ("slow_node:node=1,at_s=0,factor=4,lasts_s=1;slow_node:node=1,at_s=0.5,factor=2,lasts_s=1", 2.0),
    ("slow_node:node=1,at_s=0,factor=2,lasts_s=100;slow_node:node=1,at_s=0.5,factor=5,lasts_s=0.5", 2.3),
    ("slow_node:node=0,at_s=0,factor=20,lasts_s=100", 1.0),
]


@pytest.mark.parametrize("is_modelled", [False, True], ids=["sleeps", "modelled"])
@pytest.mark.parametrize(("faults", "takes_s"), SLOW)
def test_who_sleeps_on_a_slow_node_stands_for_one_who_works(faults: str, takes_s: float, is_modelled: bool) -> None:
    assert _second_of_work(faults, is_modelled=is_modelled) == pytest.approx(takes_s, abs=0.1)


@pytest.mark.parametrize("is_modelled", [False, True], ids=["sleeps", "modelled"])
def test_work_goes_on_at_full_speed_when_nothing_goes_wrong_any_more(is_modelled: bool) -> None:
    straggler = "slow_node:node=1,at_s=0,factor=20,lasts_s=600"
    assert _second_of_work(straggler, is_modelled=is_modelled, heal_after_s=1.0) == pytest.approx(1.95, abs=0.1)


def _second_of_work(faults: str, *, is_modelled: bool, **options: Any) -> float:
    """What a second of work on node 1 takes; the driver, on node 0, sleeps for a second whatever happens to nodes."""
    took: list[float] = []

    def program(ray: ModuleType) -> None:
        import time

        work = sim.task(duration=1.0) if is_modelled else ray.remote(time.sleep)
        began_s = time.time()
        ray.get(work.options(resources={"far": 1}).remote(1))
        took.append(time.time() - began_s)
        began_s = time.time()
        time.sleep(1)
        assert time.time() - began_s == pytest.approx(1.0, abs=0.001)

    nodes = [{"num_cpus": 1}, {"num_cpus": 1, "resources": {"far": 1}}]
    report = sim.run(program, seed=1, nodes=nodes, faults=faults, **options)
    assert report.error is None, report.error
    return took[0]


def test_of_two_faults_that_overlap_neither_ends_the_other() -> None:
    def program(ray: ModuleType) -> None:
        import time

        def taken_s(act: Callable[[], object]) -> float:
            began_s = time.monotonic()
            act()
            return time.monotonic() - began_s

        @ray.remote(resources={"far": 1})
        def nothing() -> None: ...

        time.sleep(1.5)
        # Making a file takes 0.1 ms, or as many times as long as the disk is slow.
        assert taken_s(lambda: ray.put(bytes(2_000_000))) == pytest.approx(1.0, abs=0.1)
        assert taken_s(lambda: ray.get(nothing.remote())) > 5

    faults = (
        "slow_disk:at_s=0,factor=2000,lasts_s=1;slow_disk:at_s=0.5,factor=10000,lasts_s=100;"
        "partition:node=1,at_s=0,lasts_s=8;partition:node=1,at_s=0.1,lasts_s=0.1"
    )
    nodes = [{"num_cpus": 1, "object_store_memory": 1_000_000}, {"num_cpus": 1, "resources": {"far": 1}}]
    report = sim.run(program, seed=1, nodes=nodes, faults=faults)
    assert report.error is None, report.error


def test_a_node_far_away_and_one_that_is_slow() -> None:
    def program(ray: ModuleType) -> None:
        import time

        from localray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        @ray.remote
        def nothing(data: object = None) -> None: ...

        took_s = []
        for node in ray.nodes():
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            started_s = time.monotonic()
            ray.get(nothing.options(scheduling_strategy=there).remote())
            took_s.append(time.monotonic() - started_s)
        assert took_s[1] > 0.2 > took_s[0]
        data = ray.put(bytes(100_000_000))
        there = NodeAffinitySchedulingStrategy(ray.nodes()[1]["NodeID"], soft=False)
        for least_s, most_s in ((1.0, 1.5), (0.2, 0.5)):
            started_s = time.monotonic()
            ray.get(nothing.options(scheduling_strategy=there).remote(data))
            assert least_s < time.monotonic() - started_s < most_s

    report = sim.run(program, seed=5, nodes="2cpu,2cpu+latency_s=0.1+bandwidth_bytes_per_s=1e8")
    assert report.error is None, report.error
