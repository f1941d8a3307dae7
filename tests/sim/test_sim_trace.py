"""The trace knows every kind of message, event and effect."""

from __future__ import annotations

from typing import get_args

from localray import sim
from localray.kernel.effects import Effect, EnvironmentEvent, Send
from localray.protocol import MESSAGE_TYPES, LaneMessage
from localray.sim.trace import FACTS


def test_every_kind_has_its_facts() -> None:
    kinds = {*MESSAGE_TYPES, *get_args(Effect), *get_args(EnvironmentEvent)}
    # What goes by a lane passes the kernel by.
    kinds -= {Send, *get_args(LaneMessage)}
    assert set(FACTS) == kinds


def test_lines_say_when_who_and_what() -> None:
    report = sim.run(lambda ray: ray.get(ray.put(1)), seed=1, keep_trace=True)
    kinds = [line.split()[3] for line in report.trace]
    assert kinds[0] == "NodeAdded"
    assert "PutObject" in kinds
    assert kinds[-1] == "Stop"
    assert all(line.split()[1] in "<>" for line in report.trace)
