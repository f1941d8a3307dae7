"""What a `Pool`'s calls give at once: results to come. They are references to lists, one for each chunk of calls.

Must not live here: actors, and who runs what (`localray.util.multiprocessing.pool`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import TimeoutError
from typing import Any, TypeAlias

from localray.api import get, wait
from localray.exceptions import RayError
from localray.object_ref import ObjectRef

Chunk: TypeAlias = ObjectRef[list[Any]]
SubmitNext: TypeAlias = Callable[[], "Chunk | None"]
"""Submits the next chunk of calls; None when there is none left."""


class PoolTaskError(Exception):
    """Stands in a chunk's results for a call that raised.

    Args:
        underlying: what it raised.
    """

    def __init__(self, underlying: Exception) -> None:
        super().__init__(underlying)
        self.underlying = underlying


class AsyncResult:
    """The results of calls to come.

    Args:
        chunk_object_refs: the chunks.
        callback: called on a thread of its own with the results, if no call raised.
        error_callback: called on a thread of its own with the first error.
        single_result: of one call: its result instead of a list.
    """

    def __init__(
        self,
        chunk_object_refs: list[Chunk],
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[Exception], object] | None = None,
        single_result: bool = False,
    ) -> None:
        self._chunks = chunk_object_refs
        self._single_result = single_result
        self._callbacks: threading.Thread | None = None
        if callback is not None or error_callback is not None:
            self._callbacks = threading.Thread(
                target=self._call_back, args=(callback, error_callback), daemon=True, name="Pool callbacks"
            )
            self._callbacks.start()

    def wait(self, timeout: float | None = None) -> None:
        """Return when all calls have ended, and their callbacks; or after so many seconds."""
        started_s = time.monotonic()
        if self._chunks:
            wait(self._chunks, num_returns=len(self._chunks), timeout=timeout)
        if self._callbacks is not None and self._callbacks is not threading.current_thread():
            self._callbacks.join(_left(timeout, started_s))

    def get(self, timeout: float | None = None) -> Any:
        """The results, in order.

        Raises:
            multiprocessing.TimeoutError: they did not come in so many seconds.
            Exception: what a call raised; of several the first in order.
        """
        self.wait(timeout)
        if not self.ready():
            raise TimeoutError
        results = [result for chunk in self._chunks for result in _results_of(chunk)]
        for result in results:
            if isinstance(result, PoolTaskError):
                raise result.underlying
            if isinstance(result, Exception):
                raise result
        return results[0] if self._single_result else results

    def ready(self) -> bool:
        """Whether all calls have ended, and their callbacks."""
        if self._callbacks is not None and self._callbacks.is_alive():
            return False
        return not self._chunks or not wait(self._chunks, num_returns=len(self._chunks), timeout=0)[1]

    def successful(self) -> bool:
        """Whether no call raised.

        Raises:
            ValueError: not all have ended.
        """
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return not any(isinstance(result, Exception) for chunk in self._chunks for result in _results_of(chunk))

    def _call_back(
        self, callback: Callable[[Any], object] | None, error_callback: Callable[[Exception], object] | None
    ) -> None:
        left = self._chunks
        failed = False
        while left:
            ready, left = wait(left)
            errors = [result for result in _results_of(ready[0]) if isinstance(result, Exception)]
            if errors and not failed:
                failed = True
                if error_callback is not None:
                    error_callback(errors[0])
        if callback is not None and not failed:
            results = [result for chunk in self._chunks for result in _results_of(chunk)]
            callback(results[0] if self._single_result else results)


class IMapIterator(Iterator[Any]):
    """The results of calls, submitted as results are taken: one chunk for each actor is on its way at a time.

    Args:
        submit_next: submits a chunk.
        ahead: how many are on their way at a time.
    """

    def __init__(self, submit_next: SubmitNext, ahead: int) -> None:
        self._submit_next = submit_next
        self._submitted: list[Chunk] = []
        self._awaited: list[Chunk] = []
        self._results: deque[Any] = deque()
        for _ in range(ahead):
            self._submit()

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
        """The next result. A call that raised gives a `PoolTaskError`.

        Raises:
            StopIteration: there is none left.
            multiprocessing.TimeoutError: it did not come in so many seconds.
        """
        started_s = time.monotonic()
        while not self._results:
            if not self._submitted:
                raise StopIteration
            chunk = self._ready_chunk()
            if chunk is not None:
                self._submitted.remove(chunk)
                self._results += _results_of(chunk)
                continue
            ready, self._awaited = wait(self._awaited, timeout=_left(timeout, started_s))
            if not ready:
                raise TimeoutError
            self._submit()
        return self._results.popleft()

    def _submit(self) -> None:
        chunk = self._submit_next()
        if chunk is not None:
            self._submitted.append(chunk)
            self._awaited.append(chunk)

    def _ready_chunk(self) -> Chunk | None:
        """The chunk whose results come next, if it is ready."""
        raise NotImplementedError


class OrderedIMapIterator(IMapIterator):
    """Results in the order of their arguments."""

    def _ready_chunk(self) -> Chunk | None:
        first = self._submitted[0]
        return None if first in self._awaited else first


class UnorderedIMapIterator(IMapIterator):
    """Results as they come."""

    def _ready_chunk(self) -> Chunk | None:
        return next((chunk for chunk in self._submitted if chunk not in self._awaited), None)


def _results_of(chunk: Chunk) -> list[Any]:
    """Of an ended chunk; the one error, if it has not ended by itself."""
    try:
        return get(chunk)
    except RayError as error:
        return [error]


def _left(timeout_s: float | None, started_s: float) -> float | None:
    return None if timeout_s is None else max(0.0, timeout_s - (time.monotonic() - started_s))
