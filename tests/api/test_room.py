"""Room that nobody waits for any more is given back, whichever thread finds out first; and what a session is told about its store."""

from __future__ import annotations

import itertools
import json
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from localray.client.channel import Waiter
from localray.client.puts import _with_checksum
from localray.client.room import LEASED_UP_TO_BYTES, UNASKED_AFTER_REFUSAL, Reservations
from localray.exceptions import ObjectStoreFullError, OutOfDiskError
from localray.protocol import ON_DISK, AbandonBuffer, ClientMessage, DiskPlace, LeaseBuffer, ReserveBuffer, Status
from localray.store_settings import store_settings

BIG_BYTES = LEASED_UP_TO_BYTES + 100
"""Asked for by itself; what is smaller is cut from a lease."""


class OneChannel:
    """A channel whose every wait does what the test says."""

    def __init__(self) -> None:
        self.sent: list[ClientMessage] = []
        self.while_waiting: Callable[[], object] = lambda: None

    def send(self, message: ClientMessage) -> None:
        self.sent.append(message)

    queue = send

    def soon(self) -> None: ...

    def wait(self, waiter: Waiter, timeout_s: float | None) -> bool:
        self.while_waiting()
        return waiter.ready


@pytest.fixture
def channel() -> OneChannel:
    return OneChannel()


@pytest.fixture
def reservations(channel: OneChannel) -> Reservations:
    numbers = iter(range(1, 100))
    return Reservations(channel, numbers.__next__)  # type: ignore[arg-type]


def test_room_is_where_the_kernel_says(channel: OneChannel, reservations: Reservations) -> None:
    channel.while_waiting = lambda: reservations.answered(1, 4096)
    assert reservations.reserve(BIG_BYTES) == (4096, b"")
    place = DiskPlace("/spilled/1", 0, b"").encode()
    channel.while_waiting = lambda: reservations.answered(2, place)
    assert reservations.reserve(BIG_BYTES + 1) == (ON_DISK, place)
    assert DiskPlace.decode(_with_checksum(ON_DISK, place, b"sum!")) == ("/spilled/1", 0, b"sum!")
    assert _with_checksum(4096, b"", b"sum!") == b"sum!"
    assert channel.sent == [ReserveBuffer(1, BIG_BYTES), ReserveBuffer(2, BIG_BYTES + 1)]
    assert not reservations.answered(3, 1)


@pytest.mark.parametrize(
    ("status", "error"), [(Status.STORE_FULL, ObjectStoreFullError), (Status.OUT_OF_DISK, OutOfDiskError)]
)
def test_a_refusal_is_an_error(
    channel: OneChannel, reservations: Reservations, status: Status, error: type[Exception]
) -> None:
    def refuse() -> None:
        reservations.answered(1, (status.value, "why"))

    channel.while_waiting = refuse
    with pytest.raises(error, match="why"):
        reservations.reserve(BIG_BYTES)


@pytest.mark.parametrize("first", ["interrupt", "answer"])
@pytest.mark.parametrize("granted", [True, False])
def test_what_comes_after_an_interrupt_is_given_back_once(
    channel: OneChannel, reservations: Reservations, first: str, granted: bool
) -> None:
    answer = 64 if granted else (Status.STORE_FULL.value, "full")

    def wait() -> None:
        if first == "answer":
            reservations.answered(1, answer)
        raise KeyboardInterrupt

    channel.while_waiting = wait
    with pytest.raises(KeyboardInterrupt):
        reservations.reserve(BIG_BYTES)
    if first == "interrupt":
        assert reservations.answered(1, answer)
    given_back = [message for message in channel.sent if isinstance(message, AbandonBuffer)]
    assert given_back == ([AbandonBuffer(64, BIG_BYTES)] if granted else [])


def test_objects_are_cut_from_a_lease(channel: OneChannel, reservations: Reservations) -> None:
    """One question for many objects; what came to nothing is cut again first; what is left goes back in one piece."""
    channel.while_waiting = lambda: reservations.answered(1, (4096, 1024))
    assert [reservations.reserve(size)[0] for size in (200, 100)] == [4096, 4096 + 256]
    assert channel.sent == [LeaseBuffer(1, 200)]
    reservations.abandon(4096, 200)
    assert reservations.reserve(200)[0] == 4096
    reservations.abandon(4096 + 256, 100)
    reservations.give_lease_back()
    assert channel.sent[1:] == [AbandonBuffer(4096 + 256, 1024 - 256)]
    reservations.abandon(4096, 200)
    assert channel.sent[2:] == [AbandonBuffer(4096, 200)]


def test_a_lease_that_is_used_up_is_followed_by_another(channel: OneChannel, reservations: Reservations) -> None:
    answers = iter([(1, (0, 256)), (2, (1024, 256))])
    channel.while_waiting = lambda: reservations.answered(*next(answers))
    assert [reservations.reserve(200)[0] for _ in range(2)] == [0, 1024]
    assert [type(message) for message in channel.sent] == [LeaseBuffer, LeaseBuffer]


