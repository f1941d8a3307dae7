"""Random programs, workers' deaths and crossing messages against the kernel; see `player` for what is checked.

A failure prints the program as a trace: its commands can be kept in ``traces/`` as they are.
"""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .ending import Ending
from .model import Choices
from .player import Player

TAPE_BYTES = 3000


def play(tape: bytes) -> None:
    player = Player(Choices(tape))
    try:
        player.play()
        Ending(player).play()
    except Exception as error:
        trace = "\n".join(player.lines)
        raise AssertionError(f"{error}\nafter these commands:\n{trace}") from error


def test_long_random_program(seed: int) -> None:
    play(random.Random(seed).randbytes(TAPE_BYTES))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.binary(max_size=300))
def test_short_random_programs(tape: bytes) -> None:
    play(tape)
