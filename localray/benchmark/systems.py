"""The systems that can be measured, each behind the same small adapter.

What a workload may ask of a system, which of that each system can do, and how to start and stop it live here. Nothing
here knows a workload or a clock. The peers are imported by name when they are made, never at the top: most users have
none of them, and the interpreter that measures real Ray need not have the others.
"""

from __future__ import annotations

import enum
import importlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Protocol, cast

from localray.client.habits import VARIABLE as HINTS_VARIABLE

Submit = Callable[..., object]
"""Submits one call and returns a handle on its result; what the handle is, is the system's affair."""


class SystemName(enum.Enum):
    """The systems by the name used on the command line; for the first two it is also the module's name."""

    LOCALRAY = "localray"
    RAY = "ray"
    POOL = "pool"
    EXECUTOR = "executor"
    LOKY = "loky"
    DASK = "dask"


class Capability(enum.Enum):
    """What a workload can need of a system."""

    TASKS = "tasks"
    OBJECTS = "objects"
    ACTORS = "actors"
    CONCURRENT_ACTORS = "concurrent actors"
    """Actors with threads of their own, and actors whose methods are coroutines."""
    REFS = "refs"
    """Refs in the full sense: workers submit work themselves, objects hold refs, one can wait for some of many."""


CAPABILITIES = {
    SystemName.LOCALRAY: frozenset(Capability),
    SystemName.RAY: frozenset(Capability),
    SystemName.POOL: frozenset({Capability.TASKS}),
    SystemName.EXECUTOR: frozenset({Capability.TASKS}),
    SystemName.LOKY: frozenset({Capability.TASKS}),
    SystemName.DASK: frozenset({Capability.TASKS, Capability.OBJECTS, Capability.ACTORS}),
}

_NEEDED_MODULE = {
    SystemName.LOCALRAY: "localray",
    SystemName.RAY: "ray",
    SystemName.LOKY: "loky",
    SystemName.DASK: "distributed",
}


def missing_module(name: SystemName) -> str | None:
    """Return the module that this interpreter lacks to run a system, or None when it has all."""
    module = _NEEDED_MODULE.get(name)
    if module is None or importlib.util.find_spec(module) is not None:
        return None
    return module


class UnsupportedError(Exception):
    """A workload asked a system for something outside its capabilities: a mistake in the workload's `needs`."""


class System:
    """A system under measurement; adapters override what their capabilities promise.

    The methods that make a callable (`task`, `method`) exist so that the timed loop calls what a user would call,
    with nothing of the adapter in between.
    """

    name: SystemName
    processors = 0

    def version(self) -> str:
        """Return the version of the system as its package reports it."""
        raise NotImplementedError

    def start(self, processors: int) -> None:
        """Start with as many workers as `processors`; remembers the number."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop and wait until it has stopped."""
        raise NotImplementedError

    def task(self, function: Callable[..., object]) -> Submit:
        """Return a callable that submits a call of `function`."""
        raise NotImplementedError

    def collect_one(self, handle: object) -> object:
        """Wait for one result and return it."""
        raise NotImplementedError

    def collect(self, handles: Sequence[object]) -> list[object]:
        """Wait for all results and return them in order."""
        return [self.collect_one(handle) for handle in handles]

    def put(self, value: object) -> object:
        """Store a value; `collect_one` of the handle fetches it."""
        raise UnsupportedError(f"{self.name.value} stores no objects")

    def wait_for_one(self, handles: Sequence[object]) -> list[object]:
        """Wait until one of the handles is ready and return the others."""
        raise UnsupportedError(f"{self.name.value} cannot wait for one of many refs")

    def actor(self, kind: type, *arguments: object, max_concurrency: int | None = None) -> object:
        """Create an actor that takes no processor, and return its handle."""
        raise UnsupportedError(f"{self.name.value} has no actors")

    def method(self, actor: object, method_name: str) -> Submit:
        """Return a callable that submits a call of an actor's method."""
        raise UnsupportedError(f"{self.name.value} has no actors")

    def release(self, actor: object) -> None:
        """Destroy an actor."""
        raise UnsupportedError(f"{self.name.value} has no actors")


