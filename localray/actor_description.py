"""What handles know of an actor's class: its methods, their options and signatures; as it travels, and as it is found
by looking at the class."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from localray.client.client import Client
from localray.protocol import DefineTemplate
from localray.signatures import CallSignature
from localray.submission import integer

METHOD_OPTIONS_ATTRIBUTE = "__ray_method_options__"


@dataclass(frozen=True, slots=True)
class MethodDescription:
    """What a handle must know of a method: its signature here, its options everywhere."""

    options: dict[str, object]
    is_generator: bool
    signature: CallSignature | None


@dataclass(eq=False)
class ActorDescription:
    """What handles of one class share. ``templates`` caches definitions for each client, by method and options."""

    class_name: str
    methods: dict[str, MethodDescription]
    max_task_retries: int
    max_pending_calls: int
    templates: dict[tuple[object, ...], tuple[Client, DefineTemplate]] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As it is kept by the kernel for `ray.get_actor`; signatures stay behind."""
        methods = {
            name: {key: value for key, value in method.options.items() if isinstance(value, (int, str, type(None)))}
            for name, method in self.methods.items()
        }
        plain = {"class": self.class_name, "methods": methods, "retries": self.max_task_retries}
        plain["pending"] = self.max_pending_calls
        return json.dumps(plain).encode()

    @staticmethod
    def from_bytes(data: bytes) -> ActorDescription:
        """The inverse of `to_bytes`."""
        plain = json.loads(data)
        methods = {name: MethodDescription(options, False, None) for name, options in plain["methods"].items()}
        return ActorDescription(plain["class"], methods, plain["retries"], plain["pending"])


def describe_class(cls: type, max_task_retries: int, max_pending_calls: int) -> ActorDescription:
    """Look at a class: its public and private methods, except Python's own special ones that no call names."""
    methods: dict[str, MethodDescription] = {}
    for name, function in inspect.getmembers(cls, callable):
        if name in ("__class__", "__init_subclass__", "__subclasshook__", "__new__", "__init__"):
            continue
        if inspect.isclass(function):
            continue
        skip = not isinstance(inspect.getattr_static(cls, name), (staticmethod, classmethod))
        options = dict(getattr(function, METHOD_OPTIONS_ATTRIBUTE, {}))
        is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        signature = CallSignature(function, skip_first=skip) if inspect.isfunction(function) else None
        methods[name] = MethodDescription(options, is_generator, signature)
    return ActorDescription(cls.__name__, methods, max_task_retries, max_pending_calls)


def call_limits(options: Mapping[str, object]) -> tuple[int, int]:
    """How often an actor's calls are retried, and how many of one caller's may be unanswered; -1 is without limit."""
    return integer(options.get("max_task_retries")), integer(options.get("max_pending_calls"), -1)
