"""Random programs, workers' deaths and crossing messages against the kernel; see `player` for what is checked.

A failure prints the program as a trace: its commands can be kept in ``traces/`` as they are.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .ending import Ending
from .model import Choices
from .player import Player

PROGRAMS = 150
TAPE_BYTES = 1500


def play(tape: bytes) -> None:
    player = Player(Choices(tape))
    try:
        player.play()
        Ending(player).play()
    except Exception as error:
        trace = "\n".join(player.lines)
        raise AssertionError(f"{error}\nafter these commands:\n{trace}") from error


@pytest.mark.parametrize("first_seed", range(0, PROGRAMS, 10))
def test_long_random_programs(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 10):
        play(random.Random(seed).randbytes(TAPE_BYTES))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.binary(max_size=300))
def test_short_random_programs(tape: bytes) -> None:
    play(tape)
