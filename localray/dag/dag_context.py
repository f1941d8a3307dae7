"""`DAGContext`: the limits of compiled graphs, from ``RAY_CGRAPH_<name>`` in the environment or set by a program."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

_current: DAGContext | None = None


def _number(name: str, default: float) -> float:
    return float(os.environ.get(f"RAY_CGRAPH_{name}", default))


def _count(name: str, default: int) -> int:
    return int(_number(name, default))


@dataclass
class DAGContext:
    """Limits of compiled graphs; times in seconds.

    ``get_timeout`` is how long `ray.get` waits for a result, ``max_inflight_executions`` how many may be under way and
    ``max_buffered_results`` how many results may wait to be fetched. The others are accepted and mean nothing here,
    where a compiled graph has no channels of its own.
    """

    submit_timeout: int = field(default_factory=lambda: _count("submit_timeout", 10))
    get_timeout: int = field(default_factory=lambda: _count("get_timeout", 10))
    teardown_timeout: int = field(default_factory=lambda: _count("teardown_timeout", 30))
    read_iteration_timeout: float = field(default_factory=lambda: _number("read_iteration_timeout_s", 0.1))
    buffer_size_bytes: int = field(default_factory=lambda: _count("buffer_size_bytes", 1_000_000))
    max_inflight_executions: int = field(default_factory=lambda: _count("max_inflight_executions", 10))
    max_buffered_results: int = field(default_factory=lambda: _count("max_buffered_results", 1000))
    overlap_gpu_communication: bool = field(default_factory=lambda: bool(_count("overlap_gpu_communication", 0)))

    def __post_init__(self) -> None:
        if self.read_iteration_timeout > self.get_timeout:
            raise ValueError(
                f"RAY_CGRAPH_read_iteration_timeout_s ({self.read_iteration_timeout}) must be less than or equal to "
                f"RAY_CGRAPH_get_timeout ({self.get_timeout})"
            )

    @staticmethod
    def get_current() -> DAGContext:
        """The one of this process; made at first use."""
        global _current
        if _current is None:
            _current = DAGContext()
        return _current
