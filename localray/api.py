"""The functions of `ray`: decorators, get, put, wait and their kin. Each checks what the user gave, then asks the
client."""

# ruff: noqa: B904 - what is raised again without our frames is the same error, with its own cause
from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from localray import ids
from localray.actor import ActorClass, ActorHandle
from localray.async_tasks import are_allowed, as_task
from localray.client.current import connected_client
from localray.client.diagnosis import explain_value, raise_explained
from localray.client.generators import ObjectRefGenerator, Waitable, awaited
from localray.client.serialization import serialize
from localray.exceptions import RayError, RaySystemError
from localray.node_description import NODE_ADDRESS, store_name
from localray.object_ref import ObjectRef, UnknownOwner
from localray.options import from_units, validate_actor_options, validate_task_options
from localray.protocol import CancelTask, Query
from localray.remote_function import RemoteFunction
from localray.session import require_session
from localray.tracebacks import is_of_our_own

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class RemoteDecorator(Protocol):
    """``@ray.remote(num_cpus=2)`` and the like."""

    @overload
    def __call__(self, target: type[T], /) -> ActorClass[T]: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, target: Callable[P, R], /) -> RemoteFunction[P, ObjectRef[R]]: ...


class SeveralReturnsDecorator(Protocol):
    """``@ray.remote(num_returns=2)``: the types of the parts are not known."""

    def __call__(self, target: Callable[P, object], /) -> RemoteFunction[P, list[ObjectRef[Any]]]: ...


class NoReturnsDecorator(Protocol):
    """``@ray.remote(num_returns=0)``."""

    def __call__(self, target: Callable[P, object], /) -> RemoteFunction[P, None]: ...


@overload
def remote(target: type[T], /) -> ActorClass[T]: ...  # type: ignore[overload-overlap]


@overload
def remote(target: Callable[P, Generator[T, Any, Any]], /) -> RemoteFunction[P, ObjectRefGenerator[T]]: ...  # type: ignore[overload-overlap]


@overload
def remote(target: Callable[P, R], /) -> RemoteFunction[P, ObjectRef[R]]: ...


# They overlap on purpose: the first that fits is the most exact.
@overload
def remote(*, num_returns: Literal[0], **options: object) -> NoReturnsDecorator: ...  # type: ignore[overload-overlap]


@overload
def remote(*, num_returns: Literal[1], **options: object) -> RemoteDecorator: ...  # type: ignore[overload-overlap]


@overload
def remote(*, num_returns: int, **options: object) -> SeveralReturnsDecorator: ...  # type: ignore[overload-overlap]


@overload
def remote(**options: object) -> RemoteDecorator: ...


def remote(*args: object, **options: object) -> object:
    """Make a function run as tasks, or a class's instances actors.

    Args:
        args: the function or class, when used without parentheses.
        options: see the option table; e.g. ``num_cpus``, ``num_returns``, ``max_retries``, ``resources``.

    Returns:
        A `RemoteFunction` or `ActorClass`; with options, a decorator that makes one.

    Raises:
        AssertionError: empty parentheses, or a positional argument beside options.
        TypeError: what is decorated is neither a Python function nor a class.
        ValueError: an option is unknown, or its value is wrong.

    Example:
        >>> @ray.remote(num_cpus=2)             # doctest: +SKIP
        ... def f():
        ...     return 1
    """
    if len(args) == 1 and not options and callable(args[0]):
        return make_remote(args[0], {})
    if args or not options:
        raise AssertionError(
            "The @ray.remote decorator must be applied using either the syntax '@ray.remote' or with some keyword "
            "arguments, "
            "like '@ray.remote(num_returns=2, resources={\"CustomResource\": 1})'."
        )
    return lambda target: make_remote(target, options)


