"""What handles know of an actor's class: its methods, their options and signatures; as it travels, and as it is found
by looking at the class; and `ray.method`, which puts options there."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, cast, overload

from localray import options as option_table
from localray.client.client import Client
from localray.client.definitions import serialize_definition
from localray.client.serialization import deserialize
from localray.options import METHOD_OPTIONS_ATTRIBUTE
from localray.protocol import DefineTemplate
from localray.signatures import CallSignature
from localray.submission import integer, serialize_retry_exceptions

_RETRIED_ERRORS = "retried_errors"
_INVOCATION = "invocation"
_SIGNATURE = "signature"
INVOCATION_DECORATOR = "__ray_invocation_decorator__"
"""The attribute of a function or method that holds what is put around its submission: it is given the function that
submits, which takes the arguments as a list and a mapping, and returns what is called in its stead."""

Decorated = TypeVar("Decorated", bound=Callable[..., object])


class CallLimits(NamedTuple):
    """How many of one caller's calls of an actor may be unanswered, and how many objects all of its calls may have
    yielded that nobody has taken; -1 is without limit."""

    max_pending_calls: int
    stream_limit: int


NO_LIMITS = CallLimits(-1, -1)


@dataclass(frozen=True, slots=True)
class MethodDescription:
    """What a handle must know of a method: its signature and its options; ``retried_errors`` are the
    pickled classes of its ``retry_exceptions`` where the handle came from elsewhere; ``decorate`` is what its class has
    put around calls of it."""

    options: dict[str, object]
    is_generator: bool
    signature: CallSignature | None
    retried_errors: bytes = b""
    decorate: Callable[..., Callable[..., object]] | None = None


@dataclass(eq=False)
class ActorDescription:
    """What handles of one class share. ``groups`` are the names of its concurrency groups, None where they are not
    known; ``stream_limit`` is how many yielded objects of all its calls together may wait to be taken, -1 is without
    limit; ``templates`` caches definitions for each client, by method and options, ``encoded`` what `to_bytes`
    gives."""

    class_name: str
    methods: dict[str, MethodDescription]
    max_pending_calls: int
    stream_limit: int = -1
    groups: tuple[str, ...] | None = None
    templates: dict[tuple[object, ...], tuple[Client, DefineTemplate]] = field(default_factory=dict)
    encoded: bytes = b""

    def to_bytes(self) -> bytes:
        """As it is kept by the kernel for `ray.get_actor`, and goes with handles."""
        if self.encoded:
            return self.encoded
        methods = {name: _plain(method) for name, method in self.methods.items()}
        plain: dict[str, object] = {"class": self.class_name, "methods": methods, "pending": self.max_pending_calls}
        plain["streams"] = self.stream_limit
        plain["groups"] = self.groups
        plain["generators"] = [name for name, method in self.methods.items() if method.is_generator]
        self.encoded = json.dumps(plain).encode()
        return self.encoded

    @staticmethod
    def from_bytes(data: bytes) -> ActorDescription:
        """The inverse of `to_bytes`."""
        plain = json.loads(data)
        generators = set(plain["generators"])
        methods = {
            name: MethodDescription(
                options,
                name in generators,
                CallSignature.from_text(str(options.pop(_SIGNATURE, ""))),
                bytes.fromhex(options.pop(_RETRIED_ERRORS, "")),
                _decorator_of(options.pop(_INVOCATION, "")),
            )
            for name, options in plain["methods"].items()
        }
        groups = None if plain["groups"] is None else tuple(plain["groups"])
        return ActorDescription(plain["class"], methods, plain["pending"], plain["streams"], groups, encoded=data)


def _plain(method: MethodDescription) -> dict[str, object]:
    """A method's options as JSON takes them: classes of exceptions and what is put around calls go as pickled bytes in
    hexadecimal digits."""
    options = method.options
    plain: dict[str, object] = {
        key: value for key, value in options.items() if isinstance(value, (int, str, type(None)))
    }
    if method.signature is not None:
        plain[_SIGNATURE] = method.signature.to_text()
    retried = options.get("retry_exceptions")
    if retried is not None and not isinstance(retried, bool):
        plain[_RETRIED_ERRORS] = serialize_retry_exceptions(retried).hex()
    if method.decorate is not None:
        plain[_INVOCATION] = serialize_definition(method.decorate, INVOCATION_DECORATOR).to_bytes().hex()
    return plain


def _decorator_of(digits: str) -> Callable[..., Callable[..., object]] | None:
    return cast("Callable[..., Callable[..., object]]", deserialize(bytes.fromhex(digits))) if digits else None


def describe_class(
    cls: type, limits: CallLimits = NO_LIMITS, groups: tuple[str, ...] | None = None
) -> ActorDescription:
    """Look at a class: its public and private methods, except Python's own special ones that no call names."""
    methods: dict[str, MethodDescription] = {}
    for name, function in inspect.getmembers(cls, callable):
        if name in ("__class__", "__init_subclass__", "__subclasshook__", "__new__", "__init__"):
            continue
        if inspect.isclass(function):
            continue
        skip = not isinstance(inspect.getattr_static(cls, name), (staticmethod, classmethod))
        options = dict(getattr(function, METHOD_OPTIONS_ATTRIBUTE, {}))
        signature = CallSignature(function, skip_first=skip) if inspect.isfunction(function) else None
        decorate = getattr(function, INVOCATION_DECORATOR, None)
        methods[name] = MethodDescription(options, is_generator(function), signature, decorate=decorate)
    return ActorDescription(cls.__name__, methods, *limits, groups)


def call_limits(options: Mapping[str, object]) -> CallLimits:
    """What an actor's options say of all of its calls."""
    return CallLimits(
        integer(options.get("max_pending_calls"), -1),
        integer(options.get("_actor_generator_backpressure_num_objects"), -1),
    )


def concurrency_groups(options: Mapping[str, object]) -> dict[str, int]:
    """The limits of an actor's concurrency groups, by name; unchecked."""
    groups = options.get("concurrency_groups")
    return dict(groups) if isinstance(groups, dict) else {}


def is_generator(function: object) -> bool:
    """Whether calls of a function yield."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


@overload
def method(function: Decorated, /) -> Decorated: ...


@overload
def method(**options: object) -> Callable[[Decorated], Decorated]: ...


def method(*args: Callable[..., object], **options: object) -> Callable[..., object]:
    """Set options of an actor's method: ``@ray.method(num_returns=2)``.

    Raises:
        AssertionError: an option is unknown, or something other than keywords was given.
        ValueError: an option's value is wrong.
    """
    if len(args) == 1 and callable(args[0]) and not options:
        return args[0]
    if args:
        raise AssertionError(
            "The @ray.method decorator takes keyword arguments only, e.g. '@ray.method(num_returns=2)'."
        )
    option_table.validate_method_options(options, in_options=False)

    def annotate(function: Decorated) -> Decorated:
        option_table.validate_method_options(options, in_options=False, is_generator=is_generator(function))
        setattr(function, METHOD_OPTIONS_ATTRIBUTE, options)
        return function

    return annotate
