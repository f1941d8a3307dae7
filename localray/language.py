"""`ray.Language`, and the functions for other languages than Python: there are no workers of those here."""

from __future__ import annotations

import enum
from typing import NoReturn


class Language(enum.Enum):
    """What a worker is written in."""

    PYTHON = 0
    JAVA = 1
    CPP = 2


def java_function(class_name: str, function_name: str) -> NoReturn:
    """Raises:
    NotImplementedError: always.
    """
    raise NotImplementedError(f"{class_name}.{function_name}: tasks in Java need a real Ray cluster.")


def java_actor_class(class_name: str) -> NoReturn:
    """Raises:
    NotImplementedError: always.
    """
    raise NotImplementedError(f"{class_name}: actors in Java need a real Ray cluster.")
