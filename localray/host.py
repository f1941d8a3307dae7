"""What this machine offers, as containers see it: CPUs and memory. Reads the system; decides nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

STORE_SHARE = 0.3
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
STORE_MAXIMUM_BYTES = 200 * 10**9


def temporary_directory() -> Path:
    """Where temporary files go. `tempfile` knows better in odd cases, but takes 7 ms to import."""
    for candidate in (os.environ.get("RAY_TMPDIR"), os.environ.get("TMPDIR"), os.path.join(os.sep, "tmp")):  # noqa: PTH118 - no path of its own here
        if candidate and os.path.isdir(candidate) and os.access(candidate, os.W_OK | os.X_OK):  # noqa: PTH112
            return Path(candidate)
    import tempfile

    return Path(tempfile.gettempdir())


def session_directory(node_id: bytes, root: str = "") -> Path:
    """The directory of the session whose first node this is, below ``root`` or where temporary files go."""
    return Path(root or temporary_directory()) / f"localray_session_{node_id.hex()[:16]}"


def keeps_session_directories() -> bool:
    """Whether log files are left behind when a session ends: whoever says where they go wants to look at them."""
    return bool(os.environ.get("RAY_TMPDIR"))


def default_cpu_count(control_groups: Path = _CONTROL_GROUPS) -> int:
    """The CPUs that this process may use: of the machine, less what its affinity and its container's quota forbid; at
    least 1. A quota of two and a half CPUs is two, as in Ray.

    Args:
        control_groups: where the container's limits are; tests replace it.
    """
    count = os.cpu_count() or 1
    if os.environ.get("RAY_USE_MULTIPROCESSING_CPU_COUNT"):
        return count
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    of_version_1 = control_groups / "cpu"
    quota = cpu_quota(
        control_groups / "cpu.max", of_version_1 / "cpu.cfs_quota_us", of_version_1 / "cpu.cfs_period_us"
    )
    return max(1, count if quota is None else min(count, int(quota)))


def cpu_quota(maximum: Path | str, quota: Path | str, period: Path | str) -> float | None:
    """How many CPUs' time a control group allows, by the file of version 2 or the two of version 1; None without a
    limit."""
    for files in ((maximum,), (quota, period)):
        try:
            granted, of = (float(each) for file in files for each in Path(file).read_text().split())
            # Version 2 says "max" and version 1 -1 where there is no limit.
            if granted > 0 and of > 0:
                return granted / of
        except (OSError, ValueError):
            continue  # No control group of this version here, or no limit.
    return None


def _memory_bytes() -> int:
    """The machine's memory. psutil knows it everywhere, but takes 50 ms to import; asking the system is enough where it
    answers."""
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    import psutil

    return int(psutil.virtual_memory().total)


_MEMORY_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


def usable_memory_bytes(limits: Sequence[str] = _MEMORY_LIMITS) -> int:
    """The memory of the machine, or of the container where that has less.

    Args:
        limits: the files, below those of control groups or elsewhere, that say how much a container has.
    """
    total_bytes = _memory_bytes()
    for limit in limits:
        try:
            total_bytes = min(total_bytes, int((_CONTROL_GROUPS / limit).read_text()))
        except (OSError, ValueError):
            continue  # There is no such control group, or it sets no limit ("max").
    return total_bytes


def default_store_bytes() -> int:
    """How much shared memory the object store may use unless told otherwise: Ray's 30 % of the memory, at most 200 GB,
    whole pages."""
    share = min(int(usable_memory_bytes() * STORE_SHARE), STORE_MAXIMUM_BYTES)
    return share // 4096 * 4096


def default_memory_bytes(store_bytes: int) -> int:
    """How much memory tasks and actors may ask for together unless told otherwise: what the object store leaves."""
    return max(0, usable_memory_bytes() - store_bytes)


def line_of_this_process() -> list[int]:
    """This process, its parent, the parent's, and so on, as far as the system tells."""
    line = [os.getpid()]
    parent = os.getppid()
    while parent:
        line.append(parent)
        parent = _parent_of(parent)
    return line


def _parent_of(process: int) -> int:
    """0 for the first of all, and where that is not told."""
    try:
        # The name before it may have any character, a bracket too.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def entrypoint() -> str:
    """The command line of this process; not quoted, because it is only shown."""
    return " ".join([Path(sys.executable).name, *sys.orig_argv[1:]])
