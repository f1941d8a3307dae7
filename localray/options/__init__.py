"""The options of tasks, actors and methods: one table, the checks on it, and what it says of resources.

What lives here: every keyword of `@ray.remote`, `@ray.method` and `.options()` with its type, default, rule and where
it is allowed (`table`, `rules`); when which check is made (`checks`); resource amounts as integers (`resources`). What
must not: any scheduling, and any import of the rest of the package.
"""

from __future__ import annotations

from localray.options.checks import (
    SCHEDULING_STRATEGY_NAMES,
    check_actor_submission,
    check_concurrency_groups,
    check_method_call,
    check_task_submission,
    default_max_retries,
    override_actor_options,
    override_task_options,
    update_options,
    validate_actor_options,
    validate_method_options,
    validate_task_options,
    warn_of_deprecated_placement,
)
from localray.options.resources import check_whole_amounts, from_units, resources_from_options, to_units
from localray.options.rules import RESOURCE_UNIT
from localray.options.table import (
    ACTOR_OPTIONS,
    DEFAULT_TASK_MAX_RETRIES,
    METHOD_CALL_OPTIONS,
    METHOD_DECORATOR_OPTIONS,
    METHOD_OPTIONS_ATTRIBUTE,
    OPTIONS,
    TASK_OPTIONS,
    Option,
    PlacementGroupOption,
    SchedulingStrategyOption,
    Where,
)

__all__ = [
    "ACTOR_OPTIONS",
    "DEFAULT_TASK_MAX_RETRIES",
    "METHOD_CALL_OPTIONS",
    "METHOD_DECORATOR_OPTIONS",
    "METHOD_OPTIONS_ATTRIBUTE",
    "OPTIONS",
    "RESOURCE_UNIT",
    "SCHEDULING_STRATEGY_NAMES",
    "TASK_OPTIONS",
    "Option",
    "PlacementGroupOption",
    "SchedulingStrategyOption",
    "Where",
    "check_actor_submission",
    "check_concurrency_groups",
    "check_method_call",
    "check_task_submission",
    "check_whole_amounts",
    "default_max_retries",
    "from_units",
    "override_actor_options",
    "override_task_options",
    "resources_from_options",
    "to_units",
    "update_options",
    "validate_actor_options",
    "validate_method_options",
    "validate_task_options",
    "warn_of_deprecated_placement",
]
