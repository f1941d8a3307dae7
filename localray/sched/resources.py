"""Arithmetic on resources: integers in 1/10000 units, so that ten times 0.1 is one.

A demand is a sorted tuple of pairs (`localray.protocol.Resources`), what a node has is a dict. Must not live here:
where to place something.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

from localray.protocol import Resources

RESOURCE_UNIT = 10_000
CPU = "CPU"
GPU = "GPU"
MEMORY = "memory"


def fits(available: Mapping[str, int], demand: Resources) -> bool:
    """Whether a demand can be met from what is available.

    Example:
        >>> fits({"CPU": 20_000}, (("CPU", 10_000),))
        True
        >>> fits({"CPU": 20_000}, (("CPU", 10_000), ("GPU", 1)))
        False
    """
    for name, units in demand:
        if available.get(name, 0) < units:
            return False
    return True


def missing(available: Mapping[str, int], demand: Resources) -> str:
    """What lacks, in words: ``needs 2 GPU, has 0``."""
    parts = [
        f"needs {units / RESOURCE_UNIT:g} {name}, has {available.get(name, 0) / RESOURCE_UNIT:g}"
        for name, units in demand
        if available.get(name, 0) < units
    ]
    return "; ".join(parts)


def take(available: MutableMapping[str, int], demand: Resources) -> None:
    """Subtract a demand. May go below zero: a task that resumes takes its CPU back whether or not another has it."""
    for name, units in demand:
        available[name] = available.get(name, 0) - units


def give_back(available: MutableMapping[str, int], demand: Resources) -> None:
    """Add what was taken."""
    for name, units in demand:
        available[name] = available.get(name, 0) + units


def overdrawn(available: Mapping[str, int], demand: Resources) -> bool:
    """Whether more than there is has been taken of anything in the demand."""
    for name, _ in demand:
        if available.get(name, 0) < 0:
            return True
    return False


def of_kind(demand: Resources, name: str) -> Resources:
    """The part of a demand that is of one resource."""
    return tuple(pair for pair in demand if pair[0] == name)


def amount(demand: Resources, name: str) -> int:
    """How many units of one resource a demand asks for."""
    for pair in demand:
        if pair[0] == name:
            return pair[1]
    return 0


def devices_fit(free: Sequence[int], units: int) -> bool:
    """Whether `take_devices` would find devices for a demand of so many units."""
    if units >= RESOURCE_UNIT:
        return sum(1 for left in free if left == RESOURCE_UNIT) >= units // RESOURCE_UNIT
    return any(left >= units for left in free)


def take_devices(free: MutableSequence[int], units: int) -> tuple[int, ...] | None:
    """Choose devices for a demand of so many units and mark them taken.

    Whole devices are taken whole; a fraction goes to the fullest device that still has room, so that whole ones stay
    whole.

    Args:
        free: for each device, its free units; changed.
        units: the demand in 1/10000 devices.

    Returns:
        The indices of the devices, or None if no choice fits (free fractions may add up to enough and still not fit).
    """
    if units == 0:
        return ()
    if units >= RESOURCE_UNIT:
        count = units // RESOURCE_UNIT
        whole = [index for index, left in enumerate(free) if left == RESOURCE_UNIT][:count]
        if len(whole) < count:
            return None
        for index in whole:
            free[index] = 0
        return tuple(whole)
    roomy = [(left, index) for index, left in enumerate(free) if left >= units]
    if not roomy:
        return None
    _, index = min(roomy)
    free[index] -= units
    return (index,)


def return_devices(free: MutableSequence[int], units: int, devices: tuple[int, ...]) -> None:
    """Give back what `take_devices` took."""
    share = RESOURCE_UNIT if units >= RESOURCE_UNIT else units
    for index in devices:
        free[index] += share
