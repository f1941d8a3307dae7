"""A placement group's bundles on nodes: reserved all in one step, and given back. Must not live here: when that is
tried, and what follows (`groups`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from localray.kernel import devices
from localray.kernel.records import GroupRecord, NodeRecord
from localray.kernel.tables import Tables
from localray.protocol import PlacementStrategy, Resources
from localray.sched.bundle_names import provided
from localray.sched.group_labels import satisfies
from localray.sched.packing import POLICIES
from localray.sched.resources import GPU, amount, missing, take
from localray.sched.resources import give_back as add


@dataclass(frozen=True, slots=True)
class Offer:
    """A node as the policies see it."""

    alive: bool
    total: Mapping[str, int]
    available: Mapping[str, int]


def reserve(tables: Tables, group: GroupRecord) -> bool:
    """Reserve all bundles that have no node; returns whether there was room for all. If not, nothing is reserved."""
    group.attempts += 1
    homeless = [index for index, bundle in enumerate(group.bundles) if bundle.node is None]
    nodes = candidates(tables, group)
    targets = [node for node in nodes if group.soft_target and node.node_id == group.soft_target]
    for choice in (targets, nodes) if targets else (nodes,):
        positions = choose(group, homeless, choice, totals=False)
        if positions is not None:
            placing = [(index, choice[position]) for index, position in zip(homeless, positions, strict=True)]
            return take_devices(group, placing) and commit(group, placing)
    return False


def candidates(tables: Tables, group: GroupRecord) -> list[NodeRecord]:
    """The nodes that bundles without one may go to: not those that have others of the group which must be apart."""
    taken = {bundle.node.number for bundle in group.bundles if bundle.node is not None}
    apart = group.strategy is PlacementStrategy.STRICT_SPREAD
    return [node for node in tables.nodes.values() if node.alive and not (apart and node.number in taken)]


def choose(
    group: GroupRecord, homeless: Sequence[int], nodes: Sequence[NodeRecord], *, totals: bool
) -> list[int] | None:
    """For each of these bundles the position of its node, by what is free there, or by all that the nodes have."""
    demands = [group.bundles[index].demand for index in homeless]
    if not group.selectors:
        offers = [Offer(node.alive, node.total, node.total if totals else node.available) for node in nodes]
        return POLICIES[group.strategy](demands, offers)
    # What a bundle wants of labels becomes a resource that the nodes with such labels have enough of: policies need
    # know nothing of labels.
    wanted = [group.selectors[index] for index in homeless]
    names = [f"labels {selector}" for selector in wanted]
    offers = []
    for node in nodes:
        extra = {
            name: len(names) for name, selector in zip(names, wanted, strict=True) if satisfies(node.labels, selector)
        }
        total = {**node.total, **extra}
        offers.append(Offer(node.alive, total, total if totals else {**node.available, **extra}))
    labelled: list[Resources] = [(*demand, (name, 1)) for demand, name in zip(demands, names, strict=True)]
    return POLICIES[group.strategy](labelled, offers)


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


def commit(group: GroupRecord, placing: Sequence[tuple[int, NodeRecord]]) -> bool:
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
    return True


def give_back(group: GroupRecord, index: int) -> None:
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
    bundle.node = None
    bundle.shares, bundle.gpu_free = [], []


def are_feasible(tables: Tables, group: GroupRecord) -> bool:
    """Whether the bundles that have no node would fit if nothing else ran and no other group were there."""
    homeless = [index for index, bundle in enumerate(group.bundles) if bundle.node is None]
    return choose(group, homeless, candidates(tables, group), totals=True) is not None


def lacks(tables: Tables, group: GroupRecord) -> str:
    """Why bundles that fit on no choice of nodes do not, in words."""
    nodes = [node for node in tables.nodes.values() if node.alive]
    for index, bundle in enumerate(group.bundles):
        gaps = [missing(node.total, bundle.demand) for node in nodes]
        if all(gaps):
            return f"bundle {index} " + (" | ".join(gaps) or "finds no node")
    return f"each bundle alone would fit, but not all of them on {len(nodes)} node{'s' * (len(nodes) != 1)}"
