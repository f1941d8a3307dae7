"""`ray._private.runtime_env.virtualenv_utils`: whether this interpreter is one of a virtual environment."""

from __future__ import annotations

import sys

from localray.absent.catalogue import missing_in


def is_in_virtualenv() -> bool:
    """Whether it is."""
    return sys.prefix != sys.base_prefix


__getattr__ = missing_in(__name__)
