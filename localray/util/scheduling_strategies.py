"""`ray.util.scheduling_strategies`: what may be given as ``scheduling_strategy`` besides "DEFAULT" and "SPREAD"."""

from __future__ import annotations

from localray.placement_groups import PlacementGroupSchedulingStrategy
from localray.strategies import (
    DoesNotExist,
    Exists,
    In,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    NotIn,
)

__all__ = [
    "DoesNotExist",
    "Exists",
    "In",
    "NodeAffinitySchedulingStrategy",
    "NodeLabelSchedulingStrategy",
    "NotIn",
    "PlacementGroupSchedulingStrategy",
]
