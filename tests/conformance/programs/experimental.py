"""`ray.experimental`: the session's table of keys and values, and where objects are."""

from __future__ import annotations

import importlib
import json
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ..helpers import make_gate, make_waiter, wait_until
from ..registry import program


def _kv(ray: ModuleType) -> ModuleType:
    return importlib.import_module(f"{ray.__name__}.experimental.internal_kv")


def _locations(ray: ModuleType, ref: Any) -> dict[str, Any]:
    return importlib.import_module(f"{ray.__name__}.experimental").get_object_locations([ref])[ref]


@program()
def internal_kv_put_and_get(ray: ModuleType) -> None:
    """Surface 10: Texts and bytes; put says whether there was a value, and overwrites unless told not to."""
    kv = _kv(ray)
    assert kv._internal_kv_initialized()
    assert kv._internal_kv_put("kv_one", "1") is False
    assert kv._internal_kv_put(b"kv_one", b"2") is True
    assert kv._internal_kv_get("kv_one") == b"2"
    assert kv._internal_kv_put("kv_one", b"3", overwrite=False) is True
    assert kv._internal_kv_get(b"kv_one") == b"2"
    assert kv._internal_kv_get("kv_none") is None
    assert kv._internal_kv_exists("kv_one") is True
    assert kv._internal_kv_exists("kv_none") is False
    assert kv._internal_kv_del("kv_one") == 1
    assert kv._internal_kv_del("kv_one") == 0


@program()
def internal_kv_keys_that_are_taken(ray: ModuleType) -> None:
    """Surface 10: keys that begin as those do by which namespaces are kept apart are refused."""
    kv = _kv(ray)
    for call in (
        lambda: kv._internal_kv_put("@namespace_", "x", True),
        lambda: kv._internal_kv_get("@namespace_", namespace="n"),
        lambda: kv._internal_kv_del("@namespace_def", namespace="n"),
        lambda: kv._internal_kv_list(b"@namespace_abc", namespace="n"),
    ):
        with pytest.raises(ray.exceptions.RaySystemError, match="@namespace_"):
            call()


@program()
def internal_kv_prefixes_and_namespaces(ray: ModuleType) -> None:
    """Surface 10: Keys are listed and deleted by prefix, and each namespace has its own."""
    kv = _kv(ray)
    for name in ("kv_a", "kv_ab", "kv_b"):
        kv._internal_kv_put(name, b"x")
    assert kv._internal_kv_put("kv_a", b"other", namespace="kv_space") is False
    assert kv._internal_kv_get("kv_a", namespace=b"kv_space") == b"other"
    assert sorted(kv._internal_kv_list("kv_a")) == [b"kv_a", b"kv_ab"]
    assert kv._internal_kv_list("kv_", namespace="kv_space") == [b"kv_a"]
    assert kv._internal_kv_del("kv_a", del_by_prefix=True) == 2
    assert kv._internal_kv_list("kv_") == [b"kv_b"]
    assert kv._internal_kv_del("kv_a", namespace="kv_space") == 1
    assert kv._internal_kv_del("kv_b") == 1


@program()
def internal_kv_of_tasks(ray: ModuleType) -> None:
    """Surface 10: Tasks and the driver share the table."""
    kv = _kv(ray)
    name = kv.__name__

    @ray.remote
    def exchange():
        table = importlib.import_module(name)
        table._internal_kv_put("kv_from_task", b"2")
        return table._internal_kv_get("kv_from_driver")

    kv._internal_kv_put("kv_from_driver", b"1")
    assert ray.get(exchange.remote()) == b"1"
    assert kv._internal_kv_get("kv_from_task") == b"2"
    kv._internal_kv_del("kv_from_", del_by_prefix=True)


@program()
def internal_kv_misuse(ray: ModuleType) -> None:
    """Surface 10: Keys and values are texts or bytes."""
    kv = _kv(ray)
    with pytest.raises(AssertionError):
        kv._internal_kv_put("kv_wrong", 5)
    with pytest.raises(AssertionError):
        kv._internal_kv_get(5)
    with pytest.raises(AssertionError):
        kv._internal_kv_put("kv_wrong", b"1", overwrite=1)


@program()
def locations_of_large_objects(ray: ModuleType) -> None:
    """Surface 10: A large object is on the node that has it, whoever made it."""

    @ray.remote
    def make():
        return np.zeros(100_000)

    here = ray.get_runtime_context().get_node_id()
    for ref in (ray.put(np.zeros(100_000)), make.remote()):
        ray.wait([ref])
        found = _locations(ray, ref)
        assert found["node_ids"] == [here]
        assert 800_000 <= found["object_size"] < 801_000
        assert found["did_spill"] is False


@program(object_store_bytes=80 * 2**20)
def locations_of_what_is_on_disk(ray: ModuleType) -> None:
    """Surface 10: What the store has no room for is on the node whose disk has it, a task's result as well as what was put."""

    @ray.remote
    def make():
        return np.zeros(90 * 2**20, dtype=np.uint8)

    here = ray.get_runtime_context().get_node_id()
    refs = [make.remote(), ray.put(np.zeros(85 * 2**20, dtype=np.uint8))]
    refs += [ray.put(np.zeros(30 * 2**20, dtype=np.uint8)) for _ in range(3)]
    ray.wait(refs, num_returns=len(refs), fetch_local=False)
    for ref in refs[:2]:
        wait_until(lambda ref=ref: _locations(ray, ref)["did_spill"], "it is on disk")
    for ref in refs:
        assert _locations(ray, ref)["node_ids"] == [here]


