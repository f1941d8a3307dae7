"""`ray.experimental.get_object_locations`: on which nodes an object is, how large it is, whether it is on disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from localray.client.current import current_client
from localray.object_ref import ObjectRef
from localray.protocol import Query


def get_object_locations(
    obj_refs: Iterable[ObjectRef[Any]], timeout_ms: int = -1
) -> dict[ObjectRef[Any], dict[str, Any]]:
    """Where objects are.

    Args:
        obj_refs: references.
        timeout_ms: accepted; the answer is at hand.

    Returns:
        For each reference ``node_ids``, the nodes whose stores have the object, ``object_size`` in bytes, None while it
        is not known, and ``did_spill``, whether it is on disk. A small value that a task returned travels inside
        messages and is in no store.

    Raises:
        RuntimeError: there is no session.
    """
    client = current_client()
    if client is None:
        raise RuntimeError("Ray hasn't been initialized.")
    references = list(obj_refs)
    for reference in references:
        if not isinstance(reference, ObjectRef):
            raise TypeError(f"get_object_locations takes references, got {type(reference)}.")
    asked = ",".join(reference.hex() for reference in references)
    answer = cast("tuple[tuple[bytes, tuple[bytes, ...], int, int], ...]", client.ask(Query.LOCATIONS, asked))
    told = {row[0]: row[1:] for row in answer}
    found: dict[ObjectRef[Any], dict[str, Any]] = {}
    for reference in references:
        nodes, size_bytes, is_spilled = told.get(reference.binary(), ((), -1, 0))
        found[reference] = {
            "node_ids": [node_id.hex() for node_id in nodes],
            "object_size": size_bytes if size_bytes >= 0 else None,
            "did_spill": bool(is_spilled),
        }
    return found


def get_local_object_locations(obj_refs: Iterable[ObjectRef[Any]]) -> dict[ObjectRef[Any], dict[str, Any]]:
    """As `get_object_locations`: there is one machine, and one who knows. Raises as that does."""
    return get_object_locations(obj_refs)
