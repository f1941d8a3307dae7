"""Linearizability: whether what callers saw of an actor could have come of its calls, done one after the other, each at
some moment between its being made and its being answered.

A `History` makes the calls, so that it knows when each began and ended. The search follows Wing and Gong: the first
call of some order must be one that began before any other had ended; what has been tried (which calls are done, and the
state they led to) is not tried again. Must not live here: what actors do.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from localray.exceptions import RayTaskError
from localray.sim.errors import CheckFailedError
from localray.sim.watching import Shared

_NEVER = 2**62


@dataclass(slots=True)
class Call:
    """One call: what was asked, the moments (in a count of all beginnings and ends) between which it was done, and what
    came of it. One that failed with its actor may have been done, at any time from its beginning, or not."""

    method: str
    args: tuple[object, ...]
    began: int
    ended: int = _NEVER
    outcome: object = None
    is_known: bool = False

    def __str__(self) -> str:
        arguments = ", ".join(map(repr, self.args))
        return f"{self.method}({arguments}) -> {repr(self.outcome) if self.is_known else '?'}"


class History(Shared):
    """Calls of one actor by all who use this.

    Args:
        model: makes what the actor should be like: an object with the same methods.

    Example:
        >>> history = History(list)
        >>> history.calls
        []
    """

    def __init__(self, model: Callable[[], object]) -> None:
        self.calls: list[Call] = []
        self._model = model
        self._moment = 0
        super().__init__()

    def call(self, actor: object, method: str, *args: object) -> object:
        """Call a method of the actor and wait for what comes of it."""
        ray = import_module("localray")
        call = Call(method, args, self._next_moment())
        self.calls.append(call)
        try:
            call.outcome = ray.get(getattr(actor, method).remote(*args))
            call.is_known = True
        except RayTaskError as error:
            call.outcome, call.is_known = _raised(error.cause), True
            raise
        finally:
            if call.is_known:
                call.ended = self._next_moment()
        return call.outcome

    def _next_moment(self) -> int:
        self._moment += 1
        return self._moment

    def check(self) -> None:
        """Raises:
        CheckFailedError: no order of the calls explains what came of them.
        """
        longest = _explained(self.calls, self._model())
        if sum(call.is_known for call in longest) < sum(call.is_known for call in self.calls):
            left = [call for call in self.calls if call not in longest and call.is_known]
            raise CheckFailedError(
                "The history of the actor is not linearizable. The longest order that explains its calls:\n"
                + "".join(f"  {call}\n" for call in longest)
                + "and then none of these can come next:\n"
                + "\n".join(f"  {call}" for call in left)
            )


def _raised(error: object) -> tuple[str, str]:
    return ("raised", type(error).__name__)


def _explained(calls: list[Call], model: object) -> list[Call]:
    """The longest order found; one with all calls whose outcome is known, if there is any."""
    longest: list[Call] = []
    seen: set[tuple[frozenset[int], bytes]] = set()
    stack: list[tuple[tuple[int, ...], object]] = [((), model)]
    known = frozenset(number for number, call in enumerate(calls) if call.is_known)
    while stack:
        done, state = stack.pop()
        order = [calls[number] for number in done]
        if sum(call.is_known for call in order) > sum(call.is_known for call in longest):
            longest = order
        if known <= set(done):
            return order
        left = [number for number in range(len(calls)) if number not in done]
        first_end = min(calls[number].ended for number in left)
        for number in left:
            if calls[number].began < first_end:
                after = _applied(calls[number], state)
                if after is not None:
                    key = (frozenset((*done, number)), pickle.dumps(after[0]))
                    if key not in seen:
                        seen.add(key)
                        stack.append(((*done, number), after[0]))
    return longest


def _applied(call: Call, state: object) -> tuple[object] | None:
    """The state after a call; None when it would not have come out like this."""
    state = copy.deepcopy(state)
    try:
        outcome: object = getattr(state, call.method)(*call.args)
    except Exception as error:  # noqa: BLE001 - what the model raises is what the actor should have raised
        outcome = _raised(error)
    return (state,) if not call.is_known or outcome == call.outcome else None