def make_remote(target: object, options: Mapping[str, object]) -> RemoteFunction[..., object] | ActorClass[object]:
    """Decorate one function or class."""
    if inspect.isclass(target):
        validate_actor_options(options, in_options=False)
        return ActorClass(target, options)
    if inspect.iscoroutinefunction(target) and are_allowed():
        target = as_task(target)
    if inspect.isfunction(target) or type(target).__name__ == "cython_function_or_method":
        validate_task_options(options, in_options=False, is_generator=inspect.isgeneratorfunction(target))
        return RemoteFunction(cast("Callable[..., object]", target), options)
    raise TypeError("The @ray.remote decorator must be applied to either a function or a class.")


@overload
def get(object_refs: ObjectRef[T], *, timeout: float | None = None) -> T: ...


@overload
def get(object_refs: list[ObjectRef[T]], *, timeout: float | None = None) -> list[T]: ...


@overload
def get(object_refs: ObjectRefGenerator[T], *, timeout: float | None = None) -> ObjectRefGenerator[T]: ...


def get(object_refs: object, *, timeout: float | None = None) -> object:
    """The value of an object, or of several.

    Args:
        object_refs: one `ObjectRef` or a list of them; a generator of references is handed back as it is.
        timeout: seconds to wait at most; 0 never blocks, None waits for ever.

    Returns:
        The value, or a list of values in the order of the references. Arrays are read-only views.

    Raises:
        GetTimeoutError: not ready in time; the tasks go on.
        RayTaskError: the task raised; also an instance of what it raised.
        ValueError, TypeError: these are not references.
    """
    client = connected_client()
    if client.stalls:
        client.gets.about_to_block("ray.get", "`await ref`, or `asyncio.gather` of several")
    try:
        if isinstance(object_refs, ObjectRef):
            return client.gets.get_one(object_refs, timeout)
        if isinstance(object_refs, ObjectRefGenerator):
            return object_refs
        if not isinstance(object_refs, list):
            from localray.dag.compiled_refs import is_compiled

            if is_compiled(object_refs):
                return object_refs.get(timeout)
            raise _with_advice(
                ValueError(
                    f"Invalid type of object refs, {type(object_refs)}, is given. 'object_refs' must either be an "
                    "ObjectRef or a list of ObjectRefs. "
                ),
                object_refs,
            )
        for reference in object_refs:
            if not isinstance(reference, ObjectRef):
                from localray.dag.compiled_refs import get_compiled, is_compiled

                if any(is_compiled(each) for each in object_refs):
                    return get_compiled(object_refs, timeout)
                raise _with_advice(
                    TypeError(f"Attempting to call `get` on the value {reference}, which is not an ray.ObjectRef."),
                    reference,
                )
        return client.gets.get(object_refs, timeout) if object_refs else []
    except RayError as error:
        # How the answer came here is nothing to whoever reads the traceback: it ends with the line that asked.
        raise error.with_traceback(None)
    except KeyboardInterrupt as interrupt:
        if is_of_our_own(interrupt):
            raise interrupt.with_traceback(None)
        raise


def _with_advice(error: Exception, value: object) -> Exception:
    """An error that also says what is most often meant by whoever wants the value of something that is no reference.

    Its text is Ray's, word for word: the advice is a note below it, where Python has such (3.11).
    """
    advice = ""
    if isinstance(value, ActorHandle):
        advice = "An actor has no value of its own. Call a method of it: `ray.get(actor.method.remote())`."
    elif hasattr(value, "remote"):
        advice = "Was `.remote(...)` forgotten? That makes the call, and gives a reference to its result."
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        advice = "Make a list of it: `ray.get(list(refs))`."
    if advice and sys.version_info >= (3, 11):
        error.add_note(advice)
    return error


