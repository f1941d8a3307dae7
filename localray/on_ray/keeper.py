"""Keeps what actors on a cluster of real Ray have saved; an actor itself, which outlives theirs.

There is one for each process that creates checkpointed actors, which owns it: it ends when they do. One more,
detached, is for detached actors. All that it is given goes into the object store, where it may be spilled. Must not
live here: when something is saved (`localray.on_ray.saving`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

KEPT_ANSWERS = 100
"""Of an actor's latest calls the answers are kept: Ray sends a call again whose answer was lost with the process."""
FORGOTTEN_AFTER_S = 600.0
"""So long after an actor has ended in order its state is dropped; some that end so are started again by Ray."""
HANDLES_HELD = 16
"""The creator's is among so many, though several threads may have asked at once."""


class Record:
    """What is kept of one actor; values are references to objects of the keeper's own.

    Args:
        name: of a detached actor, with its namespace.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: object | None = None
        self.begun: dict[str, tuple[str, object]] = {}
        self.journal: list[tuple[str, object]] = []
        self.answers: dict[str, object] = {}
        self.ended_at_s: float | None = None


class Keeper:
    """See above. Its methods are called by actors, by the id that Ray has given them."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._dropped: set[str] = set()
        self._myself: list[object] = []

    def hold(self, myself: object) -> None:
        """Keep the handle that counts, which is its creator's: who asks for a named actor gets one that does not."""
        if len(self._myself) < HANDLES_HELD:
            self._myself.append(myself)

    def latest(self, actor: str, name: str) -> tuple[object | None, Sequence[tuple[str, object]], Sequence[str]] | None:
        """An actor has been constructed: its latest state, the calls answered since, and which answers are kept; None
        for a new one.

        Raises:
            RuntimeError: its state has been dropped.
        """
        self._drop_ended(actor, name)
        if actor in self._dropped:
            raise RuntimeError(
                f"The checkpoints of this actor were dropped {FORGOTTEN_AFTER_S:.0f} s after it had ended in order, "
                "and it has been started again only now."
            )
        known = self._records.get(actor)
        if known is None:
            self._records[actor] = Record(name)
            return None
        known.begun.clear()
        known.ended_at_s = None
        return known.state, known.journal, list(known.answers)

    def begin(self, actor: str, call: str, method: str, arguments: object) -> None:
        """A call is about to run; its arguments as they are before."""
        import ray

        self._records[actor].begun[call] = (method, ray.put(arguments))

    def end(self, actor: str, call: str, outcome: object) -> None:
        """A call is about to be answered: from now on it is in the actor's state."""
        import ray

        record = self._records[actor]
        record.journal.append(record.begun.pop(call))
        record.answers[call] = ray.put(outcome)
        if len(record.answers) > KEPT_ANSWERS:
            del record.answers[next(iter(record.answers))]

    def save(self, actor: str, state: object) -> None:
        """A checkpoint: all calls that have ended are in it."""
        import ray

        record = self._records[actor]
        record.state = ray.put(state)
        record.journal.clear()

    def answer(self, actor: str, call: str) -> object:
        """A reference to what a call was answered."""
        return [self._records[actor].answers[call]]

    def forget(self, actor: str) -> None:
        """An actor has ended in order."""
        self._records[actor].ended_at_s = time.monotonic()

    def _drop_ended(self, newcomer: str, name: str) -> None:
        """Records of actors that will not come back: another has the name, or they have ended long ago."""
        now_s = time.monotonic()
        for actor, record in list(self._records.items()):
            replaced = name != "" and record.name == name and actor != newcomer
            if replaced or (record.ended_at_s is not None and now_s - record.ended_at_s > FORGOTTEN_AFTER_S):
                del self._records[actor]
                self._dropped.add(actor)
