"""Which of several sessions "auto" means."""

from __future__ import annotations

import os

from localray.host import line_of_this_process
from localray.runtime.session_facts import Facts, by_preference


def _facts(name: str, started_at_s: float, keeper: int = 0, *, of_driver: bool = False) -> Facts:
    return Facts(name, 1, started_at_s, keeper, of_driver, "")


def _order(found: list[Facts], line: list[int]) -> list[str]:
    return [facts.address for facts in by_preference(found, line)]


def test_sessions_of_ancestors_come_first_the_nearest_before_all() -> None:
    found = [
        _facts("standing", 9.0),
        _facts("grandparent's", 2.0, 10, of_driver=True),
        _facts("parent's", 1.0, 20, of_driver=True),
        _facts("parent's cluster", 1.5, 20),
    ]
    assert _order(found, [30, 20, 10, 1]) == ["parent's cluster", "parent's", "grandparent's", "standing"]


def test_what_was_started_to_be_joined_comes_before_strangers_programs() -> None:
    found = [
        _facts("young stranger's", 9.0, 77, of_driver=True),
        _facts("old stranger's", 8.0, 78, of_driver=True),
        _facts("old standing", 1.0),
        _facts("young cluster", 2.0, 79),
    ]
    expected = ["young cluster", "old standing", "young stranger's", "old stranger's"]
    assert _order(found, [30, 1]) == expected
    assert _order(found[::-1], []) == expected


def test_the_line_of_a_process() -> None:
    line = line_of_this_process()
    assert line[:2] == [os.getpid(), os.getppid()]
    assert len(line) == len(set(line))
    assert 0 not in line
