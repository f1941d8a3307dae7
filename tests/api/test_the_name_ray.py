"""`localray.install` and `localray run`: one module under two names, here, in workers and in child processes."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash.drivers import Driver

import localray
from localray.version import VERSION


@pytest.fixture
def installed() -> Iterator[None]:
    localray.install()
    yield
    localray.uninstall()


def test_modules_are_one_object_under_both_names(installed: None) -> None:
    import ray
    from ray.util import placement_group as function
    from ray.util.placement_group import PlacementGroup, placement_group

    from localray.util import placement_group as function_by_localray

    assert ray is localray and function is function_by_localray is placement_group
    for name in ("util", "util.placement_group", "exceptions", "_private.internal_api"):
        module = importlib.import_module(f"ray.{name}")
        assert module is sys.modules[f"localray.{name}"] is sys.modules[f"ray.{name}"]
        assert module.__spec__ is not None and module.__spec__.name == f"localray.{name}"
    assert pickle.loads(pickle.dumps(PlacementGroup)) is PlacementGroup


def test_the_version_is_rays_and_comes_back(installed: None) -> None:
    import ray

    assert ray.__version__ == "2.60.0" == importlib.metadata.version("ray")
    localray.uninstall()
    assert localray.__version__ == VERSION
    assert "ray" not in sys.modules


def test_uninstalling_leaves_nothing() -> None:
    before = list(sys.path), list(sys.meta_path), dict(os.environ)
    localray.install()
    localray.install()
    import ray.util  # noqa: F401

    localray.uninstall()
    localray.uninstall()
    assert (list(sys.path), list(sys.meta_path), dict(os.environ)) == before
    assert not [name for name in sys.modules if name.split(".")[0] == "ray"]


def test_the_command_ray_is_ours() -> None:
    program = "import subprocess; print(subprocess.run(['ray', 'status', '--help'], capture_output=True, text=True).stdout)"
    command = [sys.executable, "-m", "localray", "run", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Show a running session" in done.stdout, done.stderr


@pytest.mark.parametrize("part", ["data", "train", "tune", "serve", "rllib", "workflow", "llm", "air"])
def test_what_is_not_here_says_what_to_use(installed: None, part: str) -> None:
    for statement in (f"import ray.{part}", f"from ray import {part}", f"from ray.{part}.inner import name"):
        with pytest.raises(ModuleNotFoundError, match=f"ray.{part} is not part of localray.*cluster") as caught:
            exec(statement)
        assert caught.value.name == f"ray.{part}"
    with pytest.raises(ModuleNotFoundError):
        getattr(localray, part)


def test_stubs_can_be_imported_and_not_used(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALRAY_STUBS", "train,data")
    names: dict[str, type] = {}
    exec("import ray.data\nfrom ray.data import Dataset, from_pandas_refs\nfrom ray.data.block import Block", names)
    assert not isinstance(1, names["Dataset"])
    for name in ("Dataset", "from_pandas_refs", "Block"):
        with pytest.raises(ModuleNotFoundError, match=r"ray.data is not part of localray.*LOCALRAY_STUBS=data"):
            names[name](1)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("ray.serve")


def test_what_nobody_has_is_missing_as_ever(installed: None) -> None:
    assert importlib.util.find_spec("ray.nothing_like_it") is None
    with pytest.raises(ModuleNotFoundError, match="No module named 'ray.nothing_like_it'"):
        importlib.import_module("ray.nothing_like_it")


def test_real_ray_that_is_there_already_is_not_pushed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", type(sys)("ray"))
    with pytest.raises(RuntimeError, match="Real Ray has been imported already"):
        localray.install()


_PROGRAM = """
import importlib.metadata, subprocess, sys
assert importlib.metadata.version("ray") == "2.60.0"
import ray, localray
from ray.exceptions import GetTimeoutError
assert ray is localray

class Mine(GetTimeoutError): pass

CHILD = "import ray.util, localray; assert ray is localray; print(ray.__version__)"

@ray.remote
def work():
    import ray, localray
    from ray.exceptions import GetTimeoutError
    assert ray is localray and issubclass(Mine, GetTimeoutError)
    assert importlib.metadata.version("ray") == "2.60.0"
    return subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True).stdout, Mine

ray.init(num_cpus=1)
printed, kind = ray.get(work.remote())
assert printed == "2.60.0\\n" and kind is Mine, (printed, kind)
print("all right", sys.argv[1:], __name__)
"""


@pytest.mark.parametrize("way", ["file", "module", "code", "stdin"])
def test_a_program_of_any_kind(way: str) -> None:
    with Driver("", ["-c", "pass"]) as prepared:
        prepared.end()
        (prepared.working_directory / "by_ray.py").write_text(_PROGRAM)
        words = {"file": ["by_ray.py"], "module": ["-m", "by_ray"], "code": ["-c", _PROGRAM], "stdin": ["-"]}[way]
        options: dict[str, object] = {"stdin": subprocess.PIPE} if way == "stdin" else {}
        arguments = ["-m", "localray", "run", *words, "-m", "--help", "x"]
        with Driver("", arguments, cwd=prepared.working_directory, **options) as driver:
            if driver.process.stdin is not None:
                driver.process.stdin.write(_PROGRAM.encode())
                driver.process.stdin.close()
            driver.wait_for("all right ['-m', '--help', 'x'] __main__")
            assert driver.end().code == 0


def test_the_exit_code_is_the_programs(tmp_path: Path) -> None:
    (tmp_path / "three.py").write_text("import ray, sys; sys.exit(3)")
    for words, code in ((["three.py"], 3), ([], 1), (["missing.py"], 2)):
        done = subprocess.run([sys.executable, "-m", "localray", "run", *words], cwd=tmp_path, capture_output=True)
        assert done.returncode == code, (words, done.stderr)


def test_inside_a_copy_of_rays_sources(tmp_path: Path) -> None:
    """The copy's own `ray` is passed over, its `ray.tests` is found; a `sitecustomize` of the user's runs as ever."""
    tests = tmp_path / "sources" / "ray" / "tests"
    tests.mkdir(parents=True)
    (tests.parent / "__init__.py").write_text("raise AssertionError('this needs to be compiled first')")
    (tests / "__init__.py").touch()
    (tests / "conftest.py").write_text("import pytest, ray\n\n@pytest.fixture\ndef version():\n    return ray.__version__\n")
    (tests / "test_it.py").write_text(
        "import ray\nfrom ray.tests.conftest import *\n\n"
        "def test_it(version):\n    import localray, sys\n    assert ray is localray and version == '2.60.0' and sys.mine\n"
    )
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import sys; sys.mine = True")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(own), os.environ.get("PYTHONPATH", "")])}
    words = ["-m", "localray", "run", "-m", "pytest", "-q", "-p", "no:cacheprovider", "ray/tests/test_it.py"]
    done = subprocess.run(
        [sys.executable, *words], cwd=tests.parents[1], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_installing_reaches_workers_and_children() -> None:
    program = _PROGRAM.replace("import importlib.metadata", "import localray; localray.install()\nimport importlib.metadata", 1)
    with Driver(program) as driver:
        driver.wait_for("all right")
        assert driver.end().code == 0
