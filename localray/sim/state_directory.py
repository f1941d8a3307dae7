"""A virtual state directory: what a simulated session keeps of its detached actors, so that another one, started with
it, has them back.

It outlives the simulation it is given to. A copy of it, made at any moment, is what a crash at that moment would leave:
what is being written is not in it. A test may damage a file, or let writing fail. Must not live here: what is kept (the
kernel), when a file is whole (`localray.sim.host`).
"""

from __future__ import annotations

from collections.abc import Iterable

from localray.kernel.kept_documents import FoundFile, KeptActor, choose
from localray.shm.kept_layout import DamagedFileError, assemble, take_apart


class StateDirectory:
    """The files, by name, as they would be on a disk.

    Attributes:
        files: their contents.
        failure: why nothing can be written; empty as long as it can.
        complaints: what the session that was started last had to say about files that it could not use.

    Example:
        >>> from localray import sim
        >>> state = sim.StateDirectory()
        >>> with sim.Cluster(state=state):
        ...     pass  # Detached actors that checkpoint themselves, made here,
        >>> with sim.Cluster(state=state):
        ...     pass  # are there again.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.failure = ""
        self.complaints: tuple[str, ...] = ()

    def copy(self) -> StateDirectory:
        """What would be there after a crash now."""
        other = StateDirectory()
        other.files = dict(self.files)
        return other

    def kept_actors(self) -> tuple[KeptActor, ...]:
        """The actors that come back from here."""
        actors, self.complaints = choose(_found(name, self.files[name]) for name in sorted(self.files))
        return actors

    def content(self, header: bytes, values: Iterable[bytes | memoryview]) -> bytes:
        """What a file of these would hold."""
        return b"".join(assemble(header, values))


def _found(name: str, content: bytes) -> FoundFile:
    try:
        return FoundFile(name, *take_apart(content))
    except DamagedFileError as error:
        return FoundFile(name, b"", (), str(error))
