"""``__ray_metadata__`` of an actor class: what it was decorated with, and what is known of its methods. Private in Ray,
and used by packages all the same.

Must not live here: what handles know of a class (`localray.actor_description`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from localray import options as option_table
from localray.language import Language
from localray.options import METHOD_OPTIONS_ATTRIBUTE


def _call(fn: Callable[..., object], *args: object, **kwargs: object) -> object:
    """For its signature."""


_BUILT_IN: dict[str, list[inspect.Parameter]] = {
    "__ray_ready__": [],
    "__ray_call__": list(inspect.signature(_call).parameters.values()),
    "__ray_terminate__": [],
}


@dataclass
class MethodMetadata:
    """The methods of an actor class, and by their names what `ray.method` said of them; what was not said is not there,
    except for the number of returns."""

    methods: dict[str, Callable[..., Any]] = field(default_factory=dict)
    decorators: dict[str, Any] = field(default_factory=dict)
    signatures: dict[str, list[inspect.Parameter]] = field(default_factory=lambda: dict(_BUILT_IN))
    num_returns: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(_BUILT_IN))
    max_task_retries: dict[str, Any] = field(default_factory=dict)
    retry_exceptions: dict[str, Any] = field(default_factory=dict)
    method_is_generator: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(_BUILT_IN, False))
    enable_task_events: dict[str, Any] = field(default_factory=dict)
    generator_backpressure_num_objects: dict[str, Any] = field(default_factory=dict)
    num_objects_per_yield: dict[str, Any] = field(default_factory=dict)
    concurrency_group_for_methods: dict[str, Any] = field(default_factory=dict)
    method_name_to_tensor_transport: dict[str, str] = field(default_factory=dict)
    has_tensor_transport_methods: bool = False


_TABLES = {
    "num_returns": "num_returns",
    "max_task_retries": "max_task_retries",
    "retry_exceptions": "retry_exceptions",
    "enable_task_events": "enable_task_events",
    "_generator_backpressure_num_objects": "generator_backpressure_num_objects",
    "_num_objects_per_yield": "num_objects_per_yield",
    "concurrency_group": "concurrency_group_for_methods",
}
"""Where each keyword of `ray.method` is kept."""


def describe_methods(cls: type) -> MethodMetadata:
    """Look at a class's methods."""
    found = MethodMetadata()
    for name, member in inspect.getmembers(cls, lambda each: inspect.isfunction(each) or inspect.ismethod(each)):
        function = inspect.unwrap(member)
        is_bound = isinstance(inspect.getattr_static(cls, name), (staticmethod, classmethod))
        parameters = list(inspect.signature(function).parameters.values())
        found.methods[name] = member
        found.signatures[name] = parameters if is_bound else parameters[1:]
        found.num_returns[name] = None
        found.method_is_generator[name] = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        for keyword, value in getattr(function, METHOD_OPTIONS_ATTRIBUTE, {}).items():
            if keyword in _TABLES:
                getattr(found, _TABLES[keyword])[name] = value
    return found


@dataclass(frozen=True)
class ActorClassMetadata:
    """What an actor class was decorated with. Options are attributes, too: None where they were not given."""

    class_name: str
    modified_class: type
    options: Mapping[str, object]
    language: Language = Language.PYTHON

    @cached_property
    def method_meta(self) -> MethodMetadata:
        """What is known of its methods."""
        return describe_methods(self.modified_class)

    def __getattr__(self, name: str) -> object:
        if name.startswith("_") or name not in option_table.ACTOR_OPTIONS:
            raise AttributeError(f"an actor class's metadata has no attribute {name!r}")
        return self.options.get(name)
