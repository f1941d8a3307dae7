"""The older place of `localray.util.state.exception`."""

from __future__ import annotations

from localray.experimental.state import advise
from localray.util.state.exception import *  # noqa: F403 - it is the same module under another name

advise("exception")
