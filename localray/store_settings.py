"""What a session is told about its object store, and its head about surviving, by Ray's names: keywords of `init`,
``_system_config``, and variables ``RAY_<name>``.

Must not live here: what the settings mean (`localray.kernel.store_records.StoreSettings` and the kernel).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from localray.host import temporary_directory
from localray.shm.session_directories import PREFIX
from localray.shm.settings import StoreSettings

_OF_THE_HEAD = (
    "actor_graceful_shutdown_timeout_ms",
    "max_direct_call_object_size",
    "max_lineage_bytes",
    "memory_monitor_refresh_ms",
    "memory_usage_threshold",
    "min_memory_free_bytes",
    "record_ref_creation_sites",
    "record_task_actor_creation_sites",
    "task_events_report_interval_ms",
    "task_oom_retries",
    "task_oom_retry_delay_base_ms",
    "task_retry_delay_ms",
)


def store_settings(
    spilling_directory: str | None, system_config: Mapping[str, object], session_name: str
) -> StoreSettings:
    """The settings of a session's store; its directories have the session's name in theirs.

    Raises:
        KeyError, ValueError, TypeError, AssertionError: as Ray, when the configuration is not one.
    """

    def setting(name: str, default: object) -> object:
        return system_config.get(name, os.environ.get(f"RAY_{name}", default))

    def number(name: str, default: float) -> float:
        value = setting(name, default)
        try:
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be a number, got {value!r}.") from None

    defaults = StoreSettings()
    if spilling_directory is None:
        named = setting("object_spilling_directory", "")
        roots = [str(named)] if named else _configured_roots(setting("object_spilling_config", ""))
    else:
        # An empty name is none: nothing goes to disk.
        roots = [spilling_directory] if spilling_directory else []
    enabled = str(setting("automatic_object_spilling_enabled", True))
    return StoreSettings(
        directories=tuple(str(Path(root).absolute() / f"{PREFIX}{session_name}") for root in roots),
        spills=enabled.lower() in ("true", "1"),
        min_spilling_size=int(number("min_spilling_size", defaults.min_spilling_size)),
        object_spilling_threshold=number("object_spilling_threshold", defaults.object_spilling_threshold),
        oom_grace_period_s=number("oom_grace_period_s", defaults.oom_grace_period_s),
        verbose_spill_logs=int(number("verbose_spill_logs", defaults.verbose_spill_logs)),
        max_fused_object_count=max(1, int(number("max_fused_object_count", defaults.max_fused_object_count))),
        high_plasma_storage_usage=number("high_plasma_storage_usage", defaults.high_plasma_storage_usage),
        global_gc_min_interval_s=number("global_gc_min_interval_s", defaults.global_gc_min_interval_s),
        local_gc_interval_s=number("local_gc_interval_s", defaults.local_gc_interval_s),
        local_fs_capacity_threshold=number("local_fs_capacity_threshold", defaults.local_fs_capacity_threshold),
        local_gc_min_interval_s=number("local_gc_min_interval_s", defaults.local_gc_min_interval_s),
    )


def head_variables(system_config: Mapping[str, object]) -> dict[str, str]:
    """What the head is told by environment variables, of a configuration: it reads both the same way.

    Example:
        >>> head_variables({"max_lineage_bytes": 1000, "min_spilling_size": 0})
        {'RAY_max_lineage_bytes': '1000'}
    """
    told = {f"RAY_{name}": str(system_config[name]) for name in _OF_THE_HEAD if name in system_config}
    if system_config.get("lineage_pinning_enabled", True) is False:
        told["RAY_max_lineage_bytes"] = "0"
    return told


def _configured_roots(text: object) -> list[str]:
    """Where files may be spilled to, by Ray's ``object_spilling_config``; else where temporary files go."""
    if not text:
        return [str(temporary_directory())]
    config = json.loads(str(text))
    if config["type"] != "filesystem":
        raise ValueError(f"Unknown external storage type: {config['type']}. Only 'filesystem' is there.")
    params = config.get("params", {})
    paths = params.get("directory_path")
    if not paths:
        raise ValueError(f"Failed to obtain fallback directory from object spilling config: {text}")
    unknown = [name for name in params if name not in ("directory_path", "buffer_size")]
    if unknown:
        raise TypeError(f"The object spilling config has an unexpected keyword argument {unknown[0]!r}")
    if not isinstance(params.get("buffer_size", 0), int):
        # Ray's error; the size itself is of Ray's way to write files.
        raise AssertionError("buffer_size must be an integer.")
    roots = [paths] if isinstance(paths, str) else list(paths)
    if not roots or not all(isinstance(root, str) and root for root in roots):
        raise ValueError(f"directory_path must be a path or a list of paths, got {paths!r}.")
    return roots
