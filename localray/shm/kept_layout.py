"""How a file of a state directory lies on disk: a header that the kernel made, the values of large objects, and a
checksum of it all, so that a file that is cut off or damaged is told from a whole one. Pure: bytes, no file.

The file says which localray and which Python wrote it: what it holds is read by the same ones only, because messages of
the protocol and pickled code are among it. Must not live here: reading and writing (`localray.shm.kept_files`), what
is kept (`localray.kernel.keeping`).
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Iterable, Iterator

from localray.version import VERSION

_MAGIC = b"LRKEPT01"
_LENGTH = struct.Struct("<Q")
_CHECKSUM_BYTES = 32
WRITER = f"localray {VERSION}, Python {sys.version_info[0]}.{sys.version_info[1]}"
"""Who writes and reads files here."""


class DamagedFileError(Exception):
    """The file is not what was written; the text says how, and goes on after the file's name."""


def assemble(header: bytes, values: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The pieces of a file, in their order.

    Example:
        >>> take_apart(b"".join(assemble(b"header", [b"one", b"two"])))
        (b'header', (b'one', b'two'))
    """
    checksum = hashlib.sha256()
    for piece in _pieces(header, values):
        checksum.update(piece)
        yield piece
    yield checksum.digest()


def _pieces(header: bytes, values: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    yield _MAGIC
    for part in (WRITER.encode(), header, *values):
        yield _LENGTH.pack(len(part))
        yield part


def take_apart(content: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The header and the values of a file.

    Raises:
        DamagedFileError: it is damaged, or somebody else's.
    """
    if content[: len(_MAGIC)] != _MAGIC:
        raise DamagedFileError("is no file of kept actors" if content else "is empty")
    end = len(content) - _CHECKSUM_BYTES
    if hashlib.sha256(content[: max(0, end)]).digest() != content[max(0, end) :]:
        raise DamagedFileError("is cut off or damaged")
    writer, *parts = _parts(content, len(_MAGIC), end)
    if writer != WRITER.encode():
        raise DamagedFileError(f"was written by {writer.decode(errors='replace')}, and this is {WRITER}")
    return parts[0], tuple(parts[1:])


def _parts(content: bytes, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        (length,) = _LENGTH.unpack_from(content, start)
        start += _LENGTH.size
        yield content[start : start + length]
        start += length
