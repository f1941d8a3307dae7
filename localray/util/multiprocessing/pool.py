"""`ray.util.multiprocessing.Pool`: calls, in chunks, to a fixed number of actors.

Must not live here: results to come (`localray.util.multiprocessing.results`).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

from localray.absent.catalogue import missing_in
from localray.actor import ActorHandle, kill
from localray.api import cluster_resources, get, remote, wait
from localray.object_ref import ObjectRef
from localray.session import address_to_join, init, is_initialized
from localray.util.debug import log_once
from localray.util.multiprocessing.results import (
    AsyncResult,
    Chunk,
    IMapIterator,
    OrderedIMapIterator,
    PoolTaskError,
    UnorderedIMapIterator,
)

logger = logging.getLogger(__name__)

_CHUNKS_FOR_EACH_ACTOR = 4
ImapKind = TypeVar("ImapKind", bound=IMapIterator)
_Call = tuple[Iterable[Any] | None, dict[str, Any] | None]


class _PoolActor:
    """Makes the calls."""

    def __init__(self, initializer: Callable[..., object] | None, initargs: Iterable[Any] | None) -> None:
        if initializer is not None:
            initializer(*(initargs or ()))

    def ping(self) -> None:
        """Returns when the actor is there."""

    def run_batch(self, func: Callable[..., Any], batch: list[_Call]) -> list[Any]:
        results: list[Any] = []
        for args, kwargs in batch:
            try:
                results.append(func(*(args or ()), **(kwargs or {})))
            except Exception as error:  # noqa: BLE001 - the other calls of the batch are to be made all the same
                results.append(PoolTaskError(error))
        return results


PoolActor = remote(num_cpus=0)(_PoolActor)


class Pool:
    """The standard library's pool of processes, where each process is an actor.

    Args:
        processes: how many; by default as many as the session has CPUs.
        initializer: called in each actor when it starts, with ``initargs``.
        initargs: arguments of the initializer.
        maxtasksperchild: an actor is replaced after so many calls of its own, or chunks of them.
        context: accepted, and told of once: sessions start processes in their own way.
        ray_address: for `ray.init`, if there is no session.
        ray_remote_args: options of the actors, as for `ray.remote`.

    Raises:
        ValueError: the number of processes is not positive, or more than the session has CPUs.

    Example:
        >>> with Pool(2) as pool:               # doctest: +SKIP
        ...     print(pool.map(abs, [-1, -2]))
        [1, 2]
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] | None = None,
        maxtasksperchild: int | None = None,
        context: Any = None,
        ray_address: str | None = None,
        ray_remote_args: dict[str, Any] | None = None,
    ) -> None:
        self._closed = False
        self._initializer = initializer
        self._initargs = initargs
        self._maxtasksperchild = maxtasksperchild or -1
        self._actor_deletion_ids: list[ObjectRef[Any]] = []
        self._ray_remote_args = ray_remote_args or {}
        self._current_index = 0
        if context and log_once("context_argument_warning"):
            logger.warning(
                "The 'context' argument is not supported using ray. Please refer to the documentation for how to "
                "control ray initialization."
            )
        count = _join_session(processes, ray_address)
        self._actor_pool = [self._new_actor_entry() for _ in range(count)]
        get([actor.ping.remote() for actor, _ in self._actor_pool])

    # ---------------------------------------------------------------- calls

    def apply(self, func: Callable[..., Any], args: Iterable[Any] | None = None, kwargs: Any = None) -> Any:
        """Call ``func(*args, **kwargs)`` in some actor and return what it returns."""
        return self.apply_async(func, args, kwargs).get()

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[Exception], object] | None = None,
    ) -> AsyncResult:
        """As `apply`, without waiting; the callbacks get the result, or the error."""
        self._check_running()
        self._current_index = (self._current_index + 1) % len(self._actor_pool)
        chunk = self._run_batch(self._current_index, func, [(args, kwargs)])
        return AsyncResult([chunk], callback, error_callback, single_result=True)

    def map(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = None) -> list[Any]:
        """Call ``func`` with each item; returns the results in order.

        Args:
            func: takes one argument.
            iterable: the items.
            chunksize: how many calls an actor gets at a time; by default a quarter of its share.
        """
        return cast("list[Any]", self.map_async(func, iterable, chunksize).get())

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[list[Any]], object] | None = None,
        error_callback: Callable[[Exception], object] | None = None,
    ) -> AsyncResult:
        """As `map`, without waiting; the callbacks get the list of results, or the first error."""
        return self._map_async(func, ((item,) for item in iterable), chunksize, callback, error_callback)

    def starmap(
        self, func: Callable[..., Any], iterable: Iterable[Iterable[Any]], chunksize: int | None = None
    ) -> list[Any]:
        """As `map`, where each item holds all arguments of a call."""
        return cast("list[Any]", self._map_async(func, iterable, chunksize).get())

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        callback: Callable[[list[Any]], object] | None = None,
        error_callback: Callable[[Exception], object] | None = None,
    ) -> AsyncResult:
        """As `starmap`, without waiting."""
        return self._map_async(func, iterable, None, callback, error_callback)

    def imap(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = 1
    ) -> OrderedIMapIterator:
        """As `map`, for many items: only so many calls are submitted as there are actors, the others as results are
        taken. The iterator's ``next(timeout)`` may raise `multiprocessing.TimeoutError`."""
        self._check_running()
        return self._imap(OrderedIMapIterator, func, iterable, chunksize)

    def imap_unordered(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = 1
    ) -> UnorderedIMapIterator:
        """As `imap`, with the results as they come."""
        self._check_running()
        return self._imap(UnorderedIMapIterator, func, iterable, chunksize)

    # ---------------------------------------------------------------- end

    def close(self) -> None:
        """Accept no more calls; those there are will be finished."""
        for actor, _ in self._actor_pool:
            self._stop_actor(actor)
        self._closed = True

    def terminate(self) -> None:
        """Accept no more calls, and give up those there are."""
        if not self._closed:
            self.close()
        for actor, _ in self._actor_pool:
            kill(actor)

    def join(self) -> None:
        """Wait for the actors of a closed pool to end.

        Raises:
            ValueError: it is not closed.
        """
        if not self._closed:
            raise ValueError("Pool is still running")
        self._wait_for_stopping_actors(None)

    def __enter__(self) -> Pool:
        self._check_running()
        return self

    def __exit__(self, *exception: object) -> None:
        self.terminate()

    # ---------------------------------------------------------------- chunks and actors

    def _map_async(
        self,
        func: Callable[..., Any],
        argument_lists: Iterable[Iterable[Any]],
        chunksize: int | None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[Exception], object] | None = None,
    ) -> AsyncResult:
        self._check_running()
        calls: list[_Call] = [(arguments, {}) for arguments in argument_lists]
        size = chunksize or self._calculate_chunksize(calls)
        chunks = [
            self._run_batch(number % len(self._actor_pool), func, calls[start : start + size])
            for number, start in enumerate(range(0, len(calls), size or 1))
        ]
        return AsyncResult(chunks, callback, error_callback)

    def _imap(
        self,
        kind: type[ImapKind],
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None,
    ) -> ImapKind:
        if chunksize is None:
            chunksize = 1 if isinstance(iterable, Iterator) else self._calculate_chunksize(list(iterable))
        items = iter(iterable)
        numbers = itertools.count()

        def submit_next() -> Chunk | None:
            calls: list[_Call] = [((item,), {}) for item in itertools.islice(items, chunksize)]
            return self._run_batch(next(numbers) % len(self._actor_pool), func, calls) if calls else None

        return kind(submit_next, len(self._actor_pool))

    def _calculate_chunksize(self, items: list[Any]) -> int:
        return -(-len(items) // (len(self._actor_pool) * _CHUNKS_FOR_EACH_ACTOR))

    def _run_batch(self, actor_index: int, func: Callable[..., Any], batch: list[_Call]) -> Chunk:
        """Send calls to an actor; the last that it may take makes room for a new one."""
        actor, count = self._actor_pool[actor_index]
        chunk = cast("Chunk", actor.run_batch.remote(func, batch))
        count += 1
        if count == self._maxtasksperchild:
            self._stop_actor(actor)
            actor, count = self._new_actor_entry()
        self._actor_pool[actor_index] = (actor, count)
        return chunk

    def _new_actor_entry(self) -> tuple[ActorHandle[Any], int]:
        creation = PoolActor.options(**self._ray_remote_args)
        return cast("ActorHandle[Any]", creation.remote(self._initializer, self._initargs)), 0

    def _stop_actor(self, actor: ActorHandle[Any]) -> None:
        """Let an actor end when it has done what it has been given."""
        self._wait_for_stopping_actors(0.0)
        self._actor_deletion_ids.append(actor.__ray_terminate__.remote())

    def _wait_for_stopping_actors(self, timeout_s: float | None) -> None:
        ending = self._actor_deletion_ids
        if ending:
            _, self._actor_deletion_ids = wait(ending, num_returns=len(ending), timeout=timeout_s)

    def _check_running(self) -> None:
        if self._closed:
            raise ValueError("Pool not running")


def _join_session(processes: int | None, address: str | None) -> int:
    """See that there is a session; returns how many actors the pool gets.

    Raises:
        ValueError: there are not that many CPUs.
    """
    if not is_initialized():
        # A session that is there already has the CPUs that it has.
        init(address=address, num_cpus=processes if address_to_join(address) is None else None)
    cpus = int(cluster_resources().get("CPU", 0))
    count = cpus if processes is None else processes
    if count <= 0:
        raise ValueError("Processes in the pool must be >0.")
    if count > cpus:
        raise ValueError(
            f"Tried to start a pool with {count} processes on an existing ray cluster, but there are only {cpus} CPUs "
            "in the ray cluster."
        )
    return count


__getattr__ = missing_in(__name__)
