"""`ray.experimental.internal_kv`: a session's table of keys and values, bytes both, in namespaces. It is kept by the
head and goes with the session. Must not live here: the table (`localray.kernel.key_values`)."""

from __future__ import annotations

from typing import cast

from localray.absent.catalogue import missing_in
from localray.client.client import Client
from localray.client.current import current_client
from localray.exceptions import RaySystemError
from localray.gcs_client import GcsClient
from localray.protocol import KeyValueAction

_left: Client | None = None
_given: tuple[GcsClient, Client | None] | None = None
"""What somebody wants to use, and whose driver this was then."""


def _internal_kv_initialized() -> bool:
    """Whether there is a session whose table can be used."""
    return internal_kv_get_gcs_client() is not None


_RESERVED = b"@namespace_"


def _initialize_internal_kv(gcs_client: GcsClient) -> None:
    """Use the table of this session, until this process's own one changes."""
    global _given
    assert gcs_client is not None
    _given = gcs_client, current_client()


def internal_kv_get_gcs_client() -> GcsClient | None:
    """The session whose table is used: the one that was given, else this process's; None if there is none."""
    client = current_client()
    if _given is not None and _given[1] is client:
        return _given[0]
    return None if client is None or client is _left else GcsClient()


def _internal_kv_reset() -> None:
    """Have nothing to do with this session's table any more."""
    global _given, _left
    _given, _left = None, current_client()


def _internal_kv_get(key: str | bytes, *, namespace: str | bytes | None = None) -> bytes | None:
    """The value of a key, or None."""
    return cast("bytes | None", _ask(KeyValueAction.GET, key, namespace))


def _internal_kv_exists(key: str | bytes, *, namespace: str | bytes | None = None) -> bool:
    """Whether there is such a key."""
    return _internal_kv_get(key, namespace=namespace) is not None


def _internal_kv_put(
    key: str | bytes, value: str | bytes, overwrite: bool = True, *, namespace: str | bytes | None = None
) -> bool:
    """Set a key's value.

    Args:
        key, value: texts become UTF-8.
        overwrite: whether to replace a value that there is.
        namespace: another table; the same key may be in several.

    Returns:
        Whether there was a value before.
    """
    if not isinstance(overwrite, bool):
        raise AssertionError("overwrite is True or False")
    return bool(_ask(KeyValueAction.PUT, key, namespace, value, overwrite))


def _internal_kv_del(key: str | bytes, *, del_by_prefix: bool = False, namespace: str | bytes | None = None) -> int:
    """Remove a key, or all that begin with it; returns how many there were."""
    return cast("int", _ask(KeyValueAction.DELETE, key, namespace, flag=del_by_prefix))


def _internal_kv_list(prefix: str | bytes, *, namespace: str | bytes | None = None) -> list[bytes]:
    """The keys that begin so."""
    return list(cast("tuple[bytes, ...]", _ask(KeyValueAction.LIST, prefix, namespace)))


def _bytes(value: str | bytes) -> bytes:
    encoded = value.encode() if isinstance(value, str) else value
    if not isinstance(encoded, bytes):
        raise AssertionError(f"keys and values are bytes or texts, got {type(value)}")
    return encoded


def _ask(
    action: KeyValueAction,
    key: str | bytes,
    namespace: str | bytes | None,
    value: str | bytes = b"",
    flag: bool = False,
) -> object:
    tables = internal_kv_get_gcs_client()
    if tables is None:
        raise RaySystemError("There is no session whose table could be used. Call ray.init() first.")
    wanted = _bytes(key)
    if wanted.startswith(_RESERVED):
        raise RaySystemError(f"Key can't start with {_RESERVED.decode()}: in Ray such keys tell namespaces apart.")
    return tables.key_value(action, wanted, _bytes(namespace or b""), _bytes(value), flag)


__getattr__ = missing_in(__name__)

__all__ = [
    "_initialize_internal_kv",
    "_internal_kv_del",
    "_internal_kv_exists",
    "_internal_kv_get",
    "_internal_kv_initialized",
    "_internal_kv_list",
    "_internal_kv_put",
    "_internal_kv_reset",
    "internal_kv_get_gcs_client",
]
