"""Simulated clusters that grow and shrink by demand: an ordinary program sees nodes come when it needs them and go when
it does not, and whatever a program asks for that some node could have, it gets."""

from __future__ import annotations

from types import ModuleType

import pytest
from feasibility import is_possible
from hypothesis import given, settings
from hypothesis import strategies as st

from localray import sim
from localray.autoscaler import sdk
from localray.sim.scaling import parse_autoscaler

Node = sim.SimulatedNode


def run(program: object, **options: object) -> sim.Report:
    report = sim.run(program, seed=1, **options)  # type: ignore[arg-type]
    if report.error is not None:
        raise report.error
    return report


def living(ray: ModuleType) -> int:
    return sum(1 for node in ray.nodes() if node["Alive"])


def test_a_program_that_grows_its_cluster_and_lets_it_shrink() -> None:
    def program(ray: ModuleType) -> None:
        import time

        work = sim.task(duration=60.0)
        started_s = time.monotonic()
        ray.get([work.remote() for _ in range(34)])
        # Two at once on the driver's own node; the others when it was looked at after five seconds, and four nodes have
        # come half a minute later.
        assert 95 < time.monotonic() - started_s < 96
        assert living(ray) == 5
        time.sleep(310)
        assert living(ray) == 1

        @ray.remote(num_gpus=1)
        class Model:
            def predict(self) -> int:
                return 1

        model = Model.remote()
        assert ray.get(model.predict.remote()) == 1
        time.sleep(1000)
        assert (living(ray), ray.cluster_resources()["GPU"]) == (2, 1)
        del model
        time.sleep(310)
        assert living(ray) == 1

    run(program, nodes="2cpu", autoscaler="0-4x8cpu,0-2x4cpu+1gpu+launch_delay_s=60")


def test_groups_requests_and_values_hold_nodes() -> None:
    def program(ray: ModuleType) -> None:
        import time

        group = ray.util.placement_group([{"CPU": 4}] * 3, strategy="STRICT_SPREAD")
        assert group.wait(timeout_seconds=60)
        time.sleep(500)
        assert living(ray) == 4
        ray.util.remove_placement_group(group)
        time.sleep(310)
        assert living(ray) == 1

        sdk.request_resources(bundles=[{"CPU": 8}, {"CPU": 8}])
        time.sleep(500)
        assert living(ray) == 3
        sdk.request_resources(num_cpus=4)
        time.sleep(500)
        assert living(ray) == 2
        kept = sim.task(output_size=10**7, num_cpus=8).remote()
        ray.wait([kept])
        sdk.request_resources()
        time.sleep(500)
        assert living(ray) == 2
        del kept
        time.sleep(310)
        assert living(ray) == 1

    run(program, nodes="2cpu", autoscaler="0-4x8cpu")


def test_what_no_node_can_ever_have_is_told_and_what_one_may_have_is_not() -> None:
    def program(ray: ModuleType) -> None:
        work = sim.task(duration=1.0)
        hopeless = work.options(num_cpus=9).remote()
        ray.get(work.options(num_cpus=8).remote())
        assert ray.wait([hopeless], timeout=100)[0] == []
        assert "No node could take it" in ray.why_pending(hopeless)
        soon = work.options(num_gpus=1).remote()
        ray.wait([soon], timeout=10)
        assert "A node that the autoscaler may launch could." in ray.why_pending(soon)
        ray.get(soon)

    report = run(program, nodes="2cpu", autoscaler="0-4x8cpu,0-1x1gpu")
    assert [text for text in report.notices if "for ever" in text and "needs 9 CPU" not in text] == []
    assert any("needs 9 CPU" in text for text in report.notices)


def test_a_cluster_that_waits_for_what_never_comes_is_a_deadlock() -> None:
    def program(ray: ModuleType) -> None:
        ray.get(sim.task(num_cpus=9).remote())

    assert isinstance(sim.run(program, seed=1, autoscaler="1-4x8cpu").error, sim.DeadlockError)


