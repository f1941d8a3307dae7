"""What options say of resources, in integer units.

What lives here: amounts of resources as integers and the two demands of a task or actor: what must be free to place it,
and what it holds while it lives. What must not: the resources of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping

from localray.options.rules import RESOURCE_UNIT, WHOLE_ABOVE_ONE

_ACCELERATOR_TYPE_AMOUNT = 0.001
LARGEST_UNITS = 1 << 63
"""More than 900 terabytes of memory; amounts up to this become floats and back without trouble."""
_LARGEST_FLOAT = 10**300
# An actor that asks for nothing but memory still counts as one that asks for nothing.
_NOT_COUNTED_AS_ASKED = frozenset({"memory"})


def to_units(amount: float, name: str = "a resource") -> int:
    """An amount of a resource in units of 1/10000, cut off, not rounded, as Ray does.

    Args:
        amount: of it.
        name: the resource's, for the error.

    Raises:
        ValueError: `amount` is not a number, or more than there can be of anything.
        OverflowError: `amount` is infinite.

    >>> to_units(0.5), to_units(0.57)
    (5000, 5699)
    """
    units = int(amount * RESOURCE_UNIT)
    if abs(units) > LARGEST_UNITS:
        raise ValueError(
            f"{_shown(amount)} of {name} is more than can be asked for, or than a node can have: at most "
            f"{from_units(LARGEST_UNITS):.3g}."
        )
    return units


def _shown(amount: float) -> str:
    """An amount that may be an integer too large for a float."""
    return f"{amount:.3g}" if abs(amount) < _LARGEST_FLOAT else "An integer of hundreds of digits"


def from_units(units: int) -> float:
    """The inverse of `to_units`.

    >>> from_units(5000)
    0.5
    """
    return units / RESOURCE_UNIT


def resources_from_options(options: Mapping[str, object], is_actor: bool) -> tuple[dict[str, int], dict[str, int]]:
    """The resources of a task or an actor.

    A task needs and holds one CPU unless told otherwise. An actor that asks for nothing (memory does not count) needs
    one CPU to be placed and holds none; an actor that asks for anything needs and holds what it asks for, and one CPU
    if it does not say how many.

    Args:
        options: checked options of the task or actor.
        is_actor: whether these are an actor's.

    Returns:
        What must be free to place it, and what it holds then; in units of 1/10000, nothing that is zero.

    >>> resources_from_options({}, is_actor=False)
    ({'CPU': 10000}, {'CPU': 10000})
    >>> resources_from_options({}, is_actor=True)
    ({'CPU': 10000}, {})
    >>> resources_from_options({"resources": {"x": 0.5}}, is_actor=True)
    ({'x': 5000, 'CPU': 10000}, {'x': 5000, 'CPU': 10000})
    """
    amounts = _amounts(options)
    place_only: dict[str, float] = {}
    if not is_actor:
        if "num_cpus" not in options:
            amounts["CPU"] = 1
    elif amounts.keys() - _NOT_COUNTED_AS_ASKED:
        amounts.setdefault("CPU", 1)
    else:
        place_only = {"CPU": 1}
    return _in_units({**amounts, **place_only}), _in_units(amounts)


def check_whole_amounts(options: Mapping[str, object]) -> None:
    """Refuse fractions above one of what comes in pieces, such as GPUs; Ray does so only at `.remote()`.

    Raises:
        ValueError: an amount above one is not whole.
    """
    for name, amount in _amounts(options).items():
        if name in WHOLE_ABOVE_ONE and amount >= 1 and amount % 1:
            raise ValueError(
                f"{name} resource quantities >1 must be whole numbers. The specified quantity {amount} is invalid."
            )


def _amounts(options: Mapping[str, object]) -> dict[str, float]:
    amounts: dict[str, float] = {}
    custom = options.get("resources")
    if isinstance(custom, dict):
        amounts.update(custom)
    for option, name in (("num_cpus", "CPU"), ("num_gpus", "GPU"), ("memory", "memory")):
        amount = options.get(option)
        if isinstance(amount, int | float):
            amounts[name] = int(amount) if option == "memory" else amount
    accelerator_type = options.get("accelerator_type")
    if accelerator_type is not None:
        amounts[f"accelerator_type:{accelerator_type}"] = _ACCELERATOR_TYPE_AMOUNT
    return amounts


def _in_units(amounts: Mapping[str, float]) -> dict[str, int]:
    units = {name: to_units(amount, name) for name, amount in amounts.items()}
    return {name: amount for name, amount in units.items() if amount}
