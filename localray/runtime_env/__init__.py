"""`ray.runtime_env`: what a job, task or actor wants of the workers it runs in.

Loaded when first used: most programs have no runtime environment.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localray.runtime_env.runtime_env import RuntimeEnv as RuntimeEnv
    from localray.runtime_env.runtime_env import RuntimeEnvConfig as RuntimeEnvConfig

__all__ = ["RuntimeEnv", "RuntimeEnvConfig"]


def __getattr__(name: str) -> object:
    if name not in (*__all__, "runtime_env"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module("localray.runtime_env.runtime_env")
    return module if name == "runtime_env" else getattr(module, name)
