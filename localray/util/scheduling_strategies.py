"""`ray.util.scheduling_strategies`: what may be given as ``scheduling_strategy`` besides "DEFAULT" and "SPREAD"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localray.placement_groups import PlacementGroupSchedulingStrategy
from localray.strategies import (
    DoesNotExist,
    Exists,
    In,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    NotIn,
)

if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)

__all__ = [
    "DoesNotExist",
    "Exists",
    "In",
    "NodeAffinitySchedulingStrategy",
    "NodeLabelSchedulingStrategy",
    "NotIn",
    "PlacementGroupSchedulingStrategy",
]
