"""Runtime environments below the public API: what is copied, what counts as installed, what is installed, what is
refused."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

import localray as ray
from localray.exceptions import RuntimeEnvSetupError
from localray.runtime_env.ignore import Patterns
from localray.runtime_env.packages import Stage
from localray.runtime_env.requirements import are_satisfied
from localray.runtime_env.set_up import set_up


def make_tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def names_in(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("pattern", "left_out", "kept"),
    [
        ("*.log", ["a.log", "x/y/a.log"], ["a.logs"]),
        ("/a", ["a"], ["x/a"]),
        ("x/a", ["x/a"], ["y/x/a"]),
        ("**/a", ["a", "x/y/a"], ["ab"]),
        ("a/**/b", ["a/b", "a/x/y/b"], ["b"]),
        ("a?", ["ab"], ["a", "a/b"]),
        ("[a-c]x", ["bx"], ["dx"]),
        ("[!a]x", ["bx"], ["ax"]),
        ("# a", [], ["# a", "a"]),
        ("\\#a", ["#a"], ["a"]),
        ("a b", ["a b"], ["a"]),
    ],
)
def test_patterns_are_those_of_gitignore(pattern: str, left_out: list[str], kept: list[str]) -> None:
    patterns = Patterns([pattern])
    assert [name for name in left_out if not patterns.excludes(name, is_directory=False)] == []
    assert [name for name in kept if patterns.excludes(name, is_directory=False)] == []


def test_a_directory_is_copied_under_a_name_of_its_content(tmp_path: Path) -> None:
    source = make_tree(tmp_path / "source", "a.py", "inner/b.py", "inner/skip.txt", ".git/config", "venv/x")
    (source / "inner" / ".gitignore").write_text("*.txt\n")
    (source / "loop").symlink_to(source)
    stage = Stage(tmp_path / "staged", {})
    first = stage.bring_along({"working_dir": str(source)})["working_dir"]
    (copied,) = (tmp_path / "staged").iterdir()
    assert first == f"gcs://{copied.name}.zip"
    assert names_in(copied) == ["a.py", "inner/.gitignore", "inner/b.py"]
    assert stage.bring_along({"working_dir": source})["working_dir"] == first
    (source / "a.py").write_text("changed")
    assert stage.bring_along({"working_dir": source})["working_dir"] != first


def test_variables_say_what_is_left_out(tmp_path: Path) -> None:
    source = make_tree(tmp_path / "source", ".git/config", "a.txt", "b")
    (source / ".gitignore").write_text("*.txt\n")
    variables = {"RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES": "", "RAY_RUNTIME_ENV_IGNORE_GITIGNORE": "1"}
    Stage(tmp_path / "staged", variables).bring_along({"working_dir": source})
    (copied,) = (tmp_path / "staged").iterdir()
    assert names_in(copied) == [".git/config", ".gitignore", "a.txt", "b"]


def test_an_archive_cannot_write_elsewhere(tmp_path: Path) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../outside.txt", "x")
        file.writestr("inside.txt", "x")
    before = Path.cwd()
    try:
        set_up({"working_dir": f"file://{archive}"}, str(tmp_path / "packages"), {})
        assert names_in(Path.cwd()) == ["inside.txt", "outside.txt"]
    finally:
        os.chdir(before)
    assert not (tmp_path / "packages" / "outside.txt").exists()


def test_what_is_installed_satisfies() -> None:
    assert are_satisfied(["numpy", "cloudpickle>=1", "# a comment", "", "nothing; python_version < '3'"])
    for line in ("numpy<1", "no-such-package-here", "-r more.txt", "git+https://somewhere/x", "numpy[extra]"):
        assert not are_satisfied([line])


@pytest.mark.parametrize("field", ["conda", "container", "image_uri", "py_executable"])
def test_what_no_worker_here_can_be_is_refused_with_advice(field: str) -> None:
    with pytest.raises(RuntimeEnvSetupError, match=rf"runtime_env\['{field}'\] is not supported: .*instead"):
        set_up({field: "x"}, "", {})


def test_packages_that_would_be_fetched_are_refused() -> None:
    with pytest.raises(RuntimeEnvSetupError, match="fetch it, and give the path"):
        set_up({"py_modules": ["https://somewhere/x.zip"]}, "", {})


@pytest.mark.parametrize("variables", [{"A=B": "x"}, {"A": "x\0y"}])
def test_what_nobody_foresaw_in_setting_up_is_told(variables: dict[str, str]) -> None:
    """A worker that failed to set itself up by an error of another kind was replaced by the next, without end."""

    @ray.remote(runtime_env={"env_vars": variables})
    def use() -> None:
        pass

    with ray.init(num_cpus=1), pytest.raises(RuntimeEnvSetupError, match="(?s)Traceback.*ValueError"):
        ray.get(use.remote(), timeout=60)


def test_requirements_are_installed_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "wheels" / "tiny_demo-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tiny_demo.py", "VALUE = 'installed'\n")
        file.writestr("tiny_demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-demo\nVersion: 1.0\n")
        file.writestr("tiny_demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("tiny_demo-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = ["--no-index", f"--find-links={wheel.parent}"]

    @ray.remote
    def use() -> object:
        import numpy
        import tiny_demo  # type: ignore[import-not-found]

        return tiny_demo.VALUE, numpy.__name__

    with ray.init(num_cpus=2):
        environment = {"pip": {"packages": ["tiny-demo"], "pip_install_options": options}}
        tasks = [use.options(runtime_env=environment).remote() for _ in range(2)]
        assert ray.get(tasks) == [("installed", "numpy")] * 2
        assert len(list((tmp_path / "cache" / "localray" / "environments").iterdir())) == 1
        missing = {"pip": {"packages": ["tiny-demo==2"], "pip_install_options": options}}
        with pytest.raises(RuntimeEnvSetupError, match=r"(?s)No matching distribution.*package index"):
            ray.get(use.options(runtime_env=missing).remote())
