"""Simulated clusters of several nodes: where programs run, what they lose with a node, and what holds for any cluster
and workload: nothing is oversubscribed or leaked, and what some node could run does run."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localray import sim
from localray.exceptions import NodeDiedError, ObjectLostError
from localray.sched.placement import Question
from localray.util.scheduling_strategies import (
    In,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
)

LARGE_BYTES = 1 << 20
Node = sim.SimulatedNode
TWO = (Node(num_cpus=4, labels={"zone": "a"}), Node(num_cpus=4, labels={"zone": "b"}))


def run(program: object, **options: object) -> sim.Report:
    report = sim.run(program, seed=1, **options)  # type: ignore[arg-type]
    if report.error is not None:
        raise report.error
    return report


def node_ids(ray: ModuleType) -> list[str]:
    return [str(node["NodeID"]) for node in ray.nodes()]


def make_where(ray: ModuleType):
    @ray.remote
    def where(*arguments: object) -> str:
        return str(ray.get_runtime_context().get_node_id())

    return where


def test_strategies_choose_among_nodes() -> None:
    def program(ray: ModuleType) -> None:
        first, second = node_ids(ray)
        where = make_where(ray)
        assert ray.get(where.remote()) == first
        there = NodeAffinitySchedulingStrategy(second, soft=False)
        assert ray.get(where.options(scheduling_strategy=there).remote()) == second
        zone = NodeLabelSchedulingStrategy({"zone": In("b")})
        assert ray.get(where.options(scheduling_strategy=zone).remote()) == second
        assert ray.get(where.options(label_selector={"zone": "!a"}).remote()) == second
        spread = where.options(scheduling_strategy="SPREAD")
        assert sorted(ray.get([spread.remote() for _ in range(4)])) == sorted([first, second] * 2)

    run(program, nodes=TWO)


def test_a_task_goes_to_its_large_argument_and_reads_elsewhere_are_transfers() -> None:
    def program(ray: ModuleType) -> None:
        _, second = node_ids(ray)
        where = make_where(ray)

        @ray.remote(num_returns=2)
        def make() -> tuple[bytes, int]:
            return bytes(LARGE_BYTES), 1

        there = NodeAffinitySchedulingStrategy(second, soft=False)
        large, made = make.options(scheduling_strategy=there).remote()
        assert ray.get(made) == 1
        assert [ray.get(where.remote(large)) for _ in range(3)] == [second] * 3
        from localray._private import state

        assert {count for count, _ in state.transfers_per_node().values()} == {0}
        assert len(ray.get(large)) == LARGE_BYTES
        assert state.transfers_per_node()[second] == (0, 0)
        assert sum(count for count, _ in state.transfers_per_node().values()) == 1

    run(program, nodes=TWO)


def test_what_ran_on_a_node_that_dies_is_tried_again_and_what_was_stored_there_is_made_again() -> None:
    def program(ray: ModuleType) -> None:
        import time

        _, second = node_ids(ray)

        @ray.remote(num_returns=2)
        def make() -> tuple[bytes, int]:
            return bytes(LARGE_BYTES), 1

        @ray.remote
        def length(data: bytes) -> int:
            return len(data)

        @ray.remote
        def slow() -> str:
            time.sleep(5)
            return str(ray.get_runtime_context().get_node_id())

        @ray.remote
        class Counter:
            def add(self) -> int:
                return 1

        there = NodeAffinitySchedulingStrategy(second, soft=False)
        rather_there = NodeAffinitySchedulingStrategy(second, soft=True)
        large, made = make.options(scheduling_strategy=there, max_retries=0).remote()
        again, _ = make.options(scheduling_strategy=rather_there).remote()
        counter = Counter.options(scheduling_strategy=there).remote()
        assert ray.get(counter.add.remote()) == 1
        copied, made = make.options(scheduling_strategy=there).remote()
        assert (ray.get(made), len(ray.get(copied))) == (1, LARGE_BYTES)
        retried = slow.options(scheduling_strategy=rather_there).remote()
        failing = slow.options(scheduling_strategy=there, max_retries=0).remote()
        assert ray.get(made) == 1
        time.sleep(1)
        sim.remove_node(second)
        assert ray.get(length.remote(copied)) == LARGE_BYTES
        with pytest.raises(ObjectLostError, match="max_retries=0"):
            ray.get(large)
        assert len(ray.get(again)) == LARGE_BYTES
        with pytest.raises(ray.exceptions.ActorDiedError):
            ray.get(counter.add.remote())
        assert ray.get(retried) != second
        with pytest.raises(NodeDiedError):
            ray.get(failing)
        with pytest.raises(ray.exceptions.TaskUnschedulableError):
            ray.get(slow.options(scheduling_strategy=there).remote())
        assert [node["Alive"] for node in ray.nodes()] == [True, False]
        assert ray.cluster_resources()["CPU"] == 4

    run(program, nodes=TWO)


def test_a_node_that_comes_takes_what_waited_for_it() -> None:
    def program(ray: ModuleType) -> None:
        where = make_where(ray)
        waiting = where.options(num_gpus=1).remote()
        assert ray.wait([waiting], timeout=1) == ([], [waiting])
        assert "needs 1 GPU, has 0" in ray.why_pending(waiting)
        added = sim.add_node(Node(num_cpus=1, num_gpus=1))
        assert ray.get(waiting) == added

    run(program)


def test_a_policy_of_ones_own() -> None:
    asked: list[Question] = []

    def last_with_room(question: Question) -> int | None:
        asked.append(question)
        roomy = [
            node.number
            for node in question.nodes
            if all(node.available.get(name, 0) >= units for name, units in question.demand)
        ]
        return roomy[-1] if roomy else None

    def program(ray: ModuleType) -> None:
        assert ray.get(make_where(ray).remote()) == node_ids(ray)[-1]

    run(program, nodes=TWO, policy=last_with_room)
    assert asked[0].preferred == 0


def test_the_drivers_own_node_stays() -> None:
    def program(ray: ModuleType) -> None:
        with pytest.raises(ValueError, match="end the session"):
            sim.remove_node(node_ids(ray)[0])
        with pytest.raises(ValueError, match="There is no node"):
            sim.remove_node("ab" * 28)

    run(program, nodes=TWO)


# ---------------------------------------------------------------- any cluster, any workload

clusters = st.lists(
    st.builds(
        Node,
        num_cpus=st.integers(0, 3),
        num_gpus=st.integers(0, 2),
        labels=st.sampled_from([{}, {"zone": "a"}, {"zone": "b"}]),
    ),
    min_size=1,
    max_size=4,
)
demands = st.fixed_dictionaries(
    {"num_cpus": st.sampled_from([0, 0.5, 1, 2])},
    optional={
        "num_gpus": st.sampled_from([0.5, 1]),
        "scheduling_strategy": st.sampled_from(["SPREAD", "DEFAULT"]),
        "label_selector": st.sampled_from([{"zone": "a"}, {"zone": "!a"}]),
        "max_retries": st.sampled_from([0, 3]),
    },
)
tasks = st.lists(st.tuples(demands, st.sampled_from([0, 0.001, 0.02]), st.integers(0, 1)), min_size=1, max_size=12)


def some_node_could(nodes: list[sim.SimulatedNode], options: dict[str, object]) -> bool:
    selector = options.get("label_selector")
    for node in nodes:
        zone = node.labels.get("zone")
        fits = node.num_cpus >= options["num_cpus"] and node.num_gpus >= options.get("num_gpus", 0)  # type: ignore[operator]
        if fits and (selector is None or (zone == "a") == (selector == {"zone": "a"})):
            return True
    return False


@settings(max_examples=40, deadline=None)
@given(clusters, tasks, st.integers(0, 9))
def test_what_some_node_could_run_runs_and_nothing_is_leaked(
    nodes: list[sim.SimulatedNode], work: list[tuple[dict[str, object], float, int]], seed: int
) -> None:
    """The kernel's invariants, checked after every step, say that nothing is oversubscribed."""

    def program(ray: ModuleType) -> None:
        import time

        @ray.remote
        def spend(duration_s: float, children: int) -> int:
            time.sleep(duration_s)
            child = spend.options(num_cpus=0)
            return 1 + sum(ray.get([child.remote(0, 0) for _ in range(children)]))

        total = ray.cluster_resources()
        feasible = [row for row in work if some_node_could(nodes, row[0])]
        hopeless = [spend.options(**row[0]).remote(0, 0) for row in work if row not in feasible]
        references = [spend.options(**options).remote(took_s, children) for options, took_s, children in feasible]
        assert ray.get(references) == [1 + children for _, _, children in feasible]
        if hopeless:
            assert ray.wait(hopeless, timeout=0.1)[0] == []
            for reference in hopeless:
                ray.cancel(reference)
        del references, hopeless
        deadline_s = time.monotonic() + 5
        while ray.available_resources() != total:
            assert time.monotonic() < deadline_s, f"{ray.available_resources()} of {total} came back"
            time.sleep(0.01)

    report = sim.run(program, seed=seed, nodes=nodes, step_limit=20_000)
    if report.error is not None:
        raise report.error
