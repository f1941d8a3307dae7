"""Frames on a real stream: descriptors arrive in the messages that are about them, however the stream is cut."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from localray.protocol import ForgetArena, MapArena, Message, Notice
from localray.runtime.connection import Connection
from localray.runtime.frames import DESCRIPTORS_TOGETHER, FrameReader


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def make_file(text: bytes) -> int:
    descriptor = os.memfd_create("arena")
    os.write(descriptor, text)
    return descriptor


def read_all(connection: Connection, stream: socket.socket, count: int) -> list[Message]:
    """Read this many messages, and let the sender go on in between."""
    reader = FrameReader(takes_descriptors=True)
    messages: list[Message] = []
    while len(messages) < count:
        connection.flush()
        messages += reader.receive(stream) or []
    reader.close()
    return messages


def test_each_message_gets_its_own_descriptor(ends: tuple[socket.socket, socket.socket]) -> None:
    connection = Connection(1, ends[0], -1)
    files = [make_file(b"%d" % number) for number in range(3 * DESCRIPTORS_TOGETHER)]
    for number, descriptor in enumerate(files):
        connection.outbox += [Notice("between"), MapArena(number, 100)]
        connection.descriptors.append(descriptor)
    messages = read_all(connection, ends[1], 2 * len(files))
    arenas = [message for message in messages if isinstance(message, MapArena)]
    assert [message.node for message in arenas] == list(range(len(files)))
    for message, descriptor in zip(arenas, files, strict=True):
        assert os.pread(message.descriptor, 10, 0) == os.pread(descriptor, 10, 0)
        assert not os.get_inheritable(message.descriptor)
        os.close(message.descriptor)
        os.close(descriptor)


def test_a_descriptor_waits_for_a_stream_that_is_full(ends: tuple[socket.socket, socket.socket]) -> None:
    connection = Connection(1, ends[0], -1)
    connection.outbox.append(Notice("x" * 10_000_000))
    connection.flush()
    descriptor = make_file(b"late")
    connection.outbox += [MapArena(7, 100), ForgetArena(7)]
    connection.descriptors.append(descriptor)
    notice, arena, forget = read_all(connection, ends[1], 3)
    assert isinstance(notice, Notice) and isinstance(arena, MapArena) and isinstance(forget, ForgetArena)
    assert os.pread(arena.descriptor, 10, 0) == b"late"
    os.close(arena.descriptor)
    os.close(descriptor)
