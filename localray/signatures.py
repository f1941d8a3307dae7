"""Checking a call against a signature before anything is sent, as Python itself would: the error belongs to the line
that calls.

`inspect.Signature.bind` costs several microseconds; most calls give only positional arguments to a plain parameter
list, for which counting them is enough.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping


class CallSignature:
    """What arguments a function takes.

    Args:
        function: the user's.
        skip_first: leave out the first parameter, which is the instance.

    Example:
        >>> CallSignature(lambda a, b=1: None).check((1,), {})
        >>> CallSignature(lambda a: None).check((), {})
        Traceback (most recent call last):
            ...
        TypeError: missing a required argument: 'a'
    """

    __slots__ = ("_maximum", "_minimum", "_signature")

    def __init__(self, function: Callable[..., object], *, skip_first: bool = False) -> None:
        try:
            signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):
            # Some callables of C modules tell nothing of their parameters; then the worker finds out.
            signature = None
        if signature is not None and skip_first:
            signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        self._signature = signature
        self._minimum, self._maximum = _positional_range(signature)

    def check(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        """Raise what calling the function with these would.

        Raises:
            TypeError: an argument is missing, unknown or given twice.
        """
        if not kwargs and self._minimum <= len(args) <= self._maximum:
            return
        if self._signature is not None:
            self._signature.bind(*args, **kwargs)


def _positional_range(signature: inspect.Signature | None) -> tuple[int, float]:
    """How few and how many positional arguments are right when there are no others; (1, 0), which nothing fits, when
    they never are."""
    if signature is None:
        return 0, float("inf")
    minimum = 0
    maximum: float = 0
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            maximum += 1
            if parameter.default is parameter.empty:
                minimum += 1
        elif parameter.kind is parameter.VAR_POSITIONAL:
            maximum = float("inf")
        elif parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            return 1, 0
    return minimum, maximum
