"""The names under which a placement group's bundles are resources of a node, as in Ray: so that what runs in a group is
scheduled by ordinary arithmetic.

A bundle with the CPU of a node makes three kinds of them: ``CPU_group_<id>`` for whatever runs anywhere in the group,
``CPU_group_<index>_<id>`` for what asks for this bundle, and ``bundle_group_…``, of which everything in the group takes
a little, so that what asks for nothing else is also placed where the group is. Must not live here: reserving anything.
"""

from __future__ import annotations

from localray.protocol import Resources
from localray.sched.resources import RESOURCE_UNIT

ANY_BUNDLE = -1
BUNDLE = "bundle"
BUNDLE_UNITS = 1000 * RESOURCE_UNIT
"""Of ``bundle_group_…`` a bundle has so much."""
USER_UNITS = RESOURCE_UNIT // 1000
"""And each task and actor in the group takes so much."""
_INFIX = "_group_"


def wildcard(name: str, group: str) -> str:
    """A resource of any of the group's bundles; ``group`` is its id in hexadecimal digits."""
    return f"{name}{_INFIX}{group}"


def indexed(name: str, group: str, index: int) -> str:
    """A resource of one bundle."""
    return f"{name}{_INFIX}{index}_{group}"


def provided(demand: Resources, group: str, index: int) -> Resources:
    """What a node gains when it has this bundle.

    >>> provided((("CPU", 5000),), "ab", 0)[:2]
    (('CPU_group_ab', 5000), ('CPU_group_0_ab', 5000))
    """
    return tuple(
        pair
        for name, units in (*demand, (BUNDLE, BUNDLE_UNITS))
        for pair in ((wildcard(name, group), units), (indexed(name, group, index), units))
    )


def within(demand: Resources, group: str, index: int) -> Resources:
    """What a demand becomes in a group: in any of its bundles, or in one.

    >>> within((("CPU", 5000),), "ab", -1)
    (('CPU_group_ab', 5000), ('bundle_group_ab', 10))
    """
    plain = (*demand, (BUNDLE, USER_UNITS))
    names = [(wildcard(name, group), units) for name, units in plain]
    if index != ANY_BUNDLE:
        names += [(indexed(name, group, index), units) for name, units in plain]
    return tuple(sorted(names))


def plain_name(name: str) -> str:
    """What a resource is called outside of groups.

    >>> plain_name("CPU_group_0_ab"), plain_name("GPU")
    ('CPU', 'GPU')
    """
    return name.rpartition(_INFIX)[0] or name


def plain(resources: Resources) -> Resources:
    """What resources are called outside of groups: the inverse of `within`.

    >>> plain(within((("CPU", 5000),), "ab", 3))
    (('CPU', 5000),)
    """
    if not any(_INFIX in name for name, _ in resources):
        return resources
    names = {plain_name(name): units for name, units in resources}
    names.pop(BUNDLE, None)
    return tuple(sorted(names.items()))
