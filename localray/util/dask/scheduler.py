"""Computing a dask graph: each of its tasks is a task of the session; what one gives another is passed by reference.

Must not live here: hooks (`localray.util.dask.callbacks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import dask
from dask._task_spec import Alias, DataNode, convert_legacy_graph
from dask.local import get_sync
from dask.order import order
from dask.sizeof import sizeof
from dask.utils import ensure_dict

from localray.api import get, put, remote
from localray.object_ref import ObjectRef
from localray.util.dask.callbacks import RayCallbacks, local_ray_callbacks, unpack_ray_callbacks

_PUT_ABOVE_BYTES = 100 * 1024
"""Data in the graph that is larger is stored once, not sent to each task that needs it."""


def enable_dask_on_ray(shuffle: str | None = "tasks", use_shuffle_optimization: bool | None = True) -> Any:
    """Let dask compute with tasks from now on, or inside of a ``with`` statement.

    Args:
        shuffle: dask's way of shuffling data frames.
        use_shuffle_optimization: accepted.
    """
    return dask.config.set({"scheduler": ray_dask_get, "dataframe.shuffle.method": shuffle})


def disable_dask_on_ray() -> Any:
    """Undo `enable_dask_on_ray`."""
    return dask.config.set({"scheduler": None, "dataframe.shuffle.method": None})


def ray_dask_get(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """Compute a graph: what dask calls a scheduler.

    Args:
        dsk: the graph, or what has one.
        keys: of the results that are wanted; lists, in lists, of them.
        kwargs: ``ray_remote_args``, options of all tasks; ``ray_persist``, for references instead of values;
            ``ray_callbacks``. Others are dask's, for schedulers of its own.

    Raises:
        ValueError: ``resources`` was given: they belong into ``ray_remote_args``.
    """
    if "resources" in kwargs:
        raise ValueError('Use ray_remote_args={"resources": {...}} instead of resources={...}.')
    options = kwargs.get("ray_remote_args") or {}
    if hasattr(dsk, "__dask_graph__"):
        dsk = dsk.__dask_graph__()
    graph = convert_legacy_graph(ensure_dict(dsk))
    with local_ray_callbacks(kwargs.get("ray_callbacks")) as callbacks:
        hooks = unpack_ray_callbacks(callbacks)
        known = _submit_all(graph, options, hooks)
        wanted = _replaced(keys, known)
        for hook in hooks.ray_postsubmit_all_cbs:
            hook(_flat(wanted), dsk)
        if kwargs.get("ray_persist"):
            return wanted
        flat = _flat(wanted)
        values = iter(get([each for each in flat if isinstance(each, ObjectRef)]))
        by_position = [next(values) if isinstance(each, ObjectRef) else each for each in flat]
        result = _unflattened(wanted, iter(by_position))
        for hook in hooks.ray_finish_cbs:
            hook(result)
        return result


def ray_dask_get_sync(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """Compute a graph here and now, one task after the other: for debugging."""
    for name in ("ray_remote_args", "ray_persist", "ray_callbacks"):
        kwargs.pop(name, None)
    return get_sync(dsk, keys, **kwargs)


def ray_dask_persist(*collections: Any, **kwargs: Any) -> Any:
    """`dask.persist` that keeps the results in the object store: to be computed further with this scheduler only."""
    return dask.persist(*collections, scheduler=ray_dask_get, ray_persist=True, **kwargs)


def dataframe_optimize(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """The graph as it is: nothing is gained here by splitting shuffles."""
    return dsk


def _submit_all(graph: Mapping[Any, Any], options: dict[str, Any], hooks: RayCallbacks) -> dict[Any, Any]:
    """Submit each task; returns, by key, references, or values where they are known already."""
    run = remote(**options)(_run) if options else remote(_run)
    priorities = order(graph)
    known: dict[Any, Any] = {}
    for key in sorted(graph, key=priorities.__getitem__):
        node = graph[key]
        if isinstance(node, Alias):
            known[key] = known[node.target]
        elif isinstance(node, DataNode):
            value = node.value
            is_large = not isinstance(value, ObjectRef) and sizeof(value) > _PUT_ABOVE_BYTES
            known[key] = put(value) if is_large else value
        else:
            known[key] = _submit(run, node, key, {each: known[each] for each in node.dependencies}, hooks)
    return known


def _submit(run: Any, node: Any, key: Any, needed: dict[Any, Any], hooks: RayCallbacks) -> Any:
    for hook in hooks.ray_presubmit_cbs:
        result = hook(node, key, needed)
        if result is not None:
            return result
    in_worker = (hooks.ray_pretask_cbs, hooks.ray_posttask_cbs)
    named = run.options(name=f"dask:{key!s}")
    reference = named.remote(node, key, in_worker, list(needed), *needed.values())
    for hook in hooks.ray_postsubmit_cbs:
        hook(node, key, needed, reference)
    return reference


def _run(node: Any, key: Any, hooks: tuple[list[Any], list[Any]], names: list[Any], *values: Any) -> Any:
    """In a worker: compute one node of the graph from the values of those before it."""
    before, after = hooks
    states = [hook(key, list(values)) for hook in before]
    result = node(dict(zip(names, values, strict=True)))
    for number, hook in enumerate(after):
        hook(key, result, states[number] if number < len(states) else None)
    return result


def _replaced(keys: Any, known: dict[Any, Any]) -> Any:
    """The results in place of their keys."""
    return [_replaced(each, known) for each in keys] if isinstance(keys, list) else known[keys]


def _flat(nested: Any) -> list[Any]:
    return [item for each in nested for item in _flat(each)] if isinstance(nested, list) else [nested]


def _unflattened(shape: Any, values: Any) -> Any:
    """The next of the values, in the shape of nested lists."""
    if isinstance(shape, list):
        return tuple(_unflattened(each, values) for each in shape)
    return cast("object", next(values))
