"""What a driver tells the head that it starts: one JSON object on the command line."""

from __future__ import annotations

from typing import TypedDict


class HeadOptions(TypedDict):
    """What a driver tells the head it starts. ``home`` is a standing session's directory, and ``address`` where it
    is joined, both empty for a private session;
    ``standing_descriptors`` are then its listening socket, its lock, and that of its ``state_directory``, if it has
    one."""

    driver_descriptor: int
    driver_process: int
    resources: dict[str, int]
    labels: dict[str, str]
    store_capacity_bytes: int
    prestart: int
    preload: list[str]
    seed: int
    node_id: str
    node_name: str
    directory: str
    node_environment: dict[str, str]
    import_path: list[str]
    store: dict[str, object]
    home: str
    address: str
    state_directory: str
    standing_descriptors: list[int]
