"""What the kernel asks of disks, done on virtual ones and the state directory: how long that takes, what it answers.

Must not live here: what is on a disk (`localray.sim.disk`, `localray.sim.state_directory`), decisions (the kernel).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from localray.kernel.effects import (
    CreateSpillFile,
    DeleteSpillFile,
    Effect,
    FileKept,
    FillBuffer,
    ForgetFiles,
    KeepFile,
    ObjectsSpilled,
    SpillFileCreated,
    SpillObjects,
)
from localray.kernel.spilling import why_too_full
from localray.protocol import ON_DISK, DiskPlace
from localray.shm.spill_layout import DamagedEntryError
from localray.sim.clock import NANOSECONDS
from localray.sim.state_directory import StateDirectory
from localray.sim.store import VirtualStore

DiskAnswer: TypeAlias = ObjectsSpilled | SpillFileCreated | FileKept


class Disks:
    """The disks of a virtual cluster.

    Args:
        store: from which objects come, and to which they go.
        answer_after: after so many nanoseconds does something, whose answer the kernel is told.

    Attributes:
        state: the state directory, if there is one.
        threshold: how full the disk may be; see `localray.kernel.spilling.why_too_full`.
    """

    def __init__(self, store: VirtualStore, answer_after: Callable[[int, Callable[[], DiskAnswer]], None]) -> None:
        self.state: StateDirectory | None = None
        self.threshold = 1.0
        self._written: dict[str, bytes] = {}
        self.carry_out: dict[type[Effect], Callable[[Effect], None]] = {
            SpillObjects: self._spill,  # type: ignore[dict-item]
            CreateSpillFile: self._create,  # type: ignore[dict-item]
            DeleteSpillFile: lambda effect: store.disk.delete(effect.path),  # type: ignore[union-attr]
            KeepFile: self._keep,  # type: ignore[dict-item]
            ForgetFiles: self._forget,  # type: ignore[dict-item]
            FillBuffer: self._fill,  # type: ignore[dict-item]
        }
        self._store = store
        self._answer_after = answer_after

    def _make_file(self, path: str, length: int) -> str:
        """Returns why not, or nothing."""
        disk = self._store.disk
        return why_too_full(self.threshold, *disk.space()) or disk.create(path, length)

    def _spill(self, effect: SpillObjects) -> None:
        disk = self._store.disk
        failure = self._make_file(effect.path, effect.length)
        if not failure:
            self._store.spill(effect.path, effect.entries)
        took_ns = disk.duration_ns(effect.length)
        answer = ObjectsSpilled(effect.node, effect.batch, failure, took_ns / NANOSECONDS)
        self._answer_after(took_ns, lambda: answer)

    def _create(self, effect: CreateSpillFile) -> None:
        disk = self._store.disk
        failure = self._make_file(effect.path, effect.length)
        self._answer_after(disk.duration_ns(0), lambda: SpillFileCreated(effect.node, effect.file, failure))

    def _keep(self, effect: KeepFile) -> None:
        state = self.state
        if state is None:
            raise RuntimeError("there is no state directory, and yet something is kept")
        try:
            content = state.content(effect.header, [self._value(*value) for value in effect.values])
            failure = state.failure
        except DamagedEntryError as error:
            content, failure = b"", str(error)
        if not failure:
            self._written[effect.name] = content
        self._answer_after(self._store.disk.duration_ns(len(content)), lambda: self._kept(effect.name, failure))

    def _kept(self, name: str, failure: str) -> FileKept:
        """A file is whole now."""
        if self.state is not None and not failure:
            self.state.files[name] = self._written.pop(name)
        return FileKept(name, failure)

    def finish(self) -> None:
        """The session ends in good order: what was being written is written."""
        if self.state is not None:
            self.state.files.update(self._written)

    def _value(self, object_id: bytes, location: int, size_bytes: int, payload: bytes) -> bytes:
        if location != ON_DISK:
            return self._store.content(location, size_bytes)
        place = DiskPlace.decode(payload)
        return bytes(self._store.disk.readable(place.path, place.offset, size_bytes))

    def _forget(self, effect: ForgetFiles) -> None:
        for name in effect.names:
            if self.state is not None:
                self.state.files.pop(name, None)

    def _fill(self, effect: FillBuffer) -> None:
        self._store.writable(effect.location, len(effect.content))[:] = effect.content
