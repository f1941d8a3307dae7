"""The older place of `localray.util.state.common`."""

from __future__ import annotations

from localray.experimental.state import advise
from localray.util.state.common import *  # noqa: F403 - it is the same module under another name

advise("common")
