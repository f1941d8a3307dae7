"""What the system's files say of memory, read from files made for the purpose."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from localray.runtime.host_memory import HostMemory

GIB = 2**30


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    processes, groups = tmp_path / "proc", tmp_path / "cgroup"
    for folder in (processes, groups / "memory"):
        folder.mkdir(parents=True)
    (processes / "meminfo").write_text(f"MemTotal: {8 * 2**20} kB\nMemFree: 12 kB\nMemAvailable: {6 * 2**20} kB\n")
    return processes, groups


def test_a_machine_counts_what_is_not_available(folders: tuple[Path, Path]) -> None:
    assert HostMemory(*folders).usage() == (2 * GIB, 8 * GIB)


def test_a_container_with_a_limit_counts_for_itself_without_files(folders: tuple[Path, Path]) -> None:
    groups = folders[1]
    (groups / "memory.max").write_text(f"{4 * GIB}\n")
    (groups / "memory.current").write_text(f"{3 * GIB}\n")
    (groups / "memory.stat").write_text(f"anon 1\ninactive_file {GIB}\nactive_file 5\n")
    assert HostMemory(*folders).usage() == (2 * GIB - 5, 4 * GIB)


def test_a_container_of_version_1(folders: tuple[Path, Path]) -> None:
    group = folders[1] / "memory"
    (group / "memory.limit_in_bytes").write_text(f"{4 * GIB}\n")
    (group / "memory.usage_in_bytes").write_text(f"{3 * GIB}\n")
    (group / "memory.stat").write_text(f"total_inactive_file {GIB}\ntotal_active_file 5\n")
    assert HostMemory(*folders).usage() == (2 * GIB - 5, 4 * GIB)


@pytest.mark.parametrize("limit", ["max", str(9 * GIB)])
def test_a_container_without_a_limit_of_its_own_is_the_machine(folders: tuple[Path, Path], limit: str) -> None:
    groups = folders[1]
    (groups / "memory.max").write_text(limit)
    (groups / "memory.current").write_text(f"{3 * GIB}")
    assert HostMemory(*folders).usage() == (2 * GIB, 8 * GIB)


def test_where_nothing_is_known_nothing_is_said(tmp_path: Path) -> None:
    memory = HostMemory(tmp_path / "no", tmp_path / "neither")
    assert memory.usage() is None
    assert memory.of_process(1) == 0
    assert memory.largest(3) == []


def test_this_process_is_among_the_largest_and_grows_with_what_it_has() -> None:
    memory = HostMemory()
    before_bytes = memory.of_process(os.getpid())
    # From the system itself: what the allocator hands out may be memory that this process has long had.
    ballast = mmap.mmap(-1, 50_000_000, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    ballast.write(b"x" * 50_000_000)
    assert memory.of_process(os.getpid()) - before_bytes > 40_000_000
    assert os.getpid() in [process for process, _, _ in memory.largest(10_000)]
    sizes = [size_bytes for _, size_bytes, _ in memory.largest(5)]
    assert sizes == sorted(sizes, reverse=True)
    ballast.close()


def test_a_long_command_is_cut(folders: tuple[Path, Path]) -> None:
    process = folders[0] / "7"
    process.mkdir()
    (process / "statm").write_text("100 60 10 1 0 1 0")
    (process / "cmdline").write_bytes(b"python\0" + b"x" * 500 + b"\0")
    ((number, size_bytes, command),) = HostMemory(*folders).largest(3)
    assert (number, size_bytes) == (7, 50 * os.sysconf("SC_PAGE_SIZE"))
    assert len(command) < 110
    assert command.startswith("python xxx")
