"""`ray.util.connect`: Ray's client of a remote cluster, which is not here."""

from __future__ import annotations

from typing import NoReturn


def connect(conn_str: str, *arguments: object, **options: object) -> NoReturn:
    """Raises:
    ConnectionError: always.
    """
    raise ConnectionError(
        f"Cannot connect to {conn_str!r}: there is no client of remote clusters here. Call ray.init() for a session on "
        "this machine, or use real Ray."
    )


def disconnect() -> None:
    """Nothing is connected, so nothing happens."""
