"""`ray._common.constants`: names of resources that every node has."""

from __future__ import annotations

NODE_ID_PREFIX = "node:"
HEAD_NODE_RESOURCE_NAME = f"{NODE_ID_PREFIX}__internal_head__"
RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR = "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC"
