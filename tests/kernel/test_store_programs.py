"""Random programs on a small store: reserve, put, get, unpin, free, damage, die, with a disk that answers late or not at
all.

After each step every invariant of the kernel holds (`localray.kernel.invariants`: what is taken is what is alive, nothing
overlaps, what is looked at cannot give way, files are there for what is in them). Here besides: who waits is answered in
the order of asking, a delivered place is where the object was written, nothing is refused that must not be; and in the
end store and disk are empty.
"""

from __future__ import annotations

from collections import Counter, deque

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localray.kernel.effects import (
    CoolArena,
    CreateSpillFile,
    DeleteSpillFile,
    ReleaseBuffer,
    Send,
    ShareArena,
    SpillObjects,
)
from localray.kernel.views import table_sizes
from localray.protocol import ON_DISK, DiskPlace, Notice, ObjectReady, Reply, Status
from localray.shm.allocator import Allocator

from .cluster import Cluster
from .model import Choices

SMALL_BYTES = 1024
LARGE_BYTES = 32 * SMALL_BYTES
"""Large enough for leases."""
SIZES_BYTES = (1, 64, 100, 200, 300, 500, 1024, 3000)
NODES = ("spill=/a threshold=0.7", "spill=/a,/b least=64 threshold=1", "spill=/a spills=0", "", "spill=/a,/b,/c verbose=400")
CLIENTS = ("d", "e", "f")


