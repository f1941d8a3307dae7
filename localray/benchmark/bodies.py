"""The tasks and actors that the workloads run inside worker processes.

Only what a worker executes lives here, and only the standard library is imported at the top: a worker of the other
system imports this module by name, in an interpreter that may have nothing else of localray. How a workload is set up
and timed belongs in workloads.py.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy
    import numpy.typing


class RemoteMethod(Protocol):
    """The `.remote(...)` half of an actor's method or of a remote function."""

    def remote(self, *arguments: object) -> object:
        """Submit a call and return its ref."""


class ServerHandle(Protocol):
    """What a `Submitter` needs of the handle of a `Server` or an `AsyncServer`."""

    small_value: RemoteMethod
    small_value_of: RemoteMethod


class WorkerApi(Protocol):
    """The few names of `ray` that a task or an actor uses by itself."""

    def remote(self, function: object) -> RemoteMethod:
        """Make a remote function."""

    def put(self, value: object) -> object:
        """Store a value and return its ref."""

    def get(self, refs: Sequence[object]) -> list[object]:
        """Fetch the values of all refs."""


def worker_api(module_name: str) -> WorkerApi:
    """Import `ray` or `localray` by name, whichever is being measured."""
    return cast(WorkerApi, importlib.import_module(module_name))


def small_value() -> bytes:
    """Do nothing; the cost of a task is all that is left."""
    return b"ok"


def zeros(size_bytes: int) -> numpy.typing.NDArray[numpy.uint8]:
    """Return an array of `size_bytes` bytes that has been written to once, so that its pages exist."""
    import numpy

    return numpy.full(size_bytes, 1, dtype=numpy.uint8)


def submit_and_get(module_name: str, count: int) -> int:
    """Submit `count` tasks from inside a task and wait for all of them."""
    api = worker_api(module_name)
    task = api.remote(small_value)
    return len(api.get([task.remote() for _ in range(count)]))


def put_small_values(module_name: str, count: int) -> int:
    """Put `count` small values from inside a task."""
    api = worker_api(module_name)
    for _ in range(count):
        api.put(0)
    return count


def hold_refs(module_name: str, count: int) -> list[object]:
    """Return a list of `count` refs: an object that holds other objects."""
    api = worker_api(module_name)
    return [api.put(1) for _ in range(count)]


class Server:
    """An actor whose methods do nothing."""

    def small_value(self) -> bytes:
        """Answer at once."""
        return b"ok"

    def small_value_of(self, _argument: object) -> bytes:
        """Answer at once, having been given an argument."""
        return b"ok"


class AsyncServer:
    """An actor whose methods are coroutines that do nothing."""

    async def small_value(self) -> bytes:
        """Answer at once."""
        return b"ok"

    async def small_value_of(self, _argument: object) -> bytes:
        """Answer at once, having been given an argument."""
        return b"ok"


class Submitter:
    """An actor that is itself a client: it submits work and waits for it."""

    def __init__(self, module_name: str, servers: Sequence[ServerHandle] = ()) -> None:
        self._api = worker_api(module_name)
        self._task = self._api.remote(small_value)
        self._servers = list(servers)

    def submit_tasks(self, count: int) -> int:
        """Submit `count` tasks at once and wait for all of them."""
        return len(self._api.get([self._task.remote() for _ in range(count)]))

    def call_servers(self, count: int) -> int:
        """Make `count` calls in all, the servers in turn, and wait for all of them."""
        servers = self._servers
        refs = [servers[index % len(servers)].small_value.remote() for index in range(count)]
        return len(self._api.get(refs))

    def call_servers_with_ref(self, count: int) -> int:
        """Make `count` calls in all, each given the same ref as its argument, and wait for all of them."""
        servers = self._servers
        argument = self._api.put(0)
        refs = [servers[index % len(servers)].small_value_of.remote(argument) for index in range(count)]
        return len(self._api.get(refs))
