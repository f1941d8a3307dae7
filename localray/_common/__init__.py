"""`ray._common`: what Ray's libraries share; here, what test suites import of it.

Modules are loaded when they are first used, also as attributes.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

_MODULES = ("constants", "filters", "formatters", "network_utils", "ray_constants", "test_utils", "utils")


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return import_module(f"localray._common.{name}")
    raise AttributeError(f"module 'localray._common' has no attribute {name!r}")
