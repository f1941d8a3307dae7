"""`ray._common.signature`: parameters of functions, and calls as flat lists.

Must not live here: how a call is checked before it is sent (`localray.signatures`).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from inspect import Parameter
from typing import Any

from localray.absent.catalogue import missing_in

DUMMY_TYPE = b"__RAY_DUMMY__"
"""What stands before a positional argument in a flat list."""
_ATTRIBUTES = ("__code__", "__annotations__", "__defaults__", "__kwdefaults__")
_CYTHON = "cython_function_or_method"


def is_cython(obj: Any) -> bool:
    """Whether this is a function that Cython has compiled, or a method of such a class."""
    return _CYTHON in (type(obj).__name__, type(getattr(obj, "__func__", None)).__name__)


def get_signature(func: Any) -> inspect.Signature:
    """A function's signature, compiled functions' too as far as they tell it.

    Raises:
        TypeError: this one does not.
    """
    if not is_cython(func):
        return inspect.signature(func)
    if not all(hasattr(func, name) for name in _ATTRIBUTES):
        raise TypeError(f"{func!r} is not a Python function we can process")

    def likeness() -> None:
        """Gets what the compiled function tells of itself."""

    for name in _ATTRIBUTES:
        setattr(likeness, name, getattr(func, name))
    return inspect.signature(likeness)


def extract_signature(func: Any, ignore_first: bool = False) -> list[Parameter]:
    """A function's parameters.

    Args:
        func: the function.
        ignore_first: leave out the first, which is a method's instance.

    Raises:
        ValueError: there is no first.
    """
    parameters = list(get_signature(func).parameters.values())
    if ignore_first and not parameters:
        raise ValueError(f"Methods must take a 'self' argument, but the method '{func.__name__}' does not have one.")
    return parameters[1:] if ignore_first else parameters


def validate_args(signature_parameters: Sequence[Parameter], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Check a call.

    Raises:
        TypeError: it does not fit the parameters.
    """
    try:
        inspect.Signature(signature_parameters).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(str(error)) from None


def flatten_args(
    signature_parameters: Sequence[Parameter], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Any]:
    """A call as one list: each argument behind its name, or behind `DUMMY_TYPE` if it has none.

    Raises:
        TypeError: the call does not fit the parameters.

    Example:
        >>> flatten_args(extract_signature(lambda a, b: None), (1,), {"b": 2})
        [b'__RAY_DUMMY__', 1, 'b', 2]
    """
    validate_args(signature_parameters, args, kwargs)
    pairs = [*((DUMMY_TYPE, value) for value in args), *kwargs.items()]
    return [part for pair in pairs for part in pair]


def recover_args(flattened_args: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The call that `flatten_args` was given.

    Raises:
        AssertionError: this is no such list.
    """
    assert len(flattened_args) % 2 == 0, "Flattened arguments need to be even-numbered. See `flatten_args`."
    pairs = list(zip(flattened_args[::2], flattened_args[1::2], strict=True))
    return [value for name, value in pairs if name == DUMMY_TYPE], {
        name: value for name, value in pairs if name != DUMMY_TYPE
    }


__getattr__ = missing_in(__name__)

__all__ = ["DUMMY_TYPE", "extract_signature", "flatten_args", "get_signature", "recover_args", "validate_args"]
