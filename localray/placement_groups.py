"""Placement groups as users hold them, and what a task's or actor's options say of the group it runs in.

A handle is the group's id and what it asked for; the group itself lives in the kernel. Must not live here: making and
removing groups (`localray.util.placement_group`), reserving anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from localray import options as option_table
from localray.client.client import Client
from localray.client.context import TaskContext, current_task
from localray.client.current import connected_client
from localray.client.serialization import serialize
from localray.exceptions import RaySystemError, TaskPlacementGroupRemoved
from localray.ids import PlacementGroupID
from localray.object_ref import ObjectRef
from localray.options import PlacementGroupOption, SchedulingStrategyOption, from_units
from localray.protocol import Query, Resources, WatchGroup
from localray.sched.bundle_names import ANY_BUNDLE, within

DEFAULT_GROUP = "default"


class PlacementGroup(PlacementGroupOption):
    """A handle of a placement group; equal to another of the same group.

    Args:
        id: the group's.
        bundle_cache: its bundles, where they are known already.
    """

    def __init__(self, id: PlacementGroupID, bundle_cache: list[dict[str, float]] | None = None) -> None:
        self.id = id
        self.bundle_cache = bundle_cache

    @staticmethod
    def empty() -> PlacementGroup:
        """The handle of no group."""
        return PlacementGroup(PlacementGroupID.nil())

    @property
    def is_empty(self) -> bool:
        """Whether this is the handle of no group."""
        return self.id.is_nil()

    def ready(self) -> ObjectRef[PlacementGroup]:
        """A reference that becomes this handle when all bundles have their resources.

        Reading it raises `TaskPlacementGroupRemoved` when the group is removed before.
        """
        client = connected_client()
        if self.is_empty:
            return client.puts.put(self)  # type: ignore[return-value]
        object_id = client.new_object_id()
        reference = client.references.declare(object_id)
        client.channel.send(WatchGroup(object_id, self.id.binary(), serialize(self).to_bytes()))
        return reference  # type: ignore[return-value]

    def wait(self, timeout_seconds: float = 30) -> bool:
        """Wait until all bundles have their resources; returns whether they do. Unlike a `ray.get` of `ready`, a task
        that waits here does not lend its CPU.

        Raises:
            TypeError: the timeout is not a number.
            Exception: the group was removed.
        """
        if not isinstance(timeout_seconds, int | float):
            raise TypeError("an integer is required")
        if self.is_empty:
            return False
        client = connected_client()
        reference = self.ready()
        ready, _ = client.gets.wait([reference], 1, max(0.0, float(timeout_seconds)), lends=False)
        if not ready:
            return False
        try:
            client.gets.get_one(reference, None)
        except TaskPlacementGroupRemoved:
            # Ray raises nothing more exact here.
            raise Exception(f"Placement group {self.id} does not exist.") from None
        return True

    @property
    def bundle_specs(self) -> list[dict[str, float]]:
        """The bundles, each a dictionary of amounts by resource.

        Raises:
            KeyError: there is no such group.
        """
        if not self.bundle_cache:
            row = describe(connected_client(), self.id.hex()).get(self.id.hex())
            if row is None:
                raise KeyError("bundles")
            self.bundle_cache = list(row.bundles)
        return self.bundle_cache

    @property
    def bundle_count(self) -> int:
        """How many bundles there are."""
        return len(self.bundle_specs)

    def __repr__(self) -> str:
        if self.is_empty:
            return "PlacementGroup.empty()"
        bundles = f", {self.bundle_cache}" if self.bundle_cache else ""
        return f"PlacementGroup({self.id.hex()}{bundles})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlacementGroup) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)


class GroupRow(NamedTuple):
    """What the kernel says of one group."""

    name: str
    strategy: str
    state: str
    bundles: tuple[dict[str, float], ...]
    node_ids: tuple[bytes, ...]
    created_after_s: float
    attempts: int
    last_attempt: str


def describe(client: Client, group: str = "") -> dict[str, GroupRow]:
    """The groups that the kernel knows of, removed ones too, by their ids in hexadecimal digits; one, or all."""
    answer = client.ask(Query.GROUPS, group)
    if not isinstance(answer, tuple):
        raise RaySystemError("the head described its placement groups wrongly")
    return {
        group_id.hex(): GroupRow(
            name,
            strategy,
            state,
            tuple({resource: from_units(units) for resource, units in bundle} for bundle in bundles),
            node_ids,
            *rest,
        )
        for group_id, name, strategy, state, bundles, node_ids, *rest in answer
    }


class PlacementGroupSchedulingStrategy(SchedulingStrategyOption):
    """Run in a placement group.

    Args:
        placement_group: the group; None for none.
        placement_group_bundle_index: of the bundle to run in; -1 for any.
        placement_group_capture_child_tasks: whether what it submits runs in the group too unless it says otherwise;
            None for what the caller itself is under.
    """

    def __init__(
        self,
        placement_group: PlacementGroup | None,
        placement_group_bundle_index: int = -1,
        placement_group_capture_child_tasks: bool | None = None,
    ) -> None:
        self.placement_group = placement_group
        self.placement_group_bundle_index = placement_group_bundle_index
        self.placement_group_capture_child_tasks = placement_group_capture_child_tasks

    def __repr__(self) -> str:
        return (
            f"PlacementGroupSchedulingStrategy({self.placement_group!r}, "
            f"placement_group_bundle_index={self.placement_group_bundle_index}, "
            f"placement_group_capture_child_tasks={self.placement_group_capture_child_tasks})"
        )


class Placement(NamedTuple):
    """Where a task or actor runs as far as groups go: see `localray.protocol.DefineTemplate`."""

    group: bytes
    bundle: int
    captures: bool
    to_place: Resources
    to_hold: Resources


def context_key(context: TaskContext | None) -> bytes:
    """What of the running task decides where its children run: templates are kept by this."""
    if context is None or not context.group:
        return b""
    return context.group + (b"+" if context.captures else b"-")


def place(options: Mapping[str, object], name: str, to_place: Resources, to_hold: Resources) -> Placement:
    """The group that a task or actor runs in by its options and its submitter's group, and its resources there.

    Args:
        options: checked options of the task or actor.
        name: of the function or class, for the errors.
        to_place: what must be free to place it, outside of groups.
        to_hold: what it holds then, outside of groups.

    Raises:
        ValueError: there is no such bundle, or no bundle is large enough.
        AssertionError: what was given is no placement group.
    """
    strategy = options.get("scheduling_strategy")
    if isinstance(strategy, PlacementGroupSchedulingStrategy):
        group: object = strategy.placement_group
        index: object = strategy.placement_group_bundle_index
        captures: object = strategy.placement_group_capture_child_tasks
    else:
        option_table.warn_of_deprecated_placement(options, stacklevel=5)
        if strategy is not None:
            return Placement(b"", ANY_BUNDLE, False, to_place, to_hold)
        group = options.get("placement_group", DEFAULT_GROUP)
        index = options.get("placement_group_bundle_index", ANY_BUNDLE)
        captures = options.get("placement_group_capture_child_tasks")
    context = current_task.get()
    if captures is None:
        captures = context is not None and context.captures
    if isinstance(group, str) and group == DEFAULT_GROUP:
        is_captured = captures and context is not None and context.group
        group = PlacementGroup(PlacementGroupID(context.group)) if is_captured and context is not None else None
    group = group or PlacementGroup.empty()
    assert isinstance(group, PlacementGroup), f"{group!r} is no placement group; make one with placement_group()."
    assert isinstance(index, int)
    check_placement_group_index(group, index)
    if group.is_empty:
        return Placement(b"", ANY_BUNDLE, bool(captures), to_place, to_hold)
    check_room(group, name, to_place, to_hold)
    identity = group.id.hex()
    return Placement(
        group.id.binary(),
        index,
        bool(captures),
        within(to_place, identity, index),
        within(to_hold, identity, index),
    )


def check_placement_group_index(placement_group: PlacementGroup, bundle_index: int) -> None:
    """Raise `ValueError` if the group has no such bundle."""
    if placement_group.is_empty:
        if bundle_index != ANY_BUNDLE:
            raise ValueError(
                "If placement group is not set, the value of bundle index must be -1. "
                f"placement_group_bundle_index={bundle_index} says which bundle of a group; name the group with "
                "scheduling_strategy=PlacementGroupSchedulingStrategy(group, ...)."
            )
    elif bundle_index >= placement_group.bundle_count or bundle_index < ANY_BUNDLE:
        raise ValueError(
            f"placement group bundle index {bundle_index} is invalid. "
            # The words are Ray's, which counts one too many.
            f"Valid placement group indexes: 0-{placement_group.bundle_count}, the last one excluded; "
            "-1 is any of its bundles."
        )


def check_room(group: PlacementGroup, name: str, to_place: Resources, to_hold: Resources) -> None:
    """Raise `ValueError` if no bundle is large enough, whichever was asked for: what Ray checks at `.remote()`."""
    bundles = group.bundle_specs
    if not _fits_somewhere(to_hold, bundles):
        request = {
            resource: units // 10_000 if units % 10_000 == 0 else from_units(units) for resource, units in to_hold
        }
        raise ValueError(
            f"Cannot schedule {name} with the placement group because the resource request {request} cannot fit into "
            f"any bundles for the placement group, {bundles}."
        )
    if not _fits_somewhere(to_place, bundles):
        raise ValueError(
            f"Cannot schedule {name} with the placement group because the actor requires "
            f"{_as_asked(dict(to_place).get('CPU', 0))} CPU for creation, but it cannot fit into any bundles for the "
            f"placement group, {bundles}. Consider creating a placement group with CPU resources."
        )


def _fits_somewhere(demand: Resources, bundles: list[dict[str, float]]) -> bool:
    return any(all(bundle.get(name, 0) >= from_units(units) for name, units in demand) for bundle in bundles)


def _as_asked(units: int) -> float:
    """An amount as users write it: whole ones without a point."""
    return units // option_table.RESOURCE_UNIT if units % option_table.RESOURCE_UNIT == 0 else from_units(units)
