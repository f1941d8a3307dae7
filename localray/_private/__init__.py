"""`ray._private`: names that programs, and test suites above all, import although they are private there.

Modules are loaded when they are first used, also as attributes: with Ray, `import ray` has loaded them all.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

_MODULES = (
    "client_mode_hook",
    "conftest_utils",
    "internal_api",
    "profiling",
    "ray_constants",
    "runtime_env",
    "services",
    "state",
    "state_api_test_utils",
    "test_utils",
    "utils",
    "worker",
)


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return import_module(f"localray._private.{name}")
    raise AttributeError(f"module 'localray._private' has no attribute {name!r}")
