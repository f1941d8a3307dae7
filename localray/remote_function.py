"""`@ray.remote` on functions: what users hold instead of the function, and what becomes of its options.

Must not live here: submitting (`localray.client`), checking options (`localray.options`).
"""

# ruff: noqa: B904 - what is raised again without our frames is the same error, with its own cause
from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, ParamSpec, TypeVar, cast, overload

from localray import options as option_table
from localray.actor_description import INVOCATION_DECORATOR
from localray.client.arguments import pack_arguments
from localray.client.captured import Captured
from localray.client.client import Client
from localray.client.context import current_task
from localray.client.current import HandedOver, connected_client, handed_over_to
from localray.client.definitions import serialize_definition
from localray.object_ref import ObjectRef
from localray.placement_groups import context_key, place
from localray.protocol import CallMode, DefineTemplate, TaskKind
from localray.signatures import CallSignature
from localray.strategies import encode_strategy
from localray.submission import (
    handed_back,
    integer,
    returns,
    runtime_env_key,
    serialize_retry_exceptions,
    template_resources,
    with_checked_runtime_env,
)
from localray.tracebacks import is_of_our_own

if TYPE_CHECKING:
    from localray.dag.nodes import FunctionNode
    from localray.function_descriptors import PythonFunctionDescriptor

P = ParamSpec("P")
Returned_co = TypeVar("Returned_co", covariant=True)
"""What ``.remote()`` returns, to type checkers: ``ObjectRef[R]`` of a function that returns an ``R``, a list of
references with ``num_returns`` given, None with ``num_returns=0``."""


