"""Names of Ray that are not here: they can be imported, and say what to use when they are used."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from localray.absent import is_stand_in, stand_in
from localray.absent.catalogue import entries, missing_in
from localray.absent.enumerations import Enumeration
from tests.api.surface.generate_absent import is_here, names_of, own_file


def test_everything_in_the_catalogue_can_be_imported() -> None:
    for module, entry in entries().items():
        found = importlib.import_module(f"localray.{module}")
        for name, (kind, value) in names_of(entry):
            got = getattr(found, name)
            if kind == "constants":
                assert got == value, (module, name)
            elif kind == "errors":
                assert issubclass(got, Exception), (module, name)
            elif kind == "names":
                assert is_stand_in(got), (module, name)
                with pytest.raises(NotImplementedError, match=name):
                    got(1, keyword=2)


def test_nothing_in_the_catalogue_is_here_after_all() -> None:
    """If it is: `python -m tests.api.surface.generate_absent` takes it off."""
    ours = {module: entry for module, entry in entries().items() if own_file(module) is not None}
    here = [f"{module} {name}" for module, entry in ours.items() for name, _ in names_of(entry) if is_here(module, name)]
    assert here == []


def test_a_stand_in_can_be_a_base_and_an_annotation_and_is_itself_each_time() -> None:
    from localray._private.runtime_env.plugin import RuntimeEnvPlugin
    from localray._private.runtime_env.plugin import RuntimeEnvPlugin as again

    class Plugin(RuntimeEnvPlugin):
        name = "mine"

    assert RuntimeEnvPlugin is again and Plugin.name == "mine"
    with pytest.raises(NotImplementedError, match="set up by the head"):
        Plugin()
    with pytest.raises(AttributeError, match="set up by the head"):
        _ = RuntimeEnvPlugin.priority
    assert not hasattr(RuntimeEnvPlugin, "__wrapped__")


def test_what_ray_does_not_have_is_not_here_either() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("localray._private.nonsense")
    with pytest.raises(ImportError):
        from localray._private.node import Nonsense  # noqa: F401
    with pytest.raises(AttributeError):
        importlib.import_module("localray._private.utils").nonsense


def test_a_module_may_say_more_exactly_why() -> None:
    take = missing_in("localray._private.test_utils", {"There is no Redis here.": "start_redis stop_redis"})
    with pytest.raises(NotImplementedError, match="start_redis: There is no Redis here"):
        take("start_redis")(port=1)  # type: ignore[operator]
    with pytest.raises(NotImplementedError, match="x: why"):
        stand_in("testing", "x", "why")()


def test_a_value_that_a_variable_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_NAME_UPDATE_INTERVAL_S", "2")
    assert missing_in("localray._private.log_monitor")("LOG_NAME_UPDATE_INTERVAL_S") == 2.0
    monkeypatch.delenv("LOG_NAME_UPDATE_INTERVAL_S")
    assert missing_in("localray._private.log_monitor")("LOG_NAME_UPDATE_INTERVAL_S") == 0.5


def test_an_enumeration() -> None:
    both = Enumeration("Both", {"FIRST": 0, "SAME": 0, "SECOND": 1})
    assert (both.Name(0), both.Value("SAME"), both.SECOND) == ("FIRST", 0, 1)
    assert both.keys() == ["FIRST", "SAME", "SECOND"] and both.values() == [0, 0, 1]
    assert dict(both.items())["SECOND"] == 1
    assert both.DESCRIPTOR.values_by_name["SECOND"].number == 1
    assert both.DESCRIPTOR.values_by_number[0].name == "FIRST"
    with pytest.raises(ValueError, match="no name defined for value 7"):
        both.Name(7)
    with pytest.raises(ValueError, match="no value defined for name"):
        both.Value("THIRD")
    with pytest.raises(AttributeError):
        both.THIRD


def test_modules_are_attributes_under_the_name_ray_too() -> None:
    """As with Ray, where `import ray` has loaded them."""
    program = """
import ray
assert ray._private.node.Node and ray._private.gcs_utils.ErrorType.WORKER_DIED == 0
from ray.core.generated import common_pb2
from ray.core.generated.gcs_pb2 import ActorTableData
import ray.core.generated.common_pb2 as again
assert again is common_pb2 and ActorTableData.ALIVE == 2
import ray.util.client.server.server as server, localray.util.client.server.server as own
assert server is own
try:
    ray.nonsense
except AttributeError:
    print("done")
"""
    done = subprocess.run(
        [sys.executable, "-m", "localray", "run", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n", done.stderr
