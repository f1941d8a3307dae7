"""The head's hand on the state directory: what was found there when the session started, and a thread that writes.

Must not live here: decisions, what a file looks like (`localray.shm`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

from localray.kernel.effects import FileKept, ForgetFiles, KeepFile
from localray.kernel.kept_documents import FoundFile, KeptActor, choose
from localray.protocol import NODE_SHIFT, OFFSET_MASK, DiskPlace
from localray.runtime.arenas import HeadArenas
from localray.runtime.disk_thread import DiskThread
from localray.shm import kept_files
from localray.shm.kept_layout import DamagedFileError
from localray.shm.spill_files import map_entry
from localray.shm.spill_layout import DamagedEntryError

Read = Callable[[], memoryview]


def kept_actors(directory: str) -> tuple[KeptActor, ...]:
    """The actors that come back; what cannot be used is told on the head's standard error, a line for each.

    Raises:
        OSError: the directory cannot be read.
    """
    found: list[FoundFile] = []
    for name in kept_files.names(directory):
        try:
            found.append(FoundFile(name, *kept_files.read(directory, name)))
        except DamagedFileError as error:
            found.append(FoundFile(name, b"", (), str(error)))
    actors, complaints = choose(found)
    for complaint in complaints:
        print(f"localray: {directory}: {complaint}", file=sys.stderr)
    for actor in actors:
        namespace, name = actor.name
        last = f"from checkpoint {actor.files[-1]}" if actor.state is not None else "as it was made"
        print(f"localray: actor {name!r} (namespace={namespace}) comes back {last}", file=sys.stderr, flush=True)
    return actors


class Keeper:
    """The files of a session's state directory.

    Args:
        arenas: of the head, from which values are copied.
        directory: the state directory.
    """

    def __init__(self, arenas: HeadArenas, directory: str) -> None:
        self._arenas = arenas
        self._directory = directory
        self._thread: DiskThread[FileKept] = DiskThread("keeping")
        self.fileno = self._thread.fileno
        self.answers = self._thread.answers
        self.finish = self._thread.finish

    def keep(self, effect: KeepFile) -> None:
        """Write a file after what was asked for before."""
        # Taken now: its node may die before its turn comes, and nobody else may have the arena then.
        reads = [self._reader(*place) for place in effect.values]
        self._thread.do(partial(self._keep, effect.name, effect.header, reads))

    def _reader(self, object_id: bytes, location: int, size_bytes: int, payload: bytes) -> Read:
        if location < 0:
            place = DiskPlace.decode(payload)
            return partial(map_entry, place.path, place.offset, object_id, size_bytes)
        memory = self._arenas.memory(location >> NODE_SHIFT)
        offset = location & OFFSET_MASK
        return lambda: memory[offset : offset + size_bytes]

    def _keep(self, name: str, header: bytes, reads: list[Read]) -> FileKept:
        try:
            kept_files.write(self._directory, name, header, _values(reads))
        except OSError as error:
            return FileKept(name, error.strerror or str(error))
        except DamagedEntryError as error:
            return FileKept(name, str(error))
        return FileKept(name, "")

    def forget(self, effect: ForgetFiles) -> None:
        """These files go, after what was asked for before."""
        self._thread.do(partial(self._forget, effect.names))

    def _forget(self, names: tuple[str, ...]) -> None:
        for name in names:
            try:
                kept_files.delete(self._directory, name)
            except OSError as error:
                print(f"localray: {name} could not be removed: {error.strerror}", file=sys.stderr)


def _values(reads: list[Read]) -> Iterator[memoryview]:
    for read in reads:
        yield read()
