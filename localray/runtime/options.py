"""What a driver tells the head that it starts: one JSON object on the command line."""

from __future__ import annotations

from typing import TypedDict


class HeadOptions(TypedDict):
    """What a driver tells the head it starts.

    ``home`` is the directory by which others find the session, and ``address`` what they call it, both empty where
    nobody can join; ``home_descriptors`` are then its listening socket and its lock, and that of its
    ``state_directory`` if it has one. ``keeps`` says that the session ends with whoever started it.
    """

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
    home_descriptors: list[int]
    keeps: bool
