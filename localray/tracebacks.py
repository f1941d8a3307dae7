"""Which frames of a traceback are the user's: of an error that our own code raised, or that found it waiting, all that
matters is the line that called it.

Must not live here: the text of what a task raised (`exceptions.remote_traceback`).
"""

from __future__ import annotations

import os

_OURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")  # noqa: PTH100, PTH118, PTH120 - pathlib costs an import
_PYTHONS = os.path.join(os.path.dirname(os.path.abspath(os.__file__)), "")  # noqa: PTH100, PTH118, PTH120
_INSTALLED = (os.path.join(_PYTHONS, "site-packages", ""), os.path.join(_PYTHONS, "dist-packages", ""))  # noqa: PTH118
_CLOUDPICKLE = os.path.join(os.sep, "site-packages", "cloudpickle", "")  # noqa: PTH118
"""It pickles for us: its frames say as little."""


def is_of_our_own(error: BaseException) -> bool:
    """Whether below the frame that asks there is none of the user's: only ours, and those of Python's own modules."""
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        of_python = name.startswith(_PYTHONS) and not name.startswith(_INSTALLED)
        if not (of_python or name.startswith((_OURS, "<")) or _CLOUDPICKLE in name):
            return False
        trace = trace.tb_next
    return True
