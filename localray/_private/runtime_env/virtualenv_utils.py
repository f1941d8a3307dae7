"""`ray._private.runtime_env.virtualenv_utils`: whether this interpreter is one of a virtual environment."""

from __future__ import annotations

import sys


def is_in_virtualenv() -> bool:
    """Whether it is."""
    return sys.prefix != sys.base_prefix
