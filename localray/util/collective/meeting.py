"""Where the ranks of a collective group meet: an actor that collects what each brings to an operation and hands out the
result.

Must not live here: the ranks' side (`localray.util.collective.group`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy

from localray.util.collective.types import ReduceOp

_REDUCTIONS: dict[ReduceOp, Callable[[Any, Any], Any]] = {
    ReduceOp.SUM: numpy.add,
    ReduceOp.PRODUCT: numpy.multiply,
    ReduceOp.MIN: numpy.minimum,
    ReduceOp.MAX: numpy.maximum,
}


@dataclass(slots=True)
class _Operation:
    """One operation that some ranks have come to."""

    name: str
    brought: dict[int, Any] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    left: int = 0


class Meeting:
    """The actor of one group.

    Args:
        world_size: how many ranks there are.
        ranks: each actor's rank, by its id; empty where ranks say themselves who they are.
    """

    def __init__(self, world_size: int, ranks: dict[str, int] | None = None) -> None:
        self._world_size = world_size
        self._ranks = ranks or {}
        self._operations: dict[int, _Operation] = {}
        self._boxes: dict[tuple[int, int], asyncio.Queue[Any]] = {}

    async def describe(self, actor_id: str) -> tuple[int, int]:
        """The size of the group, and an actor's rank in it; -1 if it has none."""
        return self._world_size, self._ranks.get(actor_id, -1)

    async def meet(self, number: int, rank: int, name: str, brought: Any, timeout_s: float) -> list[Any]:
        """Bring something to an operation; returns, when all ranks have come, what each brought, in order of rank.

        Args:
            number: of the operation, counted by each rank.
            rank: who comes.
            name: of the operation; all must come to the same.
            brought: anything.
            timeout_s: how long to wait for the others.

        Raises:
            RuntimeError: the ranks call different operations.
            TimeoutError: not all have come in time.
        """
        operation = self._operations.setdefault(number, _Operation(name))
        if operation.name != name:
            raise RuntimeError(
                f"Rank {rank} calls {name} while another calls {operation.name}: all ranks of a group must call the "
                "same operations in the same order."
            )
        operation.brought[rank] = brought
        if len(operation.brought) == self._world_size:
            operation.complete.set()
        try:
            await asyncio.wait_for(operation.complete.wait(), timeout_s)
        except asyncio.TimeoutError:
            absent = sorted(set(range(self._world_size)) - set(operation.brought))
            raise TimeoutError(f"{name}: ranks {absent} have not come within {timeout_s:g} s.") from None
        operation.left += 1
        if operation.left == self._world_size:
            del self._operations[number]
        return [operation.brought[each] for each in range(self._world_size)]

    async def reduce(self, number: int, rank: int, name: str, brought: Any, op: ReduceOp, timeout_s: float) -> Any:
        """As `meet`; returns the reduction of what all brought."""
        first, *others = await self.meet(number, rank, f"{name} with {op.name}", brought, timeout_s)
        return _reduced([first, *others], op)

    async def reduce_and_scatter(
        self, number: int, rank: int, brought: list[Any], op: ReduceOp, timeout_s: float
    ) -> Any:
        """As `reduce` of lists; returns the reduction of each list's item for this rank."""
        lists = await self.meet(number, rank, f"reducescatter with {op.name}", brought, timeout_s)
        return _reduced([each[rank] for each in lists], op)

    async def put(self, source: int, target: int, brought: Any) -> None:
        """Send something from one rank to another."""
        await self._box(source, target).put(brought)

    async def take(self, source: int, target: int, timeout_s: float) -> Any:
        """Receive what was sent first.

        Raises:
            TimeoutError: nothing has come in time.
        """
        try:
            return await asyncio.wait_for(self._box(source, target).get(), timeout_s)
        except asyncio.TimeoutError:
            raise TimeoutError(f"recv: rank {source} has sent nothing within {timeout_s:g} s.") from None

    def _box(self, source: int, target: int) -> asyncio.Queue[Any]:
        return self._boxes.setdefault((source, target), asyncio.Queue())


def _reduced(arrays: list[Any], op: ReduceOp) -> Any:
    result = arrays[0]
    for array in arrays[1:]:
        result = _REDUCTIONS[op](result, array)
    return result
