"""Frames on a stream: a header, then a batch of messages (`localray.protocol.encode`). Both ends send all they have in
one frame. The header is the length and, as a check, its complement: bytes that somebody else has written to the stream
are noticed at once, and not taken for the length of a frame that never comes.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections import deque
from collections.abc import Iterable, Iterator

from localray.protocol import LaneOpened, MapArena, Message, decode, encode

_HEADER = struct.Struct("<QQ")
_HEADER_BYTES = _HEADER.size
_unpack_header = _HEADER.unpack_from
_ALL_BITS = (1 << 64) - 1

BUFFER_BYTES = 256 * 1024
"""How much is read at once: a few thousand small messages."""


DESCRIPTORS_TOGETHER = 16
"""So many descriptors are sent with one piece of the stream at most."""
_ANCILLARY_BYTES = socket.CMSG_SPACE(DESCRIPTORS_TOGETHER * struct.calcsize("i"))
# Plain numbers: `socket` has these as members of an enumeration, and to combine two of them costs 4 µs at each look.
_CLOSE_ON_EXEC = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0))
DONT_WAIT = int(socket.MSG_DONTWAIT)


class BrokenFrame(Exception):
    """What came over a stream is not what the other end's `frame` makes."""


def frame(messages: list[Message]) -> bytes:
    """Messages as one frame."""
    body = encode(messages)
    length = len(body)
    return _HEADER.pack(length, _ALL_BITS - length) + body


class FrameReader:
    """Reads a stream and cuts it into messages; keeps what is incomplete.

    It reads into one buffer of its own: `recv` with a size this large costs 20 µs for a fresh bytes object each time,
        `recv_into` 2 µs.

    Args:
        buffer_bytes: how much is read at once.
        takes_descriptors: descriptors may come beside the bytes, each before the message that is about it or with it.
            Looking for them costs half a microsecond, and nobody sends any to the head.
    """

    __slots__ = ("_buffer", "_buffer_bytes", "_descriptors", "_filled", "_view")

    def __init__(self, buffer_bytes: int = BUFFER_BYTES, *, takes_descriptors: bool = False) -> None:
        self._buffer_bytes = buffer_bytes
        self._descriptors: deque[int] | None = deque() if takes_descriptors else None
        self._start_anew()

    def _start_anew(self) -> None:
        self._buffer = bytearray(self._buffer_bytes)
        self._view = memoryview(self._buffer)
        self._filled = 0

    def receive(self, stream: socket.socket, flags: int = 0) -> list[Message] | None:
        """Read once from a stream that has something to read.

        Args:
            stream: the stream.
            flags: for `recv`, e.g. not to wait.

        Returns:
            The messages that are complete now; None at the stream's end.

        Raises:
            BlockingIOError: there was nothing after all (a non-blocking stream).
            OSError: the stream broke.
            BrokenFrame: it carries something else than frames.
        """
        buffer, view, filled = self._buffer, self._view, self._filled
        room = view[filled:] if filled else view
        if self._descriptors is None:
            count = stream.recv_into(room, 0, flags)
        else:
            count, beside, _, _ = stream.recvmsg_into((room,), _ANCILLARY_BYTES, flags | _CLOSE_ON_EXEC)
            if beside:
                self._descriptors.extend(_descriptors_in(beside))
        if count == 0:
            return None
        end = filled + count
        messages: list[Message] = []
        start = 0
        while end - start >= _HEADER_BYTES:
            length, check = _unpack_header(buffer, start)
            if length + check != _ALL_BITS:
                raise BrokenFrame(f"{length} and {check} are no header")
            stop = start + _HEADER_BYTES + length
            if stop > end:
                if stop - start > len(buffer):
                    self._grow(stop - start)
                break
            try:
                more = decode(view[start + _HEADER_BYTES : stop])
            except (ValueError, EOFError, TypeError, IndexError) as error:
                raise BrokenFrame(f"a frame of {length} bytes holds no messages: {error}") from error
            start = stop
            # Most often one frame is all there is: its list is the answer, not a copy of it.
            if not messages:
                messages = more
            else:
                messages += more
            if start == end:
                break
        left = end - start
        if start and left:
            self._view[:left] = view[start:end]
        self._filled = left
        if not left and len(self._buffer) > self._buffer_bytes:
            self._start_anew()
        if self._descriptors:
            self._hand_out(messages, self._descriptors)
        return messages

    @staticmethod
    def _hand_out(messages: list[Message], descriptors: deque[int]) -> None:
        """Write the descriptors that have come into the messages that are about them."""
        for position, message in enumerate(messages):
            if not descriptors:
                return  # Where no more files can be open here, none has come.
            if type(message) is MapArena or type(message) is LaneOpened:
                messages[position] = message._replace(descriptor=descriptors.popleft())

    def close(self) -> None:
        """Give the buffer back: a reference that outlives its session keeps the channel, and so this."""
        self._view = memoryview(b"")
        self._buffer = bytearray()
        self._filled = 0
        while self._descriptors:
            os.close(self._descriptors.popleft())

    def _grow(self, needed_bytes: int) -> None:
        """A frame larger than the buffer is coming; the buffer shrinks again when it is through."""
        grown = bytearray(needed_bytes)
        grown[: len(self._buffer)] = self._buffer
        self._buffer = grown
        self._view = memoryview(grown)


def _descriptors_in(beside: Iterable[tuple[int, int, bytes]]) -> Iterator[int]:
    """The descriptors among what came beside the bytes."""
    for level, kind, data in beside:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers = array.array("i")
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
            yield from numbers
