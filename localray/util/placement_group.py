"""`ray.util.placement_group` and its kin: make placement groups, find them, remove them. Must not live here: the handle
and the checks at `.remote()` (`localray.placement_groups`)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from localray.absent.catalogue import missing_in
from localray.client.context import current_task
from localray.client.current import connected_client
from localray.exceptions import RaySystemError
from localray.ids import NodeID, PlacementGroupID
from localray.options import rules, to_units
from localray.placement_groups import GroupRow, PlacementGroup, check_placement_group_index, describe
from localray.protocol import CreateGroup, FindGroup, PlacementStrategy, RemoveGroup, Resources
from localray.sched.labels import parse_selector

NODE_ID_LABEL_KEY = "ray.io/node-id"
VALID_PLACEMENT_GROUP_STRATEGIES = frozenset(strategy.name for strategy in PlacementStrategy)
_RESERVED = "bundle"
_BUNDLE_SHAPE = (
    'Bundles must be a non-empty list of resource dictionaries. For example: `[{"CPU": 1.0}, {"GPU": 1.0}]`.'
)
_ONE_DOMAIN_ACCELERATORS = ("GB200", "GB300")


def placement_group(
    bundles: list[dict[str, float]],
    strategy: str | None = None,
    name: str = "",
    lifetime: str | None = None,
    _soft_target_node_id: str | None = None,
    bundle_label_selector: list[dict[str, str]] | None = None,
    topology_strategy: dict[str, str] | None = None,
) -> PlacementGroup:
    """Ask for resources together: all bundles get theirs, or none does. Returns at once; see `PlacementGroup.ready`.

    Args:
        bundles: for each the amounts by resource; a bundle lies on one node.
        strategy: PACK (the default: few nodes), SPREAD (many), STRICT_PACK (one), STRICT_SPREAD (each on its own).
        name: by which `get_placement_group` finds it.
        lifetime: "detached" for a group that outlives its creator.
        _soft_target_node_id: of the node to prefer; with STRICT_PACK only.
        bundle_label_selector: for each bundle the labels its node must have.
        topology_strategy: instead of ``strategy``, by the label of a topology; here only that of nodes has an effect.

    Raises:
        ValueError: something in it is wrong.
        RaySystemError: the name is taken, or a resource's name is reserved.

    Example:
        >>> group = ray.util.placement_group([{"CPU": 1}, {"CPU": 1}])       # doctest: +SKIP
        >>> ray.get(group.ready()) == group                                  # doctest: +SKIP
        True
    """
    client = connected_client()
    validate_placement_group(
        bundles, strategy, lifetime, _soft_target_node_id, bundle_label_selector, topology_strategy
    )
    demands = tuple(_demand(bundle, bundles) for bundle in bundles)
    selectors = tuple(parse_selector(selector) for selector in bundle_label_selector or ())
    if not isinstance(name, str):
        raise TypeError(f"the name of a placement group must be a string, got {type(name)}")
    group_id = client.new_group_id()

    def make(request: int) -> CreateGroup:
        return CreateGroup(
            group_id,
            demands,
            PlacementStrategy[_node_strategy(strategy, topology_strategy)].value,
            name,
            client.namespace,
            lifetime == "detached",
            bytes.fromhex(_soft_target_node_id or ""),
            selectors if any(selectors) else (),
            request,
        )

    if name:
        # Only the kernel knows whether the name is free; Ray answers at once too.
        answer = client.request(make)
        if isinstance(answer, str):
            raise RaySystemError(answer)
    else:
        client.channel.send(make(0))
    specs = [{resource: float(amount) for resource, amount in bundle.items()} for bundle in bundles]
    return PlacementGroup(PlacementGroupID(group_id), specs)


def _demand(bundle: Mapping[str, float], bundles: object) -> Resources:
    """A bundle in units."""
    if _RESERVED in bundle:
        raise RaySystemError(
            f"{_RESERVED} is a system reserved resource, which is not allowed to be used in placement group. "
        )
    units: dict[str, int] = {}
    for name, amount in bundle.items():
        if not 0 <= amount < float("inf"):
            raise ValueError(f"The amounts of a bundle must be positive numbers. Got {amount} of {name} in {bundles}.")
        units[name] = to_units(amount, name)
    return tuple(sorted((name, amount) for name, amount in units.items() if amount))


def remove_placement_group(placement_group: PlacementGroup) -> None:
    """Give a group's resources back. What runs in it is killed; nothing happens if it is removed already."""
    assert placement_group is not None, "There is no placement group to remove."
    client = connected_client()
    client.channel.send(RemoveGroup(placement_group.id.binary()))
    client.channel.flush()


