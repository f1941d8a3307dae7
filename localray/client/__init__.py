"""The half of localray that is in every driver and worker. Called, it is Ray's old function `ray.client`
(`localray.client_builder`): the package has its name, and whoever imports `ray` has both. Nothing else lives here."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType


class _Package(ModuleType):
    """A package that can be called."""

    def __call__(self, address: str | None = None, _deprecation_warn_enabled: bool = True) -> object:
        return import_module("localray.client_builder").client(address)


sys.modules[__name__].__class__ = _Package
