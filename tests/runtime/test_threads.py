"""Threads that are used again: by name, no more than asked for, and holding on to nothing."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable

import pytest

from localray.runtime.threads import KeptThreads

DEADLINE_S = 30.0


class Caller:
    """Runs things on kept threads, and tells on which they ran."""

    def __init__(self) -> None:
        self.threads = KeptThreads()

    def ident(self, name: str = "kept", at_most: int | None = 1, work: Callable[[], object] = lambda: None) -> int:
        """The thread that this has run on; it may be busy for a moment still."""
        done = threading.Event()
        seen: list[int] = []

        def run() -> None:
            work()
            seen.append(threading.get_ident())
            done.set()

        self.threads.run(run, name, at_most)
        assert done.wait(DEADLINE_S)
        return seen[0]


def test_one_thread_runs_what_comes_one_after_the_other() -> None:
    caller = Caller()
    assert len({caller.ident() for _ in range(200)}) == 1


def test_another_name_is_another_thread() -> None:
    caller = Caller()
    assert caller.ident("one") != caller.ident("other")


def test_what_is_too_much_waits_for_a_thread() -> None:
    caller = Caller()
    go, inside = threading.Event(), threading.Barrier(3)
    idents: list[int] = []

    def wait() -> None:
        idents.append(threading.get_ident())
        inside.wait(DEADLINE_S)
        go.wait(DEADLINE_S)

    for _ in range(2):
        caller.threads.run(wait, "kept", 2)
    inside.wait(DEADLINE_S)
    late = threading.Event()
    caller.threads.run(lambda: (idents.append(threading.get_ident()), late.set()), "kept", 2)
    assert not late.is_set()
    go.set()
    assert late.wait(DEADLINE_S)
    assert len(idents) == 3
    assert len(set(idents)) == 2


def test_nothing_that_has_run_is_kept_alive() -> None:
    class Large:
        pass

    caller = Caller()
    large = Large()
    gone = weakref.ref(large)
    caller.ident(work=lambda large=large: large)  # type: ignore[misc]
    del large
    caller.ident()
    gc.collect()
    assert gone() is None


def test_a_thread_that_an_error_has_ended_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Caller()
    told = threading.Semaphore(0)
    monkeypatch.setattr(threading, "excepthook", lambda _: told.release())

    def fail() -> None:
        raise ValueError("on purpose")

    for _ in range(3):
        caller.threads.run(fail, "kept", 1)
    assert caller.ident()
    for _ in range(3):
        assert told.acquire(timeout=DEADLINE_S)
