"""Paths to what cannot be serialized, through everything that has parts."""

from __future__ import annotations

import collections
import functools
import threading

import pytest

from localray.client.diagnosis import explain_value, locate, trail

LOCK = threading.Lock()


class Slotted:
    __slots__ = ("lock", "unset")

    def __init__(self) -> None:
        self.lock = LOCK


class Plain:
    def __init__(self) -> None:
        self.lock = LOCK

    def method(self) -> None: ...


def default(lock: object = LOCK) -> object:
    return lock


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, LOCK]}, "x['a'][1]"),
        (collections.deque([LOCK]), "x[0]"),
        (Plain(), "x.lock"),
        (Slotted(), "x.lock"),
        (Plain().method, "x.__self__.lock"),
        (functools.partial(print, LOCK), "x.args[0]"),
        (functools.partial(print, end=LOCK), "x.keywords['end']"),
        (lambda: LOCK, "x captures 'LOCK'"),
        (type("Local", (), {"inside": LOCK}), "x.inside"),
    ],
    ids=["dict", "deque", "plain", "slots", "method", "partial", "keyword", "lambda", "class"],
)
def test_the_path_leads_to_the_lock(value: object, path: str) -> None:
    assert locate(value, "x") == (path, LOCK)


def test_a_functions_default() -> None:
    by_value = type(default)(default.__code__, {}, "by_value", (LOCK,))
    assert locate(by_value, "x") == ("x default 0", LOCK)


def test_a_value_that_contains_itself_ends_the_search() -> None:
    loop: list[object] = [LOCK]
    loop.insert(0, loop)
    assert locate(loop, "x") == ("x[1]", LOCK)


def test_the_depth_ends_it_too() -> None:
    assert [step.name for step in trail([[[[LOCK]]]], 2)] == ["0", "0"]


def test_generators_and_coroutines_get_advice_of_their_own() -> None:
    async def coroutine() -> None: ...

    running = coroutine()
    assert "list(...)" in str(explain_value("it", (number for number in ()), TypeError("no")))
    assert "await it first" in str(explain_value("it", running, TypeError("no")))
    running.close()
