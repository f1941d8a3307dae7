"""Reference policies, by what they choose on small clusters, and what their decisions cost in a simulation."""

from __future__ import annotations

from types import ModuleType

import pytest

from localray import sim
from localray.sched.reference import bottom_up, central, unaware

LARGE_BYTES = 10_000_000
NODES = "2cpu+bandwidth_bytes_per_s=1e9,2cpu+bandwidth_bytes_per_s=1e9"


def places(policy: object, *, large: bool) -> list[int]:
    """On which node each of twelve tasks runs, one after the other, whose argument is on the second node."""
    chosen: list[int] = []

    def program(ray: ModuleType) -> None:
        from localray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ids = [node["NodeID"] for node in ray.nodes()]
        there = NodeAffinitySchedulingStrategy(ids[1], soft=False)
        make = ray.remote(lambda: (bytes(LARGE_BYTES if large else 10), 1))
        data, made = make.options(scheduling_strategy=there, num_returns=2).remote()
        where = ray.remote(lambda data: ray.get_runtime_context().get_node_id())
        ray.get(made)
        chosen.extend(ids.index(ray.get(where.remote(data))) for _ in range(12))

    def choose(question):  # type: ignore[no-untyped-def]
        strict = question.rule.node_id
        if strict:
            return next(node.number for node in question.nodes if node.node_id == strict)
        return policy(question)  # type: ignore[operator]

    report = sim.run(program, seed=1, nodes=NODES, policy=choose)
    if report.error is not None:
        raise report.error
    return chosen


def test_where_tasks_go() -> None:
    assert places(bottom_up, large=True) == [1] * 12
    assert places(central, large=True) == [1] * 12
    assert set(places(unaware, large=True)) == {0, 1}
    assert places(bottom_up, large=False) == [0] * 12


@pytest.mark.parametrize(("is_central", "least_s", "most_s"), [(False, 0.1, 0.2), (True, 0.2, 0.4)])
def test_decisions_take_time(is_central: bool, least_s: float, most_s: float) -> None:
    """Twenty tasks are submitted on each of two nodes; each decision takes five milliseconds."""

    def program(ray: ModuleType) -> None:
        nothing = sim.task()

        @ray.remote(num_cpus=2)
        def submit() -> None:
            ray.get([nothing.remote() for _ in range(20)])

        ray.get([submit.remote() for _ in range(2)])

    delay = sim.DecisionDelay(0.005, is_central=is_central, message_s=0.001)
    report = sim.run(program, seed=1, nodes="2x2cpu", decision_delay=delay)
    assert report.error is None
    assert least_s < report.virtual_time_s < most_s
