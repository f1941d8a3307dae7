"""The settings of a node's object store, as they travel from `init` to the kernel. Plain data."""

from __future__ import annotations

from typing import NamedTuple


class StoreSettings(NamedTuple):
    """How a node's store spills, and when processes collect their garbage for it. Ray's names and defaults, but that
    nobody collects only because time has passed (``local_gc_interval_s`` of 0), and that no disk is too full to be
    written to unless ``local_fs_capacity_threshold`` says so; without directories, or with ``spills``
    false, nothing goes to disk."""

    directories: tuple[str, ...] = ()
    spills: bool = True
    min_spilling_size: int = 100 << 20
    object_spilling_threshold: float = 0.8
    oom_grace_period_s: float = 2.0
    verbose_spill_logs: int = 2 << 30
    max_fused_object_count: int = 2000
    high_plasma_storage_usage: float = 0.7
    global_gc_min_interval_s: float = 30.0
    local_gc_interval_s: float = 0.0
    local_gc_min_interval_s: float = 10.0
    local_fs_capacity_threshold: float = 1.0
