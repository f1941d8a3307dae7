"""`ray.util.ActorPool`: a fixed set of actors, and work handed to whichever is free.

Subclasses in the wild read and change the underscored fields, so they hold what they hold in Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from localray.actor import ActorHandle
from localray.api import get, wait
from localray.exceptions import ActorDiedError
from localray.object_ref import ObjectRef

Submit: TypeAlias = Callable[[Any, Any], Any]
"""Takes an actor and a value, and returns the reference of the call that it submits, or a list of references."""

_NOTHING_LEFT = "No more results to get"
_TIMED_OUT = "Timed out waiting for result"


class ActorPool:
    """Actors that share work.

    Args:
        actors: their handles.

    Example:
        >>> pool = ActorPool([Worker.remote(), Worker.remote()])                          # doctest: +SKIP
        >>> list(pool.map(lambda actor, value: actor.double.remote(value), [1, 2, 3]))    # doctest: +SKIP
        [2, 4, 6]
    """

    def __init__(self, actors: Iterable[ActorHandle[Any]]) -> None:
        self._idle_actors: list[ActorHandle[Any]] = list(actors)
        self._future_to_actor: dict[Any, tuple[int, ActorHandle[Any]]] = {}
        self._index_to_future: dict[int, Any] = {}
        self._next_task_index = 0
        self._next_return_index = 0
        self._pending_submits: list[tuple[Submit, Any]] = []

    def map(self, fn: Submit, values: Iterable[Any]) -> Iterator[Any]:
        """Submit all values; returns an iterator over the results in the values' order. Results that nobody has taken
        before are dropped."""
        while self.has_next():
            try:
                self.get_next(timeout=0, ignore_if_timedout=True)
            except TimeoutError:
                continue  # Still running: it has been dropped all the same.
        for value in values:
            self.submit(fn, value)
        return self._take_all(self.get_next)

    def map_unordered(self, fn: Submit, values: Iterable[Any]) -> Iterator[Any]:
        """As `map`, with the results in the order in which they are ready. Results that nobody has taken before are
        waited for and dropped."""
        while self.has_next():
            self.get_next_unordered()
        for value in values:
            self.submit(fn, value)
        return self._take_all(self.get_next_unordered)

    def _take_all(self, take: Callable[[], object]) -> Iterator[object]:
        while self.has_next():
            yield take()

    def submit(self, fn: Submit, value: Any) -> None:
        """Submit one value as soon as an actor is free."""
        if not self._idle_actors:
            self._pending_submits.append((fn, value))
            return
        actor = self._idle_actors.pop()
        future = fn(actor, value)
        self._future_to_actor[_key(future)] = (self._next_task_index, actor)
        self._index_to_future[self._next_task_index] = future
        self._next_task_index += 1

    def has_next(self) -> bool:
        """Whether there is a result that has not been taken."""
        return bool(self._future_to_actor)

    def get_next(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:
        """The next result in the order of submission.

        Args:
            timeout: seconds to wait at most; None waits for ever.
            ignore_if_timedout: then drop the result, and give its actor other work.

        Raises:
            StopIteration: there is none.
            TimeoutError: it was not ready in time.
            ValueError: `get_next_unordered` has been used meanwhile.
        """
        if not self.has_next():
            raise StopIteration(_NOTHING_LEFT)
        if self._next_return_index >= self._next_task_index:
            raise ValueError("It is not allowed to call get_next() after get_next_unordered().")
        future = self._index_to_future[self._next_return_index]
        if timeout is not None and not _is_ready(future, timeout):
            if not ignore_if_timedout:
                raise TimeoutError(_TIMED_OUT)
            self._drop(future)
        self._next_return_index += 1
        return self._get_result(future, self._forget(future))

    def get_next_unordered(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:
        """The result that is ready first; arguments and errors as for `get_next`."""
        if not self.has_next():
            raise StopIteration(_NOTHING_LEFT)
        ready, _ = wait(list(self._future_to_actor), num_returns=1, timeout=timeout)
        if not ready:
            if not ignore_if_timedout:
                raise TimeoutError(_TIMED_OUT)
            self._drop(next(iter(self._future_to_actor)))
        future = ready[0]
        index = self._future_to_actor[future][0]
        self._next_return_index = max(self._next_return_index, index + 1)
        return self._get_result(future, self._forget(future))

    def _drop(self, future: Any) -> None:
        """Nobody waits for this result any more.

        Raises:
            TimeoutError: always.
        """
        index = self._future_to_actor[_key(future)][0]
        self._next_return_index = max(self._next_return_index, index + 1)
        self._return_actor(self._forget(future))
        raise TimeoutError(f"{_TIMED_OUT}. The task {future} has been ignored.")

    def _forget(self, future: Any) -> ActorHandle[Any]:
        """Strike a submission out; returns its actor."""
        index, actor = self._future_to_actor.pop(_key(future))
        del self._index_to_future[index]
        return actor

    def _get_result(self, future: Any, actor: ActorHandle[Any]) -> Any:
        is_alive = True
        try:
            return get(future)
        except ActorDiedError:
            is_alive = False
            raise
        finally:
            self._return_actor(actor, is_alive)

    def _return_actor(self, actor: ActorHandle[Any], is_alive: bool = True) -> None:
        """An actor is free, or dead: then it gets no more work."""
        if is_alive:
            self._idle_actors.append(actor)
        if self._pending_submits and self._idle_actors:
            self.submit(*self._pending_submits.pop(0))

    def has_free(self) -> bool:
        """Whether an actor has nothing to do."""
        return bool(self._idle_actors) and not self._pending_submits

    def pop_idle(self) -> ActorHandle[Any] | None:
        """Take an actor that has nothing to do out of the pool; None if there is none."""
        return self._idle_actors.pop() if self.has_free() else None

    def push(self, actor: ActorHandle[Any]) -> None:
        """Put an actor into the pool.

        Raises:
            ValueError: it is there already.
        """
        busy = [each for _, each in self._future_to_actor.values()]
        if actor in self._idle_actors or actor in busy:
            raise ValueError("Actor already belongs to current ActorPool")
        self._return_actor(actor)


def _key(future: Any) -> Any:
    """A list of references, which a call of several returns has, as a dictionary's key."""
    return tuple(future) if isinstance(future, list) else future


def _is_ready(future: Any, timeout_s: float) -> bool:
    references: list[ObjectRef[object]] = list(future) if isinstance(future, (list, tuple)) else [future]
    ready, _ = wait(references, num_returns=len(references), timeout=timeout_s)
    return len(ready) == len(references)


if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)
