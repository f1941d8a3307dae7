"""`ray._private.internal_api`: what is in the object store and who keeps it there, and dropping values by force."""

from __future__ import annotations

from collections.abc import Sequence

from localray._private.memory_table import GroupBy, SortBy, choose, format_table, format_totals
from localray.absent.catalogue import missing_in
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
    if address is None:
        session = require_session("asking for a memory summary")
        entries, store = session.ask(Query.OBJECTS), session.ask(Query.STORE)
    else:
        with connect(address) as control:
            entries, store = control.ask(Query.OBJECTS), control.ask(Query.STORE)
    totals = _totals(store)
    if stats_only:
        return totals
    chosen = choose(GroupBy, group_by, "group-by"), choose(SortBy, sort_by, "sort-by")
    return format_table(_rows(entries), *chosen, units, line_wrap=line_wrap, num_entries=num_entries) + totals


def store_stats_summary() -> str:
    """The totals of the object store, over all nodes, in words."""
    return _totals(require_session("asking for the store").ask(Query.STORE))


def _totals(answer: object) -> str:
    if not isinstance(answer, tuple):
        raise RaySystemError("the head described its store wrongly")
    return format_totals(StoreTotals(*answer))


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

__all__ = ["free", "global_gc", "memory_summary", "store_stats_summary"]
