"""`@ray.remote` on classes: the actor class, the handle, and the methods of a handle, as users hold them.

A handle refers to what the actor's constructor returns, so counting references to that object counts handles. Must not
live here: an actor's life (the kernel), submitting (`localray.client`), checking options (`localray.options`).
"""

# ruff: noqa: B904 - what is raised again without our frames is the same error, with its own cause
from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar, cast, overload

from localray import options as option_table
from localray.actor_description import (
    ActorDescription,
    MethodDescription,
    call_limits,
    concurrency_groups,
    describe_class,
)
from localray.actor_description import (
    method as method,
)
from localray.actor_metadata import ActorClassMetadata
from localray.checkpoint_rule import checkpoint_rule
from localray.client.arguments import pack_arguments
from localray.client.captured import Captured
from localray.client.client import Client
from localray.client.context import TaskContext
from localray.client.current import HandedOver, connected_client, handed_over_to, require_client
from localray.client.definitions import serialize_definition
from localray.client.leaving import exit_actor as exit_actor
from localray.exceptions import ActorAlreadyExistsError, PendingCallsLimitExceeded, RaySystemError
from localray.ids import ActorID, actor_creation_task_id_bytes, object_id_bytes
from localray.object_ref import ObjectRef, Reference
from localray.placement_groups import place
from localray.protocol import (
    RETRIES_OF_ACTOR,
    CallMode,
    CreateActor,
    DefineTemplate,
    FindActor,
    KillActor,
    Query,
    TaskKind,
)
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
    from localray.dag.nodes import ClassNode
    from localray.function_descriptors import PythonFunctionDescriptor

ASYNCIO_DEFAULT_CONCURRENCY = 1000
BUILT_IN_METHODS = ("__ray_ready__", "__ray_call__", "__ray_terminate__")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Returned_co = TypeVar("Returned_co", covariant=True)


class ActorClassInheritanceException(TypeError):
    """A class decorated with `ray.remote` was subclassed."""


