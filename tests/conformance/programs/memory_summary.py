"""`memory_summary`: who holds which object, and why."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest

from ..helpers import make_gate, make_waiter, wait_until
from ..registry import NOT_SIMULATED, program


def _api(ray: ModuleType) -> ModuleType:
    return importlib.import_module(f"{ray.__name__}._private.internal_api")


def _kinds(ray: ModuleType, reference: object) -> set[str]:
    """The kinds of reference that the table lists for an object."""
    found = set()
    for line in _api(ray).memory_summary().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if cells[-1] == reference.hex():
            found.add(cells[-2])
    return found


@program(engines=NOT_SIMULATED, reason="it waits for the judge's table in real time")
def memory_summary_tells_why(ray: ModuleType) -> None:
    """Surface 10: Each kind of reference by Ray's name: local, pinned, used by a task, an actor's handle."""

    @ray.remote
    class Keeper:
        def keep(self, references):
            self.references = references

    @ray.remote
    def use(value, opened):
        return len(value)

    local = ray.put(b"local")
    viewed = ray.put(np.zeros(300_000))
    view = ray.get(viewed)
    keeper = Keeper.remote()
    borrowed = ray.put(b"borrowed")
    ray.get(keeper.keep.remote([borrowed]))
    used = ray.put(b"used" * 300_000)
    gate = make_gate(ray)
    pending = use.remote(used, make_waiter(ray).remote(gate))
    wait_until(lambda: "USED_BY_PENDING_TASK" in _kinds(ray, used), "the task that waits is told")
    wait_until(lambda: "PINNED_IN_MEMORY" in _kinds(ray, viewed), "the view is told")
    assert _kinds(ray, local) == {"LOCAL_REFERENCE"}
    assert "LOCAL_REFERENCE" in _kinds(ray, borrowed)
    assert "ACTOR_HANDLE" in _api(ray).memory_summary()
    ray.get(gate.open.remote())
    assert ray.get(pending, timeout=60) == 1_200_000
    wait_until(lambda: "USED_BY_PENDING_TASK" not in _kinds(ray, used), "the task that has ended is not told")
    assert view.nbytes == 2_400_000


@program(engines=NOT_SIMULATED, reason="it waits for the judge's table in real time")
def memory_summary_of_captured_objects(ray: ModuleType) -> None:
    """Surface 10: An object that only another object refers to is captured in it; when that goes, so does its row."""
    inner = ray.put(np.zeros(200_000))
    inner_hex = inner.hex()
    outer = ray.put([inner])
    del inner

    def row() -> list[str]:
        return [line for line in _api(ray).memory_summary().splitlines() if line.strip().endswith(inner_hex)]

    wait_until(lambda: any("CAPTURED_IN_OBJECT" in line for line in row()), "the inner object is told as captured")
    del outer
    wait_until(lambda: not row(), "the row of the inner object is gone")


@program()
def memory_summary_layout(ray: ModuleType) -> None:
    """Surface 10: Groups, units, the number of entries, the totals alone; wrong words are refused."""
    summary = _api(ray).memory_summary
    reference = ray.put(b"something")
    text = summary()
    for words in (
        "Grouping by node address...        Sorting by object size...        Display all entries per group...",
        "Mem Used by Objects  Local References  Pinned        Used by task   Captured in Objects  Actor Handles",
        "IP Address    | PID      | Type    | Call Site | Status    | Attempt  | Size     | Reference Type | Object Ref",
        "--- Aggregate object store stats across all nodes ---",
        "Plasma memory usage ",
        reference.hex(),
    ):
        assert words in text
    text = summary(group_by="STACK_TRACE", sort_by="PID", units="MB", num_entries=2, line_wrap=False)
    assert "Grouping by stack trace...        Sorting by pid...        Display 2 entries per group..." in text
    assert " MB" in text
    assert reference.hex() not in summary(stats_only=True)
    assert summary(stats_only=True).startswith("--- Aggregate object store stats")
    with pytest.raises(Exception, match="group-by input provided is not one of"):
        summary(group_by="COLOUR")
    with pytest.raises(Exception, match="sort-by input provided is not one of"):
        summary(sort_by="COLOUR")
    with pytest.raises(KeyError):
        summary(units="furlongs")
