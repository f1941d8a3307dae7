"""More in the object store than it holds: nothing is lost, whoever made it and however it is read."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ..registry import NOT_SIMULATED, program

OWN_INIT = "calls ray.init itself and so chooses no engine"
MIB = 1 << 20
SMALL = {"num_cpus": 2, "include_dashboard": False, "log_to_driver": False, "object_store_memory": 80 * MIB}


def array(number: int, size_bytes: int = 8 * MIB) -> np.ndarray:
    return np.full(size_bytes, number, dtype=np.uint8)


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def three_times_the_store_is_read_back(ray: ModuleType) -> None:
    """O4: objects that the store has no room for are spilled, and read back with their values, read-only."""
    ray.init(**SMALL)
    refs = [ray.put(array(number)) for number in range(30)]
    for number, ref in enumerate(refs):
        value = ray.get(ref)
        assert value[0] == value[-1] == number and value.nbytes == 8 * MIB
        assert not value.flags.writeable


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def tasks_read_and_make_what_is_spilled(ray: ModuleType) -> None:
    """O4: arguments come from disk as from memory; returns find room."""
    ray.init(**SMALL)

    @ray.remote
    def add_one(value: np.ndarray) -> np.ndarray:
        return value + 1

    refs = [ray.put(array(number)) for number in range(20)]
    results = [add_one.remote(ref) for ref in refs]
    for number, ref in enumerate(results):
        assert ray.get(ref)[-1] == number + 1


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def an_object_larger_than_the_store_is_put_and_read(ray: ModuleType) -> None:
    """O4: it goes to disk and still reads back, by a task too."""
    ray.init(**SMALL)

    @ray.remote
    def last(value: np.ndarray) -> int:
        return int(value[-1])

    ref = ray.put(array(3, 150 * MIB))
    assert ray.get(ref).nbytes == 150 * MIB
    assert ray.get(last.remote(ref)) == 3


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def what_is_looked_at_stays_valid_when_more_is_put(ray: ModuleType) -> None:
    """O4: views of all that the store holds; new objects go to disk after the grace period, no view changes."""
    ray.init(**SMALL)
    values = [ray.get(ray.put(array(number))) for number in range(20)]
    assert [int(value[0]) for value in values] == [int(value[-1]) for value in values] == list(range(20))


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_spilling_directory_can_be_chosen(ray: ModuleType) -> None:
    """L1: object_spilling_directory; what is spilled lies below it, in a directory of the session."""
    with tempfile.TemporaryDirectory() as name:
        ray.init(**SMALL, object_spilling_directory=name)
        refs = [ray.put(array(number)) for number in range(30)]
        assert any(path.is_file() for path in Path(name).glob("*/*"))
        assert ray.get(refs[0])[0] == 0
        ray.shutdown()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def several_spilling_directories_can_be_configured(ray: ModuleType) -> None:
    """L1: _system_config takes the object spilling config as JSON, with a list of directories."""
    with tempfile.TemporaryDirectory() as name:
        paths = [str(Path(name) / "a"), str(Path(name) / "b")]
        config = json.dumps({"type": "filesystem", "params": {"directory_path": paths}})
        ray.init(**SMALL, _system_config={"object_spilling_config": config, "min_spilling_size": 8 * MIB})
        refs = [ray.put(array(number)) for number in range(40)]
        assert any(path.is_file() for path in Path(name).glob("*/*/*"))
        assert ray.get(refs[0])[0] == 0
        ray.shutdown()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_spilling_directory_may_be_a_setting(ray: ModuleType) -> None:
    """L1: object_spilling_directory in `_system_config` and as a variable; `init`'s own goes before both."""
    variable = "RAY_object_spilling_directory"
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        one, other, third = (Path(name) / part for part in ("one", "other", "third"))
        ways = (
            ({"_system_config": {"object_spilling_directory": str(one)}}, one),
            ({}, other),
            ({"object_spilling_directory": str(third)}, third),
        )
        for keywords, used in ways:
            patch.setenv(variable, str(other))
            ray.init(**SMALL, **keywords)
            refs = [ray.put(array(number)) for number in range(30)]
            assert any(path.is_file() for path in used.glob("*/*")), used
            assert ray.get(refs[0])[0] == 0
            assert not any(path.is_file() for path in Path(name).glob("*/*/*") if used not in path.parents)
            ray.shutdown()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_spilling_config_that_is_none_is_refused(ray: ModuleType) -> None:
    """L1: errors of the config come from init."""
    refused = (
        ("{}", KeyError),
        ("[", ValueError),
        (json.dumps({"type": "zzz"}), ValueError),
        (json.dumps({"type": "filesystem"}), ValueError),
        (json.dumps({"type": "filesystem", "params": {"directory_path": "/tmp", "colour": 1}}), TypeError),
        (json.dumps({"type": "filesystem", "params": {"directory_path": "/tmp", "buffer_size": "1"}}), AssertionError),
    )
    for config, error in refused:
        with pytest.raises(error):
            ray.init(**SMALL, _system_config={"object_spilling_config": config})
        assert ray.is_initialized() is False
