"""What the kernel remembers of a node's object store: ranges, spill files, who waits for room. Passive, like
`localray.kernel.records`.

Must not live here: rules (`localray.kernel.store`, `localray.kernel.spilling`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localray.shm.allocator import Allocator
from localray.shm.settings import StoreSettings

if TYPE_CHECKING:
    from localray.kernel.records import ObjectRecord

@dataclass(slots=True, eq=False)
class SpillFile:
    """One file of spilled objects, or of one object that never was in the arena. ``live`` counts the objects in it;
    ``writer`` is the client that writes it, 0 when it is written; ``own_bytes`` is the size of an object that never was
    in the arena."""

    number: int
    node: int
    path: str
    size_bytes: int
    live: int = 0
    writer: int = 0
    own_bytes: int = 0


@dataclass(slots=True, eq=False)
class SpillBatch:
    """Objects on their way into one file. An object that goes meanwhile is no longer this batch's (its ``batch`` is
    None)."""

    number: int
    file: SpillFile
    directory: int
    records: tuple[ObjectRecord, ...]
    offsets: tuple[int, ...]
    size_bytes: int


@dataclass(slots=True, eq=False)
class Reservation:
    """A client's request for room. ``tried`` are the directories that have refused it a file of its own, with why."""

    client: int
    request: int
    size_bytes: int
    tried: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class StoreRecord:
    """One node's store.

    Objects in the arena that nobody looks at are in ``spillable`` when that is their only copy and in ``evictable``
    when they have one on disk, least recently used first. ``starving_since_s`` is when the first of those that wait
    found nothing left to spill; it is kept until somebody gets room in the arena again, so that only the first of many
    waits out the grace period. ``held_bytes`` is room that clients hold and is no object yet; ``peak_bytes`` is the
    most in use since the last look at what could be given back to the system; ``cooling`` what is being given back,
    piece by piece.
    """

    node: int
    allocator: Allocator
    settings: StoreSettings = field(default_factory=StoreSettings)
    spillable: dict[bytes, ObjectRecord] = field(default_factory=dict)
    evictable: dict[bytes, ObjectRecord] = field(default_factory=dict)
    spillable_bytes: int = 0
    evictable_bytes: int = 0
    batch: SpillBatch | None = None
    waiting: deque[Reservation] = field(default_factory=deque)
    creating: dict[int, tuple[Reservation, SpillFile, int]] = field(default_factory=dict)
    next_file: int = 1
    next_directory: int = 0
    refused_until_s: dict[int, float] = field(default_factory=dict)
    starving_since_s: float | None = None
    told_of_starving: bool = False
    held_bytes: int = 0
    peak_bytes: int = 0
    look_at_s: float | None = None
    cooling: deque[tuple[int, int]] = field(default_factory=deque)
    spilled_bytes: int = 0
    spilled_objects: int = 0
    spilling_took_s: float = 0.0
    evicted_bytes: int = 0
    fallback_bytes: int = 0
    tell_at_bytes: int = 0