class RemoteFunction(Generic[P, Returned_co]):
    """A function that runs as a task: call it with ``.remote()``.

    To type checkers ``.remote()`` takes anything: each argument may be a value or a reference to one, by position or by
    name, and no type says that. Calls are checked against the function's signature when they are made.

    Args:
        function: the user's.
        options: as given to the decorator, checked.

    Example:
        >>> @ray.remote                         # doctest: +SKIP
        ... def square(x):
        ...     return x * x
        >>> ray.get(square.remote(4))           # doctest: +SKIP
        16
    """

    def __init__(self, function: Callable[..., object], options: Mapping[str, object]) -> None:
        if inspect.iscoroutinefunction(function):
            raise ValueError(
                "'async def' should not be used for remote tasks. You can wrap the async function with "
                "`asyncio.run(f())`, or make it a method of an actor."
            )
        self._function = function
        self._default_options = dict(with_checked_runtime_env(options))
        if self._default_options.get("num_gpus") and self._default_options.get("max_calls") is None:
            # As in Ray: libraries keep a GPU's memory until their process ends, and the next task needs it.
            self._default_options["max_calls"] = 1
        self._is_generator = inspect.isgeneratorfunction(function)
        self._signature = CallSignature(function)
        self._decorate: Callable[..., Callable[..., object]] | None = getattr(function, INVOCATION_DECORATOR, None)
        self._function_name = f"{function.__module__}.{function.__qualname__}"
        self._definition: tuple[Client, bytes] | None = None
        self._captured: Captured | None = None
        self._submission: Submission[P, Returned_co] = Submission(self, self._default_options)
        functools.update_wrapper(cast("Callable[..., object]", self), function, updated=())
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self._bind_remote()

    def __repr__(self) -> str:
        return f"RemoteFunction({self._function_name})"

    def _bind_remote(self) -> None:
        # `f.remote` itself looks like the function, as Ray's does, so that help() and IDEs show the user's parameters.
        submit = self._submission.submit

        @functools.wraps(self._function)
        def remote(*args: object, **kwargs: object) -> object:
            try:
                return submit(args, kwargs)
            except TypeError as error:
                if is_of_our_own(error):
                    raise error.with_traceback(None)
                raise

        # Each has its own: the method that type checkers see is never there.
        self.__dict__["remote"] = remote

    if TYPE_CHECKING:

        @overload
        def remote(self, *args: P.args, **kwargs: P.kwargs) -> Returned_co: ...

        @overload
        def remote(self, *args: Any, **kwargs: Any) -> Returned_co: ...

        def remote(self, *args: Any, **kwargs: Any) -> Returned_co:
            """Submit a task with these arguments; returns a reference, a list of them, or None, by ``num_returns``."""

    if not TYPE_CHECKING:  # so that checkers report the call

        def __call__(self, *args: object, **kwargs: object) -> NoReturn:
            raise TypeError(
                f"Remote functions cannot be called directly. Instead of running '{self._function_name}()', try "
                f"'{self._function_name}.remote()'. (The undecorated function is '{self.__name__}._function'.)"
            )

    # They overlap on purpose: the first that fits is the most exact.
    @overload
    def options(self, *, num_returns: Literal[0], **options: object) -> Submission[P, None]: ...  # type: ignore[overload-overlap]

    @overload
    def options(  # type: ignore[overload-overlap]
        self, *, num_returns: Literal[1], **options: object
    ) -> Submission[P, ObjectRef[Any]]: ...

    @overload
    def options(self, *, num_returns: int, **options: object) -> Submission[P, list[ObjectRef[Any]]]: ...

    @overload
    def options(self, **options: object) -> Submission[P, Returned_co]: ...

    def options(self, **options: object) -> Submission[P, Any]:
        """The same function with other options; ``self`` is not changed.

        Args:
            options: as for `ray.remote`.

        Returns:
            Something with ``.remote()`` and ``.bind()``.

        Raises:
            ValueError: an option is unknown or its value is wrong.
            TypeError: an option has the wrong type.
        """
        merged = option_table.override_task_options(self._default_options, options, self._is_generator)
        return Submission(self, with_checked_runtime_env(merged))

    def bind(self, *args: Any, **kwargs: Any) -> FunctionNode:
        """A node of a graph, to be executed later; see `localray.dag`."""
        return self._submission.bind(*args, **kwargs)

    def _remote(
        self, args: tuple[object, ...] = (), kwargs: Mapping[str, object] | None = None, **options: object
    ) -> object:
        submission: Submission[P, Any] = self.options(**options) if options else self._submission
        return submission.submit(args, kwargs or {})

    @property
    def _function_descriptor(self) -> PythonFunctionDescriptor | None:
        """What Ray's private parts know it by; None before its first use in a session."""
        if self._definition is None:
            return None
        from localray.function_descriptors import PythonFunctionDescriptor

        return PythonFunctionDescriptor.of(self._definition[1], self.__module__, self._function.__qualname__)

    def function_id(self, client: Client) -> bytes:
        """The function as this session knows it; serialized at its first use there."""
        if self._definition is None or self._definition[0] is not client:
            serialized = serialize_definition(self._function, self._function_name)
            code = getattr(self._function, "__code__", None)
            if code is not None and client.habits is not None:
                client.habits.defines(self._function_name, code.co_filename, code.co_firstlineno)
                self._captured = client.habits.captures(self._function)
            function_id = client.define_function(self._function_name, serialized.to_bytes(), serialized.contained)
            self._definition = (client, function_id)
        return self._definition[1]

    def _look_at_captured(self, client: Client, captured: Captured) -> None:
        if client.habits is None or not client.habits.looks_on(self._function_name, captured):
            self._captured = None

    def __reduce__(self) -> tuple[object, ...]:
        if handed_over_to() is not None:
            return self._submission.__reduce__()
        # Built empty and filled afterwards: a recursive function refers to itself through its globals.
        state: dict[str, object] = {"function": self._function, "options": self._default_options}
        return RemoteFunction._empty, (), state

    @staticmethod
    def _empty() -> RemoteFunction[..., object]:
        return RemoteFunction.__new__(RemoteFunction)

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(state["function"], state["options"])  # type: ignore[misc]


