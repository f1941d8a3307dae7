"""Frames on a stream: four bytes of length, then a batch of messages (`localray.protocol.encode`). Both ends send all they have in one frame."""

from __future__ import annotations

import struct

from localray.protocol import Message, decode, encode

_LENGTH = struct.Struct("<I")

RECEIVE_BYTES = 256 * 1024
"""How much is read at once: a few thousand small messages."""


def frame(messages: list[Message]) -> bytes:
    """Messages as one frame."""
    body = encode(messages)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a stream into messages; keeps what is incomplete."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take in bytes as they come; returns the messages that are complete now."""
        rest = self._rest
        if rest:
            rest += data
            if len(rest) < 4 or len(rest) - 4 < _LENGTH.unpack_from(rest)[0]:
                return []
            stream = bytes(rest)
        else:
            stream = data
        messages: list[Message] = []
        start = 0
        end = len(stream)
        view = memoryview(stream)
        while end - start >= 4:
            length = _LENGTH.unpack_from(stream, start)[0]
            stop = start + 4 + length
            if stop > end:
                break
            messages += decode(view[start + 4 : stop])
            start = stop
        self._rest = bytearray(view[start:])
        return messages
