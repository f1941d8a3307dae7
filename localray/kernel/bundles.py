"""A placement group's bundles on nodes: reserved all in one step, and given back. Must not live here: when that is
tried, and what follows (`groups`)."""

from __future__ import annotations

from collections.abc import Sequence

from localray.kernel import devices, nodes
from localray.kernel.records import GroupRecord, NodeRecord
from localray.kernel.tables import Tables
from localray.protocol import Conditions
from localray.sched.bundle_names import provided
from localray.sched.bundles import could_place_bundles, place_bundles
from localray.sched.resources import GPU, amount, missing, take
from localray.sched.resources import give_back as add


def reserve(tables: Tables, group: GroupRecord) -> bool:
    """Reserve all bundles that have no node; returns whether there was room for all. If not, nothing is reserved."""
    group.attempts += 1
    homeless = without_node(group)
    numbers = place_bundles(
        group.strategy,
        [group.bundles[index].demand for index in homeless],
        list(tables.nodes.values()),
        selectors=selectors_of(group, homeless),
        occupied={bundle.node.number for bundle in group.bundles if bundle.node is not None},
        wanted=next((node.number for node in tables.nodes.values() if node.node_id == group.soft_target), None),
    )
    if numbers is None:
        return False
    placing = [(index, tables.nodes[number]) for index, number in zip(homeless, numbers, strict=True)]
    if not take_devices(group, placing):
        return False
    commit(tables, group, placing)
    return True


def without_node(group: GroupRecord) -> list[int]:
    """The indices of the bundles that have no node: all at first, later those whose node died."""
    return [index for index, bundle in enumerate(group.bundles) if bundle.node is None]


def selectors_of(group: GroupRecord, indices: Sequence[int]) -> list[Conditions]:
    """What these bundles ask of labels; empty when none of the group asks for any."""
    return [group.selectors[index] for index in indices] if group.selectors else []


def take_devices(group: GroupRecord, placing: Sequence[tuple[int, NodeRecord]]) -> bool:
    """Take the devices of all these bundles, or none: free fractions may add up to enough and still not fit."""
    taken: list[tuple[NodeRecord, list[int]]] = []
    for index, node in placing:
        bundle = group.bundles[index]
        shares = devices.shares_for(node.gpu_free, amount(bundle.demand, GPU))
        if shares is None:
            for other, given in taken:
                return_shares(other, given)
            return False
        taken.append((node, shares))
        bundle.shares = shares
        bundle.gpu_free = list(shares)
    return True


def return_shares(node: NodeRecord, shares: Sequence[int]) -> None:
    """A bundle's devices are the node's again."""
    for device, share in enumerate(shares):
        node.gpu_free[device] += share


def commit(tables: Tables, group: GroupRecord, placing: Sequence[tuple[int, NodeRecord]]) -> None:
    """The bundles are on these nodes from now on."""
    identity = group.group_id.hex()
    for index, node in placing:
        bundle = group.bundles[index]
        bundle.node = node
        bundle.node_id = node.node_id
        take(node.available, bundle.demand)
        gained = provided(bundle.demand, identity, index)
        add(node.total, gained)
        add(node.available, gained)
        nodes.changed(tables, node)


def give_back(tables: Tables, group: GroupRecord, index: int) -> None:
    """A bundle leaves its node. Nobody has any of it any more; of what other bundles provide under the same name,
    somebody may."""
    bundle = group.bundles[index]
    node = bundle.node
    if node is None:
        return
    gained = provided(bundle.demand, group.group_id.hex(), index)
    take(node.total, gained)
    take(node.available, gained)
    for name, _ in gained:
        if node.total.get(name) == 0:
            del node.total[name], node.available[name]
    add(node.available, bundle.demand)
    return_shares(node, bundle.shares)
    nodes.changed(tables, node)
    bundle.node = None
    bundle.shares, bundle.gpu_free = [], []


def are_feasible(tables: Tables, group: GroupRecord) -> bool:
    """Whether the bundles that have no node would fit if nothing else ran and no other group were there."""
    homeless = without_node(group)
    return could_place_bundles(
        group.strategy,
        [group.bundles[index].demand for index in homeless],
        list(tables.nodes.values()),
        selectors=selectors_of(group, homeless),
    )


def lacks(tables: Tables, group: GroupRecord) -> str:
    """Why bundles that fit on no choice of nodes do not, in words."""
    living = [node for node in tables.nodes.values() if node.alive]
    for index, bundle in enumerate(group.bundles):
        gaps = [missing(node.total, bundle.demand) for node in living]
        if all(gaps):
            return f"bundle {index} " + (" | ".join(gaps) or "finds no node")
    return f"each bundle alone would fit, but not all of them on {len(living)} node{'s' * (len(living) != 1)}"