def put(value: T, *, _owner: object = None, _tensor_transport: str | None = None) -> ObjectRef[T]:
    """Store a value once and get a reference to it.

    Raises:
        TypeError: the value is a reference, or can't be serialized; the text names the attribute at fault. What else
            pickling raises is of its own class.
        ValueError: an owner was given, or a way for tensors.
    """
    client = connected_client()
    if _owner is not None:
        raise ValueError("`_owner` is not supported: Ray has removed it, and objects belong to the session here.")
    if isinstance(value, ObjectRef):
        raise TypeError(
            "Calling 'put' on an ray.ObjectRef is not allowed. If you really want to do this, you can wrap the "
            "ray.ObjectRef in a list "
            "and call 'put' on it."
        )
    if _tensor_transport is not None:
        raise ValueError(f"Invalid tensor transport: {_tensor_transport}. Leave it out: tensors go by shared memory.")
    try:
        serialized = serialize(value)
    except UnknownOwner:
        raise
    except Exception as error:  # noqa: BLE001 - a __reduce__ of the user's may raise anything; it is raised again
        raise_explained(explain_value("the value of ray.put", value, error), error)
    return client.puts.put_serialized(serialized)  # type: ignore[return-value]  # a cast is a call, here of many


@overload
def wait(
    ray_waitables: list[ObjectRef[T]],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[ObjectRef[T]], list[ObjectRef[T]]]: ...


@overload
def wait(
    ray_waitables: list[ObjectRefGenerator[T]],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[ObjectRefGenerator[T]], list[ObjectRefGenerator[T]]]: ...


@overload
def wait(
    ray_waitables: Sequence[Waitable],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[Waitable], list[Waitable]]: ...


def wait(
    ray_waitables: object, *, num_returns: int = 1, timeout: float | None = None, fetch_local: bool = True
) -> object:
    """Wait until some of several objects are ready. A failed task's object counts as ready; a generator is ready when
    its next item is there, or nothing is left of it.

    Args:
        ray_waitables: a list of different references and generators.
        num_returns: how many to wait for.
        timeout: seconds to wait at most; None waits for ever.
        fetch_local: copy large values to this node; False leaves them on the node where they are.

    Returns:
        The ready ones, ``num_returns`` of them at most, and the rest; each in the order given.

    Raises:
        TypeError: this is not a list of references.
        ValueError: a reference occurs twice, or a number makes no sense.
    """
    client = connected_client()
    if isinstance(ray_waitables, (ObjectRef, ObjectRefGenerator)):
        raise TypeError(
            "wait() expected a list of ray.ObjectRef or ray.ObjectRefGenerator, got a single "
            f"{type(ray_waitables).__name__}"
        )
    if not isinstance(ray_waitables, list):
        raise TypeError(f"wait() expected a list of ray.ObjectRef or ray.ObjectRefGenerator, got {type(ray_waitables)}")
    if timeout is not None and timeout < 0:
        raise ValueError(f"The 'timeout' argument must be nonnegative. Received {timeout}")
    only_references = set(map(type, ray_waitables)) == {ObjectRef}
    for reference in () if only_references else ray_waitables:
        if not isinstance(reference, (ObjectRef, ObjectRefGenerator)):
            raise TypeError(
                "wait() expected a list of ray.ObjectRef or ray.ObjectRefGenerator, got list containing "
                f"{type(reference)}"
            )
    if not ray_waitables:
        return [], []
    if client.stalls:
        client.gets.about_to_block("ray.wait", "`asyncio.wait`")
    # The bytes of an id keep their hash.
    different = set(map(ObjectRef.binary, ray_waitables)) if only_references else set(ray_waitables)
    if len(different) != len(ray_waitables):
        raise ValueError("Wait requires a list of unique ray_waitables.")
    if num_returns <= 0:
        raise ValueError(f"Invalid number of objects to return {num_returns}.")
    if num_returns > len(ray_waitables):
        raise ValueError("num_returns cannot be greater than the number of ray_waitables provided to ray.wait.")
    try:
        if only_references:
            return client.gets.wait(ray_waitables, num_returns, timeout, fetches=fetch_local)
        by_reference = {awaited(waitable): waitable for waitable in ray_waitables}
        ready, rest = client.gets.wait(list(by_reference), num_returns, timeout, fetches=fetch_local)
    except KeyboardInterrupt as interrupt:
        if is_of_our_own(interrupt):
            raise interrupt.with_traceback(None)
        raise
    return [by_reference[reference] for reference in ready], [by_reference[reference] for reference in rest]