class ActorClass(Generic[T]):
    """A class whose instances are actors: create one with ``.remote()``.

    Args:
        cls: the user's class.
        options: as given to the decorator, checked.
    """

    def __init__(self, cls: type[T], options: Mapping[str, object]) -> None:
        for base in cls.__mro__[1:]:
            if isinstance(base, ActorClass):
                raise ActorClassInheritanceException("Attempted to define subclass of an actor class.")
        if inspect.isabstract(cls):
            missing = sorted(cls.__abstractmethods__)  # type: ignore[attr-defined]
            raise TypeError(
                f"Can't instantiate abstract class ActorClass({cls.__name__}) with abstract method"
                f"{'s' if len(missing) > 1 else ''} {', '.join(missing)}. Decorate a subclass that has all of them."
            )
        self._begin(cls, with_checked_runtime_env(options))
        # Looked at here and now: what is done to the class later is not seen, as in Ray.
        _ = self._signature, self._is_asyncio, self._description

    def _begin(self, cls: type[T], options: Mapping[str, object]) -> None:
        self.__ray_actor_class__ = cls
        self.__module__ = cls.__module__
        self.__doc__ = cls.__doc__
        self._default_options = dict(options)
        self._groups = concurrency_groups(self._default_options)
        self._definition: tuple[Client, bytes] | None = None
        self._captured: Captured | None = None

    @cached_property
    def _signature(self) -> CallSignature:
        return CallSignature(self.__ray_actor_class__.__init__, skip_first=True)

    @cached_property
    def _is_asyncio(self) -> bool:
        return any(
            inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
            for _, member in inspect.getmembers(self.__ray_actor_class__, inspect.isfunction)
        )

    @cached_property
    def _description(self) -> ActorDescription:
        return describe_class(self.__ray_actor_class__, call_limits(self._default_options), tuple(self._groups))

    @property
    def __ray_metadata__(self) -> ActorClassMetadata:
        """What the class was decorated with; private in Ray, and used by packages all the same."""
        cls = self.__ray_actor_class__
        return ActorClassMetadata(cls.__qualname__, cls, self._default_options)

    def __mro_entries__(self, bases: tuple[object, ...]) -> NoReturn:
        raise ActorClassInheritanceException(
            "Inheriting from actor classes is not currently supported. You can inherit from a plain class and "
            "decorate the subclass "
            f"instead of '{self._description.class_name}'."
        )

    if not TYPE_CHECKING:  # so that checkers report the call

        def __call__(self, *args: object, **kwargs: object) -> NoReturn:
            name = self._description.class_name
            raise TypeError(
                f"Actors cannot be instantiated directly. Instead of '{name}()', use '{name}.remote()'. "
                f"(The undecorated class is '{name}.__ray_actor_class__'.)"
            )

    def __getattr__(self, name: str) -> Any:
        # Class attributes, static methods and class methods are readable on the decorated class, as in Ray.
        if name.startswith("__") and name not in self.__ray_actor_class__.__dict__:
            raise AttributeError(f"actor class {type(self).__name__} has no attribute {name!r}")
        return getattr(self.__ray_actor_class__, name)

    def __dir__(self) -> list[str]:
        # For completion and documentation: what its handles have, too.
        return sorted({*object.__dir__(self), *self._description.methods, *BUILT_IN_METHODS})

    def __repr__(self) -> str:
        return f"ActorClass({self._description.class_name})"

    def remote(self, *args: object, **kwargs: object) -> ActorHandle[T]:
        """Create an actor; returns its handle at once."""
        try:
            return self._create(args, kwargs, self._default_options)
        except TypeError as error:
            if is_of_our_own(error):
                raise error.with_traceback(None)
            raise

    def options(self, **options: object) -> ActorCreation[T]:
        """The same class with other options; ``self`` is not changed. Raises as `ray.remote` does."""
        merged = option_table.override_actor_options(self._default_options, options)
        return ActorCreation(self, with_checked_runtime_env(merged))

    def bind(self, *args: Any, **kwargs: Any) -> ClassNode:
        """A node of a graph, to be executed later; see `localray.dag`."""
        return ActorCreation(self, self._default_options).bind(*args, **kwargs)

    def _remote(
        self, args: tuple[object, ...] = (), kwargs: Mapping[str, object] | None = None, **options: object
    ) -> ActorHandle[T]:
        chosen = self.options(**options)._options if options else self._default_options
        return self._create(args, kwargs or {}, chosen)

    def _create(
        self, args: tuple[object, ...], kwargs: Mapping[str, object], options: Mapping[str, object]
    ) -> ActorHandle[T]:
        self._signature.check(args, kwargs, self._description.class_name)
        try:
            client = connected_client()
        except HandedOver:
            return cast("ActorHandle[T]", self._of_real_ray(options).remote(*args, **kwargs))
        option_table.check_actor_submission(options, self._is_asyncio)
        option_table.check_concurrency_groups(self._default_options.get("concurrency_groups"))
        self._check_groups_of_methods()
        template = self._define(client, options)
        arguments = pack_arguments(client.puts, self._description.class_name, args, kwargs)
        description = self._description
        limits = call_limits(options)
        if limits != call_limits(self._default_options):
            description = ActorDescription(description.class_name, description.methods, *limits, description.groups)
        actor_id = client.new_actor_id()
        task_id = actor_creation_task_id_bytes(actor_id)
        if self._captured is not None and client.habits is not None:
            client.habits.creates(actor_id, f"{self.__module__}.{self._description.class_name}", self._captured)
        name = str(options.get("name") or "")
        namespace = str(options.get("namespace") or client.namespace)

        def make(request: int) -> CreateActor:
            return CreateActor(
                task_id,
                template.template,
                arguments.payload,
                arguments.dependencies,
                arguments.borrowed,
                actor_id,
                name,
                namespace,
                options.get("lifetime", "detached" if client.detaches_actors else None) == "detached",
                bool(options.get("get_if_exists")),
                description.max_pending_calls,
                integer(options.get("max_task_retries")),
                description.to_bytes() if name else b"",
                request,
            )

        if name:
            # Only the kernel knows whether the name is free; Ray answers at once too.
            answer = client.request(make)
            if isinstance(answer, str):
                raise ActorAlreadyExistsError(answer)
            if isinstance(answer, tuple):
                return handle_from_answer(client, answer, weak=False)
            creation = client.references.declare(object_id_bytes(task_id, 1))
        else:
            creation = client.references.declare(object_id_bytes(task_id, 1))
            client.channel.send(make(0))
        return ActorHandle(ActorID(actor_id), description, creation)

    def _define(self, client: Client, options: Mapping[str, object]) -> DefineTemplate:
        name = f"{self.__module__}.{self._description.class_name}"
        to_place, to_hold = template_resources(name, options, is_actor=True)
        placement = place(options, self.__ray_actor_class__.__qualname__, to_place, to_hold)
        mode, concurrency = self._call_mode(options)
        calls, period_s = checkpoint_rule(self.__ray_actor_class__, options)
        if self._definition is None or self._definition[0] is not client:
            serialized = serialize_definition(self.__ray_actor_class__, self._description.class_name)
            function_id = client.define_function(
                name, serialized.to_bytes(), serialized.contained, self.__ray_actor_class__.__qualname__
            )
            self._definition = (client, function_id)
            self._captured = client.habits.captures(self.__ray_actor_class__) if client.habits is not None else None
        template = DefineTemplate(
            template=client.new_template_number(),
            kind=TaskKind.ACTOR_CREATION.value,
            function_id=self._definition[1],
            name=f"{self._description.class_name}.__init__",
            method="__init__",
            num_returns=1,
            to_place=placement.to_place,
            to_hold=placement.to_hold,
            max_retries=integer(options.get("max_restarts")),
            retry_exceptions=b"",
            call_mode=mode.value,
            max_concurrency=concurrency,
            max_calls=0,
            strategy=encode_strategy(options),
            group=placement.group,
            bundle=placement.bundle,
            captures=placement.captures,
            runtime_env=runtime_env_key(client, options),
            backpressure=call_limits(options).stream_limit,
            concurrency_groups=tuple(self._groups.items()),
            checkpoint_calls=calls,
            checkpoint_period_s=period_s,
            is_listed=options.get("enable_task_events") is not False,
        )
        kind = (template.strategy, template.runtime_env, template.max_retries, template.backpressure, calls, period_s)
        key = ("__init__", placement, mode, concurrency, template.is_listed, *kind)
        known = self._description.templates.get(key)
        if known is not None and known[0] is client:
            return known[1]
        self._description.templates[key] = (client, template)
        client.define_template(template)
        return template

    def _check_groups_of_methods(self) -> None:
        for name, described in self._description.methods.items():
            group = described.options.get("concurrency_group")
            if group and group not in self._groups:
                raise AssertionError(
                    f"The method '{name}' is in the concurrency group '{group}', which is not among those of "
                    f"'{self._description.class_name}': {list(self._groups)}."
                )

    def _call_mode(self, options: Mapping[str, object]) -> tuple[CallMode, int]:
        concurrency = integer(options.get("max_concurrency"))
        if self._is_asyncio:
            return CallMode.ASYNCIO, concurrency or ASYNCIO_DEFAULT_CONCURRENCY
        # One thread that takes what is ready: order is all that sets it apart from a serial actor.
        if concurrency > 1 or self._groups or options.get("allow_out_of_order_execution"):
            return CallMode.THREADED, max(1, concurrency)
        return CallMode.SERIAL, 1

    def _of_real_ray(self, options: Mapping[str, object]) -> Any:
        from localray import real_ray

        return real_ray.remote(self.__ray_actor_class__, options)

    def __reduce__(self) -> tuple[object, ...]:
        if handed_over_to() is not None:
            from localray import real_ray

            return real_ray.as_it_is(self._of_real_ray(self._default_options))
        return ActorClass._empty, (), {"cls": self.__ray_actor_class__, "options": self._default_options}

    @staticmethod
    def _empty() -> ActorClass[object]:
        return ActorClass.__new__(ActorClass)

    def __setstate__(self, state: dict[str, object]) -> None:
        # Not looked at yet: of a class whose methods mention it, nothing may be there but the name.
        self._begin(cast("type[T]", state["cls"]), cast("Mapping[str, object]", state["options"]))


