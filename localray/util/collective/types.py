"""`ray.util.collective.types`: names of backends and of reductions."""

from __future__ import annotations

from enum import Enum


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
