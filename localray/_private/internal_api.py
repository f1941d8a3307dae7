"""`ray._private.internal_api`: what is in the object store and who keeps it there, and dropping values by force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from localray._private.memory_table import GroupBy, SortBy, choose, format_table, format_totals
from localray._private.state import GlobalState
from localray.absent.catalogue import missing_in
from localray.client.current import current_client
from localray.exceptions import RaySystemError
from localray.object_ref import ObjectRef
from localray.protocol import CollectEverywhere, HeldObject, Query, StoreTotals
from localray.session import connect, require_session


def memory_summary(
    address: str | None = None,
    group_by: str = "NODE_ADDRESS",
    sort_by: str = "OBJECT_SIZE",
    units: str = "B",
    line_wrap: bool = True,
    stats_only: bool = False,
    num_entries: int | None = None,
) -> str:
    """A table of the session's references: for each its object's size, who holds it and why, and where it was made.

    Args:
        address: of a session that this process need not be a driver of; by default the own one.
        group_by: NODE_ADDRESS or STACK_TRACE.
        sort_by: OBJECT_SIZE, PID or REFERENCE_TYPE.
        units: B, KB, MB or GB.
        line_wrap: narrow the columns in a wide terminal.
        stats_only: only the totals of the store.
        num_entries: rows of each group; all by default.

    Raises:
        RaySystemError: there is no session.
        ConnectionError: there is none at this address.
        Exception: ``group_by`` or ``sort_by`` is wrong.
        KeyError: ``units`` is wrong.
    """
    entries, store = _ask(address, Query.OBJECTS, Query.STORE)
    totals = format_totals(_totals(store))
    if stats_only:
        return totals
    chosen = choose(GroupBy, group_by, "group-by"), choose(SortBy, sort_by, "sort-by")
    return format_table(_rows(entries), *chosen, units, line_wrap=line_wrap, num_entries=num_entries) + totals


class StoreStats(NamedTuple):
    """All nodes' stores together, by Ray's names: ``used`` is what is in memory or in files of its own (``fallback``,
    for want of room), ``avail`` what there is room for. What is spilled is read where it lies: nothing is restored."""

    object_store_bytes_used: int
    object_store_bytes_avail: int
    object_store_bytes_primary_copy: int
    object_store_bytes_fallback: int
    num_local_objects: int
    num_object_store_primary_copies: int
    spilled_bytes_total: int
    spilled_objects_total: int
    spill_time_total_s: float
    restored_bytes_total: int = 0
    restored_objects_total: int = 0
    restore_time_total_s: float = 0.0
    object_pulls_queued: bool = False


class MemoryInfo(NamedTuple):
    """The answer of `get_memory_info_reply`; who holds what is told by `memory_summary`."""

    store_stats: StoreStats


class _StateAt(GlobalState):
    """The tables of this process's session, with the address of the one that is to be asked for its store."""

    def __init__(self, address: str | None) -> None:
        self.address = address


def get_state_from_address(address: str | None = None) -> GlobalState:
    """What `get_memory_info_reply` asks.

    Args:
        address: of a session; by default the own one.
    """
    return _StateAt(address)


def get_memory_info_reply(
    state: GlobalState,
    node_manager_address: str | None = None,
    node_manager_port: int | None = None,
    timeout_seconds: float = 60.0,
) -> MemoryInfo:
    """The totals of the object store, over all nodes, as figures.

    Args:
        state: of `get_state_from_address`.
        node_manager_address, node_manager_port, timeout_seconds: accepted; one process knows all.

    Raises:
        RaySystemError: there is no session.
        ConnectionError: there is none at the state's address.

    Example:
        >>> get_memory_info_reply(get_state_from_address()).store_stats.spilled_bytes_total     # doctest: +SKIP
        0
    """
    address = state.address if isinstance(state, _StateAt) else None
    totals = _totals(*_ask(address, Query.STORE))
    used_bytes, objects = totals.used_bytes + totals.own_files_bytes, totals.objects + totals.own_files
    spilled = (totals.spilled_bytes, totals.spilled_objects, totals.spilling_took_s)
    return MemoryInfo(
        StoreStats(
            used_bytes, totals.capacity_bytes, used_bytes, totals.own_files_bytes, objects, objects, *spilled
        )
    )


def store_stats_summary(reply: MemoryInfo | None = None) -> str:
    """The totals of the object store, over all nodes, in words.

    Args:
        reply: of `get_memory_info_reply`; by default the own session is asked.
    """
    stats = (reply or get_memory_info_reply(get_state_from_address())).store_stats
    own_files_bytes = stats.object_store_bytes_fallback
    return format_totals(
        StoreTotals(
            stats.object_store_bytes_used - own_files_bytes,
            stats.object_store_bytes_avail,
            stats.num_local_objects,
            stats.spilled_bytes_total,
            stats.spilled_objects_total,
            stats.spill_time_total_s,
            own_files_bytes,
            0,
        )
    )


def _ask(address: str | None, *queries: Query) -> list[object]:
    """Ask the session of this address. The own one is asked as its driver does: one that nobody can join has none."""
    client = current_client()
    if address is None or (client is not None and client.address == address):
        client = require_session("asking for the store")
        return [client.ask(query) for query in queries]
    with connect(address) as control:
        return [control.ask(query) for query in queries]


def _totals(answer: object) -> StoreTotals:
    if not isinstance(answer, tuple):
        raise RaySystemError("the head described its store wrongly")
    return StoreTotals(*answer)


def _rows(answer: object) -> list[HeldObject]:
    if not isinstance(answer, tuple):
        raise RaySystemError("the head described its objects wrongly")
    return [HeldObject(*row) for row in answer]


def free(object_refs: ObjectRef[object] | Sequence[ObjectRef[object]], local_only: bool = False) -> None:
    """Drop values now, whoever refers to them: who reads them from now on gets `ObjectFreedError`.

    Args:
        object_refs: one reference or several.
        local_only: accepted; there is one machine.

    Raises:
        TypeError: these are not references.
        RaySystemError: there is no session.
    """
    client = require_session("freeing objects")
    references = [object_refs] if isinstance(object_refs, ObjectRef) else object_refs
    if not isinstance(references, list):
        raise TypeError(f"free() expects a list of ObjectRef, got {type(object_refs)}")
    for reference in references:
        if not isinstance(reference, ObjectRef):
            raise TypeError(f"Attempting to call `free` on the value {reference!r}, which is not an ray.ObjectRef.")
    client.gets.free(references)


def global_gc() -> None:
    """Collect garbage cycles, which may hold references, in all processes of the session: here at once, in the others
    when they next look at their messages.

    Raises:
        RaySystemError: there is no session.
    """
    import gc

    client = require_session("collecting garbage")
    gc.collect()
    client.channel.send(CollectEverywhere())
    client.channel.flush()


__getattr__ = missing_in(__name__)

__all__ = [
    "free",
    "get_memory_info_reply",
    "get_state_from_address",
    "global_gc",
    "memory_summary",
    "store_stats_summary",
]