class ActorCreation(Generic[T]):
    """An actor class together with options: what ``.options()`` returns."""

    def __init__(self, actor_class: ActorClass[T], options: Mapping[str, object]) -> None:
        self._actor_class = actor_class
        self._options = options

    def remote(self, *args: object, **kwargs: object) -> ActorHandle[T]:
        """Create an actor; returns its handle at once."""
        try:
            return self._actor_class._create(args, kwargs, self._options)
        except TypeError as error:
            if is_of_our_own(error):
                raise error.with_traceback(None)
            raise

    def bind(self, *args: Any, **kwargs: Any) -> ClassNode:
        """A node of a graph, to be executed later; see `localray.dag`."""
        if handed_over_to() is not None:
            return cast("ClassNode", self._actor_class._of_real_ray(self._options).bind(*args, **kwargs))
        from localray.dag.nodes import ClassNode

        return ClassNode(self._actor_class.__ray_actor_class__, self, args, kwargs, self._options)


class ActorHandle(Reference, Generic[T_co]):
    """A reference to an actor; its attributes are the actor's methods.

    Handles are equal when they name the same actor, and travel inside arguments and values. The actor lives while a
    handle does, unless it is detached; handles from `ray.get_actor` and `current_actor` do not count.

    To type checkers every method returns an ``ObjectRef[Any]``: no type names the methods of ``T`` one by one. The
    plugin `localray.mypy_plugin` does.
    """

    __slots__ = ("__weakref__", "_creation", "_description", "_ray_actor_id", "_weak")

    def __init__(
        self,
        actor_id: ActorID,
        description: ActorDescription,
        creation: ObjectRef[object] | None,
        *,
        weak: bool = False,
    ) -> None:
        self._ray_actor_id = actor_id
        self._description = description
        self._creation = creation
        self._weak = weak

    @property
    def _actor_id(self) -> ActorID:
        return self._ray_actor_id

    @property
    def _ray_actor_creation_function_descriptor(self) -> PythonFunctionDescriptor | None:
        """What Ray's private parts know its class by; None when it is gone."""
        from localray.function_descriptors import PythonFunctionDescriptor

        answer = connected_client().ask(Query.FUNCTIONS, self._ray_actor_id.hex())
        for function_id, _, is_class, name, qualname in cast("tuple[tuple[bytes, int, int, str, str], ...]", answer):
            if is_class:
                return PythonFunctionDescriptor.of(function_id, name.rpartition(".")[0], "__init__", qualname)
        return None

    def __getattr__(self, name: str) -> ActorMethod[ObjectRef[Any]]:
        if name not in BUILT_IN_METHODS:
            if name.startswith("__") and name.endswith("__") and name not in self._description.methods:
                # What Python looks up on its own (copy, numpy, …) must not become a call.
                raise AttributeError(f"an actor handle has no attribute {name!r}")
            if name not in self._description.methods:
                raise AttributeError(
                    f"'{self._description.class_name}' object has no attribute '{name}'. "
                    "Its methods are: "
                    f"{', '.join(sorted(m for m in self._description.methods if not m.startswith('_')))}. "
                    "What an actor keeps is in its own process, and cannot be read from here: give it a method that "
                    "returns it."
                )
        return ActorMethod(self, name, None)

    def __dir__(self) -> list[str]:
        # What can be called, and does not come from Python itself.
        inherited = dir(object)
        own = (name for name in self._description.methods if name not in inherited)
        return sorted({"__init__", *own, *BUILT_IN_METHODS})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorHandle) and self._ray_actor_id == other._ray_actor_id

    def __hash__(self) -> int:
        return hash(self._ray_actor_id)

    def __repr__(self) -> str:
        return f"Actor({self._description.class_name}, {self._ray_actor_id.hex()})"

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        if self._creation is not None:
            holder = self._creation._holder
            if holder is not None:
                holder.keep_for_ever(self._creation.binary())
        return self.reduce_into([])

    def reduce_into(self, contained: list[bytes]) -> tuple[Callable[..., object], tuple[object, ...]]:
        creation = b""
        if self._creation is not None:
            creation = self._creation.binary()
            contained.append(creation)
        return restore_handle, (self._ray_actor_id.binary(), self._description.to_bytes(), creation)