def get_placement_group(placement_group_name: str) -> PlacementGroup:
    """The group of a name, in the caller's namespace.

    Raises:
        ValueError: there is none.
    """
    if not placement_group_name:
        raise ValueError("Please supply a non-empty value to get_placement_group")
    client = connected_client()
    answer = client.request(lambda request: FindGroup(request, placement_group_name, client.namespace))
    if not isinstance(answer, bytes):
        raise ValueError(f"Failed to look up placement group with name: {placement_group_name}")
    return PlacementGroup(PlacementGroupID(answer))


def get_current_placement_group() -> PlacementGroup | None:
    """The group that the calling task or actor runs in; None outside of any, and on a driver."""
    connected_client()
    context = current_task.get()
    if context is None or not context.group:
        return None
    return PlacementGroup(PlacementGroupID(context.group))


def placement_group_table(placement_group: PlacementGroup | None = None) -> dict[str, object]:
    """What is known of a group, or of each by its id when none is given; the last removed ones are told of too."""
    client = connected_client()
    if placement_group is None:
        return {group: _described(group, row) for group, row in describe(client).items()}
    group = placement_group.id.hex()
    row = describe(client, group).get(group)
    return {} if row is None else _described(group, row)


def _described(group: str, row: GroupRow) -> dict[str, object]:
    latency_ms = row.created_after_s * 1000
    return {
        "placement_group_id": group,
        "name": row.name,
        "bundles": dict(enumerate(row.bundles)),
        "bundles_to_node_id": {index: node_id.hex() for index, node_id in enumerate(row.node_ids)},
        "strategy": row.strategy,
        "state": row.state,
        "stats": {
            "end_to_end_creation_latency_ms": latency_ms,
            "scheduling_latency_ms": latency_ms,
            "scheduling_attempt": row.attempts,
            "highest_retry_delay_ms": 0.0,
            "scheduling_state": row.last_attempt,
        },
    }


# ---------------------------------------------------------------- checks


def validate_placement_group(
    bundles: list[dict[str, float]],
    strategy: str | None = None,
    lifetime: str | None = None,
    _soft_target_node_id: str | None = None,
    bundle_label_selector: list[dict[str, str]] | None = None,
    topology_strategy: dict[str, str] | None = None,
) -> None:
    """Check the arguments of `placement_group`, in Ray's order.

    Raises:
        ValueError: one of them is wrong.
    """
    if topology_strategy is not None and strategy is not None:
        raise ValueError(
            "`strategy` and `topology_strategy` cannot both be specified. Pass node-level packing via "
            f"`topology_strategy['{NODE_ID_LABEL_KEY}']`."
        )
    if strategy is not None and strategy not in VALID_PLACEMENT_GROUP_STRATEGIES:
        raise ValueError(
            f"Invalid placement group strategy {strategy}. "
            f"Supported strategies are: {sorted(VALID_PLACEMENT_GROUP_STRATEGIES)}."
        )
    if topology_strategy is not None:
        _check_topology(topology_strategy)
    if _soft_target_node_id:
        _check_target(_soft_target_node_id, _node_strategy(strategy, topology_strategy))
    _check_bundles(bundles)
    if bundle_label_selector is not None:
        _check_selectors(bundle_label_selector, len(bundles))
    if lifetime not in (None, "detached"):
        raise ValueError(f"Placement group `lifetime` argument must be either `None` or 'detached'. Got {lifetime}.")


def _node_strategy(strategy: str | None, topology_strategy: Mapping[str, str] | None) -> str:
    if topology_strategy is not None:
        return topology_strategy.get(NODE_ID_LABEL_KEY, "PACK")
    return strategy or "PACK"


