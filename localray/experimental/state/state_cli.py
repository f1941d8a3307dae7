"""`ray.experimental.state.state_cli`: the older place of `ray.util.state.state_cli`."""

from __future__ import annotations

from localray.experimental.state import advise
from localray.util.state import state_cli
from localray.util.state.state_cli import *  # noqa: F403

advise("state_cli")


def __getattr__(name: str) -> object:
    return getattr(state_cli, name)
