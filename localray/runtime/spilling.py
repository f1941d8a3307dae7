"""The head's hand on the disk: a thread that writes, makes and deletes spill files in the order asked, beside the loop.

The loop hands over effects and gets their answers back through a pipe that its selector watches. Writing lets go of the
interpreter, so the head stays responsive. The thread starts at the first need, and so do the session's directories.
Must not live here: decisions, what a spill file looks like (`localray.shm`).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

from localray.kernel.effects import CreateSpillFile, DeleteSpillFile, ObjectsSpilled, SpillFileCreated, SpillObjects
from localray.protocol import OFFSET_MASK
from localray.runtime.arenas import HeadArenas
from localray.shm.session_directories import SessionDirectory
from localray.shm.spill_files import NotWantedError, create_file, write_file

Task: TypeAlias = SpillObjects | CreateSpillFile | DeleteSpillFile
Answer: TypeAlias = ObjectsSpilled | SpillFileCreated

STOP_TIMEOUT_S = 5.0


class Spiller:
    """The thread and its queue.

    Args:
        arenas: of the head, from which objects are copied.
        directories: where files may be; the kernel names paths in them.
    """

    def __init__(self, arenas: HeadArenas, directories: list[str]) -> None:
        self._arenas = arenas
        self._directories = {path: SessionDirectory(path) for path in directories}
        self._tasks: SimpleQueue[tuple[Task, memoryview | None] | None] = SimpleQueue()
        self._answers: deque[Answer] = deque()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """Readable when there are answers."""
        return self._read

    def begin(self, task: Task) -> None:
        """Do this after what was asked for before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="spilling", daemon=True)
            self._thread.start()
        # Taken now: its node may die before its turn comes, and nobody else may have the arena then.
        memory = self._arenas.memory(task.node) if isinstance(task, SpillObjects) else None
        self._tasks.put((task, memory))

    def answers(self) -> list[Answer]:
        """What has been done since the last call."""
        try:
            os.read(self._read, 4096)
        except BlockingIOError:
            return []
        return [self._answers.popleft() for _ in range(len(self._answers))]

    def close(self) -> None:
        """Stop, and remove the session's directories with all that is in them."""
        self._stopping = True
        if self._thread is not None:
            self._tasks.put(None)
            self._thread.join(STOP_TIMEOUT_S)
        for directory in self._directories.values():
            directory.remove()

    def _run(self) -> None:
        while True:
            task = self._tasks.get()
            if task is None:
                return
            answer = self._perform(*task)
            del task
            if answer is not None:
                self._answers.append(answer)
                try:
                    os.write(self._write, b"a")
                except BlockingIOError:
                    continue  # The loop has been woken often enough.

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