class Submission(Generic[P, Returned_co]):
    """A remote function together with options: what ``.options()`` returns."""

    def __init__(self, function: RemoteFunction[P, Any], options: Mapping[str, object]) -> None:
        self._function = function
        self._options = options
        self._templates: dict[bytes, tuple[Client, DefineTemplate]] = {}
        self._converted: tuple[object, object] | None = None

    @overload
    def remote(self, *args: P.args, **kwargs: P.kwargs) -> Returned_co: ...

    @overload
    def remote(self, *args: Any, **kwargs: Any) -> Returned_co: ...

    def remote(self, *args: Any, **kwargs: Any) -> Returned_co:
        """Submit a task with these arguments; returns a reference, a list of them, or None, by ``num_returns``."""
        try:
            return self.submit(args, kwargs)
        except TypeError as error:
            if is_of_our_own(error):
                raise error.with_traceback(None)
            raise

    def bind(self, *args: Any, **kwargs: Any) -> FunctionNode:
        """A node of a graph, to be executed later; see `localray.dag`."""
        if handed_over_to() is not None:
            return cast("FunctionNode", self._of_real_ray().bind(*args, **kwargs))
        from localray.dag.nodes import FunctionNode

        return FunctionNode(self._function._function, self, args, kwargs, self._options)

    def _of_real_ray(self) -> Any:
        """Ray's own of the same function and options, made when it is first used there."""
        if self._converted is None or self._converted[0] is not handed_over_to():
            from localray import real_ray

            function = self._function._function
            self._converted = (handed_over_to(), real_ray.remote(function, self._options))
        return self._converted[1]

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        if handed_over_to() is not None:
            from localray import real_ray

            return real_ray.as_it_is(self._of_real_ray())
        return Submission, (self._function, self._options)

    def submit(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Returned_co:
        """As `remote`, with the arguments as a tuple and a mapping."""
        decorate = self._function._decorate
        if decorate is not None:
            submit = decorate(lambda args, kwargs: self._submit(tuple(args), kwargs))
            return cast("Returned_co", submit(args, kwargs))
        return self._submit(args, kwargs)

    def _submit(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Returned_co:
        function = self._function
        function._signature.check(args, kwargs, function.__name__)
        try:
            client = connected_client()
        except HandedOver:
            return cast("Returned_co", self._of_real_ray().remote(*args, **kwargs))
        captured = function._captured
        if captured is not None:
            function._look_at_captured(client, captured)
        context = current_task.get()
        key = b"" if context is None else context_key(context)
        known = self._templates.get(key)
        if known is None or known[0] is not client:
            known = self._templates[key] = (client, self._define(client))
        template = known[1]
        arguments = pack_arguments(client.puts, template.name, args, kwargs)
        references = client.submit_task(template.template, template.num_returns, arguments)
        return cast("Returned_co", handed_back(client, template, references))

    def _define(self, client: Client) -> DefineTemplate:
        options = self._options
        option_table.check_task_submission(options)
        to_place, to_hold = template_resources(self._function._function_name, options, is_actor=False)
        placement = place(options, self._function._function.__qualname__, to_place, to_hold)
        max_retries = options.get("max_retries")
        return_mode, num_returns = returns(options, self._function._is_generator)
        template = DefineTemplate(
            template=client.new_template_number(),
            kind=TaskKind.TASK.value,
            function_id=self._function.function_id(client),
            name=str(options.get("name") or self._function.__name__),
            method="",
            num_returns=num_returns,
            to_place=placement.to_place,
            to_hold=placement.to_hold,
            max_retries=option_table.default_max_retries(os.environ) if max_retries is None else integer(max_retries),
            retry_exceptions=serialize_retry_exceptions(options.get("retry_exceptions")),
            call_mode=CallMode.SERIAL.value,
            max_concurrency=1,
            max_calls=integer(self._function._default_options.get("max_calls")),
            strategy=encode_strategy(options),
            group=placement.group,
            bundle=placement.bundle,
            captures=placement.captures,
            runtime_env=runtime_env_key(client, options),
            return_mode=return_mode.value,
            backpressure=integer(options.get("_generator_backpressure_num_objects"), -1),
            objects_per_yield=integer(options.get("_num_objects_per_yield"), 1),
            is_listed=options.get("enable_task_events") is not False,
        )
        client.define_template(template)
        return template


if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)
