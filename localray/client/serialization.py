"""Values to bytes and back: cloudpickle with protocol-5 buffers out of band.

Must not live here: how pickle and buffers lie in memory (`localray.client.layout`), where bytes are kept, messages,
references beyond collecting their ids.
"""

from __future__ import annotations

import pickle
from collections import ChainMap
from collections.abc import Callable, Sequence
from types import CodeType

import cloudpickle

from localray.client.arrays import take_array_apart
from localray.client.layout import WITH_BUFFERS, Serialized, lay_out, read_layout
from localray.object_ref import Reference

_PLAIN_TYPES = frozenset((int, float, str, bool, type(None), complex))
_PLAIN_CONTAINERS = frozenset((list, tuple, dict))
_MAYBE_PLAIN = _PLAIN_TYPES | _PLAIN_CONTAINERS | {bytes}
_PLAIN_ITEMS_LOOKED_AT = 64
_LONG_BYTES = 64 * 1024
"""Bytes from this length on are passed on by the pickler, not copied (CPython's own limit)."""


class _Pieces:
    """The file that a pickler writes to: it passes long bytes on as they are, and they are kept so."""

    __slots__ = ("pieces", "write")

    def __init__(self) -> None:
        self.pieces: list[bytes | bytearray] = []
        self.write = self.pieces.append


def _is_plain(value: object, depth: int) -> bool:
    """Whether the standard pickler does the same as cloudpickle for this value, at a tenth of the cost: only built-in
    types, looked at a little."""
    kind = type(value)
    if kind in _PLAIN_TYPES:
        return True
    if kind is bytes:
        return len(value) < _LONG_BYTES  # type: ignore[arg-type]
    if kind not in _PLAIN_CONTAINERS or depth == 0:
        return False
    if kind is dict:
        items: dict[object, object] = value  # type: ignore[assignment]
        if len(items) > _PLAIN_ITEMS_LOOKED_AT:
            return False
        return all(_is_plain(key, 0) and _is_plain(item, depth - 1) for key, item in items.items())
    sequence: Sequence[object] = value  # type: ignore[assignment]
    if len(sequence) > _PLAIN_ITEMS_LOOKED_AT:
        return False
    for item in sequence:
        if type(item) not in _PLAIN_TYPES and not _is_plain(item, depth - 1):
            return False
    return True


def _reduce_code(code: CodeType) -> tuple[Callable[..., object], tuple[object, ...]]:
    """As cloudpickle, and the file's name: some of its releases leave that out (3.1.3), and a traceback from a worker
    would have neither files nor source lines."""
    make, parts = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return _restore_code, (code.co_filename, make, parts)


def _restore_code(file_name: str, make: Callable[..., CodeType], parts: tuple[object, ...]) -> CodeType:
    return make(*parts).replace(co_filename=file_name)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle that knows our references and collects what they refer to."""

    dispatch_table = ChainMap({CodeType: _reduce_code}, cloudpickle.Pickler.dispatch_table)

    def __init__(self, file: _Pieces, buffer_callback: Callable[[pickle.PickleBuffer], object]) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self.contained: list[bytes] = []

    def reducer_override(self, value: object) -> object:
        if isinstance(value, Reference):
            return value.reduce_into(self.contained)
        custom = _custom_serializers.get(type(value))
        if custom is not None:
            return _restore_custom, (custom[1], custom[0](value))
        return super().reducer_override(value)


_custom_serializers: dict[type, tuple[Callable[[object], object], Callable[[object], object]]] = {}


def register_custom(
    kind: type, serializer: Callable[[object], object], deserializer: Callable[[object], object]
) -> None:
    """Serialize instances of exactly this class with these from now on, in this process; the deserializer travels with
    the value."""
    _custom_serializers[kind] = (serializer, deserializer)


def deregister_custom(kind: type) -> None:
    """Undo `register_custom`."""
    _custom_serializers.pop(kind, None)


def _restore_custom(deserializer: Callable[[object], object], state: object) -> object:
    return deserializer(state)


def serialize(value: object) -> Serialized:
    """Take a value apart for storing or sending.

    Args:
        value: anything cloudpickle can pickle; our references in it are collected.

    Raises:
        Exception: whatever pickling raises; see `localray.client.diagnosis` for making it readable.
    """
    if not _custom_serializers:
        if type(value) in _MAYBE_PLAIN and _is_plain(value, 3):
            pickled = pickle.dumps(value, 5)
            return Serialized((pickled,), len(pickled), ())
        array = take_array_apart(value)
        if array is not None:
            return array
    buffers: list[pickle.PickleBuffer] = []
    file = _Pieces()
    pickler = _Pickler(file, buffers.append)
    pickler.dump(value)
    return lay_out(file.pieces, [buffer.raw() for buffer in buffers], tuple(dict.fromkeys(pickler.contained)))


def deserialize(data: bytes | memoryview) -> object:
    """Put a value together again. Buffers are used in place, read-only: the value keeps ``data`` alive for as long as
    it needs it.

    Example:
        >>> deserialize(serialize({"a": [1, 2]}).to_bytes())
        {'a': [1, 2]}
    """
    if data[0] != WITH_BUFFERS:
        return pickle.loads(data)
    pickled, buffers = read_layout(memoryview(data).toreadonly())
    return pickle.loads(pickled, buffers=buffers)
