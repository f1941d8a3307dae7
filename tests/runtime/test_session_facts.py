"""Which of several sessions "auto" means."""

from __future__ import annotations

import os

from localray.host import line_of_this_process
from localray.runtime.session_facts import OURS, Facts, by_preference, why_not_understood

OUR_DIALECT = 7


def _facts(
    name: str, started_at_s: float, keeper: int = 0, *, of_driver: bool = False, dialect: int = OUR_DIALECT
) -> Facts:
    return Facts(name, 1, started_at_s, keeper, of_driver, "", "localray 9.9 on Python 3.99", dialect)


def _order(found: list[Facts], line: list[int]) -> list[str]:
    return [facts.address for facts in by_preference(found, line, OUR_DIALECT)]


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


def test_sessions_that_cannot_be_talked_to_come_last_but_for_an_ancestors() -> None:
    found = [
        _facts("young foreign", 9.0, dialect=1),
        _facts("older of before there were dialects", 8.0)._replace(runs="", dialect=0),
        _facts("old stranger's", 1.0, 77, of_driver=True),
        _facts("parent's foreign", 0.0, 20, of_driver=True, dialect=1),
    ]
    expected = ["parent's foreign", "old stranger's", "young foreign", "older of before there were dialects"]
    assert _order(found, [30, 20, 1]) == expected


def test_what_cannot_be_talked_to_says_what_it_runs() -> None:
    assert why_not_understood(_facts("a", 0.0), OUR_DIALECT) == ""
    foreign = why_not_understood(_facts("a", 0.0, dialect=1), OUR_DIALECT)
    assert foreign == f"of localray 9.9 on Python 3.99, which {OURS} cannot talk to"
    changed = why_not_understood(_facts("a", 0.0, dialect=1)._replace(runs=OURS), OUR_DIALECT)
    assert changed.startswith(f"of other sources of {OURS}, which")
    older = why_not_understood(_facts("a", 0.0, dialect=0)._replace(runs=""), OUR_DIALECT)
    assert older.startswith("of another version, which")


def test_the_line_of_a_process() -> None:
    line = line_of_this_process()
    assert line[:2] == [os.getpid(), os.getppid()]
    assert len(line) == len(set(line))
    assert 0 not in line
