"""How much memory is in use: on this machine or in this container, and by single processes. Reads the system; decides
nothing. Linux tells these figures in small files, which cost some microseconds to read; elsewhere nothing is known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from localray.kernel.effects import LookAtWorkers, MeasureMemory, MemoryUsed, WorkersStopped

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_COMMAND_SHOWN = 100
_NO_LIMIT_BYTES = 2**60


class HostMemory:
    """Reads usage below two directories, which tests replace.

    Args:
        processes: where the system's figures are.
        control_groups: where the container's are.
    """

    def __init__(self, processes: Path = Path("/proc"), control_groups: Path = Path("/sys/fs/cgroup")) -> None:
        self._processes = processes
        self._groups = control_groups

    def measure(self, wanted: MeasureMemory, processes: Mapping[int, int]) -> MemoryUsed | None:
        """What the kernel wants to know, where that is known; ``processes`` are the workers' by number."""
        usage = self.usage()
        if usage is None:
            return None
        workers = tuple((number, self.of_process(processes.get(number, 0))) for number in wanted.workers)
        top_users = tuple(self.largest(wanted.top_count)) if wanted.top_count else ()
        return MemoryUsed(wanted.node, *usage, workers, top_users)

    def look_at(self, wanted: LookAtWorkers, processes: Mapping[int, int]) -> WorkersStopped:
        """Which workers' processes are stopped."""
        stopped = tuple(number for number in wanted.workers if self.is_stopped(processes.get(number, 0)))
        return WorkersStopped(wanted.node, stopped)

    def usage(self) -> tuple[int, int] | None:
        """Bytes in use and bytes in all, of the container where it has a limit of its own, else of the machine; None
        where that is not known."""
        machine = self._machine()
        group = self._version_2() or self._version_1()
        if machine is None or (group is not None and group[1] < machine[1]):
            return group
        return machine

    def _machine(self) -> tuple[int, int] | None:
        fields = _table(self._processes / "meminfo", ":")
        total, available = fields.get("MemTotal"), fields.get("MemAvailable")
        if total is None or available is None:
            return None
        return (total - available) * 1024, total * 1024

    def _version_2(self) -> tuple[int, int] | None:
        limit = _number(self._groups / "memory.max")
        used = _number(self._groups / "memory.current")
        if limit is None or used is None:
            return None
        # What is read from files can be dropped at any time.
        files = _table(self._groups / "memory.stat", " ")
        return used - files.get("inactive_file", 0) - files.get("active_file", 0), limit

    def _version_1(self) -> tuple[int, int] | None:
        folder = self._groups / "memory"
        limit = _number(folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.usage_in_bytes")
        if limit is None or used is None or limit >= _NO_LIMIT_BYTES:
            return None
        files = _table(folder / "memory.stat", " ")
        return used - files.get("total_inactive_file", 0) - files.get("total_active_file", 0), limit

    def of_process(self, process: int) -> int:
        """The bytes that a process has to itself: resident and not shared, so neither libraries nor the object store;
        0 for one that is gone."""
        try:
            fields = (self._processes / str(process) / "statm").read_text().split()
            return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES
        except (OSError, ValueError, IndexError):
            return 0  # It has ended, or this system has no such file.

    def is_stopped(self, process: int) -> bool:
        """Whether a process was stopped by a signal; not one that a debugger has stopped, nor one that is gone."""
        try:
            # After the name, which may hold anything: the state.
            fields = (self._processes / str(process) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False  # It has ended, or this system has no such file.
        return fields[:1] == ["T"]

    def largest(self, count: int) -> list[tuple[int, int, str]]:
        """The processes that use most: ``(process id, bytes, command)``."""
        sizes = sorted(((self.of_process(process), process) for process in self._all()), reverse=True)[:count]
        return [(process, size_bytes, self._command(process)) for size_bytes, process in sizes if size_bytes]

    def _all(self) -> Iterator[int]:
        if self._processes.is_dir():
            for entry in self._processes.iterdir():
                if entry.name.isdigit():
                    yield int(entry.name)

    def _command(self, process: int) -> str:
        try:
            words = (self._processes / str(process) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return "?"
        text = b" ".join(words).decode(errors="replace").strip()
        return text if len(text) <= _COMMAND_SHOWN else text[:_COMMAND_SHOWN] + "..."


def _number(path: Path) -> int | None:
    """The number in a file; None without one ("max" is none either)."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _table(path: Path, separator: str) -> dict[str, int]:
    """Names and numbers, one pair a line."""
    found: dict[str, int] = {}
    try:
        text = path.read_text()
    except OSError:
        return found
    for line in text.splitlines():
        name, _, rest = line.partition(separator)
        number = rest.split()[:1]
        if number and number[0].isdigit():
            found[name] = int(number[0])
    return found
