"""Policy of the memory monitor: when a node has too little memory left, which workers are to be killed, and when what
ran there is tried again. Pure functions of figures.

This is Ray's default since 2.56: what may be tried again goes first, and of that what started last, so that the least
progress is lost; as many workers as it takes to get below the threshold by a margin. Must not live here: measuring
(`localray.runtime.host_memory`), killing (`localray.kernel.memory`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

MARGIN_SHARE = 0.05
"""How far below the threshold killing is to bring a node, as a share of its memory (as in Ray)."""
MARGIN_LIMIT_BYTES = 10 * 2**30
IDLE_SPARED_BYTES = 2**30
"""An idle worker with less memory than this is not worth killing."""
LONGEST_DELAY_S = 60.0


class MemorySettings(NamedTuple):
    """What the monitor is told to do; the defaults are Ray's, except that it is off: its driver turns it on."""

    refresh_s: float = 0.0
    usage_threshold: float = 0.95
    least_free_bytes: int = -1
    oom_retries: int = -1
    retry_delay_s: float = 1.0
    enforces_task_memory: bool = False


class OutOfMemory(NamedTuple):
    """Why the memory monitor killed a worker, for its tasks; and whether they may be tried again."""

    text: str
    may_retry: bool


class Candidate(NamedTuple):
    """A worker that might be killed: what it uses, what would be lost. ``since_s`` is when its work began."""

    worker: int
    used_bytes: int
    is_idle: bool
    is_retriable: bool
    since_s: float


def settings_from(environment: Mapping[str, str]) -> MemorySettings:
    """The settings that environment variables ask for, by Ray's names.

    Raises:
        ValueError: a value is not a number, or out of range; the text names the variable.

    >>> settings_from({"RAY_memory_usage_threshold": "0.8"}).usage_threshold
    0.8
    """
    threshold = _number(environment, "RAY_memory_usage_threshold", 0.95)
    if not 0 <= threshold <= 1:
        raise ValueError(f"RAY_memory_usage_threshold must be between 0 and 1, got {threshold}.")
    return MemorySettings(
        max(0.0, _number(environment, "RAY_memory_monitor_refresh_ms", 250) / 1000),
        threshold,
        int(_number(environment, "RAY_min_memory_free_bytes", -1)),
        int(_number(environment, "RAY_task_oom_retries", -1)),
        _number(environment, "RAY_task_oom_retry_delay_base_ms", 1000) / 1000,
        environment.get("LOCALRAY_ENFORCE_MEMORY", "") not in ("", "0"),
    )


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    if text is None:
        return default
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"The environment variable {name} must be a number, got {text!r}.") from None


def threshold_bytes(settings: MemorySettings, total_bytes: int) -> int:
    """Above this usage workers are killed: the share, or all but the least that is to stay free if that is more.

    >>> threshold_bytes(MemorySettings(usage_threshold=0.5, least_free_bytes=100), 1000)
    900
    """
    by_share = int(total_bytes * settings.usage_threshold)
    if settings.least_free_bytes < 0:
        return by_share
    return max(by_share, total_bytes - settings.least_free_bytes)


def bytes_to_free(settings: MemorySettings, used_bytes: int, total_bytes: int) -> int:
    """How much killing is to free: down to the threshold and a margin below it; 0 while usage is not above it."""
    above = used_bytes - threshold_bytes(settings, total_bytes)
    return above + min(int(total_bytes * MARGIN_SHARE), MARGIN_LIMIT_BYTES) if above > 0 else 0


def choose_victims(candidates: Iterable[Candidate], to_free_bytes: int) -> list[Candidate]:
    """Who is killed, in this order: large idle workers, then what may be tried again, then the rest; the newest first.

    >>> old, new = Candidate(1, 5, False, True, 1.0), Candidate(2, 5, False, True, 2.0)
    >>> [victim.worker for victim in choose_victims([old, new], 4)]
    [2]
    """
    worth_it = [each for each in candidates if not each.is_idle or each.used_bytes >= IDLE_SPARED_BYTES]
    worth_it.sort(key=lambda each: (not each.is_idle, not each.is_retriable, -each.since_s, -each.worker))
    victims: list[Candidate] = []
    left_bytes = to_free_bytes
    for candidate in worth_it:
        if left_bytes <= 0:
            break
        victims.append(candidate)
        left_bytes -= candidate.used_bytes
    return victims


def may_try_again(settings: MemorySettings, max_retries: int, kills: int) -> bool:
    """Whether a task that was killed so often for want of memory runs again: a budget of its own, beside
    ``max_retries``, for tasks that may be retried at all."""
    return max_retries != 0 and (settings.oom_retries < 0 or kills <= settings.oom_retries)


def retry_delay_s(settings: MemorySettings, kills: int) -> float:
    """How long a task waits before it is tried again: twice as long each time, a minute at most.

    >>> [retry_delay_s(MemorySettings(), kills) for kills in (1, 2, 10)]
    [1.0, 2.0, 60.0]
    """
    return min(settings.retry_delay_s * 2.0 ** min(kills - 1, 30), LONGEST_DELAY_S)
