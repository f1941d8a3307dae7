"""What users hang into the computing of a dask graph: before and after each task is submitted and runs.

Must not live here: computing (`localray.util.dask.scheduler`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, TypeAlias

from dask.callbacks import Callback

Hook: TypeAlias = Callable[..., Any]


class RayCallback(NamedTuple):
    """The hooks of one callback; None where it has none."""

    ray_presubmit: Hook | None = None
    ray_postsubmit: Hook | None = None
    ray_pretask: Hook | None = None
    ray_posttask: Hook | None = None
    ray_postsubmit_all: Hook | None = None
    ray_finish: Hook | None = None


class RayCallbacks(NamedTuple):
    """The hooks of several callbacks, by kind."""

    ray_presubmit_cbs: list[Hook]
    ray_postsubmit_cbs: list[Hook]
    ray_pretask_cbs: list[Hook]
    ray_posttask_cbs: list[Hook]
    ray_postsubmit_all_cbs: list[Hook]
    ray_finish_cbs: list[Hook]


class RayDaskCallback(Callback):  # type: ignore[misc]
    """A dask callback with hooks about tasks. Use it as a context manager, or pass its hooks as keywords.

    A subclass defines some of these methods: ``_ray_presubmit(task, key, deps)``, whose result, if it is not None, is
    taken for the task's; ``_ray_postsubmit(task, key, deps, object_ref)``; in the worker ``_ray_pretask(key,
    object_refs)`` and ``_ray_posttask(key, result, pre_state)``; at the end ``_ray_postsubmit_all(object_refs, dsk)``
    and ``_ray_finish(result)``.

    Args:
        hooks: by name, without the first underscore.
    """

    ray_active: ClassVar[set[RayCallback]] = set()

    def __init__(self, **hooks: Hook) -> None:
        for name in RayCallback._fields:
            hook = hooks.pop(name, None)
            if hook is not None:
                setattr(self, f"_{name}", hook)
        super().__init__(**hooks)

    @property
    def _ray_callback(self) -> RayCallback:
        return RayCallback(*(getattr(self, f"_{name}", None) for name in RayCallback._fields))

    def __enter__(self) -> RayDaskCallback:
        self._entered = self._ray_callback
        type(self).ray_active.add(self._entered)
        super().__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        type(self).ray_active.discard(self._entered)

    def register(self) -> None:
        """Be there for all that is computed from now on."""
        type(self).ray_active.add(self._ray_callback)
        super().register()

    def unregister(self) -> None:
        """Undo `register`."""
        type(self).ray_active.discard(self._ray_callback)
        super().unregister()


def unpack_ray_callbacks(callbacks: Iterable[RayDaskCallback | RayCallback]) -> RayCallbacks:
    """The hooks of several callbacks, by kind."""
    each = [callback if isinstance(callback, RayCallback) else callback._ray_callback for callback in callbacks]
    kinds = ([hook for callback in each if (hook := callback[kind]) is not None] for kind in range(6))
    return RayCallbacks(*kinds)


@contextlib.contextmanager
def local_ray_callbacks(
    callbacks: Iterable[RayDaskCallback | RayCallback] | None = None,
) -> Iterator[list[RayDaskCallback | RayCallback]]:
    """The callbacks to use: these, and those that are there already, which nothing computed inside sees."""
    outside = set(RayDaskCallback.ray_active)
    RayDaskCallback.ray_active.clear()
    try:
        yield [*(callbacks or ()), *outside]
    finally:
        RayDaskCallback.ray_active.update(outside)
