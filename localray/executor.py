"""`localray.Executor`: the standard library's executor interface over tasks of the session.

Futures wait here until the session has room for them, so that they can be cancelled; then they run as tasks. One thread
of each executor hands out work, sets results and calls callbacks, which may therefore submit and wait like any other
code. Must not live here: anything of tasks themselves.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from localray.api import cluster_resources, remote
from localray.client.client import Client
from localray.client.current import connected_client, current_client
from localray.exceptions import RaySystemError, RayTaskError
from localray.object_ref import ObjectRef

P = ParamSpec("P")
T = TypeVar("T")

_AHEAD = 16
"""Tasks handed to the session for each worker, where the session's CPUs limit how many run: short ones then follow each
other without a pause."""
_Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
_tokens = itertools.count()
_initialised: set[str] = set()
"""In a worker: the executors whose initializer has run here."""
_executors: weakref.WeakSet[Executor] = weakref.WeakSet()


class Executor(futures.Executor):
    """Runs calls as tasks: the interface of `concurrent.futures.ProcessPoolExecutor`.

    What a call raises is set on its future as it was raised, with the `RayTaskError` and its remote traceback as the
    cause. The session is started by need, and is not ended by `shutdown`.

    Args:
        max_workers: how many calls run at a time; by default as many as the session has CPUs.
        initializer: called in each worker before the first call there, with ``initargs``.
        initargs: arguments of the initializer.
        max_tasks_per_child: a worker is replaced after so many calls.
        options: of the tasks, as for `ray.remote`.

    Raises:
        ValueError: a number is not positive, or an option is wrong.

    Example:
        >>> with localray.Executor() as executor:                                   # doctest: +SKIP
        ...     print(list(executor.map(pow, [2, 3], [5, 2], chunksize=10)))
        [32, 9]
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        max_tasks_per_child: int | None = None,
        **options: Any,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if max_tasks_per_child is not None:
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
            options["max_calls"] = max_tasks_per_child
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        client = connected_client()
        cpus = max(1, int(cluster_resources().get("CPU", 1)))
        self._max_workers = max_workers or cpus
        limit = self._max_workers if self._max_workers < cpus else self._max_workers * _AHEAD
        begin = None if initializer is None else (f"{id(self)} {next(_tokens)}", initializer, initargs)
        run = remote(**options)(_run) if options else remote(_run)
        self._work = _Work(client, functools.partial(run.remote, begin), limit)
        self._shutting_down = False
        self._lock = threading.Lock()
        # A thread that knew the executor would keep it alive; without it, what was submitted is still finished.
        weakref.finalize(self, self._work.end).atexit = False
        _executors.add(self)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn(*args, **kwargs)`` in a worker.

        Returns:
            A future of what it returns. It can be cancelled until the call has been handed to the session.

        Raises:
            RuntimeError: the executor has been shut down.
        """
        with self._lock:
            if self._shutting_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            future: Future[T] = Future()
            self._work.add(future, (fn, args, kwargs))
            return future

    def map(
        self, fn: Callable[..., T], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[T]:
        """As the built-in `map`, with calls at the same time.

        Args:
            fn: takes as many arguments as there are iterables.
            iterables: taken in full at once.
            timeout: seconds from now after which waiting for a result is a `TimeoutError`.
            chunksize: how many calls make one task; more than one pays when calls take less than a millisecond.

        Raises:
            ValueError: the size of chunks is not positive.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout)
        chunks = super().map(functools.partial(_run_chunk, fn), _chunks(iterables, chunksize), timeout=timeout)
        return itertools.chain.from_iterable(chunks)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls.

        Args:
            wait: return when all futures are done.
            cancel_futures: cancel those that have not been handed to the session.
        """
        with self._lock:
            self._shutting_down = True
        if cancel_futures:
            self._work.cancel()
        self._work.end()
        if wait:
            self._work.wait()


class _Work:
    """The futures of one executor, on their way through its thread.

    Args:
        client: of the session that it belongs to.
        submit: submits a call as a task.
        limit: how many tasks may be with the session at a time.
    """

    def __init__(self, client: Client, submit: Callable[[_Call], ObjectRef[Any]], limit: int) -> None:
        self._client = client
        self._submit = submit
        self._limit = limit
        self._waiting: deque[tuple[Future[Any], _Call]] = deque()
        self._running: dict[ObjectRef[Any], Future[Any]] = {}
        self._arrived: queue.Queue[ObjectRef[Any] | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._ending = False

    def add(self, future: Future[Any], call: _Call) -> None:
        """A call that is to be made."""
        self._waiting.append((future, call))
        # Where there is no room, the next task that ends makes some. Asked after the call was put there: the thread
        # makes room first and looks for calls then, so one of the two sees the other.
        if len(self._running) < self._limit:
            self._arrived.put(None)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="localray.Executor", daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Cancel what is waiting."""
        for future, _ in list(self._waiting):
            future.cancel()

    def end(self) -> None:
        """Nothing more will be added."""
        self._ending = True
        self._arrived.put(None)

    def wait(self) -> None:
        """Return when all is done; at once if the work's own thread asks, in a callback."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _serve(self) -> None:
        while True:
            self._take(self._arrived.get())
            # All that is there, so that what follows it leaves together.
            while not self._arrived.empty():
                self._take(self._arrived.get())
            self._hand_out()
            if self._ending and not self._waiting and not self._running:
                return

    def _take(self, reference: ObjectRef[Any] | None) -> None:
        """A task has ended, or only the bell was rung."""
        if reference is None:
            return
        future = self._running.pop(reference)
        try:
            result = self._client.gets.get_one(reference, None)
        except BaseException as error:  # noqa: BLE001 - it belongs to who waits for the future
            future.set_exception(_as_raised(error))
        else:
            future.set_result(result)

    def _hand_out(self) -> None:
        """Submit what there is room for."""
        submitted: list[ObjectRef[Any]] = []
        while self._waiting and len(self._running) < self._limit:
            future, call = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                self._check_session()
                reference = self._submit(call)
            except Exception as error:  # noqa: BLE001 - it belongs to who waits for the future
                future.set_exception(error)
                continue
            self._running[reference] = future
            submitted.append(reference)
        if submitted:
            self._client.completions.call_back(submitted, self._arrived.put)

    def _check_session(self) -> None:
        """What is left when the session has ended must not start another."""
        if current_client() is not self._client:
            raise RaySystemError("The session of this executor has ended. Make another executor.")


def _run(begin: tuple[str, Callable[..., object], tuple[Any, ...]] | None, call: _Call) -> object:
    """In a worker: make one call."""
    if begin is not None and begin[0] not in _initialised:
        token, initializer, initargs = begin
        initializer(*initargs)
        _initialised.add(token)
    function, args, kwargs = call
    return function(*args, **kwargs)


def _run_chunk(function: Callable[..., T], chunk: list[tuple[Any, ...]]) -> list[T]:
    return [function(*arguments) for arguments in chunk]


def _chunks(iterables: tuple[Iterable[Any], ...], size: int) -> Iterator[list[tuple[Any, ...]]]:
    calls = zip(*iterables)  # noqa: B905 - as the built-in `map`, up to the shortest
    while chunk := list(itertools.islice(calls, size)):
        yield chunk


def _as_raised(error: BaseException) -> BaseException:
    """The exception that a call raised, with that of the task as its cause; or what kept the call from ending."""
    if isinstance(error, RayTaskError) and isinstance(error.cause, BaseException):
        cause = error.cause
        cause.__cause__ = error
        return cause
    return error


def _finish_all() -> None:
    """At the interpreter's end: as with the standard library's executors, what was submitted is finished. Registered
    after the session's own handler, so called before it."""
    for executor in list(_executors):
        executor.shutdown()


atexit.register(_finish_all)