def _check_topology(topology_strategy: object) -> None:
    if not isinstance(topology_strategy, dict):
        raise ValueError(f"`topology_strategy` must be a dict, got {type(topology_strategy).__name__}.")
    if len(topology_strategy) > 2:
        raise ValueError(
            f"`topology_strategy` must contain 0, 1, or 2 entries: `{NODE_ID_LABEL_KEY}` plus an optional topology "
            f"label. Got {len(topology_strategy)} entries."
        )
    labels = []
    for key, value in topology_strategy.items():
        if not isinstance(key, str) or not key:
            raise ValueError(f"`topology_strategy` keys must be non-empty strings, got {key!r}.")
        if value not in VALID_PLACEMENT_GROUP_STRATEGIES:
            raise ValueError(
                f"Invalid topology strategy {value!r} for label {key!r}. "
                f"Supported strategies are: {sorted(VALID_PLACEMENT_GROUP_STRATEGIES)}."
            )
        if key != NODE_ID_LABEL_KEY:
            labels.append(key)
            if value != "STRICT_PACK":
                raise ValueError(
                    f"Topology strategy {value!r} for label {key!r} is not supported yet; only 'STRICT_PACK' is "
                    f"supported for topology labels other than `{NODE_ID_LABEL_KEY}` for now."
                )
    if len(labels) > 1:
        raise ValueError(
            "`topology_strategy` currently supports at most one topology label other than "
            f"`{NODE_ID_LABEL_KEY}`. Got {labels}."
        )


def _check_target(node_id: str, strategy: str) -> None:
    if strategy != "STRICT_PACK":
        raise ValueError(f"_soft_target_node_id currently only works with STRICT_PACK but got {strategy}")
    try:
        is_nil = NodeID.from_hex(node_id).is_nil()
    except ValueError:
        is_nil = True
    if is_nil:
        raise ValueError(f"Invalid hex ID of _soft_target_node_id, got {node_id}")


def _check_bundles(bundles: object) -> None:
    if not isinstance(bundles, list):
        raise ValueError(f"Placement group bundles must be a list, got {type(bundles)}.")
    if not bundles:
        raise ValueError(f"{_BUNDLE_SHAPE} Got empty list instead.")
    for bundle in bundles:
        if not isinstance(bundle, dict) or not all(
            isinstance(name, str) and isinstance(amount, int | float) for name, amount in bundle.items()
        ):
            raise ValueError(_BUNDLE_SHAPE)
        if all(amount == 0 for amount in bundle.values()):
            raise ValueError(
                f"Bundles cannot be an empty dictionary or resources with only 0 values. Bundles: {bundles}"
            )
        if "object_store_memory" in bundle:
            warnings.warn(
                "Setting 'object_store_memory' for bundles is deprecated and reserves nothing in the store. Leave it "
                "out: objects that do not fit into memory are spilled to disk.",
                DeprecationWarning,
                stacklevel=4,
            )


def _check_selectors(selectors: object, count: int) -> None:
    if not isinstance(selectors, list):
        if isinstance(selectors, dict) and len(selectors) == count:
            raise ValueError(f"Placement group bundle_label_selector must be a list, got {type(selectors)}.")
        raise ValueError(_selector_count(selectors))
    if len(selectors) != count:
        raise ValueError(_selector_count(selectors))
    for selector in selectors:
        if not isinstance(selector, dict) or not all(
            isinstance(key, str) and isinstance(value, str) for key, value in selector.items()
        ):
            raise ValueError(
                "Bundle label selector must be a list of string dictionary label selectors. For example: "
                '`[{ray.io/market_type": "spot"}, {"ray.io/accelerator-type": "A100"}]`.'
            )
        problem = rules.label_selector("bundle_label_selector", selector)
        if problem:
            raise ValueError(
                f"Invalid label selector provided in bundle_label_selector list. Detailed error: '{problem}'"
            )
    _check_domain(selectors)


def _selector_count(selectors: object) -> str:
    return (
        f"Invalid bundle label selector {selectors}. The length of `bundle_label_selector` should equal the length of "
        "`bundles`."
    )


def _check_domain(selectors: list[dict[str, str]]) -> None:
    """Accelerators that are wired together across nodes are asked for by all bundles or by none."""
    key = "ray.io/accelerator-type"
    wired = next((each[key] for each in selectors if each.get(key) in _ONE_DOMAIN_ACCELERATORS), None)
    for selector in selectors:
        if wired is not None and selector.get(key) != wired:
            raise ValueError(
                f"Invalid bundle label selector {selector}. GPU-domain scheduling requires all bundles to have "
                f"'{key}: {wired}' in their label selector."
            )


__getattr__ = missing_in(__name__)

__all__ = [
    "VALID_PLACEMENT_GROUP_STRATEGIES",
    "PlacementGroup",
    "check_placement_group_index",
    "get_current_placement_group",
    "get_placement_group",
    "placement_group",
    "placement_group_table",
    "remove_placement_group",
    "validate_placement_group",
]
