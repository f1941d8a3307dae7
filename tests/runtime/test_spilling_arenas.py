"""The head's disk thread and arenas that go while it is busy."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from localray.kernel.effects import DropArena, ObjectsSpilled, ShareArena, SpillObjects
from localray.protocol import NODE_SHIFT
from localray.runtime.arenas import HeadArenas
from localray.runtime.connection import Connection
from localray.runtime.spilling import Spiller
from localray.shm.spill_files import map_entry
from localray.shm.spill_layout import lay_out

DEADLINE_S = 30.0


def test_what_is_to_be_written_outlives_its_arena(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    arenas = HeadArenas()
    arenas.share(ShareArena(1, 3, 1 << 20), Connection(1, ours, -1))
    arenas.memory(3)[64:69] = b"saved"
    directory = tmp_path / "spilled"
    spiller = Spiller(arenas, [str(directory)])
    offsets, length = lay_out([5])
    object_id, path = bytes(28), str(directory / "3-1")
    spiller.begin(SpillObjects(3, 7, path, length, ((object_id, (3 << NODE_SHIFT) + 64, 5, offsets[0]),)))
    arenas.drop(DropArena(3))
    give_up_at_s = time.monotonic() + DEADLINE_S
    answers: list[object] = []
    while not answers and time.monotonic() < give_up_at_s:
        answers += spiller.answers()
    (answer,) = answers
    assert isinstance(answer, ObjectsSpilled) and (answer.batch, answer.failure) == (7, "")
    assert bytes(map_entry(path, offsets[0], object_id, 5)) == b"saved"
    spiller.close()
    ours.close()
    theirs.close()
