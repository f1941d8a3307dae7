"""`ray.util.as_completed` and `ray.util.map_unordered`: results in the order in which they come, with few tasks in
flight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from localray.api import get, wait
from localray.object_ref import ObjectRef
from localray.remote_function import RemoteFunction

DEFAULT_CHUNK_SIZE = 10
DEFAULT_BACKPRESSURE_SIZE = 100


def as_completed(
    refs: Sequence[ObjectRef[Any]],
    *,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    yield_obj_refs: bool = False,
    **kwargs: Any,
) -> Iterator[Any]:
    """The results of tasks, each once, as they come.

    Args:
        refs: references, all different.
        chunk_size: how many to wait for at a time.
        yield_obj_refs: give the references instead of the values.
        kwargs: for `ray.wait`, but not ``num_returns``.

    Raises:
        ValueError: a number makes no sense.
    """
    _check(chunk_size, kwargs)
    left = list(refs)
    while left:
        results, left = _take_some(left, chunk_size, yield_obj_refs, kwargs)
        yield from results


def map_unordered(
    fn: RemoteFunction[..., Any],
    items: Iterable[Any],
    *,
    backpressure_size: int | None = DEFAULT_BACKPRESSURE_SIZE,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    yield_obj_refs: bool = False,
    **kwargs: Any,
) -> Iterator[Any]:
    """Call a remote function with each item; gives the results as they come.

    Args:
        fn: takes one argument.
        items: may be endless: only so many are taken as there is room for.
        backpressure_size: how many tasks may be in flight; None for any number.
        chunk_size, yield_obj_refs, kwargs: as for `as_completed`.

    Raises:
        ValueError: a number makes no sense.
    """
    if backpressure_size is not None and backpressure_size <= 0:
        raise ValueError("backpressure_size must be positive.")
    _check(chunk_size, kwargs)
    left: list[ObjectRef[Any]] = []
    for item in items:
        left.append(fn.remote(item))
        if backpressure_size is not None and len(left) >= backpressure_size:
            results, left = _take_some(left, chunk_size, yield_obj_refs, kwargs)
            yield from results
    yield from as_completed(left, chunk_size=chunk_size, yield_obj_refs=yield_obj_refs, **kwargs)


def _check(chunk_size: int, wait_options: dict[str, Any]) -> None:
    if chunk_size < 1:
        raise ValueError("`chunk_size` must be >= 1")
    if "num_returns" in wait_options:
        raise ValueError("Use the `chunk_size` argument instead of `num_returns`.")


def _take_some(
    references: list[ObjectRef[Any]], count: int, as_references: bool, wait_options: dict[str, Any]
) -> tuple[list[Any], list[ObjectRef[Any]]]:
    """Wait for some of them; returns these, or their values, and the rest."""
    ready, rest = wait(references, num_returns=min(count, len(references)), **wait_options)
    return (ready if as_references else get(ready)), rest


if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)
