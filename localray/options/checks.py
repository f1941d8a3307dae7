"""When and in which order options are checked.

What lives here: the checks at the decorator, in `.options()`, and at `.remote()`, each raising what Ray raises there.
What must not: the rules themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

from localray.options.resources import check_whole_amounts
from localray.options.table import (
    ACTOR_OPTIONS,
    DEFAULT_TASK_MAX_RETRIES,
    METHOD_CALL_OPTIONS,
    METHOD_DECORATOR_OPTIONS,
    TASK_OPTIONS,
    Option,
)

SCHEDULING_STRATEGY_NAMES = ("DEFAULT", "SPREAD")
_DEFAULT_PLACEMENT_GROUP = "default"


def validate_task_options(options: Mapping[str, object], in_options: bool, is_generator: bool | None = None) -> None:
    """Check the options of a task.

    Keywords are checked in the order they were given, each for being known, then its type, then its value.

    Args:
        options: what the user gave; in `.options()`, merged over what the decorator was given.
        in_options: whether this is for `.options()`.
        is_generator: whether the function yields; `None` leaves `num_returns` unchecked against that.

    Raises:
        ValueError: a keyword is not known (the message lists those that are), or a value is wrong.
        TypeError: a value has the wrong type.

    >>> validate_task_options({"num_cpus": "1"}, in_options=False)
    Traceback (most recent call last):
    TypeError: The type of keyword 'num_cpus' must be (<class 'float'>, <class 'int'>, <class 'NoneType'>), ...
    """
    _check_each(options, TASK_OPTIONS, in_options, "remote functions")
    _check_placement_group(options)
    if is_generator is not None:
        _check_generator(options.get("num_returns"), is_generator)


def validate_actor_options(options: Mapping[str, object], in_options: bool) -> None:
    """Check the options of an actor; arguments and errors as for `validate_task_options`."""
    _check_each(options, ACTOR_OPTIONS, in_options, "actors")
    if options.get("get_if_exists") and not options.get("name"):
        raise ValueError("The actor name must be specified to use `get_if_exists`.")
    if "object_store_memory" in options:
        warnings.warn(
            "Setting 'object_store_memory' for actors is deprecated and reserves nothing. Leave it out: objects that "
            "do not fit into memory are spilled to disk.",
            DeprecationWarning,
            stacklevel=3,
        )
    _check_placement_group(options)


def validate_method_options(options: Mapping[str, object], in_options: bool, is_generator: bool | None = None) -> None:
    """Check the options of an actor's method as `@ray.method` or, with `in_options`, `.options()` does.

    Ray leaves most of them to the call: see `check_method_call`.

    Args:
        options: what the user gave.
        in_options: whether this is for `.options()` of a handle's method.
        is_generator: whether the method yields; `None` leaves `num_returns` unchecked against that.

    Raises:
        AssertionError: a keyword of the decorator is not known.
        ValueError: a value is wrong, or a keyword is for the decorator only.
        TypeError: `_num_objects_per_yield` has the wrong type.
    """
    if not in_options:
        for name in options:
            if name not in METHOD_DECORATOR_OPTIONS:
                raise AssertionError(
                    f"Unexpected keyword argument to @ray.method: '{name}'. The supported keyword arguments are "
                    f"{list(METHOD_DECORATOR_OPTIONS)}"
                )
    elif "_num_objects_per_yield" in options:
        raise ValueError(
            "_num_objects_per_yield cannot be overridden per actor method call. "
            "Use @ray.method(_num_objects_per_yield=...) instead."
        )
    num_returns = options.get("num_returns")
    if isinstance(num_returns, int):
        METHOD_DECORATOR_OPTIONS["num_returns"].check(num_returns)
    if is_generator is not None:
        _check_generator(num_returns, is_generator)
    for name in ("_num_objects_per_yield", "tensor_transport"):
        if name in options:
            METHOD_DECORATOR_OPTIONS[name].check(options[name])


def check_method_call(options: Mapping[str, object]) -> None:
    """Check the options of an actor's method as a call with them does, those of the decorator included.

    Raises:
        TypeError: a keyword is not known, or a value has the wrong type.
        AssertionError: `retry_exceptions` is neither a boolean nor a list or tuple.
        ValueError: a value is wrong.
    """
    for name, value in options.items():
        option = METHOD_CALL_OPTIONS.get(name) or METHOD_DECORATOR_OPTIONS.get(name)
        if option is None:
            raise TypeError(
                f"ActorMethod._remote() got an unexpected keyword argument '{name}'. "
                f"Valid ones are {list(METHOD_CALL_OPTIONS)}."
            )
        if name == "retry_exceptions" and not isinstance(value, option.types):
            raise AssertionError("retry_exceptions can either be boolean or list/tuple of exception types.")
        if isinstance(value, str) and name == "num_returns" and value not in ("dynamic", "streaming"):
            raise TypeError(f"num_returns must be an integer, 'streaming' or 'dynamic', but received {value!r}")
        option.check(value)


def update_options(base: Mapping[str, object], override: Mapping[str, object]) -> dict[str, object]:
    """`base` with the keys of `override` replaced; values are not merged, nor copied.

    >>> update_options({"resources": {"a": 1}}, {"resources": {"b": 1}})
    {'resources': {'b': 1}}
    """
    return {**base, **override}


def override_task_options(
    base: Mapping[str, object], override: Mapping[str, object], is_generator: bool
) -> dict[str, object]:
    """What `.options(**override)` of a remote function makes of the options of its decorator.

    Raises:
        ValueError, TypeError: as `validate_task_options`.
    """
    if "_num_objects_per_yield" in override and override["_num_objects_per_yield"] != (
        base.get("_num_objects_per_yield") or 1
    ):
        raise ValueError(
            "_num_objects_per_yield cannot be overridden per task call. "
            "Use @ray.remote(_num_objects_per_yield=...) instead."
        )
    merged = update_options(_without_decorator_only(base, TASK_OPTIONS), override)
    # What the decorator said of `num_returns` was checked, and warned about, there.
    validate_task_options(merged, in_options=True, is_generator=is_generator if "num_returns" in override else None)
    return merged


def override_actor_options(base: Mapping[str, object], override: Mapping[str, object]) -> dict[str, object]:
    """What `.options(**override)` of an actor class makes of the options of its decorator.

    Raises:
        ValueError, TypeError: as `validate_actor_options`.
    """
    merged = update_options(_without_decorator_only(base, ACTOR_OPTIONS), override)
    validate_actor_options(merged, in_options=True)
    return merged


def check_task_submission(options: Mapping[str, object]) -> None:
    """The checks of a task's options that Ray makes only at `.remote()`.

    Raises:
        ValueError: a reserved resource is named, a strategy is not known, or a fraction above one is asked of GPUs.
        TypeError: a resource's name is not a string.
    """
    _check_resource_names(options)
    _check_strategy_name(options)
    check_whole_amounts(options)


def check_actor_submission(options: Mapping[str, object], is_asyncio: bool) -> None:
    """The checks of an actor's options that Ray makes only at `.remote()`.

    Args:
        options: checked options of the actor.
        is_asyncio: whether the class has coroutine methods.

    Raises:
        ValueError: as for a task; or the name or namespace is empty, or calls in order are asked of a concurrent actor.
        TypeError: a resource's name is not a string.
    """
    if options.get("name") == "":
        raise ValueError("Actor name cannot be an empty string.")
    if options.get("namespace") == "":
        raise ValueError('"" is not a valid namespace. Pass None to not specify a namespace.')
    _check_resource_names(options)
    concurrency = options.get("max_concurrency")
    threaded = isinstance(concurrency, int) and concurrency > 1
    if options.get("allow_out_of_order_execution") is False and (is_asyncio or threaded):
        kind = "async" if is_asyncio else "multi-threaded"
        raise ValueError(
            f"If you're using {kind} actors, Ray can't execute actor tasks in order. "
            "Set `allow_out_of_order_execution=True` to allow out-of-order execution."
        )
    _check_strategy_name(options)
    check_whole_amounts(options)


def check_concurrency_groups(groups: object) -> None:
    """Check the groups of an actor as Ray does at `.remote()`.

    Raises:
        TypeError: this is not a dictionary from names to integers.
        ValueError: a limit is not positive.
    """
    if not groups:
        return
    if not isinstance(groups, dict):
        raise TypeError(f"concurrency_groups must be a dictionary from names to limits, but received {type(groups)}")
    for name, limit in groups.items():
        if not isinstance(name, str) or not isinstance(limit, int):
            raise TypeError(f"A concurrency group is a name and an integer, but received {name!r}: {limit!r}")
        if limit < 1:
            raise ValueError(f"The concurrency group '{name}' must have a limit of at least 1, but has {limit}.")


def warn_of_deprecated_placement(options: Mapping[str, object], stacklevel: int) -> None:
    """Warn of `placement_group` and its companions, as Ray does at `.remote()`.

    Args:
        options: checked options of a task or actor.
        stacklevel: as for `warnings.warn`; 1 is the caller.
    """
    used = {
        "placement_group": options.get("placement_group", _DEFAULT_PLACEMENT_GROUP) != _DEFAULT_PLACEMENT_GROUP,
        "placement_group_bundle_index": options.get("placement_group_bundle_index", -1) != -1,
        "placement_group_capture_child_tasks": bool(options.get("placement_group_capture_child_tasks")),
    }
    for name in (name for name, is_used in used.items() if is_used):
        warnings.warn(
            f"{name} parameter is deprecated. Use scheduling_strategy=PlacementGroupSchedulingStrategy(...) instead.",
            DeprecationWarning,
            stacklevel=stacklevel + 1,
        )


def default_max_retries(environment: Mapping[str, str]) -> int:
    """How often a task is retried unless its options say: RAY_TASK_MAX_RETRIES, or 3.

    Raises:
        ValueError: the variable is not an integer.
    """
    return int(environment.get("RAY_TASK_MAX_RETRIES", DEFAULT_TASK_MAX_RETRIES))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names what is spelt almost like this, with a space before it; empty where nothing is.

    >>> did_you_mean("num_cpu", ["num_gpus", "num_cpus"])
    " Did you mean 'num_cpus'?"
    """
    # Only for whoever has made a mistake: it takes longer to import than all of the checks to run.
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _check_each(options: Mapping[str, object], table: Mapping[str, Option], in_options: bool, kind: str) -> None:
    for name, value in options.items():
        option = table.get(name)
        if option is None:
            misspelt = name not in TASK_OPTIONS and name not in ACTOR_OPTIONS
            advice = did_you_mean(name, table) if misspelt else ""
            raise ValueError(f"Invalid option keyword {name} for {kind}. Valid ones are {list(table)}.{advice}")
        option.check(value)
    for name in options:
        if in_options and table[name].decorator_only:
            raise ValueError(f"Setting '{name}' is not supported in '.options()'.")


