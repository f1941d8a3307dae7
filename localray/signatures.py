"""Checking a call against a signature before anything is sent, as Python itself would: the error belongs to the line
that calls. A signature travels, too: names, kinds, and which have defaults, in a line of text.

`inspect.Signature.bind` costs several microseconds; most calls give only positional arguments to a plain parameter
list, for which counting them is enough.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping

_NOTHING = "-"
"""The text of a signature without parameters."""
_KINDS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.KEYWORD_ONLY,
    inspect.Parameter.VAR_KEYWORD,
)


class _LeftOut:
    def __repr__(self) -> str:
        return "..."


_LEFT_OUT = _LeftOut()


class CallSignature:
    """What arguments a function takes.

    Args:
        function: the user's.
        skip_first: leave out the first parameter, which is the instance.

    Example:
        >>> CallSignature(lambda a, b=1: None).check((1,), {}, "f")
        >>> CallSignature(lambda a: None).check((), {}, "f")
        Traceback (most recent call last):
            ...
        TypeError: missing a required argument: 'a'
        f takes (a).
    """

    __slots__ = ("_maximum", "_minimum", "_signature", "_text")

    def __init__(self, function: Callable[..., object], *, skip_first: bool = False) -> None:
        try:
            signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):
            # Some callables of C modules tell nothing of their parameters; then the worker finds out.
            signature = None
        if signature is not None and skip_first:
            signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        self._begin(signature)

    def _begin(self, signature: inspect.Signature | None) -> None:
        self._signature = signature
        self._minimum, self._maximum = _positional_range(signature)
        self._text: str | None = None

    def to_text(self) -> str:
        """What another process needs to check calls, too; empty where nothing is known.

        >>> CallSignature(lambda a, b=1, *c, d: None).to_text()
        '1a,1b=,2c,3d'
        """
        if self._text is None:
            parameters = () if self._signature is None else self._signature.parameters.values()
            self._text = ",".join(
                f"{int(each.kind)}{each.name}{'' if each.default is each.empty else '='}" for each in parameters
            )
            if self._signature is not None:
                self._text = self._text or _NOTHING
        return self._text

    @staticmethod
    @functools.lru_cache(maxsize=1024)
    def from_text(text: str) -> CallSignature | None:
        """The inverse of `to_text`; of the defaults only that they are there."""
        if not text:
            return None
        found = CallSignature.__new__(CallSignature)
        found._begin(inspect.Signature([_parameter(each) for each in text.split(",") if each != _NOTHING]))
        found._text = text
        return found

    def check(self, args: tuple[object, ...], kwargs: Mapping[str, object], name: str, owner: str = "") -> None:
        """Raise what calling the function with these would.

        Args:
            args: by position.
            kwargs: by name.
            name: of what is called.
            owner: the class whose method it is.

        Raises:
            TypeError: an argument is missing, unknown or given twice. The text is Ray's, word for word; what is called,
                and what it takes, is a note below it, where Python has such (3.11).
        """
        if not kwargs and self._minimum <= len(args) <= self._maximum:
            return
        if self._signature is not None:
            try:
                self._signature.bind(*args, **kwargs)
            except TypeError as error:
                raise self._refusal(str(error), f"{owner}.{name}" if owner else name) from None

    def _refusal(self, text: str, called: str) -> TypeError:
        refusal = TypeError(text)
        if self._signature is not None and sys.version_info >= (3, 11):
            # Not what it annotates them with, which may fill lines, nor of the defaults more than that they are there.
            plain = [
                each.replace(
                    annotation=each.empty, default=each.empty if each.default is each.empty else _LEFT_OUT
                )
                for each in self._signature.parameters.values()
            ]
            takes = str(inspect.Signature(plain)) if plain else "no arguments"
            refusal.add_note(f"{called} takes {takes}.")
        return refusal


def _parameter(text: str) -> inspect.Parameter:
    kind, name = _KINDS[int(text[0])], text[1:]
    has_default = name.endswith("=")
    return inspect.Parameter(name.rstrip("="), kind, default=None if has_default else inspect.Parameter.empty)


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