def test_a_piece_that_comes_back_while_its_lease_goes_follows_it(
    channel: OneChannel, reservations: Reservations
) -> None:
    class WhileItGoes(list[tuple[int, int]]):
        def append(self, piece: tuple[int, int]) -> None:
            reservations.give_lease_back()
            super().append(piece)

    channel.while_waiting = lambda: reservations.answered(1, (4096, 1024))
    location = reservations.reserve(200)[0]
    reservations._spares = WhileItGoes()
    reservations.abandon(location, 200)
    assert channel.sent[1:] == [AbandonBuffer(4096 + 256, 1024 - 256), AbandonBuffer(4096, 200)]


def test_threads_that_take_and_give_back_never_hold_the_same_bytes(channel: OneChannel) -> None:
    """The piece that came back last passes from thread to thread without a lock; when the leases have gone back, too, every
    byte that was granted is given back once."""
    grants = iter(range(0, 1 << 40, 1 << 20))
    numbers = iter(range(1, 1 << 30))
    asking = threading.Lock()
    reservations = Reservations(channel, numbers.__next__)  # type: ignore[arg-type]
    granted: list[int] = []

    def ask(message: ClientMessage) -> None:
        assert isinstance(message, LeaseBuffer)
        with asking:
            granted.append(next(grants))
            location = granted[-1]
        reservations.answered(message.request, (location, 1 << 20))

    def wait(waiter: Waiter, timeout_s: float | None) -> bool:
        return waiter.ready

    channel.send, channel.wait = ask, wait  # type: ignore[method-assign]
    owner: dict[int, int] = {}
    clashes: list[tuple[int, int]] = []

    def work(me: int) -> None:
        dice = random.Random(me)
        for turn in range(2000):
            size_bytes = dice.choice((64, 128, 192, 4096))
            location = reservations.reserve(size_bytes)[0]
            places = range(location, location + size_bytes, 64)
            clashes.extend((place, me) for place in places if owner.setdefault(place, me) != me)
            for place in places:
                owner.pop(place, None)
            reservations.abandon(location, size_bytes)
            if turn % 97 == 0:
                reservations.give_lease_back()

    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(usual_s)
    reservations.give_lease_back()
    assert not clashes
    returned = sorted((each.location, each.size_bytes) for each in channel.sent if isinstance(each, AbandonBuffer))
    for (location, size_bytes), (following, _) in itertools.pairwise(returned):
        assert location + size_bytes <= following
    assert sum(size_bytes for _, size_bytes in returned) == len(granted) << 20


def test_who_is_refused_a_lease_asks_for_each_object(channel: OneChannel, reservations: Reservations) -> None:
    def answer() -> None:
        asked = channel.sent[-1]
        assert isinstance(asked, (LeaseBuffer, ReserveBuffer))
        reservations.answered(asked.request, None if isinstance(asked, LeaseBuffer) else 64)

    channel.while_waiting = answer
    for _ in range(UNASKED_AFTER_REFUSAL + 2):
        assert reservations.reserve(100)[0] == 64
    assert [type(message) for message in channel.sent].count(LeaseBuffer) == 2


@pytest.mark.parametrize("first", ["interrupt", "answer"])
def test_a_lease_that_comes_after_an_interrupt_is_given_back(
    channel: OneChannel, reservations: Reservations, first: str
) -> None:
    def wait() -> None:
        if first == "answer":
            reservations.answered(1, (64, 4096))
        raise KeyboardInterrupt

    channel.while_waiting = wait
    with pytest.raises(KeyboardInterrupt):
        reservations.reserve(100)
    if first == "interrupt":
        assert reservations.answered(1, (64, 4096))
    assert channel.sent[1:] == [AbandonBuffer(64, 4096)]


def test_settings_have_rays_names_and_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    plain = store_settings(None, {}, "7")
    assert plain.directories == (str(tmp_path / "localray_spilled_objects_7"),)
    assert (plain.spills, plain.min_spilling_size, plain.object_spilling_threshold) == (True, 100 << 20, 0.8)
    assert store_settings("/x", {"object_spilling_config": "{"}, "7").directories == ("/x/localray_spilled_objects_7",)
    config = json.dumps({"type": "filesystem", "params": {"directory_path": ["/a", "/b"]}})
    monkeypatch.setenv("RAY_object_spilling_config", config)
    monkeypatch.setenv("RAY_min_spilling_size", "5")
    monkeypatch.setenv("RAY_automatic_object_spilling_enabled", "0")
    variables = store_settings(None, {"object_spilling_threshold": 0.5}, "7")
    assert [Path(path).parent for path in variables.directories] == [Path("/a"), Path("/b")]
    assert (variables.spills, variables.min_spilling_size, variables.object_spilling_threshold) == (False, 5, 0.5)


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"object_spilling_config": "{}"}, KeyError),
        ({"object_spilling_config": "{"}, ValueError),
        ({"object_spilling_config": json.dumps({"type": "s3"})}, ValueError),
        ({"object_spilling_config": json.dumps({"type": "filesystem", "params": {"directory_path": []}})}, ValueError),
        ({"min_spilling_size": "much"}, ValueError),
    ],
)
def test_settings_that_are_none_are_refused(config: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        store_settings(None, config, "7")
