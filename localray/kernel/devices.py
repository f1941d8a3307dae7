"""Which devices (GPUs) come with a lease: a node's own, or in a placement group those that its bundles have. Must not
live here: how much of them anybody asks for."""

from __future__ import annotations

from collections.abc import Iterator

from localray.kernel.records import NodeRecord, SchedulingClass, WorkerRecord
from localray.kernel.tables import Tables
from localray.sched.bundle_names import plain
from localray.sched.resources import GPU, RESOURCE_UNIT, amount, return_devices, take_devices


def obtain(node: NodeRecord, group: SchedulingClass) -> tuple[list[int], tuple[int, ...]] | None:
    """Take devices for one lease; returns what they were taken from and which they are, or None if no choice fits."""
    for pool in pools(node, group):
        units = take_devices(pool, group.gpu_units)
        if units is not None:
            return pool, units
    return None


def put_back(group: SchedulingClass, pool: list[int], units: tuple[int, ...]) -> None:
    """They were not needed after all."""
    return_devices(pool, group.gpu_units, units)


def pools(node: NodeRecord, group: SchedulingClass) -> Iterator[list[int]]:
    """What devices may be taken from: the bundle asked for, else each of the group's that are there."""
    placement_group = group.placement_group
    if placement_group is None:
        yield node.gpu_free
    elif group.bundle >= 0:
        yield placement_group.bundles[group.bundle].gpu_free
    else:
        for bundle in placement_group.bundles:
            if bundle.node is node:
                yield bundle.gpu_free


def outside_groups(tables: Tables, node: NodeRecord) -> list[int]:
    """The devices of a node that it still has, and of which no placement group has any part."""
    shares = [bundle.shares for group in tables.groups.values() for bundle in group.bundles if bundle.node is node]
    return [
        device
        for device in range(len(node.gpu_free))
        if device not in node.lost_devices and not any(share[device] for share in shares)
    ]


def give_back(worker: WorkerRecord) -> None:
    """A worker's devices go where they came from."""
    if worker.units and worker.devices is not None:
        return_devices(worker.devices, amount(plain(worker.resources), GPU), worker.units)
    worker.units = ()
    worker.devices = None


def shares_for(free: list[int], units: int) -> list[int] | None:
    """Take devices for a bundle out of what is free on its node: whole ones, and a part of another for the rest.

    Returns:
        How much of each device, or None if no choice fits; then nothing was taken.

    >>> shares_for([10_000, 10_000, 5_000], 15_000)
    [10000, 0, 5000]
    """
    before = list(free)
    rest = units % RESOURCE_UNIT
    for part in (units - rest, rest):
        if take_devices(free, part) is None:
            free[:] = before
            return None
    return [had - has for had, has in zip(before, free, strict=True)]
