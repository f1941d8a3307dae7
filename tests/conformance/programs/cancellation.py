"""Cancellation of tasks that have not started, and of those that have ended."""

from __future__ import annotations

from types import ModuleType

import pytest

from ..helpers import make_gate, make_recorder, make_waiter
from ..registry import NOT_JUDGED, program


@program(
    engines=NOT_JUDGED,
    reason="Ray 2.60 aborts the driver (a check in reference_counter.cc) once the cancelled task's argument is there",
)
def a_task_waiting_for_an_argument_can_be_cancelled(ray: ModuleType) -> None:
    """C1: it never runs; its ref raises TaskCancelledError; siblings are unaffected."""
    gate, recorder = make_gate(ray), make_recorder(ray)
    hold = make_waiter(ray).remote(gate)

    @ray.remote
    def note(recorder, name, _after):
        return ray.get(recorder.add.remote(name))

    victim, sibling = note.remote(recorder, "victim", hold), note.remote(recorder, "sibling", hold)
    ray.cancel(victim)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(victim, timeout=60)
    ray.get(gate.open.remote())
    assert ray.get(sibling) == 1
    assert ray.get(recorder.items.remote()) == ["sibling"]


@program()
def a_task_without_a_cpu_can_be_cancelled(ray: ModuleType) -> None:
    """C1: also one that has its arguments and waits for a place to run."""

    @ray.remote(num_cpus=2)
    class Whole:
        def ping(self):
            return 1

    whole, recorder = Whole.remote(), make_recorder(ray)
    ray.get(whole.ping.remote())

    @ray.remote
    def note(recorder, name):
        return ray.get(recorder.add.remote(name))

    victim, sibling = note.remote(recorder, "victim"), note.remote(recorder, "sibling")
    ray.cancel(victim)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(victim, timeout=60)
    ray.kill(whole)
    assert ray.get(sibling, timeout=60) == 1
    assert ray.get(recorder.items.remote()) == ["sibling"]


@program()
def a_cancelled_task_fails_its_dependents(ray: ModuleType) -> None:
    """C1, W3: they raise TaskCancelledError too; wait counts all of them as ready."""

    @ray.remote(num_cpus=2)
    class Whole:
        def ping(self):
            return 1

    whole = Whole.remote()
    ray.get(whole.ping.remote())

    @ray.remote
    def show(value):
        return value

    victim = show.remote(1)
    dependent = show.remote(victim)
    ray.cancel(victim)
    assert ray.wait([victim], timeout=60) == ([victim], [])
    ray.kill(whole)
    assert ray.wait([victim, dependent], num_returns=2, timeout=60) == ([victim, dependent], [])
    for ref in (victim, dependent):
        with pytest.raises(ray.exceptions.TaskCancelledError):
            ray.get(ref)


@program()
def cancelling_a_finished_task_does_nothing(ray: ModuleType) -> None:
    """C4: its value stays readable; again and again."""

    @ray.remote
    def one():
        return 1

    ref = one.remote()
    assert ray.get(ref) == 1
    # Ray 2.60 sometimes aborts the driver when the cancellation comes within moments of the result.
    assert ray.get([one.remote() for _ in range(5)]) == [1] * 5
    for _ in range(3):
        ray.cancel(ref)
    assert ray.get(ref) == 1


@program()
def cancel_refuses_what_is_no_ref(ray: ModuleType) -> None:
    """C4: TypeError."""

    @ray.remote
    class Thing:
        def ping(self):
            return 1

    thing = Thing.remote()
    for wrong in (1, None, [ray.put(1)], thing):
        with pytest.raises(TypeError, match=r"ray\.cancel"):
            ray.cancel(wrong)
    assert ray.get(thing.ping.remote()) == 1
