"""Which node gets a demand: the hybrid policy as a decision table, and what holds for any nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localray.sched.placement import choose_node, is_feasible, lendable, utilisation
from localray.sched.resources import RESOURCE_UNIT, fits

CPU_1 = (("CPU", RESOURCE_UNIT),)
GPU_1 = (("GPU", RESOURCE_UNIT),)


@dataclass
class Node:
    """A node as a policy sees it."""

    total: dict[str, int]
    available: dict[str, int] = field(default_factory=dict)
    alive: bool = True


def node(total: int, used: float, *, gpus: int = 0, alive: bool = True) -> Node:
    units = {"CPU": total * RESOURCE_UNIT} | ({"GPU": gpus * RESOURCE_UNIT} if gpus else {})
    return Node(units, units | {"CPU": round((total - used) * RESOURCE_UNIT)}, alive)


@pytest.mark.parametrize(
    ("why", "nodes", "demand", "chosen"),
    [
        ("no nodes", [], CPU_1, None),
        ("the only one", [node(2, 0)], CPU_1, 0),
        ("the only one is full", [node(2, 2)], CPU_1, None),
        ("the only one is dead", [node(2, 0, alive=False)], CPU_1, None),
        ("the first while it is less than half full", [node(4, 1), node(4, 0)], CPU_1, 0),
        ("at half full the next is considered", [node(4, 2), node(4, 0)], CPU_1, 1),
        ("over half full everywhere: the least used", [node(4, 3), node(4, 2)], CPU_1, 1),
        ("a tie goes to the earlier", [node(4, 3), node(4, 3)], CPU_1, 0),
        ("a full node is passed over", [node(1, 1), node(4, 3)], CPU_1, 1),
        ("a dead node is passed over", [node(4, 0, alive=False), node(4, 3)], CPU_1, 1),
        ("only one has the device", [node(4, 0), node(4, 3, gpus=1)], GPU_1, 1),
        ("nobody has the device", [node(4, 0), node(4, 0)], GPU_1, None),
        ("an overdrawn node is full", [node(1, 2), node(4, 3.5)], CPU_1, None),
        ("nothing asked for: the first", [node(4, 1), node(4, 0)], (), 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_choice(why: str, nodes: list[Node], demand: tuple[tuple[str, int], ...], chosen: int | None) -> None:
    choice = choose_node(nodes, demand)
    assert choice is (None if chosen is None else nodes[chosen]), why


def test_utilisation_is_of_the_busiest_resource() -> None:
    busy = Node({"CPU": 40_000, "GPU": 20_000, "zero": 0}, {"CPU": 30_000, "GPU": 5_000, "zero": 0})
    assert utilisation(busy) == 0.75
    assert utilisation(Node({})) == 0.0


def test_feasible_is_about_totals_of_the_living() -> None:
    assert is_feasible([node(1, 1)], CPU_1)
    assert not is_feasible([node(1, 0, alive=False)], CPU_1)
    assert not is_feasible([node(1, 0)], GPU_1)


def test_only_cpus_are_lent() -> None:
    assert lendable((("CPU", 5_000), ("GPU", RESOURCE_UNIT), ("apple", 1))) == (("CPU", 5_000),)
    assert lendable(GPU_1) == ()


nodes_of_any_kind = st.lists(
    st.builds(node, st.integers(1, 4), st.integers(0, 5), gpus=st.integers(0, 2), alive=st.booleans()),
    max_size=5,
)


@given(nodes_of_any_kind, st.sampled_from([(), CPU_1, GPU_1, (("CPU", 20_000), ("GPU", 10_000))]))
def test_the_choice_has_room_and_none_means_nobody_has(nodes: list[Node], demand: tuple[tuple[str, int], ...]) -> None:
    before = [dict(each.available) for each in nodes]
    choice = choose_node(nodes, demand)
    roomy = [each for each in nodes if each.alive and fits(each.available, demand)]
    assert (choice is None) == (not roomy)
    assert choice is None or any(choice is each for each in roomy)
    assert [each.available for each in nodes] == before
