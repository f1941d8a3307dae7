"""Which lines are the program's own, for telling of them. Must not live here: what is told."""

from __future__ import annotations

import os
from pathlib import Path
from types import FrameType
from typing import Final

_our_root: Final = str(Path(__file__).resolve().parent.parent)
_library_roots: Final = (str(Path(os.__file__).parent), _our_root)
_is_users: dict[str, bool] = {}


def is_users(path: str) -> bool:
    """Whether a source file is the program's own: neither the standard library's, nor installed, nor ours."""
    known = _is_users.get(path)
    if known is None:
        known = not path.startswith((*_library_roots, "<frozen")) and "site-packages" not in path
        _is_users[path] = known
    return known


def is_ours(path: str) -> bool:
    """Whether a source file is a part of localray."""
    return path.startswith(f"{_our_root}{os.sep}")


def place(frame: FrameType | None) -> str:
    """The innermost line that is the program's own."""
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return "a library"