class _Remote(Protocol):
    def remote(self, *arguments: object) -> object: ...


class _ActorClass(_Remote, Protocol):
    def options(self, **options: object) -> _Remote: ...


class _RayModule(Protocol):
    """The names of `ray` that the workloads use; localray has the same ones."""

    __version__: str

    def init(self, *, num_cpus: int) -> object: ...
    def shutdown(self) -> None: ...
    def remote(self, target: object) -> object: ...
    def put(self, value: object) -> object: ...
    def get(self, refs: object) -> object: ...
    def wait(self, refs: list[object]) -> tuple[list[object], list[object]]: ...
    def kill(self, actor: object) -> None: ...


class RayLikeSystem(System):
    """Real Ray, or localray: one adapter, the module is the only difference."""

    def __init__(self, name: SystemName) -> None:
        self.name = name
        self._ray = cast(_RayModule, importlib.import_module(name.value))

    def version(self) -> str:
        return self._ray.__version__

    def start(self, processors: int) -> None:
        self.processors = processors
        # Waiting for each task before the next is submitted is one of the workloads.
        os.environ.setdefault(HINTS_VARIABLE, "0")
        self._ray.init(num_cpus=processors)

    def stop(self) -> None:
        self._ray.shutdown()

    def task(self, function: Callable[..., object]) -> Submit:
        return cast(_Remote, self._ray.remote(function)).remote

    def collect_one(self, handle: object) -> object:
        return self._ray.get(handle)

    def collect(self, handles: Sequence[object]) -> list[object]:
        return cast("list[object]", self._ray.get(handles))

    def put(self, value: object) -> object:
        return self._ray.put(value)

    def wait_for_one(self, handles: Sequence[object]) -> list[object]:
        _, not_ready = self._ray.wait(cast("list[object]", handles))
        return not_ready

    def actor(self, kind: type, *arguments: object, max_concurrency: int | None = None) -> object:
        options: dict[str, object] = {"num_cpus": 0}
        if max_concurrency is not None:
            options["max_concurrency"] = max_concurrency
        return cast(_ActorClass, self._ray.remote(kind)).options(**options).remote(*arguments)

    def method(self, actor: object, method_name: str) -> Submit:
        return cast(_Remote, getattr(actor, method_name)).remote

    def release(self, actor: object) -> None:
        self._ray.kill(actor)


class _AsyncResult(Protocol):
    def get(self) -> object: ...


class _Pool(Protocol):
    def apply_async(self, function: Callable[..., object], arguments: tuple[object, ...]) -> _AsyncResult: ...
    def close(self) -> None: ...
    def join(self) -> None: ...


class PoolSystem(System):
    """`multiprocessing.Pool`, a call at a time through `apply_async`, as tasks are submitted elsewhere."""

    name = SystemName.POOL
    _pool: _Pool

    def version(self) -> str:
        return _python_version()

    def start(self, processors: int) -> None:
        import multiprocessing

        self.processors = processors
        self._pool = cast(_Pool, multiprocessing.Pool(processors))

    def stop(self) -> None:
        self._pool.close()
        self._pool.join()

    def task(self, function: Callable[..., object]) -> Submit:
        apply_async = self._pool.apply_async
        return lambda *arguments: apply_async(function, arguments)

    def collect_one(self, handle: object) -> object:
        return cast(_AsyncResult, handle).get()


