"""`localray.why_pending`: for whoever waits and wonders.

Must not live here: finding out (`localray.kernel.pending`).
"""

from __future__ import annotations

from typing import Any

from localray.actor import ActorHandle
from localray.client.current import connected_client
from localray.object_ref import ObjectRef
from localray.protocol import Query


def why_pending(waited_for: ObjectRef[Any] | ActorHandle[Any]) -> str:
    """Why a result or an actor is not there yet: the arguments it waits for, or which node lacks what.

    Args:
        waited_for: a reference to what a task or call returns, or an actor's handle.

    Returns:
        A text for a person, of one line or several.

    Raises:
        TypeError: it is neither.

    Example:
        >>> print(ray.why_pending(f.options(num_cpus=99).remote()))   # doctest: +SKIP
        f is queued.
        node 3f...: needs 99 CPU, has 4
        No node could take it even if nothing else ran there.
    """
    reference = waited_for._creation if isinstance(waited_for, ActorHandle) else waited_for
    if not isinstance(reference, ObjectRef):
        raise TypeError(f"why_pending takes a reference or an actor's handle, but got {type(waited_for)}.")
    return str(connected_client().ask(Query.WHY_PENDING, reference.hex()))
