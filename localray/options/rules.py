"""The rules for the values of options, one small function each.

What lives here: what makes a value of the right type wrong, in words for the user. What must not: which option follows
which rule; that is the table's.

A rule takes the option's name and a value, and returns what is wrong with it, or `None`. Where Ray stumbles over a type
deep inside a value, with a `TypeError` that does not say what is wrong, a rule raises a `TypeError` that does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

RESOURCE_UNIT = 10_000
"""Amounts of resources are integers; one CPU is this many."""

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?"
_LABEL_PREFIX = rf"(?:{_LABEL})?(?:\.(?:{_LABEL})?)*"
_LABEL_SELECTOR = rf"!?(?:in)?\({_LABEL}(?:, ?{_LABEL})*\)|!?{_LABEL}"
_LABEL_SYNTAX = (
    "63 chars or less beginning and ending with an alphanumeric character ([a-z0-9A-Z]) with dashes (-), "
    "underscores (_), dots (.), and alphanumerics between."
)
_WHOLE_ACCELERATORS = frozenset({"HPU", "neuron_cores", "RBLN", "FURIOSA", "MBLT", "TTNPU"})
WHOLE_ABOVE_ONE = _WHOLE_ACCELERATORS | {"GPU", "NPU", "TPU"}
_TPU_CHIPS = (1, 2, 4, 8)


def at_least(lowest: int) -> Callable[[str, object], str | None]:
    accepted = "None, 0 or a positive integer"
    if lowest == -1:
        accepted = "None, 0, -1 or a positive integer, where -1 represents infinity"

    def rule(name: str, value: object) -> str | None:
        bad = isinstance(value, int) and value < lowest
        return f"The keyword '{name}' only accepts {accepted}." if bad else None

    return rule


def checkpoint_interval(name: str, value: object) -> str | None:
    """So many calls, or a `datetime.timedelta`: known by its method, because importing datetime takes time."""
    accepted = "a number of calls (0 for only when checkpoint_now() is called), or a positive datetime.timedelta"
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        good = value is None or value >= 0
    elif hasattr(value, "total_seconds"):
        good = value.total_seconds() > 0
    else:
        raise TypeError(f"{name} must be {accepted}, not {type(value)}")
    return None if good else f"{name} must be {accepted}."


def quantity(name: str, value: object) -> str | None:
    if value is None:
        return None
    return quantity_of_resource(name, value)


def quantity_of_resource(name: object, value: object) -> str | None:
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


def custom_resources(_: str, value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    if "CPU" in value or "GPU" in value:
        return "Use the 'num_cpus' and 'num_gpus' keyword instead of 'CPU' and 'GPU' in 'resources' keyword"
    return _first(quantity_of_resource(name, amount) for name, amount in value.items())


def _first(problems: Iterator[str | None]) -> str | None:
    return next((problem for problem in problems if problem), None)


def label_selector(_: str, value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    return _first(_label_condition(key, wanted) for key, wanted in value.items())


def _label_condition(key: object, wanted: object) -> str | None:
    if not isinstance(key, str):
        raise TypeError(f"A key of a label selector must be a string, but received type {type(key)}")
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not re.fullmatch(_LABEL_PREFIX, prefix)):
        return (
            f"Invalid label key prefix `{prefix}`. Prefix must be a series of DNS labels separated by dots (.), not "
            "longer than 253 characters in total."
        )
    if not re.fullmatch(_LABEL, name):
        return f"Invalid label key name `{name}`. Name must be {_LABEL_SYNTAX}"
    if wanted is None or wanted == "":
        return None
    if not isinstance(wanted, str):
        raise TypeError(f"A value of a label selector must be a string, but received type {type(wanted)}")
    if not re.fullmatch(_LABEL_SELECTOR, wanted):
        return (
            f"Invalid label selector value `{wanted}`. The label selector value should contain optional operators and "
            f"a label value. Supported operators are: ! and {{'in'}}. Value must be {_LABEL_SYNTAX}"
        )
    return None


def fallback_strategy(_: str, value: object) -> str | None:
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
    return label_selector("label_selector", selector)


def no_store_memory(_: str, value: object) -> str | None:
    return None if value is None else "Setting 'object_store_memory' is not implemented for tasks"


def num_returns(_: str, value: object) -> str | None:
    if isinstance(value, str) and value not in ("dynamic", "streaming"):
        raise TypeError(f"num_returns must be an integer, 'streaming' or 'dynamic', but received {value!r}")
    if isinstance(value, int) and value < 0:
        return (
            "The keyword 'num_returns' only accepts None, a non-negative integer, 'streaming' (for generators), or "
            "'dynamic', which is deprecated. None means 1, and 'streaming' for generators."
        )
    return None


def retry_exceptions(_: str, value: object) -> str | None:
    listed = value if isinstance(value, list | tuple) else ()
    good = all(isinstance(item, type) and issubclass(item, Exception) for item in listed)
    return None if good else "retry_exceptions must be either a boolean or a list of exceptions"


def backpressure(name: str, value: object) -> str | None:
    if value != 0 or value is None:
        return None
    return (
        f"{name}=0 is not allowed. Use a value > 0; with 1, the generator runs on whenever `next` is called. Use -1 to "
        "disable this feature."
    )


def actor_backpressure(name: str, value: object) -> str | None:
    if not isinstance(value, int) or value > 0 or value == -1:
        return None
    return f"{name} must be > 0 to cap the actor's total unconsumed generator objects, or -1 to disable. Got {value}."


def objects_per_yield(name: str, value: object) -> str | None:
    if not isinstance(value, int) or value > 0:
        return None
    return f"{name} is a private streaming generator option that must be set to a positive integer."


def lifetime(_: str, value: object) -> str | None:
    if value in (None, "detached", "non_detached"):
        return None
    return "actor `lifetime` argument must be one of 'detached', 'non_detached' and 'None'."


def method_num_returns(_: str, value: object) -> str | None:
    """The number of values a method returns."""
    if isinstance(value, int) and value < 0:
        return f"num_returns must be >= 0, but got {value}."
    return None


def tensor_transport(_: str, value: object) -> str | None:
    """localray has no transport of its own for tensors; they travel like other values."""
    if value is None:
        return None
    return f"Invalid tensor transport: {value}. Leave `tensor_transport` out: localray passes tensors by shared memory."