class StoreProgram:
    """One random program."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.cluster = Cluster()
        self.lines: list[str] = []
        self.clients = list(CLIENTS)
        self.requests: Counter[str] = Counter()
        # Who waits for room: (client, request, bytes), in the order of asking; and those that go to disk instead.
        self.waiting: deque[tuple[str, int, int]] = deque()
        self.to_disk: dict[tuple[str, int], int] = {}
        self.buffers: dict[str, list[tuple[str, int]]] = {name: [] for name in CLIENTS}
        self.written: dict[str, str] = {}
        self.gone: set[str] = set()
        self.held: dict[str, list[str]] = {name: [] for name in CLIENTS}
        self.pins: dict[str, Counter[str]] = {name: Counter() for name in CLIENTS}
        self.copies: dict[tuple[str, int], str] = {}
        self.files: set[str] = set()
        self.made = 0
        self.leases: set[tuple[str, int]] = set()
        self.spills = choices.one_of(NODES)
        self.capacity_bytes = choices.one_of((SMALL_BYTES, LARGE_BYTES))
        self.do(f"node cpu=1 store={self.capacity_bytes} {self.spills}")
        for name in CLIENTS:
            self.do(f"driver {name}")

    def do(self, line: str) -> None:
        """One command, and what the kernel answers to it."""
        self.lines.append(line)
        self.cluster.execute(line)
        for effect in self.cluster.effects:
            if isinstance(effect, Send):
                name = self.cluster.names.client(effect.client)
                if isinstance(effect.message, Reply):
                    self.answered(name, effect.message)
                elif isinstance(effect.message, ObjectReady):
                    self.delivered(name, effect.message)
                elif isinstance(effect.message, Notice):
                    assert name in self.clients
            elif isinstance(effect, SpillObjects):
                self.files.add(effect.path)
                for object_id, location, _, offset in effect.entries:
                    spilled = self.cluster.names.of(object_id)
                    assert self.written[spilled] == f"at={location}"
                    assert not any(pins[spilled] for pins in self.pins.values()), f"{spilled} is looked at and spilled"
                    self.copies[effect.path, offset] = spilled
            elif isinstance(effect, CreateSpillFile):
                self.files.add(effect.path)
            elif isinstance(effect, DeleteSpillFile):
                self.files.remove(effect.path)
            else:
                assert isinstance(effect, ReleaseBuffer | CoolArena | ShareArena)
        self.find_sent_to_disk()

    def answered(self, name: str, reply: Reply) -> None:
        """A request for room is answered: the oldest that waits, or one that has been sent to disk."""
        if (name, reply.request) in self.leases:
            self.leases.remove((name, reply.request))
            if reply.value is not None:
                self.cut(name, *reply.value)  # type: ignore[misc, arg-type]
            return
        size_bytes = self.to_disk.pop((name, reply.request), None)
        if isinstance(reply.value, bytes):
            assert size_bytes is not None
            self.buffers[name].append((f"file={DiskPlace.decode(reply.value).path}", size_bytes))
            return
        if size_bytes is None:
            self.find_sent_to_disk()
            assert self.waiting[0][:2] == (name, reply.request), f"{name} overtook {self.waiting[0]}"
            size_bytes = self.waiting.popleft()[2]
        if isinstance(reply.value, int):
            self.buffers[name].append((f"at={reply.value}", size_bytes))
            return
        assert isinstance(reply.value, tuple)
        expected = Status.OUT_OF_DISK if self.spills else Status.STORE_FULL
        assert reply.value[0] == expected

    def delivered(self, name: str, message: ObjectReady) -> None:
        """An object is where it was written, or in the file it was spilled to."""
        read = self.cluster.names.of(message.object_id)
        if message.status in (Status.FREED, Status.UNRECONSTRUCTABLE, Status.OWNER_DIED):
            assert read in self.gone
            return
        if message.location == ON_DISK:
            place = DiskPlace.decode(message.payload)
            assert place.path in self.files
            assert self.copies[place.path, place.offset] == read
        else:
            assert self.written[read] == f"at={message.location}"
            self.pins[name][read] += 1

    # ---------------------------------------------------------------- what may happen

    def act(self) -> None:
        name = self.choices.one_of(self.clients)
        kind = self.choices.pick(17)
        if kind <= 3:
            self.reserve(name)
        elif kind <= 6 and self.buffers[name]:
            self.put(name)
        elif kind == 7 and self.buffers[name]:
            self.abandon(name)
        elif kind <= 9 and self.held[name]:
            self.do(f"{name} get {self.choices.one_of(self.held[name])}")
        elif kind == 10 and self.pins[name]:
            self.unpin(name, self.choices.one_of(list(self.pins[name])))
        elif kind == 11 and self.held[name]:
            self.drop(name, self.choices.one_of(self.held[name]))
        elif kind == 12 and self.cluster.disk:
            if self.choices.pick(3):
                self.do("disk done")
            else:
                self.files.remove(self.cluster.disk[0].path)
                self.do("disk fails = full")
        elif kind == 13:
            self.pass_time(self.choices.one_of(("1ms", "500ms", "2s", "11s")))
        elif kind == 14 and self.held[name]:
            self.rare(name, self.choices.one_of(self.held[name]))
        elif kind == 15 and self.choices.pick(6) == 0 and len(self.clients) > 1:
            self.leave(name)
        elif kind == 16:
            self.lease(name)

    def lease(self, name: str) -> None:
        self.requests[name] += 1
        self.leases.add((name, self.requests[name]))
        self.cluster._requests[self.cluster.number_of(name)] = self.requests[name] - 1
        self.do(f"{name} lease size={self.choices.one_of((64, 200, 500))}")

    def cut(self, name: str, location: int, size_bytes: int) -> None:
        """A lease is cut into pieces, which become objects or are given back in any order, and what is left over too."""
        allocator = Allocator(size_bytes)
        for _ in range(self.choices.pick(5)):
            piece = self.choices.one_of((1, 64, 100, 200))
            offset = allocator.allocate(piece)
            if offset is not None:
                self.buffers[name].append((f"at={location + offset}", piece))
        self.buffers[name] += [(f"at={location + offset}", size) for offset, size in allocator.gaps()]

    def abandon(self, name: str) -> None:
        place, size_bytes = self.buffers[name].pop(0)
        self.do(f"{name} abandon {place} size={size_bytes}")

    def reserve(self, name: str) -> None:
        size_bytes = self.choices.one_of(SIZES_BYTES) * (self.capacity_bytes // SMALL_BYTES)
        self.requests[name] += 1
        request = self.requests[name]
        if size_bytes > self.capacity_bytes:
            self.to_disk[name, request] = size_bytes
        else:
            self.waiting.append((name, request, size_bytes))
        # The trace language counts requests for the client: gets are numbered too.
        self.cluster._requests[self.cluster.number_of(name)] = request - 1
        self.do(f"{name} reserve size={size_bytes}")

    def find_sent_to_disk(self) -> None:
        """Those that the kernel has given up finding room for: always the first."""
        creating = self.cluster.kernel.tables.nodes[0].store.creating.values()
        there = {(reservation.client, reservation.request) for reservation, _, _ in creating}
        while self.waiting and (self.cluster.number_of(self.waiting[0][0]), self.waiting[0][1]) in there:
            name, request, size_bytes = self.waiting.popleft()
            self.to_disk[name, request] = size_bytes

    def pass_time(self, duration: str) -> None:
        self.do(f"tick +{duration}")

    def put(self, name: str) -> None:
        place, size_bytes = self.buffers[name].pop(self.choices.pick(len(self.buffers[name])))
        self.made += 1
        made = f"o{self.made}"
        self.written[made] = place
        if place.startswith("file="):
            self.copies[place.removeprefix("file="), 0] = made
        self.held[name].append(made)
        self.do(f"{name} put {made} {place} size={size_bytes}")
        other = self.choices.one_of(self.clients)
        if made not in self.held[other]:
            self.held[other].append(made)
            self.do(f"{other} add {made}")

    def unpin(self, name: str, read: str) -> None:
        self.pins[name][read] -= 1
        if not self.pins[name][read]:
            del self.pins[name][read]
        self.do(f"{name} unpin {read}")

    def drop(self, name: str, dropped: str) -> None:
        self.held[name].remove(dropped)
        self.do(f"{name} drop {dropped}")

    def rare(self, name: str, hit: str) -> None:
        """An object is freed by hand, or found damaged."""
        verb = self.choices.one_of(("free", "damaged"))
        self.gone.add(hit)
        self.do(f"{name} {verb} {hit}" + (" = its file is missing" if verb == "damaged" else ""))

    def leave(self, name: str) -> None:
        self.clients.remove(name)
        self.waiting = deque(each for each in self.waiting if each[0] != name)
        self.to_disk = {key: size for key, size in self.to_disk.items() if key[0] != name}
        self.pins[name].clear()
        self.held[name].clear()
        self.buffers[name].clear()
        self.leases = {key for key in self.leases if key[0] != name}
        self.do(f"{name} leaves")

    # ---------------------------------------------------------------- the end

    def end(self) -> None:
        """The disk answers, everybody lets go; then nothing is left, and nobody waits."""
        for _ in range(200):
            while self.cluster.disk:
                self.do("disk done")
            for name in self.clients:
                for read in list(self.pins[name].elements()):
                    self.unpin(name, read)
                for dropped in list(self.held[name]):
                    self.drop(name, dropped)
                while self.buffers[name]:
                    self.abandon(name)
            if not (self.waiting or self.to_disk or self.cluster.disk or any(self.buffers.values())):
                break
            self.pass_time("2s")
        assert not self.waiting and not self.to_disk, "somebody waits for ever"
        sizes = table_sizes(self.cluster.kernel.tables)
        assert isinstance(sizes, tuple)
        assert not any(pair[1] for pair in sizes if isinstance(pair, tuple)), sizes
        assert not self.files


def play(tape: bytes) -> None:
    program = StoreProgram(Choices(tape))
    try:
        while not program.choices.exhausted:
            program.act()
        program.end()
    except Exception as error:
        trace = "\n".join(program.lines)
        raise AssertionError(f"{type(error).__name__}: {error}\nafter these commands:\n{trace}") from error


def test_long_random_store_program(seed: int) -> None:
    import random

    play(random.Random(seed).randbytes(1500))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.binary(max_size=400))
def test_short_random_store_programs(tape: bytes) -> None:
    play(tape)
