"""A kernel that is stepped through a log: the same decisions again, one at a time, with all that it knew.

Must not live here: what is in the file (`localray.kernel_log.format`), what people see (`localray.cli.replay_log`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from localray.kernel import Event, Kernel
from localray.kernel.effects import DriverConnected, Effect
from localray.kernel.story import TransitionLog
from localray.kernel_log.format import BROKE, EffectsDigest, read_header, read_pieces
from localray.kernel_log.state import digest

_KEPT_ENTRIES = 10_000_000
"""Of the kernel's log of transitions: the stories of a replay are whole."""


class DiffersError(Exception):
    """The kernel decides otherwise than the log says it did."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event and what the kernel answered; steps are counted from 1."""

    number: int
    now_s: float
    sender: int
    event: Event
    effects: list[Effect]


class Player:
    """Steps a kernel through a log.

    Args:
        path: of the log.

    Attributes:
        kernel: as it is after the last step.
        is_whole: the log was read to its end, and the session had come to its end: what the kernel knew then is what
            it knows now.

    Raises:
        UnreadableLogError: it is no log, or one of another version.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            setup = read_header(file, str(path))
            self._begins_at = file.tell()
        self.kernel = Kernel(
            Random(setup.seed), setup.memory, standing=setup.standing, survival=setup.survival, kept=setup.kept
        )
        self.kernel.tables.log = TransitionLog(_KEPT_ENTRIES)
        self.is_whole = False

    def steps(self) -> Iterator[Step]:
        """Step on, from the first event to the last; whoever stops listening finds the kernel as it was then.

        Raises:
            DiffersError: the kernel has answered otherwise than it did.
            Exception: the kernel breaks, as it did.
        """
        digested = EffectsDigest()
        number = 0
        with self._path.open("rb") as file:
            file.seek(self._begins_at)
            for piece in read_pieces(file):
                first = number + 1
                for now_s, sender, event in piece.records:
                    number += 1
                    try:
                        step = self._step(number, now_s, sender, event, digested)
                    except Exception as error:
                        if piece.state_digest == BROKE and number == first + len(piece.records) - 1:
                            raise
                        text = f"At step {number} the kernel breaks, which it did not then: {error}"
                        raise DiffersError(text) from error
                    yield step
                if piece.records and digested.now() != piece.effects_digest:
                    raise DiffersError(
                        f"Somewhere from step {first} to {number} the kernel has decided otherwise than the log says. "
                        "The log is of other sources of the same version, or the kernel is not deterministic."
                    )
                if piece.state_digest:
                    if digest(self.kernel) != piece.state_digest:
                        raise DiffersError("At its end the kernel knows something else than it did in the session.")
                    self.is_whole = True

    def _step(self, number: int, now_s: float, sender: int, event: Event, digested: EffectsDigest) -> Step:
        if type(event) is DriverConnected:
            # The head has counted before it told of it.
            self.kernel.new_client_number()
        effects = self.kernel.step(now_s, event, sender)
        digested.add(effects)
        return Step(number, now_s, sender, event, effects)
