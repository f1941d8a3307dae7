"""What a session does to survive, in figures: how much lineage is kept, how long a frozen worker is waited for, how
long a failed task waits for its next try, how long an actor may take to end; and whether its users want hints, and its
tasks listed.

Must not live here: what follows from them (`localray.kernel.lineage`, `localray.kernel.frozen`,
`localray.kernel.queues`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

LINEAGE_VARIABLE = "RAY_max_lineage_bytes"
FROZEN_VARIABLE = "LOCALRAY_FROZEN_WORKER_TIMEOUT_S"
DELAY_VARIABLE = "RAY_task_retry_delay_ms"
HINTS_VARIABLE = "LOCALRAY_HINTS"
EVENTS_VARIABLE = "RAY_task_events_report_interval_ms"
GRACE_VARIABLE = "RAY_actor_graceful_shutdown_timeout_ms"


class SurvivalSettings(NamedTuple):
    """``frozen_after_s`` is for how long a worker may be stopped; 0 for ever, which is the default here: the driver of
    the kernel must be able to look at processes. Ray reports tasks at an interval, and with 0 none. An actor that
    nobody needs has ``actor_grace_s`` for its ``__ray_shutdown__`` and exit handlers, by default as long as in Ray."""

    max_lineage_bytes: int = 1 << 30
    frozen_after_s: float = 0.0
    retry_delay_s: float = 0.0
    hints: bool = False
    lists_tasks: bool = True
    actor_grace_s: float = 30.0


def settings_from(environment: Mapping[str, str]) -> SurvivalSettings:
    """The settings that environment variables ask for; Ray's names where Ray has them.

    Raises:
        ValueError: a value is not a number, or is negative; the text names the variable.

    >>> settings_from({"RAY_max_lineage_bytes": "1000"}).max_lineage_bytes
    1000
    """
    return SurvivalSettings(
        int(_number(environment, LINEAGE_VARIABLE, 1 << 30)),
        _number(environment, FROZEN_VARIABLE, 30.0),
        _number(environment, DELAY_VARIABLE, 0.0) / 1000,
        environment.get(HINTS_VARIABLE, "1") != "0",
        _number(environment, EVENTS_VARIABLE, 1.0) != 0,
        _number(environment, GRACE_VARIABLE, 30_000.0) / 1000,
    )


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, got {text!r}.") from None
    if value < 0:
        raise ValueError(f"{name} cannot be negative, got {text}.")
    return value
