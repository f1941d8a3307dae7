"""`ray._common.ray_constants`: defaults that Ray's libraries share, as numbers."""

from __future__ import annotations

DEFAULT_MAX_CONCURRENCY_ASYNC = 1000
LOGGING_ROTATE_BYTES = 512 * 2**20
LOGGING_ROTATE_BACKUP_COUNT = 5

__all__ = ["DEFAULT_MAX_CONCURRENCY_ASYNC", "LOGGING_ROTATE_BACKUP_COUNT", "LOGGING_ROTATE_BYTES"]
