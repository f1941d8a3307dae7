"""What an autoscaler decides, as a table; and what holds whatever waits, whatever there is and whenever nodes come:
never more nodes of a type than its most, never fewer than its least, what a node could take gets one, and the idle go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_nodes import Node, cluster, demand

from localray.protocol import PlacementStrategy
from localray.sched.autoscaling import (
    Decision,
    NodeType,
    ScaledNode,
    Scaling,
    Situation,
    Wanted,
    WantedBundles,
    decide,
    next_idle_s,
)
from localray.sched.labels import parse_selector
from localray.sched.resources import fits, give_back, take

PACK, SPREAD = PlacementStrategy.PACK, PlacementStrategy.SPREAD
STRICT_PACK, STRICT_SPREAD = PlacementStrategy.STRICT_PACK, PlacementStrategy.STRICT_SPREAD
IDLE_TIMEOUT_S = 60.0


def kind(name: str, text: str, least: int = 0, most: int = 10) -> NodeType:
    (node,) = cluster(text)
    return NodeType(name, tuple(sorted(node.total.items())), tuple(node.labels.items()), least, most)


SMALL, LARGE, GPU = kind("small", "CPU 2"), kind("large", "CPU 16"), kind("gpu", "CPU 4, GPU 1", most=2)


def waiting(text: str, number: int = 1, **selector: str) -> Wanted:
    return Wanted(demand(text), number, (parse_selector(selector),))


def bundles(strategy: PlacementStrategy, *texts: str) -> WantedBundles:
    return WantedBundles(strategy, tuple(demand(text) for text in texts))


@dataclass
class Row:
    """One situation and what follows: ``nodes`` are ``type:description`` or ``type!seconds:description`` of one that
    has been idle for so long, joined by bars."""

    why: str
    types: tuple[NodeType, ...]
    nodes: str = ""
    waiting: Sequence[Wanted] = ()
    groups: Sequence[WantedBundles] = ()
    requested: Sequence[Wanted] = ()
    launching: dict[str, int] = field(default_factory=dict)
    launch: dict[str, int] = field(default_factory=dict)
    remove: tuple[int, ...] = ()


TABLE = [
    Row("nothing waits: nothing", (SMALL,), "head:CPU 2"),
    Row("the least come at once", (kind("small", "CPU 2", 2),), "head:CPU 2", launch={"small": 2}),
    Row("those that come already count", (kind("small", "CPU 2", 2),), launching={"small": 1}, launch={"small": 1}),
    Row("room is used first", (SMALL,), "head:CPU 2", [waiting("CPU 1", 2)]),
    Row("the rest gets nodes", (SMALL,), "head:CPU 2 - 1", [waiting("CPU 1", 4)], launch={"small": 2}),
    Row("what comes will have room", (SMALL,), "", [waiting("CPU 1", 4)], launching={"small": 2}),
    Row("never more than the most", (kind("small", "CPU 2", 0, 3),), "", [waiting("CPU 1", 99)], launch={"small": 3}),
    Row("the most with those there are", (kind("small", "CPU 2", 0, 3),), "small:CPU 2 - 2 | small:CPU 2 - 2",
        [waiting("CPU 1", 9)], launch={"small": 1}),
    Row("what fits on no type gets none", (SMALL,), "", [waiting("CPU 3")]),
    Row("what would be used most", (LARGE, SMALL), "", [waiting("CPU 1", 2)], launch={"small": 1}),
    Row("much is for large ones", (SMALL, LARGE), "", [waiting("CPU 8", 4)], launch={"large": 2}),
    Row("equal use: the first", (SMALL, LARGE), "", [waiting("CPU 1", 16)], launch={"small": 8}),
    Row("GPUs for who asks for them", (SMALL, GPU), "", [waiting("GPU 1"), waiting("CPU 1")], launch={"gpu": 1}),
    Row("and not for who does not", (GPU, SMALL), "", [waiting("CPU 1", 2)], launch={"small": 1}),
    Row("unless there is nothing else", (GPU,), "", [waiting("CPU 4")], launch={"gpu": 1}),
    Row("fractions share a device", (GPU,), "", [waiting("GPU 0.5", 3)], launch={"gpu": 2}),
    Row("fractions that do not add up are no room", (GPU,), "head:GPU 2 - 1.5", [waiting("GPU 1")], launch={"gpu": 1}),
    Row("an overdrawn node has none", (SMALL,), "head:CPU 1 - 2", [waiting("CPU 1")], launch={"small": 1}),
    Row("nothing asked for needs no node of its own", (SMALL,), "head:CPU 1 - 1", [waiting("", 5)]),
    Row("labels", (SMALL, kind("b", "CPU 1, zone=b")), "head:CPU 9", [waiting("CPU 1", zone="b")], launch={"b": 1}),
    Row("labels that no type has", (SMALL,), "", [waiting("CPU 1", zone="b")]),
    Row("strictly together: one that takes all", (SMALL, LARGE), "", groups=[bundles(STRICT_PACK, "CPU 2", "CPU 2")],
        launch={"large": 1}),
    Row("strictly apart: one for each", (LARGE,), "head:CPU 2", groups=[bundles(STRICT_SPREAD, "CPU 1", "CPU 1", "CPU 1")],
        launch={"large": 2}),
    Row("packed: what is free counts", (SMALL,), "head:CPU 3", groups=[bundles(PACK, "CPU 2", "CPU 1", "CPU 1")],
        launch={"small": 1}),
    Row("the large bundle has room, the small has not", (SMALL, GPU), "head:GPU 1", groups=[bundles(PACK, "CPU 1", "GPU 1")],
        launch={"small": 1}),
    Row("all or nothing", (kind("small", "CPU 2", 0, 1),), "", groups=[bundles(SPREAD, "CPU 2", "CPU 2")]),
    Row("a group that never fits takes nothing from the others", (kind("small", "CPU 2", 0, 1),), "", [waiting("CPU 1")],
        [bundles(STRICT_SPREAD, "CPU 1", "CPU 1")], launch={"small": 1}),
    Row("requests are met by what is in use", (SMALL,), "head:CPU 2 - 2", requested=[waiting("CPU 1", 2)]),
    Row("requests grow the cluster", (SMALL,), "head:CPU 2 - 2", requested=[waiting("CPU 1", 5)], launch={"small": 2}),
    Row("the idle go after the timeout", (SMALL,), "small!59:CPU 2 | small!60:CPU 2", remove=(1,)),
    Row("the longest idle first, down to the least", (kind("small", "CPU 2", 1),),
        "small!70:CPU 2 | small!90:CPU 2 | small!80:CPU 2", remove=(1, 2)),
    Row("the nodes of the beginning stay", (SMALL,), "!999:CPU 2"),
    Row("requests hold what is idle", (SMALL,), "head:CPU 1 | small!99:CPU 2 | small!99:CPU 2",
        requested=[waiting("CPU 1", 2)], remove=(2,)),
    Row("what waits holds what is idle", (SMALL,), "small!99:CPU 2 | small!99:CPU 2", [waiting("CPU 2")], remove=(1,)),
    Row("a type that is not known any more is let alone", (SMALL,), "other!99:CPU 2"),
]


def nodes_of(text: str) -> list[ScaledNode]:
    found = []
    for number, part in enumerate(filter(None, (part.strip() for part in text.split("|")))):
        name, _, description = part.partition(":")
        name, has_been_idle, seconds = name.partition("!")
        (node,) = cluster(description)
        node.number = number
        found.append(ScaledNode(node, "" if name == "head" else name, -float(seconds) if has_been_idle else None))
    return found


@pytest.mark.parametrize("row", TABLE, ids=[row.why for row in TABLE])
def test_decisions(row: Row) -> None:
    situation = Situation(0.0, nodes_of(row.nodes), row.launching, row.waiting, row.groups, row.requested)
    decision = decide(Scaling(row.types, IDLE_TIMEOUT_S), situation)
    assert (dict(decision.launch), decision.remove) == (row.launch, row.remove), row.why


def test_when_the_next_will_have_been_idle_for_long_enough() -> None:
    situation = Situation(0.0, nodes_of("small!10:CPU 2 | small!30:CPU 2 | !50:CPU 2 | small!60:CPU 2"), {})
    assert next_idle_s(Scaling((SMALL,), IDLE_TIMEOUT_S), situation) == 30.0
    assert next_idle_s(Scaling((SMALL,), IDLE_TIMEOUT_S), Situation(0.0, (), {})) is None


def test_what_could_be_taken_at_all() -> None:
    scaling = Scaling((SMALL, GPU))
    assert scaling.could_take(demand("GPU 1"))
    assert not scaling.could_take(demand("GPU 2"))
    assert scaling.could_place(bundles(STRICT_SPREAD, *["CPU 1"] * 12), [])
    assert not scaling.could_place(bundles(STRICT_SPREAD, *["CPU 1"] * 13), [])
    assert scaling.could_place(bundles(STRICT_SPREAD, *["CPU 1"] * 13), cluster("CPU 1 - 1"))


# ---------------------------------------------------------------- whatever happens

TYPES = st.lists(
    st.builds(
        lambda number, text, least, more: kind(f"type {number}", text, least, least + more),
        st.integers(0, 9),
        st.sampled_from(["CPU 1", "CPU 4", "CPU 2, GPU 1", "CPU 2, x 2", "CPU 1, zone=a"]),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda each: each.name,
)
DEMANDS = st.tuples(
    st.sampled_from(["CPU 1", "CPU 2", "CPU 0.5", "GPU 1", "GPU 0.5", "x 1", "CPU 3"]), st.integers(1, 6)
)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), DEMANDS),
        st.tuples(st.just("request"), st.lists(DEMANDS, max_size=2)),
        st.tuples(st.just("fail"), st.integers(0, 9)),
        st.tuples(st.just("lose"), st.integers(0, 9)),
        st.tuples(st.just("end"), st.integers(0, 9)),
    ),
    max_size=12,
)
LAUNCH_TAKES_S = 7.0
STEP_S = 4.0
STEPS_TO_BE_IDLE = int(IDLE_TIMEOUT_S / STEP_S) + 4


class World:
    """A cluster in which what waits is placed wherever there is room, and nodes come when their time is over."""

    def __init__(self, scaling: Scaling) -> None:
        self.scaling = scaling
        self.now_s = 0.0
        self.nodes: dict[int, tuple[Node, str]] = {}
        self.idle_since_s: dict[int, float] = {}
        self.coming: list[tuple[float, NodeType]] = []
        self.waiting: list[Wanted] = []
        self.running: list[tuple[int, Wanted]] = []
        self.requested: list[Wanted] = []
        self.number = 0

    def move(self, what: str, argument: object) -> None:
        if what == "wait":
            text, number = argument  # type: ignore[misc]
            self.waiting.append(waiting(text, number))
        elif what == "request":
            self.requested = [waiting(text, number) for text, number in argument]  # type: ignore[attr-defined]
        elif what == "fail" and self.coming:
            del self.coming[int(argument) % len(self.coming)]  # type: ignore[call-overload]
        elif what == "lose" and self.nodes:
            self.gone(list(self.nodes)[int(argument) % len(self.nodes)])  # type: ignore[call-overload]
        elif what == "end" and self.running:
            number, one = self.running.pop(int(argument) % len(self.running))  # type: ignore[call-overload]
            give_back(self.nodes[number][0].available, one.demand)

    def gone(self, number: int) -> None:
        del self.nodes[number]
        self.idle_since_s.pop(number, None)
        self.waiting += [one for place, one in self.running if place == number]
        self.running = [pair for pair in self.running if pair[0] != number]

    def step(self) -> Decision:
        self.now_s += STEP_S
        for at_s, each in [pair for pair in self.coming if pair[0] <= self.now_s]:
            self.coming.remove((at_s, each))
            self.nodes[self.number] = Node(self.number, dict(each.total), dict(each.total)), each.name
            self.number += 1
        self.place()
        for number, (node, _) in self.nodes.items():
            if node.available == node.total:
                self.idle_since_s.setdefault(number, self.now_s)
            else:
                self.idle_since_s.pop(number, None)
        decision = decide(self.scaling, self.situation())
        for number in decision.remove:
            assert self.idle_since_s[number] + IDLE_TIMEOUT_S <= self.now_s
            self.gone(number)
        by_name = {each.name: each for each in self.scaling.types}
        for name, count in decision.launch:
            self.coming += [(self.now_s + LAUNCH_TAKES_S, by_name[name])] * count
        return decision

    def place(self) -> None:
        left = []
        for one in [each._replace(number=1) for each in self.waiting for _ in range(each.number)]:
            room = next((number for number, (node, _) in self.nodes.items() if fits(node.available, one.demand)), None)
            if room is None:
                left.append(one)
            else:
                take(self.nodes[room][0].available, one.demand)
                self.running.append((room, one))
        self.waiting = left

    def situation(self) -> Situation:
        launching: dict[str, int] = {}
        for _, each in self.coming:
            launching[each.name] = launching.get(each.name, 0) + 1
        nodes = [ScaledNode(node, name, self.idle_since_s.get(number)) for number, (node, name) in self.nodes.items()]
        return Situation(self.now_s, nodes, launching, self.waiting, (), self.requested)

    def count(self, name: str, *, coming: bool) -> int:
        there = sum(1 for _, other in self.nodes.values() if other == name)
        return there + sum(1 for _, each in self.coming if coming and each.name == name)


@settings(max_examples=60, deadline=None)
@given(TYPES, MOVES)
def test_whatever_happens(types: list[NodeType], moves: list[tuple[str, object]]) -> None:
    world = World(Scaling(tuple(types), IDLE_TIMEOUT_S))
    for what, argument in moves:
        world.move(what, argument)
        world.step()
        for each in types:
            assert each.min_nodes <= world.count(each.name, coming=True) <= each.max_nodes
    # No more is submitted; what runs ends, and so what waits must have its turn, if only a node could take it.
    steps = 0
    while world.running or any(world.scaling.could_take(one.demand) for one in world.waiting):
        world.move("end", 0)
        world.step()
        steps += 1
        assert steps < 200, f"{world.waiting} wait for ever"
    # Nothing is left but what requests and the least numbers hold, and that is steady.
    for _ in range(2 * STEPS_TO_BE_IDLE):
        world.step()
    assert world.step() == Decision()
    before = {number: node for number, (node, _) in world.nodes.items()}
    world.requested = []
    for _ in range(STEPS_TO_BE_IDLE):
        world.step()
    assert {each.name: world.count(each.name, coming=False) for each in types} == {
        each.name: each.min_nodes for each in types
    }
    assert set(world.nodes) <= set(before)


@settings(max_examples=60, deadline=None)
@given(TYPES, st.lists(DEMANDS, max_size=3))
def test_requests_are_held(types: list[NodeType], requested: list[tuple[str, int]]) -> None:
    """Once grown to a request, a cluster that is idle for ever keeps what the request fits onto: it lets go of what
    turned out not to be needed, and then neither grows nor shrinks."""
    world = World(Scaling(tuple(types), IDLE_TIMEOUT_S))
    world.requested = [waiting(text, number) for text, number in requested]
    world.step()
    grown = {each.name: world.count(each.name, coming=True) for each in types}
    for _ in range(2 * STEPS_TO_BE_IDLE):
        world.step()
    kept = {each.name: world.count(each.name, coming=True) for each in types}
    assert all(kept[name] <= grown[name] for name in grown)
    for _ in range(STEPS_TO_BE_IDLE):
        assert world.step() == Decision()
