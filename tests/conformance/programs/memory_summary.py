"""`memory_summary`: who holds which object, and why."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ..helpers import make_gate, make_waiter, wait_until
from ..registry import NOT_SIMULATED, program

OWN_INIT = "calls ray.init itself and so chooses no engine"


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


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def memory_summary_of_a_session_that_records_sites(ray: ModuleType) -> None:
    """Surface 10: `record_ref_creation_sites` of `_system_config` has the driver's and the workers' lines recorded; all
    processes but the driver are Workers."""
    ray.init(num_cpus=2, _system_config={"record_ref_creation_sites": True})

    @ray.remote
    class Keeper:
        def keep(self, references):
            self.references = [*references, ray.put(b"of the actor")]

    keeper = Keeper.remote()
    put = ray.put(b"something")
    call = keeper.keep.remote([put])
    ray.get(call)
    address = ray.get_runtime_context().gcs_address

    def rows() -> list[list[str]]:
        lines = _api(ray).memory_summary(address, line_wrap=False).splitlines()
        cells = [[cell.strip() for cell in line.split(" | ")] for line in lines if "_REFERENCE" in line]
        return sorted([of_what[2], of_what[3], of_what[-1]] for of_what in cells)

    wait_until(lambda: len(rows()) == 4, "both processes list their two references")
    (_, _, called), (_, how, first), (_, _, received), (_, how_there, _) = rows()
    assert [who for who, _, _ in rows()] == ["Driver", "Driver", "Worker", "Worker"]
    assert how.startswith("(put object)") and how_there.startswith("(put object)")
    assert (called, first, received) == (call.hex(), put.hex(), put.hex())
    assert "memory_summary_of_a_session_that_records_sites" in _api(ray).memory_summary(address, line_wrap=False)
    ray.shutdown()


@program()
def memory_as_figures(ray: ModuleType) -> None:
    """Surface 10: `get_memory_info_reply` has the totals of the store; the session is this one, or that of an address."""
    api = _api(ray)
    size_bytes = 10 * 2**20

    def stats(*address: str) -> Any:
        return api.get_memory_info_reply(api.get_state_from_address(*address)).store_stats

    wait_until(lambda: stats().object_store_bytes_used < 2**20, "the store is empty")
    kept = ray.put(np.zeros(size_bytes, np.uint8))
    address = ray.get_runtime_context().gcs_address
    for given in ((), (address,)):
        wait_until(lambda given=given: stats(*given).object_store_bytes_used >= size_bytes, "the object is counted")
        found = stats(*given)
        assert size_bytes <= found.object_store_bytes_used < size_bytes + 2**20 < found.object_store_bytes_avail
        assert size_bytes <= found.object_store_bytes_primary_copy < size_bytes + 2**20
        assert found.num_local_objects >= 1
        nothing = (found.object_store_bytes_fallback, found.spilled_bytes_total, found.restored_objects_total)
        assert nothing == (0, 0, 0)
        assert found.object_pulls_queued is False
    reply = api.get_memory_info_reply(api.get_state_from_address(address))
    assert "Plasma memory usage 10 MiB" in api.store_stats_summary(reply)
    del kept
    wait_until(lambda: stats().object_store_bytes_used < 2**20, "the object is gone")
