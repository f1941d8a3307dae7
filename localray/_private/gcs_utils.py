"""`ray._private.gcs_utils`: the tables of a session by the names that programs for several releases of Ray use."""

from __future__ import annotations

from localray.absent.catalogue import missing_in
from localray.gcs_client import GcsClient


class GcsAioClient(GcsClient):
    """A `GcsClient` whose methods are coroutines, as older releases of Ray have it."""

    internal_kv_get = GcsClient.async_internal_kv_get  # type: ignore[assignment]
    internal_kv_multi_get = GcsClient.async_internal_kv_multi_get  # type: ignore[assignment]
    internal_kv_put = GcsClient.async_internal_kv_put  # type: ignore[assignment]
    internal_kv_del = GcsClient.async_internal_kv_del  # type: ignore[assignment]
    internal_kv_keys = GcsClient.async_internal_kv_keys  # type: ignore[assignment]
    internal_kv_exists = GcsClient.async_internal_kv_exists  # type: ignore[assignment]
    check_alive = GcsClient.async_check_alive  # type: ignore[assignment]
    get_all_job_info = GcsClient.async_get_all_job_info  # type: ignore[assignment]
    get_all_node_info = GcsClient.async_get_all_node_info  # type: ignore[assignment]


__getattr__ = missing_in(__name__)

__all__ = ["GcsAioClient", "GcsClient"]
