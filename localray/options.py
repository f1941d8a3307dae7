"""The options of tasks, actors and methods: one table, the checks on it, and what it says of resources.

What lives here: `OPTIONS`, one row per keyword of `@ray.remote`, `@ray.method` and `.options()` with its type, default,
rule and where it is allowed; the checks Ray makes at decoration and those it makes only at `.remote()`; resource
amounts as integers. What must not: any scheduling, and the classes of strategies and placement groups themselves: those
derive from the two empty classes below, so that the table can know them without importing them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Flag
from types import NoneType

RESOURCE_UNIT = 10_000
"""Amounts of resources are integers; one CPU is this many."""

DEFAULT_TASK_MAX_RETRIES = 3
_ACCELERATOR_TYPE_UNITS = RESOURCE_UNIT // 1000
# An actor that asks for nothing but memory still counts as one that asks for nothing.
_NOT_COUNTED_AS_ASKED = frozenset({"memory"})


class SchedulingStrategyOption:
    """Base of every class whose instances may be given as `scheduling_strategy`."""

    __slots__ = ()


class PlacementGroupOption:
    """Base of the class whose instances may be given as `placement_group`."""

    __slots__ = ()


class Where(Flag):
    """Where a keyword is allowed."""

    TASK = 1
    ACTOR = 2
    METHOD_DECORATOR = 4
    METHOD_CALL = 8


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table.

    `rule` returns what is wrong with a value of the right type, or `None`; `not_in_options` marks a keyword that only
    the decorator takes.
    """

    name: str
    where: Where
    types: tuple[type, ...]
    default: object = None
    rule: Callable[[str, object], str | None] | None = None
    not_in_options: bool = False

    def check(self, value: object) -> None:
        """Raise what Ray raises for a wrong value.

        Raises:
            TypeError: the type is wrong.
            ValueError: the value is.
        """
        if not isinstance(value, self.types):
            wanted = self.types if len(self.types) > 1 else self.types[0]
            raise TypeError(f"The type of keyword '{self.name}' must be {wanted}, but received type {type(value)}")
        problem = self.rule(self.name, value) if self.rule else None
        if problem:
            raise ValueError(problem)


# --- rules -----------------------------------------------------------------------------------------------------------

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?"
_LABEL_PREFIX = rf"(?:{_LABEL})?(?:\.(?:{_LABEL})?)*"
_LABEL_SELECTOR = rf"!?(?:in)?\({_LABEL}(?:, ?{_LABEL})*\)|!?{_LABEL}"
_LABEL_SYNTAX = (
    "63 chars or less beginning and ending with an alphanumeric character ([a-z0-9A-Z]) with dashes (-), "
    "underscores (_), dots (.), and alphanumerics between."
)
_WHOLE_ACCELERATORS = frozenset({"HPU", "neuron_cores", "RBLN", "FURIOSA", "MBLT", "TTNPU"})
_WHOLE_ABOVE_ONE = _WHOLE_ACCELERATORS | {"GPU", "NPU", "TPU"}
_TPU_CHIPS = (1, 2, 4, 8)


def _at_least(lowest: int) -> Callable[[str, object], str | None]:
    accepted = "None, 0, -1 or a positive integer, where -1 represents infinity" if lowest else "None, 0 or a positive integer"

    def rule(name: str, value: object) -> str | None:
        bad = isinstance(value, int) and value < lowest
        return f"The keyword '{name}' only accepts {accepted}." if bad else None

    return rule


def _quantity(name: str, value: object) -> str | None:
    if value is None:
        return None
    return _quantity_of_resource(name, value)


