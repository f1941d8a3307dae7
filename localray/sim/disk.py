"""A virtual disk: spill files as entries in memory, with a size, and with the faults that real disks have.

A test may fill it, lose a file, or damage an entry. Must not live here: which objects go where (the kernel), when it
answers (`localray.sim.host`).
"""

from __future__ import annotations

from localray.shm.spill_layout import DamagedEntryError
from localray.sim.spells import Spells

BYTES_PER_S = 10**9
ACCESS_NS = 100_000


class VirtualDisk:
    """What all virtual nodes spill to.

    Args:
        capacity_bytes: what it takes; None for no limit.
    """

    def __init__(self, capacity_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        self.is_full = False
        self.slowness = Spells()
        self._files: dict[str, dict[int, bytearray]] = {}
        self._lengths: dict[str, int] = {}
        self._hollow: set[tuple[str, int]] = set()

    @property
    def used_bytes(self) -> int:
        """What is in it."""
        return sum(self._lengths.values())

    @property
    def paths(self) -> list[str]:
        """Its files."""
        return list(self._files)

    def entries(self) -> list[tuple[str, int]]:
        """All that is on it: paths and offsets."""
        return [(path, offset) for path, entries in self._files.items() for offset in entries]

    def space(self) -> tuple[int, int]:
        """Bytes that are available, and how many there are in all; of a disk without a limit nothing is ever taken."""
        if self.capacity_bytes is None:
            return 1, 1
        return max(0, self.capacity_bytes - self.used_bytes), self.capacity_bytes

    def duration_ns(self, length: int) -> int:
        """What writing a file takes in virtual time."""
        return int((ACCESS_NS + length * 10**9 // BYTES_PER_S) * self.slowness.factor)

    def create(self, path: str, length: int) -> str:
        """A new file; returns why not, or nothing."""
        too_small = self.capacity_bytes is not None and self.used_bytes + length > self.capacity_bytes
        if self.is_full or too_small:
            return "No space left on device"
        self._files[path] = {}
        self._lengths[path] = length
        return ""

    def write(self, path: str, offset: int, content: bytes | bytearray | memoryview) -> None:
        """One entry of a file."""
        self._files[path][offset] = bytearray(content)

    def write_hollow(self, path: str, offset: int, read: bytes) -> None:
        """An entry that takes no memory; this is read instead."""
        self._files[path][offset] = bytearray(read)
        self._hollow.add((path, offset))

    def writable(self, path: str, size_bytes: int) -> memoryview:
        """The only entry of a file, to be written."""
        content = self._files[path][0] = bytearray(size_bytes)
        return memoryview(content)

    def readable(self, path: str, offset: int, size_bytes: int) -> memoryview:
        """An entry.

        Raises:
            DamagedEntryError: as on a real disk.
        """
        entries = self._files.get(path)
        if entries is None:
            raise DamagedEntryError(f"its file {path} is missing")
        content = entries.get(offset)
        if content is None or (len(content) != size_bytes and (path, offset) not in self._hollow):
            raise DamagedEntryError(f"its file {path} is damaged at {offset}: its header is damaged")
        return memoryview(content).toreadonly()

    def delete(self, path: str) -> None:
        """A file goes; who reads it may read on."""
        self._files.pop(path, None)
        self._lengths.pop(path, None)

    def damage(self, path: str, offset: int) -> None:
        """A fault: the entry is not what was written."""
        self._files[path].pop(offset, None)
