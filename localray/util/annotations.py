"""`ray.util.annotations`: decorators by which libraries say how stable a function or class is. They mark it and add a
line to its documentation; `Deprecated` can warn."""

from __future__ import annotations

import enum
import functools
import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

_STABILITIES = ("stable", "beta", "alpha")
_SILENCED_BY = 'You could suppress this warning by setting env variable PYTHONWARNINGS="ignore::DeprecationWarning"'


class AnnotationType(enum.Enum):
    """What a decorator here says of a thing."""

    PUBLIC_API = "PublicAPI"
    DEVELOPER_API = "DeveloperAPI"
    DEPRECATED = "Deprecated"
    UNKNOWN = "Unknown"


class RayDeprecationWarning(DeprecationWarning):
    """Something of Ray's, or of a library that uses its decorators, is deprecated."""


def PublicAPI(*args: Any, **kwargs: Any) -> Any:
    """Mark a function or class as public: ``@PublicAPI`` or ``@PublicAPI(stability="beta", api_group="...")``.

    Raises:
        AssertionError: the stability is not one of stable, beta, alpha.
    """
    if _is_bare(args, kwargs):
        return PublicAPI()(args[0])
    stability = kwargs.get("stability", "stable")
    assert stability in _STABILITIES, stability

    def mark(thing: T) -> T:
        if stability != "stable":
            note = f"**PublicAPI ({stability}):** This API is in {stability} and may change before becoming stable."
            _add_to_documentation(thing, note)
        return _marked(thing, AnnotationType.PUBLIC_API, kwargs.get("api_group", "Others"))

    return mark


def DeveloperAPI(*args: Any, **kwargs: Any) -> Any:
    """Mark a function or class as meant for developers of libraries: ``@DeveloperAPI``."""
    if _is_bare(args, kwargs):
        return DeveloperAPI()(args[0])

    def mark(thing: T) -> T:
        _add_to_documentation(thing, "**DeveloperAPI:** This API may change across minor Ray releases.")
        return _marked(thing, AnnotationType.DEVELOPER_API, "Others")

    return mark


def Deprecated(*args: Any, **kwargs: Any) -> Any:
    """Mark a function or class as deprecated: ``@Deprecated`` or ``@Deprecated(message="...", warning=True)``.

    Raises:
        ValueError: a keyword is unknown.
    """
    if _is_bare(args, kwargs):
        return Deprecated()(args[0])
    warn = kwargs.pop("warning", False)
    message = kwargs.pop("message", None)
    if kwargs:
        raise ValueError(f"Unknown kwargs: {kwargs.keys()}")
    advice = [] if message is None else [message]
    note = "\n".join(
        ["**DEPRECATED**: This API is deprecated and may be removed in future Ray releases.", *advice]
    )
    text = "\n".join([f"This API is deprecated and may be removed in future Ray releases. {_SILENCED_BY}", *advice])

    def mark(thing: Any) -> Any:
        _add_to_documentation(thing, note)
        _marked(thing, AnnotationType.DEPRECATED, "Others")
        return _warning(thing, text) if warn else thing

    return mark


def _is_bare(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a decorator was used without parentheses."""
    return len(args) == 1 and not kwargs and callable(args[0])


def _warning(thing: Any, text: str) -> Any:
    """The same function, or class, that warns when it is called."""

    def warns_first(call: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(call)
        def wrapper(*args: object, **kwargs: object) -> object:
            warnings.warn(text, RayDeprecationWarning, stacklevel=2)
            return call(*args, **kwargs)

        return wrapper

    if inspect.isclass(thing):
        setattr(thing, "__init__", warns_first(thing.__init__))  # noqa: B010 - a method cannot be assigned, to mypy
        return thing
    return warns_first(thing)


def _add_to_documentation(thing: Any, note: str) -> None:
    text = inspect.cleandoc(thing.__doc__ or "")
    thing.__doc__ = f"{text}\n\n{note}\n"


def _marked(thing: T, kind: AnnotationType, group: str) -> T:
    if hasattr(thing, "__name__"):
        thing._annotated = thing.__name__  # type: ignore[attr-defined]
        thing._annotated_type = kind  # type: ignore[attr-defined]
        thing._annotated_api_group = group  # type: ignore[attr-defined]
    return thing


def _is_annotated(thing: Any) -> bool:
    # A subclass inherits the mark of its base, which is not its own.
    return hasattr(thing, "_annotated") and thing._annotated == thing.__name__


def _get_annotation_type(thing: Any) -> str | None:
    return str(thing._annotated_type.value) if _is_annotated(thing) else None


if not TYPE_CHECKING:
    # What Ray has beside: private there, and no matter for type checkers.
    from localray.absent.catalogue import missing_in

    __getattr__ = missing_in(__name__)