@program()
def locations_of_small_and_pending_objects(ray: ModuleType) -> None:
    """Surface 10: What was put is here, however small; what a task has not returned yet is nowhere and has no size."""
    gate = make_gate(ray)
    pending = make_waiter(ray).remote(gate)
    small = ray.put(1)
    here = ray.get_runtime_context().get_node_id()
    assert _locations(ray, small)["node_ids"] == [here]
    assert _locations(ray, pending) == {"node_ids": [], "object_size": None, "did_spill": False}
    local = importlib.import_module(f"{ray.__name__}.experimental").get_local_object_locations([small])
    assert local[small]["node_ids"] == [here]
    assert importlib.import_module(f"{ray.__name__}.experimental").get_object_locations([]) == {}
    with pytest.raises(TypeError):
        importlib.import_module(f"{ray.__name__}.experimental").get_object_locations(small)
    ray.get(gate.open.remote())
    ray.get(pending)


@program(starts_session=False)
def experimental_without_a_session(ray: ModuleType) -> None:
    """Surface 10: Without a session there are no locations, and no table."""
    locations = importlib.import_module(f"{ray.__name__}.experimental")
    with pytest.raises(RuntimeError, match="hasn't been initialized"):
        locations.get_object_locations([])
    assert _kv(ray)._internal_kv_initialized() is False


@program()
def timeline_is_a_chrome_trace(ray: ModuleType) -> None:
    """Surface 10: timeline() is a list that JSON can hold; of tasks that ran there are complete events in microseconds."""

    @ray.remote
    def timed():
        return 1

    ray.get([timed.remote() for _ in range(3)])
    deadline = time.monotonic() + 30
    found: list[dict[str, Any]] = []
    while len(found) < 3 and time.monotonic() < deadline:
        found = [event for event in ray.timeline() if "timed" in event["name"] and event["ph"] == "X"]
        time.sleep(0.05)
    assert len(found) >= 3
    for event in found:
        assert event["dur"] >= 0
        assert {"cat", "name", "pid", "tid", "ts", "dur", "args"} <= set(event)
    assert json.loads(json.dumps(ray.timeline()))


@program()
def timeline_goes_into_a_file(ray: ModuleType) -> None:
    """Surface 1, surface 10: timeline(filename) writes what timeline() returns, and returns nothing."""

    @ray.remote
    def noted():
        return 1

    ray.get(noted.remote())
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "trace.json")
        assert ray.timeline(str(path)) is None
        events = json.loads(path.read_text())
    assert isinstance(events, list) and all(isinstance(event, dict) for event in events)


@program()
def progress_bars_in_tasks(ray: ModuleType) -> None:
    """Surface 10: A bar counts what goes through it, on the driver and in tasks."""
    tqdm_ray = importlib.import_module(f"{ray.__name__}.experimental.tqdm_ray")
    name = tqdm_ray.__name__

    @ray.remote
    def count():
        module = importlib.import_module(name)
        bar = module.tqdm(total=3, desc="in a task", flush_interval_s=0)
        for _ in range(3):
            bar.update()
        done = bar.n, bar.total
        bar.close()
        return done, list(module.tqdm([1, 2], flush_interval_s=0))

    assert ray.get(count.remote()) == ((3, 3), [1, 2])
    bar = tqdm_ray.tqdm(range(4), desc="on the driver")
    assert list(bar) == [0, 1, 2, 3]
    assert (bar.n, bar.total) == (4, 4)
    bar.set_description("again")
    bar.total = 10
    bar.n = 5
    assert (bar.n, bar.total) == (5, 10)
    bar.refresh()
    bar.close()
    with pytest.raises(ValueError):
        list(tqdm_ray.tqdm(total=1))
    tqdm_ray.safe_print("a line")


@program()
def timeline_tells_the_parts_of_tasks(ray: ModuleType) -> None:
    """Surface 10: of a task that has ended, reading its arguments, running it and storing what it returned are events of
    their own, inside its own; one that has failed stores nothing."""

    @ray.remote
    def parted(data):
        time.sleep(0.2)
        return data

    @ray.remote
    def parted_and_failed():
        raise ValueError("on purpose")

    ray.get(parted.remote(b"x" * 500_000))
    with pytest.raises(ValueError, match="on purpose"):
        ray.get(parted_and_failed.remote())

    def parts_of(name: str) -> dict[str, float]:
        """The lengths of what lies within a task, in microseconds."""
        events = [event for event in ray.timeline() if event["ph"] == "X"]
        for whole in events:
            if whole["cat"] != f"task::{name}":
                continue
            ends = whole["ts"] + whole["dur"]
            inside = [
                each
                for each in events
                if each["cat"].startswith("task:")
                and each is not whole
                and each["tid"] == whole["tid"]
                and whole["ts"] - 1 <= each["ts"]
                and each["ts"] + each["dur"] <= ends + 1
            ]
            return {each["cat"]: each["dur"] for each in inside}
        return {}

    wait_until(lambda: bool(parts_of("parted")) and bool(parts_of("parted_and_failed")), "both are told")
    parts = parts_of("parted")
    assert set(parts) == {"task:deserialize_arguments", "task:execute", "task:store_outputs"}
    assert 200_000 <= parts["task:execute"] < 2_000_000
    assert set(parts_of("parted_and_failed")) == {"task:deserialize_arguments", "task:execute"}
