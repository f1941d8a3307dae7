"""Which thing a user means who types a name, an id, or the beginning of one.

Must not live here: how ids are shortened (`localray.cli.short_ids`), what is done with the thing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

from localray.cli.short_ids import fitting, shortened
from localray.util.state import api
from localray.util.state.common import RAY_MAX_LIMIT_FROM_API_SERVER, StateSchema

LISTERS: dict[str, Callable[..., Sequence[StateSchema]]] = {
    "actors": api.list_actors,
    "jobs": api.list_jobs,
    "nodes": api.list_nodes,
    "objects": api.list_objects,
    "placement-groups": api.list_placement_groups,
    "tasks": api.list_tasks,
    "workers": api.list_workers,
}
_IDENTITY = {
    "actors": "actor_id",
    "jobs": "job_id",
    "nodes": "node_id",
    "objects": "object_id",
    "placement-groups": "placement_group_id",
    "tasks": "task_id",
    "workers": "worker_id",
}
RESOURCE_OF = {column: resource for resource, column in _IDENTITY.items()}
"""What kind of thing an id of this column is of."""
_NAMES = {
    "actors": ("name", "class_name"),
    "jobs": ("submission_id",),
    "nodes": ("node_name",),
    "placement-groups": ("name",),
    "tasks": ("name",),
}
"""In which columns the names are that people know things by."""
_MOST_TOLD = 8


def ids_of(resource: str, address: str | None) -> list[str]:
    """The ids of all things of a kind, each once."""
    return list(dict.fromkeys(str(state.get(_IDENTITY[resource])) for state in _all(resource, address)))


def meant(text: str, resources: Sequence[str], address: str | None) -> tuple[str, str] | None:
    """The kind and the id of what is called so, of the first of these kinds that has such a thing; of several of one
    name the one that was made last, and the user is told that there are others.

    Raises:
        ValueError: it is the beginning of several ids.
    """
    found = [(resource, list(_all(resource, address))) for resource in resources]
    for resource, states in found:
        named = [state for state in states if text in (state.get(column) for column in _NAMES.get(resource, ()))]
        ids = sorted({str(state.get(_IDENTITY[resource])) for state in named}, key=_when_made)
        if len(ids) > 1:
            print(f"{len(ids)} {_plural(resource)} are called {text}. Of the last, {ids[-1]}:", file=sys.stderr)
        if ids:
            return resource, ids[-1]
    for resource, states in found:
        everything = [str(state.get(_IDENTITY[resource])) for state in states]
        ids = fitting(text, everything)
        if len(ids) > 1:
            short = shortened(everything)
            told = [short[each] for each in ids[:_MOST_TOLD]] + ["…"] * (len(ids) > _MOST_TOLD)
            raise ValueError(f"{text} fits {len(ids)} {_plural(resource)}: {', '.join(told)}")
        if ids:
            return resource, ids[0]
    return None


def singular(resource: str) -> str:
    """What one thing of this kind is called."""
    return _plural(resource).removesuffix("s")


def _plural(resource: str) -> str:
    return resource.replace("-", " ")


def _all(resource: str, address: str | None) -> Iterable[StateSchema]:
    return LISTERS[resource](address, limit=RAY_MAX_LIMIT_FROM_API_SERVER, raise_on_missing_output=False)


def _when_made(identity: str) -> tuple[int, str]:
    """Sorts the ids of what one process made in the order in which it did: they carry a counter (`localray.ids`)."""
    counted = identity.removeprefix("f" * 16)[8:16]
    return int.from_bytes(bytes.fromhex(counted), "little"), identity