def restore_handle(actor_id: bytes, description: bytes, creation: bytes) -> ActorHandle[Any]:
    """Unpickle a handle: the current client counts it from now on, unless the pickled one was weak."""
    reference = require_client().references.adopt(creation) if creation else None
    return ActorHandle(ActorID(actor_id), ActorDescription.from_bytes(description), reference, weak=reference is None)


def handle_from_answer(client: Client, answer: tuple[object, ...], *, weak: bool) -> ActorHandle[Any]:
    """A handle from what the kernel says of a named actor."""
    actor_id, creation, description = answer
    if not (isinstance(actor_id, bytes) and isinstance(creation, bytes) and isinstance(description, bytes)):
        raise RaySystemError("the head described an actor wrongly")
    reference = None if weak else client.references.adopt(creation)
    return ActorHandle(ActorID(actor_id), ActorDescription.from_bytes(description), reference, weak=weak)


class ActorMethod(Generic[Returned_co]):
    """A method of a handle: call it with ``.remote()``. It keeps the handle, and so the actor, alive."""

    __slots__ = ("_handle", "_name", "_options")

    def __init__(self, handle: ActorHandle[Any], name: str, options: Mapping[str, object] | None) -> None:
        self._handle = handle
        self._name = name
        self._options = options

    if not TYPE_CHECKING:  # so that checkers report the call

        def __call__(self, *args: object, **kwargs: object) -> NoReturn:
            raise TypeError(
                f"Actor methods cannot be called directly. Instead of running 'object.{self._name}()', try "
                f"'object.{self._name}.remote()'."
            )

    # They overlap on purpose: the first that fits is the most exact.
    @overload
    def options(self, *, num_returns: Literal[0], **options: object) -> ActorMethod[None]: ...  # type: ignore[overload-overlap]

    @overload
    def options(  # type: ignore[overload-overlap]
        self, *, num_returns: Literal[1], **options: object
    ) -> ActorMethod[ObjectRef[Any]]: ...

    @overload
    def options(self, *, num_returns: int, **options: object) -> ActorMethod[list[ObjectRef[Any]]]: ...

    @overload
    def options(self, **options: object) -> ActorMethod[Returned_co]: ...

    def options(self, **options: object) -> ActorMethod[Any]:
        """The same method with other options."""
        method = self._handle._description.methods.get(self._name)
        is_generator = method is not None and method.is_generator
        option_table.validate_method_options(options, in_options=True, is_generator=is_generator)
        return ActorMethod(self._handle, self._name, {**(self._options or {}), **options})

    def remote(self, *args: object, **kwargs: object) -> Returned_co:
        """Submit the call; returns a reference, a list of them, or None, by ``num_returns``."""
        method = self._handle._description.methods.get(self._name)
        try:
            if method is not None and method.decorate is not None:
                submit = method.decorate(lambda args, kwargs: self._submit(method, tuple(args), kwargs))
                return cast("Returned_co", submit(args, kwargs))
            return self._submit(method, args, kwargs)
        except TypeError as error:
            if is_of_our_own(error):
                raise error.with_traceback(None)
            raise

    def _submit(
        self, method: MethodDescription | None, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> Returned_co:
        handle = self._handle
        name = self._name
        if method is not None and method.signature is not None:
            method.signature.check(args, kwargs, name, handle._description.class_name)
        client = connected_client()
        template = self._template(client, method)
        arguments = pack_arguments(client.puts, name, args, kwargs)
        limit = handle._description.max_pending_calls
        if limit > 0:
            # Only the kernel knows how many are answered; nobody but users of this option pays for asking.
            pending = client.ask(Query.PENDING_CALLS, handle._ray_actor_id.hex())
            if isinstance(pending, int) and pending >= limit:
                raise PendingCallsLimitExceeded(
                    f"The task {template.name} could not be submitted to {handle!r} because more than {limit} tasks "
                    "are queued on "
                    "the actor. This limit can be adjusted with the `max_pending_calls` actor option."
                )
        references = client.submit_call(
            handle._ray_actor_id.binary(), template.template, template.num_returns, arguments
        )
        return cast("Returned_co", handed_back(client, template, references, handle._description.stream_limit))

    def bind(self, *args: Any, **kwargs: Any) -> Any:
        """A node of a graph, to be executed later; of a method with several returns a tuple of nodes. See
        `localray.dag`.

        Raises:
            TypeError: the arguments are not those of the method.
        """
        from localray.dag.nodes import bind_to_handle

        method = self._handle._description.methods.get(self._name)
        if method is not None and method.signature is not None:
            method.signature.check(args, kwargs, self._name, self._handle._description.class_name)
        options = {**(method.options if method is not None else {}), **(self._options or {})}
        return bind_to_handle(self._handle, self._name, args, kwargs, options)

    def _remote(
        self, args: tuple[object, ...] = (), kwargs: Mapping[str, object] | None = None, **options: object
    ) -> object:
        method: ActorMethod[Any] = self.options(**options) if options else self
        return cast("object", method.remote(*args, **(kwargs or {})))

    def __repr__(self) -> str:
        return f"ActorMethod({self._handle._description.class_name}.{self._name})"

    def _template(self, client: Client, method: MethodDescription | None) -> DefineTemplate:
        options = self._options
        templates = self._handle._description.templates
        key: tuple[object, ...] = (self._name, None if options is None else repr(sorted(options.items())))
        known = templates.get(key)
        if known is not None and known[0] is client:
            return known[1]
        chosen = {name: value for name, value in (options or {}).items() if value is not None}
        merged = {**(method.options if method is not None else {}), **chosen}
        option_table.check_method_call(merged)
        self._check_group(merged.get("concurrency_group"))
        return_mode, num_returns = returns(merged, method is not None and method.is_generator)
        class_name = self._handle._description.class_name
        retried = serialize_retry_exceptions(merged.get("retry_exceptions"))
        if method is not None and "retry_exceptions" not in merged:
            retried = method.retried_errors
        template = DefineTemplate(
            template=client.new_template_number(),
            kind=TaskKind.ACTOR_CALL.value,
            function_id=b"",
            name=str(merged.get("name") or f"{class_name}.{self._name}"),
            method=self._name,
            num_returns=num_returns,
            to_place=(),
            to_hold=(),
            max_retries=integer(merged.get("max_task_retries"), RETRIES_OF_ACTOR),
            retry_exceptions=retried,
            call_mode=CallMode.SERIAL.value,
            max_concurrency=1,
            max_calls=0,
            return_mode=return_mode.value,
            backpressure=integer(merged.get("_generator_backpressure_num_objects"), -1),
            objects_per_yield=integer(merged.get("_num_objects_per_yield"), 1),
            concurrency_group=str(merged.get("concurrency_group") or ""),
            is_listed=None if (is_listed := merged.get("enable_task_events")) is None else bool(is_listed),
        )
        client.define_template(template)
        templates[key] = (client, template)
        return template

    def _check_group(self, group: object) -> None:
        description = self._handle._description
        if group and description.groups is not None and group not in description.groups:
            raise ValueError(
                f"The actor '{description.class_name}' has no concurrency group '{group}'. "
                f"Its groups are: {list(description.groups)}."
            )


def get_actor(name: str, namespace: str | None = None) -> ActorHandle[Any]:
    """The handle of a named actor; it does not keep the actor alive.

    Raises:
        ValueError: there is no such actor, or the namespace is empty.
        TypeError: the name or the namespace is no string.
    """
    if not name:
        raise ValueError("Please supply a non-empty value to get_actor")
    if not isinstance(name, str):
        raise TypeError(f"An actor's name is a string, got {type(name)}.")
    if namespace is not None and not isinstance(namespace, str):
        raise TypeError("namespace must be None or a string.")
    if namespace == "":
        raise ValueError('"" is not a valid namespace. Pass None to not specify a namespace.')
    client = connected_client()
    answer = client.request(lambda request: FindActor(request, name, namespace or client.namespace))
    if not isinstance(answer, tuple):
        raise ValueError(
            f"Failed to look up actor with name '{name}'. This could because 1. You are trying to look up a named "
            "actor you "
            "didn't create. 2. The named actor died. 3. You did not use a namespace matching the namespace of the "
            "actor."
        )
    return handle_from_answer(client, answer, weak=True)


def handle_of_running(context: TaskContext) -> ActorHandle[Any]:
    """The weak handle of the actor that a context belongs to."""
    if context.actor_class is None:
        raise RaySystemError("the running actor has no class")
    return ActorHandle(ActorID(context.actor_id), describe_class(context.actor_class), None, weak=True)


def kill(actor: ActorHandle[Any], *, no_restart: bool = True) -> None:
    """End an actor at once: running, queued and later calls raise `RayActorError`.

    Raises:
        ValueError: the argument is not a handle.
    """
    client = connected_client()
    if not isinstance(actor, ActorHandle):
        raise ValueError(f"ray.kill() only supported for actors. For tasks, try ray.cancel(). Got: {type(actor)}.")
    client.channel.send(KillActor(actor._ray_actor_id.binary(), no_restart))
    client.channel.flush()


ActorProxy = ActorHandle[T] | type[T]
"""For annotations: a handle, which checkers also take for the class whose methods it has."""


if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)
