"""Which node gets a demand: what Ray's own tests of its policies check, as tables; and what holds for any nodes."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_nodes import Node, cluster, demand

from localray.protocol import Conditions, LabelOperator, StrategyKind
from localray.sched.labels import NODE_ID_LABEL, meets, parse_selector
from localray.sched.placement import (
    DEFAULT_RULE,
    Rule,
    choose,
    choose_node,
    is_feasible,
    lacks,
    lendable,
    rooms_for,
)
from localray.sched.resources import RESOURCE_UNIT
from localray.sched.rooms import NodeIndex, utilisation

SPREAD = DEFAULT_RULE._replace(kind=StrategyKind.SPREAD.value)


def on(number: int, *, soft: bool = False, spill: bool = False, fail: bool = False) -> Rule:
    """Affinity to a node."""
    kind = StrategyKind.NODE_AFFINITY.value
    return DEFAULT_RULE._replace(kind=kind, node_id=b"node%d" % number, is_soft=soft, spills=spill, fails=fail)


def labelled(hard: Conditions, should: Conditions = ()) -> Rule:
    """Node labels."""
    return DEFAULT_RULE._replace(kind=StrategyKind.NODE_LABELS.value, hard=hard, should=should)


def selecting(*alternatives: Conditions) -> Rule:
    """A label selector and its fallbacks."""
    return DEFAULT_RULE._replace(alternatives=alternatives)


def one_of(key: str, *values: str) -> Conditions:
    return ((key, LabelOperator.IN.value, values),)


def chosen(nodes: list[Node], text: str, rule: Rule = DEFAULT_RULE, preferred: int | None = None) -> int | str | None:
    """The number of the chosen node, None to wait, "never" to give up."""
    choice = choose_node(nodes, demand(text), Random(1), rule=rule, preferred=preferred)
    return "never" if choice.never else choice.node


HYBRID = [
    ("no nodes", "", "CPU 1", 0, None),
    ("the only one", "CPU 2", "CPU 1", 0, 0),
    ("the only one is full", "CPU 2 - 2", "CPU 1", 0, None),
    ("the only one is dead", "dead CPU 2", "CPU 1", 0, None),
    ("the preferred while it is less than half full", "CPU 4 | CPU 4 - 1", "CPU 1", 1, 1),
    ("at half full it is left for a better one", "CPU 4 | CPU 4 - 2", "CPU 1", 1, 0),
    ("below half full all are equal: the first", "CPU 4 - 1 | CPU 4", "CPU 1", None, 0),
    ("over half full everywhere: the least used", "CPU 4 - 3 | CPU 4 - 2", "CPU 1", 0, 1),
    ("equally used: the preferred", "CPU 4 - 3 | CPU 4 - 3", "CPU 1", 1, 1),
    ("equally used, nobody preferred: the first", "CPU 4 - 3 | CPU 4 - 3", "CPU 1", None, 0),
    ("the preferred is full", "CPU 1 - 1 | CPU 4 - 3", "CPU 1", 0, 1),
    ("the preferred is dead", "dead CPU 4 | CPU 4 - 3", "CPU 1", 0, 1),
    ("memory is critical too", "CPU 4, memory 4 - 3 | CPU 4", "CPU 1", 0, 1),
    ("devices are not", "CPU 4, x 4 - 3 | CPU 4", "CPU 1", 0, 0),
    ("only one has the device", "CPU 4 | CPU 4 - 3, GPU 1", "GPU 1", 0, 1),
    ("nobody has the device", "CPU 4 | CPU 4", "GPU 1", 0, None),
    ("GPU nodes are left to those that need them", "CPU 4, GPU 1 | CPU 4", "CPU 1", 0, 1),
    ("even when the other is fuller", "CPU 4, GPU 1 | CPU 4 - 3", "CPU 1", 0, 1),
    ("unless there is no other room", "CPU 4, GPU 1 | CPU 4 - 4", "CPU 1", 1, 0),
    ("no whole device is left", "GPU 2 - 1.5 | GPU 1", "GPU 1", 0, 1),
    ("an overdrawn node is full", "CPU 1 - 2 | CPU 4 - 3.5", "CPU 1", 0, None),
    ("nothing asked for: the preferred", "CPU 4 | CPU 4 - 1", "", 1, 1),
]


@pytest.mark.parametrize(("why", "nodes", "text", "preferred", "expected"), HYBRID, ids=[row[0] for row in HYBRID])
def test_hybrid(why: str, nodes: str, text: str, preferred: int | None, expected: int | None) -> None:
    assert chosen(cluster(nodes), text, preferred=preferred) == expected, why


def test_among_many_the_dice_choose_one_of_the_best_fifth() -> None:
    nodes = cluster(" | ".join(["CPU 4 - 3"] * 8 + ["CPU 4"] * 12))
    seen = Counter(choose_node(nodes, demand("CPU 1"), Random(seed)).node for seed in range(200))
    assert sorted(seen, key=str) == sorted([8, 9, 10, 11], key=str)
    assert chosen(nodes, "CPU 1", preferred=15) == 15


SPREADING = [
    ("in turn from the first", "CPU 1 | CPU 1 | CPU 1", 0, 0),
    ("the next", "CPU 1 | CPU 1 | CPU 1", 1, 1),
    ("round again", "CPU 1 | CPU 1 | CPU 1", 3, 0),
    ("a full node misses its turn", "CPU 1 | CPU 1 - 1 | CPU 1", 1, 2),
    ("a dead one too", "CPU 1 | dead CPU 1 | CPU 1", 1, 2),
    ("full behind: round", "CPU 1 | CPU 1 | CPU 1 - 1", 2, 0),
    ("nobody has room", "CPU 1 - 1 | CPU 1 - 1", 0, None),
]


@pytest.mark.parametrize(("why", "nodes", "turn", "expected"), SPREADING, ids=[row[0] for row in SPREADING])
def test_spread(why: str, nodes: str, turn: int, expected: int | None) -> None:
    choice = choose_node(cluster(nodes), demand("CPU 1"), Random(1), rule=SPREAD, preferred=0, turn=turn)
    assert choice.node == expected, why


AFFINITY = [
    ("the node asked for", "CPU 1 | CPU 1", on(1), 1),
    ("hard waits for it", "CPU 1 | CPU 1 - 1", on(1), None),
    ("soft waits for it too", "CPU 1 | CPU 1 - 1", on(1, soft=True), None),
    ("soft and spilling goes elsewhere", "CPU 1 | CPU 1 - 1", on(1, soft=True, spill=True), 0),
    ("hard may fail instead of waiting", "CPU 1 | CPU 1 - 1", on(1, fail=True), "never"),
    ("hard with room does not fail", "CPU 1 | CPU 1", on(1, fail=True), 1),
    ("hard on a dead node", "CPU 1 | dead CPU 1", on(1), "never"),
    ("hard on an unknown node", "CPU 1 | CPU 1", on(7), "never"),
    ("hard on a node too small", "CPU 2 | CPU 0", on(1), "never"),
    ("soft on a dead node", "CPU 1 | dead CPU 1", on(1, soft=True), 0),
    ("soft on an unknown node", "CPU 1 | CPU 1", on(7, soft=True), 0),
    ("soft on a node too small", "CPU 1 | CPU 0", on(1, soft=True), 0),
    ("soft, and nobody has room", "CPU 1 - 1 | dead CPU 1", on(1, soft=True), None),
]


@pytest.mark.parametrize(("why", "nodes", "rule", "expected"), AFFINITY, ids=[row[0] for row in AFFINITY])
def test_affinity(why: str, nodes: str, rule: Rule, expected: int | str | None) -> None:
    assert chosen(cluster(nodes), "CPU 1", rule, preferred=0) == expected, why


EXISTS = (("zone", LabelOperator.EXISTS.value, ()),)
ABSENT = (("zone", LabelOperator.ABSENT.value, ()),)
NOT_A = (("zone", LabelOperator.NOT_IN.value, ("a",)),)
LABELS = [
    ("in", "CPU 1, zone=a | CPU 1, zone=b", labelled(one_of("zone", "b")), 1),
    ("in one of several", "CPU 1, zone=a | CPU 1, zone=b", labelled(one_of("zone", "b", "c")), 1),
    ("nobody has it", "CPU 1, zone=a | CPU 1", labelled(one_of("zone", "b")), None),
    ("exists", "CPU 1 | CPU 1, zone=b", labelled(EXISTS), 1),
    ("does not exist", "CPU 1, zone=a | CPU 1", labelled(ABSENT), 1),
    ("not in", "CPU 1, zone=a | CPU 1, zone=b", labelled(NOT_A), 1),
    ("not in, without the label", "CPU 1, zone=a | CPU 1", labelled(NOT_A), 1),
    ("soft", "CPU 1, zone=a | CPU 1, zone=b", labelled((), one_of("zone", "b")), 1),
    ("soft and nobody has it", "CPU 1, zone=a", labelled((), one_of("zone", "b")), 0),
    ("soft is full", "CPU 1, zone=a | CPU 1 - 1, zone=b", labelled((), one_of("zone", "b")), 0),
    ("hard is full", "CPU 1, zone=a | CPU 1 - 1, zone=b", labelled(one_of("zone", "b")), None),
    ("hard and soft", "CPU 1, zone=a | CPU 1, zone=a, disk=ssd", labelled(EXISTS, one_of("disk", "ssd")), 1),
]


@pytest.mark.parametrize(("why", "nodes", "rule", "expected"), LABELS, ids=[row[0] for row in LABELS])
def test_labels(why: str, nodes: str, rule: Rule, expected: int | None) -> None:
    assert chosen(cluster(nodes), "CPU 1", rule, preferred=0) == expected, why


SELECTORS = [
    ("equal", [{"zone": "b"}], 1),
    ("not equal", [{"zone": "!a"}], 1),
    ("in", [{"zone": "in(b, c)"}], 1),
    ("not in", [{"zone": "!in(a,c)"}], 1),
    ("both", [{"zone": "b", "disk": "ssd"}], None),
    ("the first that has room", [{"zone": "q"}, {"zone": "b"}], 1),
    ("the better one", [{"zone": "a"}, {"zone": "b"}], 0),
    ("a label it does not have is not equal to anything", [{"disk": "!ssd"}], 0),
]


@pytest.mark.parametrize(("why", "alternatives", "expected"), SELECTORS, ids=[row[0] for row in SELECTORS])
def test_label_selectors(why: str, alternatives: list[dict[str, str | None]], expected: int | None) -> None:
    nodes = cluster("CPU 4, zone=a | CPU 4, zone=b")
    rule = DEFAULT_RULE._replace(alternatives=tuple(parse_selector(each) for each in alternatives))
    assert chosen(nodes, "CPU 1", rule, preferred=0) == expected, why
    assert is_feasible(nodes, demand("CPU 1"), rule) == (expected is not None)


def test_an_affinity_heeds_a_selector() -> None:
    nodes = cluster("CPU 4, zone=a | CPU 4, zone=b")
    alternatives = (parse_selector({"zone": "a"}),)
    assert chosen(nodes, "CPU 1", on(0)._replace(alternatives=alternatives)) == 0
    assert chosen(nodes, "CPU 1", on(1)._replace(alternatives=alternatives)) == "never"
    assert chosen(nodes, "CPU 1", on(1, soft=True)._replace(alternatives=alternatives)) == 0


@pytest.mark.parametrize(
    ("nodes", "rule", "text"),
    [
        ("CPU 1", DEFAULT_RULE, ""),
        ("dead CPU 1", DEFAULT_RULE, "is dead"),
        ("CPU 0.5", DEFAULT_RULE, "needs 1 CPU, has 0.5"),
        ("CPU 1 - 0.5", DEFAULT_RULE, "needs 1 CPU, has 0.5 free"),
        ("CPU 1", on(3), "is not the node asked for"),
        ("CPU 1", labelled(one_of("zone", "a", "b")), "does not meet zone in (a, b)"),
    ],
)
def test_what_lacks_in_words(nodes: str, rule: Rule, text: str) -> None:
    assert lacks(cluster(nodes)[0], demand("CPU 1"), rule) == text


def test_utilisation_is_of_the_busiest_critical_resource() -> None:
    assert utilisation(cluster("CPU 4 - 1, memory 2 - 1, GPU 2 - 2, x 0")[0]) == 0.5
    assert utilisation(cluster("CPU 0, GPU 1 - 1")[0]) == 0.0


def test_feasible_is_about_totals_of_the_living() -> None:
    assert is_feasible(cluster("CPU 1 - 1"), demand("CPU 1"))
    assert not is_feasible(cluster("dead CPU 1"), demand("CPU 1"))
    assert not is_feasible(cluster("CPU 1"), demand("GPU 1"))


def test_only_cpus_are_lent() -> None:
    assert lendable(demand("CPU 0.5, GPU 1, apple 1")) == demand("CPU 0.5")
    assert lendable(demand("GPU 1")) == ()


# ---------------------------------------------------------------- rankings against making them anew

RULES = [
    DEFAULT_RULE,
    SPREAD,
    on(1),
    on(1, soft=True, spill=True),
    labelled(one_of("zone", "a"), one_of("disk", "ssd")),
    DEFAULT_RULE._replace(alternatives=(parse_selector({"zone": "a"}), parse_selector({"zone": "!a"}))),
]
zones = st.sampled_from(["", ", zone=a", ", zone=b", ", zone=a, disk=ssd"])
node_texts = st.builds(
    lambda dead, cpus, gpus, zone: f"{dead}CPU {cpus}, GPU {gpus}{zone}",
    st.sampled_from(["", "", "", "dead "]),
    st.integers(1, 4),
    st.integers(0, 2),
    zones,
)
changes = st.lists(
    st.tuples(st.integers(0, 7), st.sampled_from(["CPU", "GPU"]), st.integers(-2, 4), st.booleans()), max_size=30
)


STAYING = [
    ("however busy it is", "CPU 4 | CPU 4 - 3", DEFAULT_RULE, 1),
    ("with a device that is not asked for", "CPU 4 | CPU 4, GPU 1", DEFAULT_RULE, 1),
    ("unless it is full", "CPU 4 | CPU 4 - 4", DEFAULT_RULE, 0),
    ("unless labels are asked for", "CPU 4, zone=a | CPU 4 - 3, zone=a", selecting(one_of("zone", "a")), 0),
    ("unless turns are taken", "CPU 4 | CPU 4", SPREAD, 0),
]


@pytest.mark.parametrize(("why", "nodes", "rule", "expected"), STAYING, ids=[row[0] for row in STAYING])
def test_a_task_stays_with_its_data(why: str, nodes: str, rule: Rule, expected: int) -> None:
    index, cpu = NodeIndex(cluster(nodes)), demand("CPU 1")
    choice = choose(index, rooms_for(cpu, rule), cpu, rule, 1, 0, Random(1), has_data=True)
    assert choice.node == expected, why


ABSENT = [
    ("there is no such node", selecting(one_of(NODE_ID_LABEL, "c")), "never"),
    ("it is draining", selecting(one_of(NODE_ID_LABEL, "b")), "never"),
    ("none of several", selecting(one_of(NODE_ID_LABEL, "b", "c")), "never"),
    ("one of several", selecting(one_of(NODE_ID_LABEL, "b", "a")), 0),
    ("it has other labels", selecting((*one_of(NODE_ID_LABEL, "a"), *one_of("zone", "z"))), "never"),
    ("a fallback is there", selecting(one_of(NODE_ID_LABEL, "c"), one_of("zone", "a")), 0),
    ("no fallback is there", selecting(one_of(NODE_ID_LABEL, "c"), one_of("zone", "z")), "never"),
    ("only a fallback names a node", selecting(one_of("zone", "z"), one_of(NODE_ID_LABEL, "c")), None),
    ("a node of this kind may come", selecting(one_of("zone", "z")), None),
]


@pytest.mark.parametrize(("why", "rule", "expected"), ABSENT, ids=[row[0] for row in ABSENT])
def test_a_selector_of_nodes_that_are_not_there(why: str, rule: Rule, expected: int | str | None) -> None:
    nodes = cluster(f"CPU 4, zone=a, {NODE_ID_LABEL}=a | CPU 4, zone=b, {NODE_ID_LABEL}=b")
    nodes[1].draining = True
    assert chosen(nodes, "CPU 1", rule) == expected, why
    assert chosen(nodes, "CPU 5", selecting(one_of(NODE_ID_LABEL, "a"))) == "never"


@given(
    st.lists(node_texts, min_size=1, max_size=8),
    changes,
    st.sampled_from(RULES),
    st.sampled_from(["CPU 1", "GPU 1", "CPU 2, GPU 0.5", ""]),
)
def test_rankings_kept_up_to_date_decide_as_fresh_ones(
    texts: list[str], steps: list[tuple[int, str, int, bool]], rule: Rule, text: str
) -> None:
    nodes = cluster(" | ".join(texts))
    index = NodeIndex(nodes)
    rooms = rooms_for(demand(text), rule)
    for seed, (number, name, left, dies) in enumerate(steps):
        node = nodes[number % len(nodes)]
        if dies and seed % 7 == 0 and node.alive:
            node.alive = False
            index.left(node)
        else:
            node.available[name] = min(left * RESOURCE_UNIT // 2, node.total[name])
            index.changed(node.number)
        if seed % 3:
            kept = choose(index, rooms, demand(text), rule, 0, seed, Random(seed))
            assert kept == choose_node(nodes, demand(text), Random(seed), rule=rule, preferred=0, turn=seed)


@given(st.lists(node_texts, max_size=5), st.sampled_from(RULES), st.sampled_from(["CPU 1", "GPU 1", ""]))
def test_the_choice_has_room_and_nothing_is_changed(texts: list[str], rule: Rule, text: str) -> None:
    nodes = cluster(" | ".join(texts))
    before = [dict(node.available) for node in nodes]
    choice = choose_node(nodes, demand(text), Random(0), rule=rule, preferred=0)
    assert [node.available for node in nodes] == before
    roomy = [node.number for node in nodes if not lacks(node, demand(text), rule._replace(kind=0))]
    if choice.node is not None:
        assert choice.node in roomy
    elif rule.kind != StrategyKind.NODE_AFFINITY:
        assert not roomy


@given(st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")), st.sampled_from("ab"), st.sampled_from("xy"))
def test_a_condition_and_its_opposite(labels: dict[str, str], key: str, value: str) -> None:
    assert meets(labels, parse_selector({key: value})) != meets(labels, parse_selector({key: f"!{value}"}))
    assert meets(labels, ((key, LabelOperator.EXISTS.value, ()),)) == (key in labels)