def _check_placement_group(options: Mapping[str, object]) -> None:
    group = options.get("placement_group")
    if group is not None and group != _DEFAULT_PLACEMENT_GROUP and options.get("scheduling_strategy") is not None:
        raise ValueError(
            "Placement groups should be specified via the scheduling_strategy option. "
            "The placement_group option is deprecated."
        )


def _check_generator(num_returns: object, is_generator: bool) -> None:
    if num_returns == "dynamic":
        warnings.warn(
            "num_returns='dynamic' is deprecated and will be removed. Use num_returns='streaming' instead.",
            DeprecationWarning,
            stacklevel=4,
        )
    if num_returns in ("streaming", "dynamic") and not is_generator:
        raise ValueError(
            f"num_returns='{num_returns}' can only be used with generator functions (functions that use 'yield'). "
            "The decorated function is not a generator function."
        )


def _check_resource_names(options: Mapping[str, object]) -> None:
    custom = options.get("resources")
    if not isinstance(custom, dict):
        return
    if "memory" in custom or "object_store_memory" in custom:
        raise ValueError("The resources dictionary must not contain the key 'memory' or 'object_store_memory'")
    if "bundle" in custom:
        raise ValueError(f"The resource should not include `bundle` which is reserved for Ray. resources: {custom}")
    for name in custom:
        if not isinstance(name, str):
            raise TypeError(f"The name of a resource must be a string, but received {name!r} of type {type(name)}")


def _check_strategy_name(options: Mapping[str, object]) -> None:
    strategy = options.get("scheduling_strategy")
    if isinstance(strategy, str) and strategy not in SCHEDULING_STRATEGY_NAMES:
        raise ValueError(
            f"Invalid scheduling_strategy value {strategy}. Valid values are "
            '["DEFAULT" | "SPREAD" | PlacementGroupSchedulingStrategy | NodeAffinitySchedulingStrategy]'
        )


def _without_decorator_only(base: Mapping[str, object], table: Mapping[str, Option]) -> dict[str, object]:
    return {name: value for name, value in base.items() if name not in table or not table[name].decorator_only}