class ExecutorSystem(System):
    """`concurrent.futures.ProcessPoolExecutor`, and what has its interface."""

    name = SystemName.EXECUTOR
    _executor: Executor

    def version(self) -> str:
        return _python_version()

    def start(self, processors: int) -> None:
        from concurrent.futures import ProcessPoolExecutor

        self.processors = processors
        self._executor = ProcessPoolExecutor(processors)

    def stop(self) -> None:
        self._executor.shutdown(wait=True)

    def task(self, function: Callable[..., object]) -> Submit:
        return partial(self._executor.submit, function)

    def collect_one(self, handle: object) -> object:
        return cast("Future[object]", handle).result()


class _LokyModule(Protocol):
    __version__: str

    def get_reusable_executor(self, *, max_workers: int) -> Executor: ...


class LokySystem(ExecutorSystem):
    """loky's reusable executor."""

    name = SystemName.LOKY

    def __init__(self) -> None:
        self._loky = cast(_LokyModule, importlib.import_module("loky"))

    def version(self) -> str:
        return self._loky.__version__

    def start(self, processors: int) -> None:
        self.processors = processors
        self._executor = self._loky.get_reusable_executor(max_workers=processors)


class _DaskClient(Protocol):
    def submit(self, function: Callable[..., object], *arguments: object, **options: object) -> Future[object]: ...
    def scatter(self, value: object, *, hash: bool) -> object: ...
    def gather(self, handles: Sequence[object]) -> list[object]: ...
    def close(self) -> None: ...


class _DaskModule(Protocol):
    __version__: str
    Future: type

    def LocalCluster(self, *, n_workers: int, threads_per_worker: int) -> _Closable: ...
    def Client(self, cluster: object) -> _DaskClient: ...


class _Closable(Protocol):
    def close(self) -> None: ...


class DaskSystem(System):
    """dask.distributed on a local cluster: one process with one thread for each processor, as the others have."""

    name = SystemName.DASK
    _cluster: _Closable
    _client: _DaskClient

    def __init__(self) -> None:
        self._dask = cast(_DaskModule, importlib.import_module("distributed"))

    def version(self) -> str:
        return self._dask.__version__

    def start(self, processors: int) -> None:
        self.processors = processors
        self._cluster = self._dask.LocalCluster(n_workers=processors, threads_per_worker=1)
        self._client = self._dask.Client(self._cluster)

    def stop(self) -> None:
        self._client.close()
        self._cluster.close()

    def task(self, function: Callable[..., object]) -> Submit:
        # A pure function's repeated call would be answered from the first call's result.
        return partial(self._client.submit, function, pure=False)

    def collect_one(self, handle: object) -> object:
        return cast("Future[object]", handle).result()

    def collect(self, handles: Sequence[object]) -> list[object]:
        if handles and isinstance(handles[0], self._dask.Future):
            return self._client.gather(handles)
        # The answers of actors are futures of another kind, which gather() does not know.
        return [self.collect_one(handle) for handle in handles]

    def put(self, value: object) -> object:
        return self._client.scatter(value, hash=False)

    def actor(self, kind: type, *arguments: object, max_concurrency: int | None = None) -> object:
        if max_concurrency is not None:
            raise UnsupportedError("dask's actors have no max_concurrency")
        return self._client.submit(kind, *arguments, actor=True, pure=False).result()

    def method(self, actor: object, method_name: str) -> Submit:
        return cast(Submit, getattr(actor, method_name))

    def release(self, actor: object) -> None:
        """Nothing to do: a dask actor goes with the last reference to it."""


def _python_version() -> str:
    import platform

    return f"of Python {platform.python_version()}"


def make_system(name: SystemName) -> System:
    """Import a system and return its adapter, not yet started.

    Raises:
        ImportError: the interpreter does not have the system.
    """
    if name in (SystemName.LOCALRAY, SystemName.RAY):
        return RayLikeSystem(name)
    if name is SystemName.POOL:
        return PoolSystem()
    if name is SystemName.EXECUTOR:
        return ExecutorSystem()
    if name is SystemName.LOKY:
        return LokySystem()
    return DaskSystem()
