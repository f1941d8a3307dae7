"""`ray.util.collective.types`: names of backends and of reductions."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING


class Backend:
    """Names of backends: ``Backend("gloo")`` is ``Backend.GLOO``.

    Raises:
        ValueError: there is none of this name.
    """

    NCCL = "NCCL"
    GLOO = "GLOO"
    UNRECOGNIZED = "unrecognized"

    def __new__(cls, name: str) -> str:  # type: ignore[misc]
        """The name as it is written here."""
        known = {"NCCL": cls.NCCL, "GLOO": cls.GLOO, "TORCH_GLOO": cls.GLOO}
        if name.upper() not in known:
            raise ValueError(f"Unrecognized backend: '{name}'. Only NCCL and GLOO are supported")
        return known[name.upper()]


class ReduceOp(Enum):
    """How arrays of several ranks become one."""

    SUM = 0
    PRODUCT = 1
    MIN = 2
    MAX = 3


if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)
