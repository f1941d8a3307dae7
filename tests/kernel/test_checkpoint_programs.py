"""Random programs of little else than checkpointed actors, their calls and their deaths: many restarts of few actors, in
every state. What is checked is in `world`: each call finds exactly the answered ones in its actor's state."""

from __future__ import annotations

import random
from collections.abc import Callable

from .ending import Ending
from .model import Choices, Client
from .player import Player

TAPE_BYTES = 2500
MOST_ACTORS = 2
MOST_CALLS = 25


class CheckpointPlayer(Player):
    """Programs on checkpointed actors."""

    def __init__(self, choices: Choices) -> None:
        super().__init__(choices)
        self.checkpoints, self.restarts, self.deadly = 1, (9, 30), choices.one_of((10, 30))
        self.demands, self.starved, self.most_groups = ("",), 0, 0
        self.environments = ("",)
        self.retries = choices.one_of(((9,), (9, 9, 0)))

    def submissions(self, client: Client, task: str | None) -> list[Callable[[], None]]:
        """Next to nothing but calls, and deaths that leave the restarts."""
        actors = [name for name in client.held if name in self.specs and self.specs[name].actor == name]
        if task is not None or not actors:
            return super().submissions(client, task)
        moves: list[Callable[[], None]] = [lambda: None] * 2
        if self.choices.pick(8) == 0:
            moves += [lambda: client.say(f"kill {self.one_of(actors)} restart")]
        if sum(spec.actor == name for name, spec in self.specs.items()) < MOST_ACTORS:
            moves += [lambda: self.create_actor(client)]
        if sum(client.name == spec.caller for spec in self.specs.values()) < MOST_CALLS:
            moves += [lambda: self.call(client)] * 12 + [lambda: self.put(client)]
        return moves


def test_checkpoint_program(seed: int) -> None:
    player = CheckpointPlayer(Choices(random.Random(seed).randbytes(TAPE_BYTES)))
    try:
        player.play()
        Ending(player).play()
    except Exception as error:
        trace = "\n".join(player.lines)
        raise AssertionError(f"{error}\nafter these commands:\n{trace}") from error