def _quantity_of_resource(name: object, value: object) -> str | None:
    if not isinstance(value, int | float):
        raise TypeError(f"The quantity of resource {name} must be a number, but received type {type(value)}")
    if value < 0:
        return f"The quantity of resource {name} cannot be negative"
    if isinstance(value, float) and value and not int(value * RESOURCE_UNIT):
        return f"The precision of the fractional quantity of resource {name} cannot go beyond 0.0001"
    if name in _WHOLE_ACCELERATORS and value % 1:
        return f"{name} resource quantity must be whole numbers. The specified quantity {value} is invalid."
    if name == "TPU" and value not in _TPU_CHIPS:
        return (
            f"The number of requested 'TPU' was set to {value} which is not a supported chip configuration. "
            f"Supported configs: {_TPU_CHIPS}"
        )
    return None


def _custom_resources(_: str, value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    if "CPU" in value or "GPU" in value:
        return "Use the 'num_cpus' and 'num_gpus' keyword instead of 'CPU' and 'GPU' in 'resources' keyword"
    return _first(_quantity_of_resource(name, amount) for name, amount in value.items())


def _first(problems: Iterator[str | None]) -> str | None:
    return next((problem for problem in problems if problem), None)


def _label_selector(_: str, value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    return _first(_label_condition(key, wanted) for key, wanted in value.items())


def _label_condition(key: object, wanted: object) -> str | None:
    if not isinstance(key, str):
        raise TypeError(f"A key of a label selector must be a string, but received type {type(key)}")
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not re.fullmatch(_LABEL_PREFIX, prefix)):
        return (
            f"Invalid label key prefix `{prefix}`. Prefix must be a series of DNS labels separated by dots (.), not longer "
            "than 253 characters in total."
        )
    if not re.fullmatch(_LABEL, name):
        return f"Invalid label key name `{name}`. Name must be {_LABEL_SYNTAX}"
    if wanted is None or wanted == "":
        return None
    if not isinstance(wanted, str):
        raise TypeError(f"A value of a label selector must be a string, but received type {type(wanted)}")
    if not re.fullmatch(_LABEL_SELECTOR, wanted):
        return (
            f"Invalid label selector value `{wanted}`. The label selector value should contain optional operators and a "
            f"label value. Supported operators are: ! and {{'in'}}. Value must be {_LABEL_SYNTAX}"
        )
    return None


def _fallback_strategy(_: str, value: object) -> str | None:
    return _first(_fallback(strategy) for strategy in value) if isinstance(value, list) else None


def _fallback(strategy: object) -> str | None:
    if not isinstance(strategy, dict):
        return "Each element in fallback_strategy must be a dictionary."
    if not strategy:
        return "Empty dictionary found in `fallback_strategy`."
    for option in strategy:
        if option != "label_selector":
            return f"Unsupported option found: '{option}'. Only ['label_selector'] is currently supported."
    selector = strategy["label_selector"]
    if selector and not isinstance(selector, dict):
        return 'The value of "label_selector" must be a dictionary.'
    return _label_selector("label_selector", selector)


def _no_store_memory(_: str, value: object) -> str | None:
    return None if value is None else "Setting 'object_store_memory' is not implemented for tasks"


def _num_returns(_: str, value: object) -> str | None:
    if isinstance(value, str) and value not in ("dynamic", "streaming"):
        raise TypeError(f"num_returns must be an integer, 'streaming' or 'dynamic', but received {value!r}")
    if isinstance(value, int) and value < 0:
        return (
            "The keyword 'num_returns' only accepts None, a non-negative integer, 'streaming' (for generators), or "
            "'dynamic', which is deprecated. None means 1, and 'streaming' for generators."
        )
    return None


def _retry_exceptions(_: str, value: object) -> str | None:
    listed = value if isinstance(value, list | tuple) else ()
    good = all(isinstance(item, type) and issubclass(item, Exception) for item in listed)
    return None if good else "retry_exceptions must be either a boolean or a list of exceptions"


def _backpressure(name: str, value: object) -> str | None:
    if value != 0 or value is None:
        return None
    return (
        f"{name}=0 is not allowed. Use a value > 0; with 1, the generator runs on whenever `next` is called. Use -1 to "
        "disable this feature."
    )


def _actor_backpressure(name: str, value: object) -> str | None:
    if not isinstance(value, int) or value > 0 or value == -1:
        return None
    return f"{name} must be > 0 to cap the actor's total unconsumed generator objects, or -1 to disable. Got {value}."


def _objects_per_yield(name: str, value: object) -> str | None:
    if not isinstance(value, int) or value > 0:
        return None
    return f"{name} is a private streaming generator option that must be set to a positive integer."


def _lifetime(_: str, value: object) -> str | None:
    if value in (None, "detached", "non_detached"):
        return None
    return "actor `lifetime` argument must be one of 'detached', 'non_detached' and 'None'."


# --- the table -------------------------------------------------------------------------------------------------------

_T, _A, _D, _C = Where.TASK, Where.ACTOR, Where.METHOD_DECORATOR, Where.METHOD_CALL
_NUMBER = (float, int, NoneType)
_INTEGER = (int, NoneType)
_TEXT = (str, NoneType)
_SWITCH = (bool, NoneType)
_DICTIONARY = (dict, NoneType)

OPTIONS: tuple[Option, ...] = (
    Option("label_selector", _T | _A, _DICTIONARY, rule=_label_selector),
    Option("fallback_strategy", _T | _A, (list, NoneType), rule=_fallback_strategy),
    Option("accelerator_type", _T | _A, _TEXT),
    Option("memory", _T | _A, _NUMBER, rule=_quantity),
    Option("name", _T | _A, _TEXT),
    Option("num_cpus", _T, _NUMBER, default=1, rule=_quantity),
    Option("num_cpus", _A, _NUMBER, rule=_quantity),
    Option("num_gpus", _T | _A, _NUMBER, rule=_quantity),
    Option("object_store_memory", _T, _INTEGER, rule=_no_store_memory),
    Option("object_store_memory", _A, _INTEGER, rule=_at_least(0)),
    Option("placement_group", _T | _A, (NoneType, str, PlacementGroupOption), default="default"),
    Option("placement_group_bundle_index", _T | _A, (int,), default=-1),
    Option("placement_group_capture_child_tasks", _T | _A, _SWITCH),
    Option("resources", _T | _A, _DICTIONARY, rule=_custom_resources),
    Option("runtime_env", _T | _A, _DICTIONARY),
    Option("scheduling_strategy", _T | _A, (NoneType, str, SchedulingStrategyOption)),
    Option("enable_task_events", _T | _A, (bool,), default=True),
    Option("_labels", _T | _A, _DICTIONARY),
    Option("max_calls", _T, _INTEGER, default=0, rule=_at_least(0), not_in_options=True),
    Option("max_retries", _T, _INTEGER, default=DEFAULT_TASK_MAX_RETRIES, rule=_at_least(-1)),
    Option("num_returns", _T, (int, str, NoneType), rule=_num_returns),
    Option("retry_exceptions", _T, (bool, list, tuple), default=False, rule=_retry_exceptions),
    Option("_generator_backpressure_num_objects", _T, _INTEGER, rule=_backpressure),
    Option("_num_objects_per_yield", _T | _D, _INTEGER, default=1, rule=_objects_per_yield),
    Option("concurrency_groups", _A, (list, dict, NoneType), not_in_options=True),
    Option("enable_tensor_transport", _A, _SWITCH),
    Option("lifetime", _A, _TEXT, rule=_lifetime),
    Option("max_concurrency", _A, _INTEGER, rule=_at_least(0)),
    Option("max_restarts", _A, _INTEGER, default=0, rule=_at_least(-1)),
    Option("max_task_retries", _A, _INTEGER, default=0, rule=_at_least(-1)),
    Option("max_pending_calls", _A, _INTEGER, default=-1, rule=_at_least(-1)),
    Option("namespace", _A, _TEXT),
    Option("get_if_exists", _A, (bool,), default=False),
    Option("allow_out_of_order_execution", _A, _SWITCH),
    Option("_actor_generator_backpressure_num_objects", _A, _INTEGER, rule=_actor_backpressure),
)
