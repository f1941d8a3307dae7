"""`ray.client` and `ray.client_builder`: the older way to a session, step by step. Only to sessions of this machine:
there is no client of clusters elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localray.absent.catalogue import missing_in
from localray.session import RayContext, init

_HERE = (None, "", "local", "auto")


class ClientBuilder:
    """How a session is to be connected to.

    Args:
        address: "local" for a new session; None or "auto" for one that runs, else a new one.

    Example:
        >>> with ClientBuilder("local").namespace("mine").connect():        # doctest: +SKIP
        ...     ray.get(task.remote())
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = address
        self._namespace: str | None = None
        self._runtime_env: dict[str, Any] | None = None

    def env(self, env: Mapping[str, Any]) -> ClientBuilder:
        """Set the runtime environment."""
        self._runtime_env = dict(env)
        return self

    def namespace(self, namespace: str) -> ClientBuilder:
        """Set the namespace."""
        self._namespace = namespace
        return self

    def connect(self) -> RayContext:
        """Begin.

        Raises:
            ConnectionError: the address is none of this machine's sessions.
        """
        if self.address not in _HERE:
            raise ConnectionError(
                f"Cannot connect to {self.address!r}: there is no client of remote clusters here. Call ray.init() "
                "for a session on this machine, or use real Ray."
            )
        return init(self.address or None, namespace=self._namespace, runtime_env=self._runtime_env)


def client(address: str | None = None, _deprecation_warn_enabled: bool = True) -> ClientBuilder:
    """The first step to a session; deprecated in Ray in favour of `ray.init`."""
    return ClientBuilder(address)


__getattr__ = missing_in(__name__)