def test_in_ones_hand() -> None:
    autoscaler = sim.Autoscaler((sim.NodeType(Node(num_cpus=4), min_nodes=1, launch_delay_s=5),), idle_timeout_s=10)
    with sim.Cluster("2cpu", autoscaler=autoscaler) as cluster:
        import time

        import localray as ray

        time.sleep(20)
        assert living(ray) == 2
        assert cluster.now_s >= 20


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("8cpu", "write 0-10x8cpu"),
        ("10x8cpu", "write 0-10x8cpu"),
        ("3-2x8cpu", "between 0 and max_nodes"),
        ("0-2x8cpu+launch_delay_s=-1", "cannot be negative"),
        ("idle_timeout_s=1", "at least one type"),
        ("0-1x8cpu,interval_s=0", "interval_s above 0"),
        ("0-1xzebra", "not what a node has"),
        ({"kinds": ()}, "has no kinds"),
    ],
)
def test_what_makes_no_sense(given: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse_autoscaler(given)  # type: ignore[arg-type]
    assert parse_autoscaler("") is None


# ---------------------------------------------------------------- any cluster, any workload

types = st.lists(
    st.builds(
        sim.NodeType,
        st.builds(Node, num_cpus=st.integers(0, 3), num_gpus=st.integers(0, 2), labels=st.sampled_from([{}, {"zone": "a"}])),
        min_nodes=st.integers(0, 1),
        max_nodes=st.integers(1, 3),
        launch_delay_s=st.sampled_from([0.0, 3.0]),
    ),
    min_size=1,
    max_size=3,
)
demands = st.fixed_dictionaries(
    {"num_cpus": st.sampled_from([0, 0.5, 1, 2])},
    optional={
        "num_gpus": st.sampled_from([0.5, 1]),
        "scheduling_strategy": st.sampled_from(["SPREAD", "DEFAULT"]),
        "label_selector": st.sampled_from([{"zone": "a"}, {"zone": "!a"}]),
    },
)
STRATEGIES = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")
groups = st.tuples(st.sampled_from(STRATEGIES), st.lists(st.sampled_from([{"CPU": 1}, {"CPU": 2}, {"GPU": 1}]), min_size=1, max_size=3))


def some_node_could(nodes: list[sim.SimulatedNode], options: dict[str, object]) -> bool:
    selector = options.get("label_selector")
    return any(
        node.num_cpus >= options["num_cpus"]  # type: ignore[operator]
        and node.num_gpus >= options.get("num_gpus", 0)  # type: ignore[operator]
        and (selector is None or (node.labels.get("zone") == "a") == (selector == {"zone": "a"}))
        for node in nodes
    )


@settings(max_examples=40, deadline=None)
@given(types, st.lists(st.tuples(demands, st.sampled_from([0, 0.5, 20])), min_size=1, max_size=10), st.lists(groups, max_size=2), st.integers(0, 9))
def test_what_some_node_could_run_runs_and_nothing_is_left(
    kinds: list[sim.NodeType], work: list[tuple[dict[str, object], float]], wanted: list[tuple[str, list[dict[str, float]]]], seed: int
) -> None:
    head = Node(num_cpus=1)
    most = sum(kind.max_nodes for kind in kinds)
    least = sum(kind.min_nodes for kind in kinds)

    def program(ray: ModuleType) -> None:
        import time

        # Before tasks ask for anything, each group alone is to have all that it may.
        for strategy, bundles in wanted:
            group = ray.util.placement_group(bundles, strategy=strategy)
            is_there = group.wait(timeout_seconds=60)
            assert is_there or not is_possible(strategy, bundles, [head, *(k.node for k in kinds for _ in range(k.max_nodes))])
            ray.util.remove_placement_group(group)
        feasible = [row for row in work if some_node_could([head, *(kind.node for kind in kinds)], row[0])]
        references = [sim.task(duration=took_s, **options).remote() for options, took_s in feasible]
        ray.get(references)
        assert living(ray) <= 1 + most
        time.sleep(60)
        assert living(ray) == 1 + least
        total = ray.cluster_resources()
        assert ray.available_resources() == total

    autoscaler = sim.Autoscaler(tuple(kinds), idle_timeout_s=20, interval_s=1)
    report = sim.run(program, seed=seed, nodes=head, autoscaler=autoscaler, step_limit=20_000)
    if report.error is not None:
        raise report.error
