"""A kernel that writes down what it is told.

What it costs when nobody asks for it is nothing: the head then has an ordinary kernel. Must not live here: what is in
the file (`localray.kernel_log.format`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random
from typing import BinaryIO

from localray.kernel import ENVIRONMENT, Event, Kernel
from localray.kernel.effects import Effect
from localray.kernel_log.format import BROKE, EffectsDigest, KernelSetup, Piece, Record, write_header, write_piece
from localray.kernel_log.state import digest

_EVENTS_AT_ONCE = 512
_AT_LEAST_EVERY_S = 0.5


class RecordingKernel(Kernel):
    """A kernel whose events go to a file, too.

    Args:
        path: of the file, in which ``%p`` stands for this process; one that is there is written over. It gets all
            arguments and values that are not in the store, so only its user may read it.
        setup: of the kernel.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: str, setup: KernelSetup) -> None:
        super().__init__(
            Random(setup.seed), setup.memory, standing=setup.standing, survival=setup.survival, kept=setup.kept
        )
        place = Path(path.replace("%p", str(os.getpid())))
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._file: BinaryIO | None = os.fdopen(descriptor, "wb")
        self._records: list[Record] = []
        self._effects = EffectsDigest()
        self._written_s = 0.0
        write_header(self._file, setup)

    def step(self, now_s: float, event: Event, sender: int = ENVIRONMENT) -> list[Effect]:
        """As of `Kernel`. What breaks it is written down, too."""
        self._records.append((now_s, sender, event))
        try:
            effects = super().step(now_s, event, sender)
        except BaseException:
            self._write(BROKE)
            self._end()
            raise
        self._effects.add(effects)
        if len(self._records) >= _EVENTS_AT_ONCE or now_s - self._written_s > _AT_LEAST_EVERY_S:
            self._written_s = now_s
            self._write(b"")
        return effects

    def _write(self, state_digest: bytes) -> None:
        records, self._records = tuple(self._records), []
        if self._file is None:
            return
        try:
            write_piece(self._file, Piece(records, self._effects.now(), state_digest))
        except OSError as error:
            # The session is worth more than its log.
            print(f"localray: the log of this session ends here: {error}", file=sys.stderr)
            self._file = None

    def close(self) -> None:
        """The session is over: write the rest down, and what the kernel knows now."""
        if self._file is not None:
            self._write(digest(self))
            self._end()

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
