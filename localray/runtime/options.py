"""What whoever starts a head tells it, and what the head answers before all else: a JSON object each, on the stream
between them. Not on the command line, which all users see and where ten thousand resources have no room.

Must not live here: what either does with it (`launch`, `boot`).
"""

from __future__ import annotations

import json
import socket
import struct
from typing import TypedDict

_LENGTH = struct.Struct("<I")


class HeadOptions(TypedDict):
    """What a driver tells the head it starts.

    ``numbers`` is the range that the session's address is to be from; one ``of_driver``, of a plain `init`, does
    without where it can have none. With ``log``, what the head and its workers print goes to a file in the session's
    directory. ``state_lock`` is the lock of the ``state_directory``, if it has one. A session that this process
    ``keeps`` ends with it.
    """

    driver_process: int
    resources: dict[str, int]
    labels: dict[str, str]
    store_capacity_bytes: int
    prestart: int
    preload: list[str]
    seed: int
    node_id: str
    node_name: str
    directory: str
    node_environment: dict[str, str]
    import_path: list[str]
    store: dict[str, object]
    numbers: tuple[int, int]
    of_driver: bool
    log: bool
    state_directory: str
    state_lock: int | None
    keeps: bool


class HeadAnswer(TypedDict):
    """What a head tells whoever starts it: the directory by which others find the session, and its number; or why there
    is none, a ``problem`` that may be that all numbers are ``taken``."""

    home: str
    number: int
    problem: str
    taken: bool


def send(stream: socket.socket, words: HeadOptions | HeadAnswer) -> None:
    """Send what this end says first.

    Raises:
        OSError: there is nobody to hear it.
    """
    text = json.dumps(words).encode()
    stream.sendall(_LENGTH.pack(len(text)) + text)


def receive(stream: socket.socket) -> object:
    """Wait for the other end's first words, and read nothing beyond them; None when it has ended without.

    Raises:
        OSError: the stream broke.
    """
    header = stream.recv(_LENGTH.size, socket.MSG_WAITALL)
    if len(header) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(header)
    text = stream.recv(length, socket.MSG_WAITALL)
    return json.loads(text) if len(text) == length else None
