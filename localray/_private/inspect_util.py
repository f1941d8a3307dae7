"""`ray._private.inspect_util`: what kind of function something is."""

from __future__ import annotations

import inspect
from typing import Any

from localray._common.signature import is_cython
from localray.absent.catalogue import missing_in


def is_function_or_method(obj: Any) -> bool:
    """Whether this is a function or a method; other things that can be called are not."""
    return inspect.isfunction(obj) or inspect.ismethod(obj) or is_cython(obj)


def is_class_method(f: Any) -> bool:
    """Whether this is bound to something."""
    return getattr(f, "__self__", None) is not None


def is_static_method(cls: type, f_name: str) -> bool:
    """Whether a class, or the base it has it from, defines this as a static method."""
    definitions = (vars(base)[f_name] for base in cls.__mro__ if f_name in vars(base))
    return isinstance(next(definitions, None), staticmethod)


__getattr__ = missing_in(__name__)

__all__ = ["is_class_method", "is_cython", "is_function_or_method", "is_static_method"]
