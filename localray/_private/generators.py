"""Waiting for the next few items of several streaming generators at once, as Ray's libraries do.

Must not live here: what a generator knows (`localray.client.generators`).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from localray.api import wait
from localray.client.generators import ObjectRefGenerator
from localray.object_ref import ObjectRef

Batch: TypeAlias = "tuple[ObjectRefGenerator[Any], list[ObjectRef[Any]]]"


def _wait_generators_bulk(
    ray_generators: list[tuple[ObjectRefGenerator[Any], list[bool]]],
    *,
    num_return: int = 1,
    timeout: float | None = None,
) -> list[Batch]:
    """Wait until the next few items of some generators are there, and take them.

    Args:
        ray_generators: generators, each with one flag for every item wanted; whether it is to be fetched to this node.
            There is nothing to fetch on one machine.
        num_return: for how many generators to wait.
        timeout: for so many seconds at most.

    Returns:
        The generators whose items are all there, at most ``num_return``, each with references to them; those after its
        end raise `ObjectRefStreamEndOfStreamError`.

    Raises:
        TypeError, ValueError: the arguments are wrong.
    """
    _check(ray_generators)
    if timeout is not None and timeout < 0:
        raise ValueError(f"The 'timeout' argument must be nonnegative. Received {timeout}")
    if not ray_generators:
        return []
    if not 0 < num_return <= len(ray_generators):
        raise ValueError(f"num_return must be from 1 to the number of generators, {len(ray_generators)}: {num_return}")
    wanted = {}
    for generator, flags in ray_generators:
        refs = generator._get_next_ref_n(len(flags))
        wanted[refs[-1]] = (generator, refs)
    ready, _ = wait(list(wanted), num_returns=num_return, timeout=timeout)
    batches = [wanted[last] for last in ready]
    for generator, refs in batches:
        generator._consume_next_ref_n(len(refs))
    return batches


def _check(pairs: object) -> None:
    if not isinstance(pairs, list):
        raise TypeError(f"expected a list of (ObjectRefGenerator, list[bool]) tuples, got {type(pairs)}")
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"expected a tuple of a generator and a list of bools, got {type(pair)}")
        generator, flags = pair
        if not isinstance(generator, ObjectRefGenerator):
            raise TypeError(f"expected an ObjectRefGenerator, got {type(generator)}")
        if not isinstance(flags, list) or not all(isinstance(flag, bool) for flag in flags):
            raise TypeError(f"expected a list of bools, got {flags!r}")
        if not flags:
            raise ValueError("at least one item of each generator must be asked for")
    if len({id(generator) for generator, _ in pairs}) < len(pairs):
        raise ValueError("each generator may be named once")
