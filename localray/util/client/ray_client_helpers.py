"""`ray.util.client.ray_client_helpers`: blocks in which a test is a client of a session. Here it is a driver of it: the
results are the same, there is just no server in between."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from localray.absent.catalogue import missing_in
from localray.session import init, is_initialized, shutdown
from localray.util.client import RayAPIStub, ray

_NAMESPACE = "default_test_namespace"
"""Where Ray's fixtures have their names, too."""


@contextlib.contextmanager
def ray_start_client_server(
    metadata: Sequence[tuple[str, str]] | None = None, ray_connect_handler: Any = None, **kwargs: Any
) -> Iterator[RayAPIStub]:
    """A block with a session, in which `ray.util.client.ray` is connected.

    Args:
        metadata: accepted; nothing is sent.
        ray_connect_handler: called to begin a session, if there is none; by default `init`.
        kwargs: for `init`.

    Returns:
        The names of `ray`.
    """
    begins = not is_initialized()
    if begins:
        (ray_connect_handler or init)(**kwargs)
    ray._clients += 1
    try:
        yield ray
    finally:
        ray._clients -= 1
        if begins:
            shutdown()


@contextlib.contextmanager
def ray_start_client_server_for_address(address: str) -> Iterator[RayAPIStub]:
    """As `ray_start_client_server`, of the session at this address."""
    with ray_start_client_server(ray_connect_handler=lambda **options: init(address, **options)) as names:
        yield names


def connect_to_client_or_not(connect_to_client: bool) -> contextlib.AbstractContextManager[Any]:
    """As `ray_start_client_server`, or nothing."""
    return ray_start_client_server(namespace=_NAMESPACE) if connect_to_client else contextlib.nullcontext()


__getattr__ = missing_in(__name__)
