"""How many CPUs there are, by what a container's control groups say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localray.host import default_cpu_count

MACHINE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
PLENTY = 100_000 * (MACHINE + 5)


def version_2(root: Path, text: str) -> Path:
    (root / "cpu.max").write_text(text)
    return root


def version_1(root: Path, quota: int, period: int = 100_000) -> Path:
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (root / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
    return root


def test_without_control_groups(tmp_path: Path) -> None:
    assert default_cpu_count(tmp_path) == MACHINE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000", MACHINE),
        ("100000 100000", 1),
        ("199999 100000", 1),
        ("10000 100000", 1),
        (f"{PLENTY} 100000", MACHINE),
        ("", MACHINE),
        ("nonsense", MACHINE),
    ],
)
def test_version_2(tmp_path: Path, text: str, expected: int) -> None:
    assert default_cpu_count(version_2(tmp_path, text)) == expected


@pytest.mark.parametrize(("quota", "expected"), [(-1, MACHINE), (100_000, 1), (50_000, 1), (PLENTY, MACHINE)])
def test_version_1(tmp_path: Path, quota: int, expected: int) -> None:
    assert default_cpu_count(version_1(tmp_path, quota)) == expected


def test_the_limit_may_be_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USE_MULTIPROCESSING_CPU_COUNT", "1")
    assert default_cpu_count(version_2(tmp_path, "100000 100000")) == os.cpu_count()
