"""`ray.util.client`: Ray's client of a driver elsewhere. There is no elsewhere here: a client of a session on this
machine is one of its drivers, and so nothing stands between. Must not live here: connecting (`ray_client_helpers`)."""

from __future__ import annotations

from importlib import import_module

from localray.absent.catalogue import missing_in
from localray.session import is_initialized


class RayAPIStub:
    """`ray.util.client.ray`: the names of `ray`, and whether there is a client."""

    def __init__(self) -> None:
        self._clients = 0

    def is_connected(self) -> bool:
        """Whether a block of `ray_start_client_server` is being run."""
        return self._clients > 0

    def is_initialized(self) -> bool:
        """Whether there is a session."""
        return is_initialized()

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(import_module("localray"), name)


ray = RayAPIStub()

__getattr__ = missing_in(__name__)
