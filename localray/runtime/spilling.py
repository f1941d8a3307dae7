"""The head's hand on the disk: a thread that writes, makes and deletes spill files in the order asked, beside the loop.

The session's directories are made at the first need, and so is the thread (`localray.runtime.disk_thread`). Must not
live here: decisions, what a spill file looks like (`localray.shm`).
"""

from __future__ import annotations

import errno
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TypeAlias

from localray.kernel.effects import CreateSpillFile, DeleteSpillFile, ObjectsSpilled, SpillFileCreated, SpillObjects
from localray.kernel.spilling import why_too_full
from localray.protocol import OFFSET_MASK
from localray.runtime.arenas import HeadArenas
from localray.runtime.disk_thread import DiskThread
from localray.shm.session_directories import SessionDirectory
from localray.shm.spill_files import NotWantedError, create_file, write_file

Task: TypeAlias = SpillObjects | CreateSpillFile | DeleteSpillFile
Answer: TypeAlias = ObjectsSpilled | SpillFileCreated


class Spiller:
    """The thread and its directories.

    Args:
        arenas: of the head, from which objects are copied.
        directories: where files may be; the kernel names paths in them.
        threshold: how full file systems may be; see `localray.kernel.spilling.why_too_full`.
    """

    def __init__(self, arenas: HeadArenas, directories: list[str], threshold: float = 1.0) -> None:
        self._arenas = arenas
        self._threshold = threshold
        self._directories = {path: SessionDirectory(path) for path in directories}
        self._thread: DiskThread[Answer] = DiskThread("spilling")
        self.fileno = self._thread.fileno
        self.answers = self._thread.answers
        self._stopping = False

    def begin(self, task: Task) -> None:
        """Do this after what was asked for before."""
        # Taken now: its node may die before its turn comes, and nobody else may have the arena then.
        memory = self._arenas.memory(task.node) if isinstance(task, SpillObjects) else None
        self._thread.do(partial(self._perform, task, memory))

    def close(self) -> None:
        """Stop, and remove the session's directories with all that is in them."""
        self._stopping = True
        self._thread.finish()
        for directory in self._directories.values():
            directory.remove()

    def _perform(self, task: Task, memory: memoryview | None) -> Answer | None:
        """Do one thing, with the memory of the node that it is about; returns what the kernel is to be told."""
        if isinstance(task, DeleteSpillFile):
            try:
                Path(task.path).unlink(missing_ok=True)
            except OSError as error:
                # It goes with its directory, or whoever took that away has to remove it.
                print(f"localray: {task.path} could not be removed: {error.strerror}", file=sys.stderr)
            return None
        started_s = time.monotonic()
        failure = ""
        try:
            self._directories[str(Path(task.path).parent)].make()
            self._check_capacity(Path(task.path).parent)
            if isinstance(task, SpillObjects) and memory is not None:
                entries = [(entry[0], entry[1] & OFFSET_MASK, *entry[2:]) for entry in task.entries]
                write_file(task.path, task.length, entries, memory, lambda: not self._stopping)
            else:
                os.close(create_file(task.path, task.length))
        except NotWantedError:
            return None
        except OSError as error:
            failure = error.strerror or str(error)
        if isinstance(task, SpillObjects):
            return ObjectsSpilled(task.node, task.batch, failure, time.monotonic() - started_s)
        return SpillFileCreated(task.node, task.file, failure)

    def _check_capacity(self, directory: Path) -> None:
        system = os.statvfs(directory)
        block_bytes = system.f_frsize
        why = why_too_full(self._threshold, system.f_bavail * block_bytes, system.f_blocks * block_bytes)
        if why:
            raise OSError(errno.ENOSPC, why)
