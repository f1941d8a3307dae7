"""The arguments of a task or call: packed by the submitter, unpacked by the worker.

References at the top level are dependencies: the task gets their values. References further inside stay references
(borrowed). The payload is the pickle of ``(args, kwargs, places)``, where ``places`` says which positions and keywords
the dependencies fill. Arguments too large to travel inside a message are put in the store as one object, which then is
the first dependency and the payload only says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from localray.client.diagnosis import explain_argument, raise_explained
from localray.client.layout import Serialized
from localray.client.serialization import deserialize, serialize
from localray.exceptions import RaySystemError
from localray.object_ref import ObjectRef, UnknownOwner
from localray.protocol import INLINE_LIMIT_BYTES

_NO_ARGUMENTS = b""
_IN_FIRST_DEPENDENCY = b"\x02"


class Putter(Protocol):
    """Who stores arguments that are too large."""

    def put_argument(self, name: str, serialized: Serialized) -> ObjectRef[object]: ...


class Arguments:
    """Packed arguments. ``keep`` holds what must stay alive until the submission has been sent."""

    __slots__ = ("borrowed", "dependencies", "keep", "payload")

    def __init__(
        self, payload: bytes, dependencies: tuple[bytes, ...], borrowed: tuple[bytes, ...], keep: object = None
    ) -> None:
        self.payload = payload
        self.dependencies = dependencies
        self.borrowed = borrowed
        self.keep = keep


NONE = Arguments(_NO_ARGUMENTS, (), ())


def pack_arguments(putter: Putter, name: str, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Arguments:
    """Pack the arguments of a call.

    Args:
        putter: stores them if they are large.
        name: of the function, for the error text.
        args, kwargs: as the user gave them.

    Raises:
        TypeError: one of them can't be serialized; the text names the attribute at fault. What else pickling raises is
            of its own class.
        UnknownOwner: a reference is among them that an earlier session has left.
    """
    if not args and not kwargs:
        return NONE
    dependencies: list[bytes] = []
    places: list[int | str] = []
    plain = args
    plain_kwargs = kwargs
    for position, argument in enumerate(args):
        if isinstance(argument, ObjectRef):
            argument._check_session()
            dependencies.append(argument.binary())
            places.append(position)
    if kwargs:
        for key, argument in kwargs.items():
            if isinstance(argument, ObjectRef):
                argument._check_session()
                dependencies.append(argument.binary())
                places.append(key)
    if dependencies:
        plain = tuple(None if isinstance(argument, ObjectRef) else argument for argument in args)
        plain_kwargs = {key: None if isinstance(value, ObjectRef) else value for key, value in kwargs.items()}
    try:
        serialized = serialize((plain, plain_kwargs, tuple(places)))
    except UnknownOwner:
        raise
    except Exception as error:  # noqa: BLE001 - a __reduce__ of the user's may raise anything; it is raised again
        raise_explained(explain_argument(name, args, kwargs, error), error)
    if serialized.size_bytes > INLINE_LIMIT_BYTES:
        reference = putter.put_argument(name, serialized)
        return Arguments(_IN_FIRST_DEPENDENCY, (reference.binary(), *dependencies), (), reference)
    return Arguments(serialized.to_bytes(), tuple(dependencies), serialized.contained)


def unpack_arguments(payload: bytes, values: Sequence[object]) -> tuple[list[object], dict[str, object]]:
    """Unpack what `pack_arguments` packed.

    Args:
        payload: of the submission.
        values: of the dependencies, in order.

    Returns:
        The positional and the keyword arguments.

    Raises:
        RaySystemError: a class can't be imported here, or its own unpickling raised; the cause is chained.
    """
    if payload == _NO_ARGUMENTS:
        return [], {}
    if payload == _IN_FIRST_DEPENDENCY:
        whole, values = values[0], values[1:]
    else:
        try:
            whole = deserialize(payload)
        except Exception as error:
            raise RaySystemError(
                f"The arguments could not be deserialized: {type(error).__name__}: {error}"
            ) from error
    args, kwargs, places = cast("tuple[tuple[object, ...], dict[str, object], tuple[int | str, ...]]", whole)
    arguments = list(args)
    if places:
        kwargs = dict(kwargs)
        for place, value in zip(places, values, strict=True):
            if isinstance(place, int):
                arguments[place] = value
            else:
                kwargs[place] = value
    return arguments, kwargs
