"""The older place of `localray.util.state.api`."""

from __future__ import annotations

from localray.experimental.state import advise
from localray.util.state.api import *  # noqa: F403 - it is the same module under another name

advise("api")