def cancel(ray_waitable: Waitable, *, force: bool = False, recursive: bool = True) -> None:
    """Cancel the task that makes an object. A finished task is left alone.

    Args:
        ray_waitable: a reference to what the task makes, or its generator.
        force: kill the worker instead of raising KeyboardInterrupt in it.
        recursive: cancel what the task has submitted too, and so on.

    Raises:
        TypeError: this is not a reference.
        ValueError: an actor's call is to be cancelled by force.
    """
    client = connected_client()
    if isinstance(ray_waitable, ObjectRefGenerator):
        ray_waitable = ray_waitable.completed()
    if not isinstance(ray_waitable, ObjectRef):
        raise TypeError(
            f"ray.cancel() only supported for object refs. For actors, try ray.kill(). Got: {type(ray_waitable)}."
        )
    if force and ids.is_of_actor(ray_waitable.binary()):
        raise ValueError("force=True is not supported for actor tasks: use ray.kill() to end the actor.")
    client.channel.send(CancelTask(ray_waitable.binary(), force, recursive))
    client.channel.flush()


def _resource_table(query: Query) -> dict[str, float]:
    client = require_session("asking for resources")
    answer = client.ask(query)
    if not isinstance(answer, tuple):
        raise RaySystemError("the head described its resources wrongly")
    return {name: from_units(units) for name, units in answer if units > 0}


def cluster_resources() -> dict[str, float]:
    """All resources of the session's nodes.

    Raises:
        RaySystemError: there is no session.
    """
    return _resource_table(Query.CLUSTER_RESOURCES)


def available_resources() -> dict[str, float]:
    """What of the resources is free now; what a task lends out while it waits in `get` is free.

    Raises:
        RaySystemError: there is no session.
    """
    return _resource_table(Query.AVAILABLE_RESOURCES)


def nodes() -> list[dict[str, object]]:
    """The nodes, each as a dictionary with the keys that Ray's have.

    Raises:
        RaySystemError: there is no session.
    """
    import socket

    answer = require_session("asking for nodes").ask(Query.NODES)
    if not isinstance(answer, tuple):
        raise RaySystemError("the head described its nodes wrongly")
    return [
        {
            "NodeID": node_id.hex(),
            "Alive": bool(alive),
            "NodeManagerAddress": NODE_ADDRESS,
            "NodeManagerHostname": socket.gethostname(),
            "NodeManagerPort": 0,
            "ObjectManagerPort": 0,
            "ObjectStoreSocketName": store_name(node_id.hex()),
            "RayletSocketName": f"raylet-{node_id.hex()}",
            "MetricsExportPort": 0,
            "NodeName": name or NODE_ADDRESS,
            "RuntimeEnvAgentPort": 0,
            "MetricsAgentPort": 0,
            "DashboardAgentListenPort": 0,
            "DeathReason": death_reason,
            "DeathReasonMessage": death_cause,
            "alive": bool(alive),
            "Resources": {name: from_units(units) for name, units in resources},
            "Labels": dict(labels),
        }
        for node_id, alive, resources, labels, name, death_cause, death_reason in answer
    ]


def get_gpu_ids() -> list[int] | list[str]:
    """The GPUs that the running task or actor has; none on a driver. Indices, or as ``CUDA_VISIBLE_DEVICES`` names them
    where the session was started with it."""
    from localray.client.context import current_task
    from localray.client.devices import called

    connected_client()
    context = current_task.get()
    return cast("list[int] | list[str]", [called(device) for device in context.devices] if context is not None else [])
