"""Where bundles go: what Ray's own tests of its bundle policies check, as a table; and what holds for any cluster."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_nodes import Node, cluster, demand

from localray.protocol import PlacementStrategy, Resources
from localray.sched.bundles import could_place_bundles, place_bundles
from localray.sched.labels import parse_selector
from localray.sched.resources import RESOURCE_UNIT

PACK, SPREAD = PlacementStrategy.PACK, PlacementStrategy.SPREAD
STRICT_PACK, STRICT_SPREAD = PlacementStrategy.STRICT_PACK, PlacementStrategy.STRICT_SPREAD

TABLE = [
    ("no nodes", PACK, "", ["CPU 1"], None),
    ("one bundle", PACK, "CPU 2", ["CPU 1"], [0]),
    ("packed on one", PACK, "CPU 4 | CPU 4", ["CPU 2", "CPU 2"], [0, 0]),
    ("what does not fit goes on", PACK, "CPU 3 | CPU 2", ["CPU 2", "CPU 2"], [0, 1]),
    ("a plan takes nothing twice", PACK, "CPU 2 | CPU 2", ["CPU 2", "CPU 1", "CPU 1"], [0, 1, 1]),
    ("the emptiest node first", PACK, "CPU 4 - 2 | CPU 4", ["CPU 1", "CPU 1"], [1, 1]),
    ("GPUs first, then the rest beside them", PACK, "CPU 4 | CPU 4, GPU 1", ["CPU 2", "CPU 2, GPU 1"], [1, 1]),
    ("custom resources before memory", PACK, "memory 4 | memory 1, x 1", ["memory 1", "memory 1, x 1"], [0, 1]),
    ("large before small", PACK, "CPU 3 | CPU 1", ["CPU 1", "CPU 3"], [1, 0]),
    ("all or nothing", PACK, "CPU 2 | CPU 1", ["CPU 2", "CPU 2"], None),
    ("in use now", PACK, "CPU 2 - 1", ["CPU 2"], None),
    ("the dead have no room", PACK, "dead CPU 9 | CPU 1", ["CPU 1"], [1]),
    ("spread over two", SPREAD, "CPU 4 | CPU 4", ["CPU 1", "CPU 1"], [0, 1]),
    ("more bundles than nodes", SPREAD, "CPU 4 | CPU 4", ["CPU 1", "CPU 1", "CPU 1"], [0, 1, 0]),
    ("spread where one node does it all", SPREAD, "CPU 1 | CPU 4", ["CPU 2", "CPU 2"], [1, 1]),
    ("spread has no room", SPREAD, "CPU 1 | CPU 1", ["CPU 1", "CPU 1", "CPU 1"], None),
    ("strictly on one", STRICT_PACK, "CPU 3 | CPU 4", ["CPU 2", "CPU 2"], [1, 1]),
    ("never on two", STRICT_PACK, "CPU 3 | CPU 3", ["CPU 2", "CPU 2"], None),
    ("one of two kinds", STRICT_PACK, "CPU 4 | CPU 4, GPU 1", ["CPU 2", "CPU 1, GPU 1"], [1, 1]),
    ("strictly apart", STRICT_SPREAD, "CPU 4 | CPU 4", ["CPU 1", "CPU 1"], [0, 1]),
    ("not enough nodes", STRICT_SPREAD, "CPU 4 | CPU 4", ["CPU 1", "CPU 1", "CPU 1"], None),
    ("packed otherwise than the largest first", PACK, "CPU 4 | CPU 3", ["CPU 2", "CPU 2", "CPU 3"], [0, 0, 1]),
    ("the best node is another's only one", STRICT_SPREAD, "GPU 1 | CPU 1, GPU 2", ["CPU 1", "GPU 1"], [1, 0]),
    ("no choice is left", STRICT_SPREAD, "GPU 1 | CPU 1, GPU 2", ["CPU 1", "GPU 1", "GPU 1"], None),
    ("apart by need", STRICT_SPREAD, "CPU 4, GPU 1 | CPU 4", ["CPU 1", "GPU 1"], [1, 0]),
]


@pytest.mark.parametrize(("why", "strategy", "nodes", "bundles", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_bundles(
    why: str, strategy: PlacementStrategy, nodes: str, bundles: list[str], expected: list[int] | None
) -> None:
    assert place_bundles(strategy, [demand(each) for each in bundles], cluster(nodes)) == expected, why


def test_a_group_placed_again_keeps_off_its_own_nodes() -> None:
    two = cluster("CPU 4 | CPU 4")
    assert place_bundles(STRICT_SPREAD, [demand("CPU 1")], two, occupied={0}) == [1]
    assert place_bundles(STRICT_SPREAD, [demand("CPU 1")], two, occupied={0, 1}) is None
    assert place_bundles(PACK, [demand("CPU 1")], two, occupied={0}) == [0]


def test_strict_pack_tries_the_wanted_node_first() -> None:
    nodes = cluster("CPU 4 | CPU 4 - 1")
    assert place_bundles(STRICT_PACK, [demand("CPU 1")], nodes, wanted=1) == [1]
    assert place_bundles(STRICT_PACK, [demand("CPU 4")], nodes, wanted=1) == [0]


def test_bundles_may_ask_for_labels() -> None:
    nodes = cluster("CPU 4, zone=a | CPU 4, zone=b")
    selectors = [parse_selector({"zone": "b"}), parse_selector({"zone": "!b"})]
    bundles = [demand("CPU 1")] * 2
    assert place_bundles(PACK, bundles, nodes, selectors=selectors) == [1, 0]
    assert place_bundles(STRICT_PACK, bundles, nodes, selectors=selectors) is None


def test_feasible_is_about_totals() -> None:
    nodes = cluster("CPU 2 - 2 | CPU 1")
    assert place_bundles(PACK, [demand("CPU 2")], nodes) is None
    assert could_place_bundles(PACK, [demand("CPU 2")], nodes)
    assert not could_place_bundles(STRICT_PACK, [demand("CPU 2"), demand("CPU 1")], nodes)


def node_of(number: int, cpus: int, gpus: int, alive: bool) -> Node:
    units = {"CPU": cpus * RESOURCE_UNIT, "GPU": gpus * RESOURCE_UNIT}
    return Node(number, units, dict(units), alive)


clusters = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.booleans()), max_size=5).map(
    lambda rows: [node_of(number, *row) for number, row in enumerate(rows)]
)
bundle_lists = st.lists(st.sampled_from(["CPU 1", "CPU 2", "GPU 1", "CPU 1, GPU 0.5"]), min_size=1, max_size=5)


@given(st.sampled_from(PlacementStrategy), clusters, bundle_lists)
def test_a_plan_fits_and_keeps_its_strategy(strategy: PlacementStrategy, nodes: list[Node], texts: list[str]) -> None:
    bundles = [demand(text) for text in texts]
    before = [dict(node.available) for node in nodes]
    plan = place_bundles(strategy, bundles, nodes)
    assert [node.available for node in nodes] == before
    assert (plan is not None) == could_place_bundles(strategy, bundles, nodes)
    if plan is None:
        return
    assert len(plan) == len(bundles)
    taken: dict[tuple[int, str], int] = {}
    for number, bundle in zip(plan, bundles, strict=True):
        assert nodes[number].alive
        count(taken, number, bundle)
    assert all(units <= nodes[number].available[name] for (number, name), units in taken.items())
    if strategy is STRICT_PACK:
        assert len(set(plan)) == 1
    if strategy is STRICT_SPREAD:
        assert len(set(plan)) == len(plan)


def count(taken: dict[tuple[int, str], int], number: int, bundle: Resources) -> None:
    for name, units in bundle:
        taken[number, name] = taken.get((number, name), 0) + units
