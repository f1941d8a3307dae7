"""What a driver tells the head that it starts: one JSON object on the command line."""

from __future__ import annotations

from typing import TypedDict


class HeadOptions(TypedDict):
    """What a driver tells the head it starts."""

    driver_descriptor: int
    driver_process: int
    resources: dict[str, int]
    labels: dict[str, str]
    store_capacity_bytes: int
    prestart: int
    preload: list[str]
    seed: int
    node_id: str
    import_path: list[str]
    store: dict[str, object]
