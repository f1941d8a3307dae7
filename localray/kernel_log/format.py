"""What is in a log of a kernel's events: a line that says what it is, a line of JSON about the kernel, and then pieces
of some hundred events each, compressed, with a digest of all that the kernel has answered so far.

Events are written as `marshal` writes them, whose format may change with Python's minor version; and another version of
localray decides otherwise. So logs are read by the versions that wrote them. Must not live here: kernels.
"""

from __future__ import annotations

import json
import marshal
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, BinaryIO, Final, TypeAlias, get_args

from localray.kernel import Event
from localray.kernel.effects import Effect, EnvironmentEvent, NodeAdded, Send
from localray.kernel.kept_documents import KeptActor, KeptState, MadeActor
from localray.kernel.kernel import LOOKS_AT_NOBODY, MONITOR_OFF
from localray.protocol import MESSAGE_TYPES
from localray.sched.memory import MemorySettings
from localray.sched.survival import SurvivalSettings
from localray.shm.settings import StoreSettings
from localray.version import VERSION

MAGIC: Final = b"localray kernel log\n"
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"

BROKE: Final = b"broke"

Record: TypeAlias = "tuple[float, int, Event]"
"""When, from whom, what."""

_EVENT_TYPES: Final = {kind.__name__: kind for kind in (*MESSAGE_TYPES, *get_args(EnvironmentEvent))}
_LENGTH_BYTES: Final = 4
# Version 2 writes no back-references: equal things are written equally.
_MARSHAL_VERSION: Final = 2


class UnreadableLogError(Exception):
    """The file is no log of a kernel's events, or one of another Python or localray."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some events; the digest of all effects up to here; and in the last piece of a session that came to its end, the
    digest of the kernel's state (see `localray.kernel_log.state`), or `BROKE` if its last event broke the kernel; else
    nothing."""

    records: tuple[Record, ...]
    effects_digest: bytes
    state_digest: bytes


@dataclass(frozen=True, slots=True)
class KernelSetup:
    """What it takes to make the same kernel again. ``seed`` is of the dice with which ties are broken."""

    seed: int
    memory: MemorySettings = MONITOR_OFF
    survival: SurvivalSettings = LOOKS_AT_NOBODY
    standing: bool = False
    kept: tuple[KeptActor, ...] | None = None

    def encode(self) -> str:
        """As text."""
        kept = None if self.kept is None else [_plain_kept(actor) for actor in self.kept]
        plain = (self.seed, tuple(self.memory), tuple(self.survival), self.standing, kept)
        return marshal.dumps(plain, _MARSHAL_VERSION).hex()

    @classmethod
    def decode(cls, text: str) -> KernelSetup:
        """What `encode` made."""
        seed, memory, survival, standing, plain = marshal.loads(bytes.fromhex(text))
        kept = None if plain is None else tuple(_kept(actor) for actor in plain)
        return cls(seed, MemorySettings(*memory), SurvivalSettings(*survival), standing, kept)


def _plain_kept(actor: KeptActor) -> tuple[object, ...]:
    state = None if actor.state is None else tuple(actor.state)
    return tuple(actor._replace(made=tuple(actor.made), state=state))  # type: ignore[arg-type]


def _kept(plain: tuple[Any, ...]) -> KeptActor:
    actor = KeptActor(*plain)
    state = None if actor.state is None else KeptState(*actor.state)
    return actor._replace(made=MadeActor(*actor.made), state=state)


class EffectsDigest:
    """A running digest of what a kernel answers."""

    def __init__(self) -> None:
        self._digest = blake2b(digest_size=16)

    def add(self, effects: Iterable[Effect]) -> None:
        """The kernel answered this."""
        for effect in effects:
            plain: tuple[object, ...]
            if type(effect) is Send:
                plain = (effect.client, type(effect.message).__name__, tuple(effect.message))
            else:
                plain = (type(effect).__name__, tuple(effect))
            self._digest.update(marshal.dumps(plain, _MARSHAL_VERSION))

    def now(self) -> bytes:
        """Of all so far."""
        return self._digest.digest()


def write_header(file: BinaryIO, setup: KernelSetup) -> None:
    """Begin a log."""
    header = {"localray": VERSION, "python": PYTHON, "kernel": setup.encode()}
    file.write(MAGIC + json.dumps(header).encode() + b"\n")


def write_piece(file: BinaryIO, piece: Piece) -> None:
    """Add a piece."""
    records = [(now_s, sender, type(event).__name__, _plain(event)) for now_s, sender, event in piece.records]
    marshalled = marshal.dumps((records, piece.effects_digest, piece.state_digest), _MARSHAL_VERSION)
    compressed = zlib.compress(marshalled, 1)
    file.write(len(compressed).to_bytes(_LENGTH_BYTES, "little") + compressed)
    file.flush()


def _plain(event: Event) -> tuple[object, ...]:
    if type(event) is NodeAdded:
        event = event._replace(store=tuple(event.store))  # type: ignore[arg-type]
    return tuple(event)


def is_log(file: BinaryIO) -> bool:
    """Whether a file that was just opened begins like a log."""
    return file.read(len(MAGIC)) == MAGIC


def read_header(file: BinaryIO, name: str) -> KernelSetup:
    """What the log says of its kernel.

    Raises:
        UnreadableLogError: it is no log, or cannot be replayed here; the text says why.
    """
    if not is_log(file):
        raise UnreadableLogError(f"{name} is no log of a kernel's events: it does not begin like one.")
    try:
        header = json.loads(file.readline())
        made_by = (header["localray"], header["python"])
        kernel = header["kernel"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableLogError(f"{name} begins like a log and does not go on like one: {error!r}.") from error
    if made_by != (VERSION, PYTHON):
        raise UnreadableLogError(
            f"{name} was written by localray {made_by[0]} on Python {made_by[1]}; this is localray {VERSION} on Python "
            f"{PYTHON}, which may decide otherwise or not read it at all: replay it with those versions."
        )
    return KernelSetup.decode(kernel)


def read_pieces(file: BinaryIO) -> Iterator[Piece]:
    """The pieces, to the end of the file or to what was being written when the head was killed."""
    while True:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        compressed = file.read(length)
        if not length or len(compressed) < length:
            return
        records, effects_digest, state_digest = marshal.loads(zlib.decompress(compressed))
        events = tuple((now_s, sender, _event(name, plain)) for now_s, sender, name, plain in records)
        yield Piece(events, effects_digest, state_digest)


def _event(name: str, plain: tuple[object, ...]) -> Event:
    event: Event = tuple.__new__(_EVENT_TYPES[name], plain)
    if type(event) is NodeAdded:
        return event._replace(store=StoreSettings(*event.store))
    return event
