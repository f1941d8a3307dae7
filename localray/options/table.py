"""The table of options: one row per keyword, with its type, default and rule, and where it is allowed.

What lives here: `OPTIONS` and what a row is. What must not: the order of checks, and the classes of strategies and
placement groups themselves: those derive from the two empty classes below, so that the table can name them without
importing them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Flag
from types import MappingProxyType, NoneType
from typing import NamedTuple

from localray.options import rules

DEFAULT_TASK_MAX_RETRIES = 3
METHOD_OPTIONS_ATTRIBUTE = "__ray_method_options__"
"""Where `ray.method` leaves a method's options for whoever looks at its class."""


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


class Option(NamedTuple):
    """One row of the table.

    `rule` returns what is wrong with a value of the right type, or `None`; `decorator_only` marks a keyword that
    `.options()` does not take.
    """

    name: str
    where: Where
    types: tuple[type, ...]
    default: object = None
    rule: Callable[[str, object], str | None] | None = None
    decorator_only: bool = False

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


_T, _A, _D, _C = Where.TASK, Where.ACTOR, Where.METHOD_DECORATOR, Where.METHOD_CALL
_NUMBER = (float, int, NoneType)
_INTEGER = (int, NoneType)
_TEXT = (str, NoneType)
_SWITCH = (bool, NoneType)
_DICTIONARY = (dict, NoneType)

OPTIONS: tuple[Option, ...] = (
    Option("label_selector", _T | _A, _DICTIONARY, rule=rules.label_selector),
    Option("fallback_strategy", _T | _A, (list, NoneType), rule=rules.fallback_strategy),
    Option("accelerator_type", _T | _A, _TEXT),
    Option("memory", _T | _A, _NUMBER, rule=rules.quantity),
    Option("name", _T | _A, _TEXT),
    Option("num_cpus", _T, _NUMBER, default=1, rule=rules.quantity),
    Option("num_cpus", _A, _NUMBER, rule=rules.quantity),
    Option("num_gpus", _T | _A, _NUMBER, rule=rules.quantity),
    Option("object_store_memory", _T, _INTEGER, rule=rules.no_store_memory),
    Option("object_store_memory", _A, _INTEGER, rule=rules.at_least(0)),
    Option("placement_group", _T | _A, (NoneType, str, PlacementGroupOption), default="default"),
    Option("placement_group_bundle_index", _T | _A, (int,), default=-1),
    Option("placement_group_capture_child_tasks", _T | _A, _SWITCH),
    Option("resources", _T | _A, _DICTIONARY, rule=rules.custom_resources),
    Option("runtime_env", _T | _A, _DICTIONARY),
    Option("scheduling_strategy", _T | _A, (NoneType, str, SchedulingStrategyOption)),
    Option("enable_task_events", _T | _A, (bool,), default=True),
    Option("_labels", _T | _A, _DICTIONARY),
    Option("max_calls", _T, _INTEGER, default=0, rule=rules.at_least(0), decorator_only=True),
    Option("max_retries", _T, _INTEGER, default=DEFAULT_TASK_MAX_RETRIES, rule=rules.at_least(-1)),
    Option("num_returns", _T, (int, str, NoneType), rule=rules.num_returns),
    Option("retry_exceptions", _T, (bool, list, tuple), default=False, rule=rules.retry_exceptions),
    Option("_generator_backpressure_num_objects", _T, _INTEGER, rule=rules.backpressure),
    Option("_num_objects_per_yield", _T | _D, _INTEGER, default=1, rule=rules.objects_per_yield),
    Option("concurrency_groups", _A, (list, dict, NoneType), decorator_only=True),
    Option("enable_tensor_transport", _A, _SWITCH),
    Option("lifetime", _A, _TEXT, rule=rules.lifetime),
    Option("max_concurrency", _A, _INTEGER, rule=rules.at_least(0)),
    Option("max_restarts", _A, _INTEGER, default=0, rule=rules.at_least(-1)),
    Option("max_task_retries", _A, _INTEGER, default=0, rule=rules.at_least(-1)),
    Option("max_pending_calls", _A, _INTEGER, default=-1, rule=rules.at_least(-1)),
    Option("namespace", _A, _TEXT),
    Option("get_if_exists", _A, (bool,), default=False),
    Option("checkpoint_interval", _A, (object,), rule=rules.checkpoint_interval),
    Option("allow_out_of_order_execution", _A, _SWITCH),
    Option("_actor_generator_backpressure_num_objects", _A, _INTEGER, rule=rules.actor_backpressure),
    # Ray checks next to nothing of a method's options before the call, where a wrong type is whatever its C++ binding
    # makes of it; a float for `num_returns` passes there.
    Option("num_returns", _D | _C, (int, float, str, NoneType), rule=rules.method_num_returns),
    Option("concurrency_group", _D | _C, _TEXT),
    Option("max_task_retries", _D | _C, _INTEGER),
    Option("retry_exceptions", _D | _C, (bool, list, tuple, NoneType)),
    Option("_generator_backpressure_num_objects", _D | _C, _INTEGER, rule=rules.backpressure),
    Option("enable_task_events", _D | _C, (object,)),
    Option("tensor_transport", _D | _C, _TEXT, rule=rules.tensor_transport),
    Option("name", _C, (str,), default=""),
    Option("_labels", _C, _DICTIONARY),
)


def _rows(where: Where) -> Mapping[str, Option]:
    return MappingProxyType({option.name: option for option in OPTIONS if option.where & where})


TASK_OPTIONS = _rows(Where.TASK)
ACTOR_OPTIONS = _rows(Where.ACTOR)
METHOD_DECORATOR_OPTIONS = _rows(Where.METHOD_DECORATOR)
METHOD_CALL_OPTIONS = _rows(Where.METHOD_CALL)
