"""`ray.experimental.state`: the older place of `ray.util.state`."""

from __future__ import annotations

import warnings


def advise(module: str) -> None:
    """Say where a module is now."""
    warnings.warn(
        f"Ray's state API is no longer experimental: import ray.util.state.{module} instead of "
        f"ray.experimental.state.{module}.",
        DeprecationWarning,
        stacklevel=2,
    )
