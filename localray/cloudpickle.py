"""`ray.cloudpickle`: the cloudpickle that everybody has, under the name by which programs of Ray's know it."""

from __future__ import annotations

from pickle import PicklingError
from typing import Any, cast

from cloudpickle import (
    CloudPickler,
    Pickler,
    dump,
    dumps,
    load,
    loads,
    register_pickle_by_value,
    unregister_pickle_by_value,
)


def dumps_debug(obj: object, *args: Any, **kwargs: Any) -> bytes:
    """As `dumps`; an error says how to find out which captured variable is at fault."""
    try:
        return cast("bytes", dumps(obj, *args, **kwargs))
    except (TypeError, PicklingError) as error:
        raise _explained(obj, "dumps", error) from error


def dump_debug(obj: object, *args: Any, **kwargs: Any) -> None:
    """As `dump`; an error says how to find out which captured variable is at fault."""
    try:
        dump(obj, *args, **kwargs)
    except (TypeError, PicklingError) as error:
        raise _explained(obj, "dump", error) from error


def _explained(obj: object, function: str, error: Exception) -> Exception:
    return type(error)(
        f"ray.cloudpickle.{function}({obj}) failed: {error}\nTo see which variables in scope cannot be serialized, "
        "call ray.util.inspect_serializability on the same object."
    )


__all__ = [
    "CloudPickler",
    "Pickler",
    "dump",
    "dump_debug",
    "dumps",
    "dumps_debug",
    "load",
    "loads",
    "register_pickle_by_value",
    "unregister_pickle_by_value",
]
