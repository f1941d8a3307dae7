"""`localray._private.internal_api`: creation sites, and values dropped by force."""

from __future__ import annotations

import re

import pytest

import localray as ray
from localray._private.internal_api import free, global_gc, memory_summary
from localray._private.subscribers import get_error_message, init_error_pubsub
from localray.client.current import require_client


@pytest.fixture(params=["sim", "processes"])
def session(request: pytest.FixtureRequest) -> None:
    ray.init(num_cpus=1, engine=request.param)
    request.addfinalizer(ray.shutdown)


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_record_ref_creation_sites", "1")


def row_of(reference: object) -> str:
    rows = [line for line in memory_summary().splitlines() if line.endswith(str(reference.hex()))]  # type: ignore[attr-defined]
    assert len(rows) == 1
    return rows[0]


@pytest.mark.usefixtures("sites", "session")
def test_the_table_says_where_references_were_made() -> None:
    @ray.remote
    class Keeper:
        def keep(self, references: object) -> None:
            self.references = references

    put = ray.put(1)
    assert re.search(r"\(put object\) \S*test_internal_api.py:test_the_table_says_where\w+:\d+", row_of(put))
    keeper = Keeper.remote()
    call = keeper.keep.remote([put])
    ray.get(call)
    assert "(actor call)" in row_of(call)
    assert "(deserialize actor task arg) Keeper.keep" in memory_summary()


@pytest.mark.usefixtures("session")
def test_without_the_variable_no_sites_are_kept() -> None:
    assert "disabled" in row_of(ray.put(1))


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("value", [1, b"large" * 100_000], ids=["small", "large"])
def test_a_freed_value_is_gone_for_everybody(value: object) -> None:
    @ray.remote
    def read(refs: list[object]) -> object:
        return ray.get(refs[0])

    reference = ray.put(value)
    free(reference)
    free([reference])
    with pytest.raises(ray.exceptions.ObjectFreedError):
        ray.get(reference)
    with pytest.raises(ray.exceptions.ObjectFreedError):
        ray.get(read.remote([reference]))


@pytest.mark.usefixtures("session")
def test_free_takes_references_only() -> None:
    with pytest.raises(TypeError, match="free"):
        free(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not an ray.ObjectRef"):
        free([3])  # type: ignore[list-item]


def test_without_a_session_there_is_nothing_to_tell() -> None:
    with pytest.raises(ray.exceptions.RaySystemError):
        memory_summary()
    with pytest.raises(ray.exceptions.RaySystemError):
        global_gc()


def test_a_subscriber_that_leaves_takes_no_other_along() -> None:
    ray.init(num_cpus=1, engine="sim")
    try:
        first, second = init_error_pubsub(), init_error_pubsub()
        first.close()
        require_client().notify("told")
        assert [notice["error_message"] for notice in get_error_message(second, 1)] == ["told"]
        assert first.poll(0) == (None, None)
        second.close()
        require_client().notify("told again")
        assert second.poll(0) == (None, None)
    finally:
        ray.shutdown()


def test_the_table_tells_what_is_spilled() -> None:
    ray.init(num_cpus=1, engine="sim", object_store_memory=80 * 2**20)
    try:
        references = [ray.put(b"x" * 30_000_000) for _ in range(4)]
        text = memory_summary()
        assert "B (spilled)" in text
        assert re.search(r"Spilled \d+ MiB, \d+ objects, avg write throughput \d+ MiB/s", text)
        assert len(references) == 4 and "mmap" not in text
    finally:
        ray.shutdown()


def test_the_table_tells_what_is_in_a_file_of_its_own() -> None:
    ray.init(num_cpus=1, engine="sim", object_store_memory=80 * 2**20)
    try:
        large, small = ray.put(b"x" * 90 * 2**20), ray.put(b"x" * 2**20)
        text = memory_summary()
        (row,) = (line for line in text.splitlines() if large.hex() in line)
        (other,) = (line for line in text.splitlines() if small.hex() in line)
        assert "B (filesystem mmap) |" in row and "(" not in other
        assert "Plasma filesystem mmap usage: 90 MiB\n" in text and "spilled" not in text.lower()
        del large
        assert "mmap" not in memory_summary()
    finally:
        ray.shutdown()
