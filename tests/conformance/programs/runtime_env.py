"""Runtime environments: variables, directories, modules and hooks of tasks, actors and jobs, and how they fail."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest

from ..registry import NOT_SIMULATED, program

OWN_INIT = "calls ray.init itself and so chooses no engine"
SHARED = "all workers of a simulation share one process, and so its variables"
LOCAL = {"address": "local", "num_cpus": 2, "include_dashboard": False, "log_to_driver": False}


def make_reader(ray: ModuleType, **options: object):
    """Returns a remote function that tells the values of variables in its worker."""

    def read(*names):
        return [os.environ.get(name) for name in names]

    return ray.remote(**options)(read) if options else ray.remote(read)


@program(engines=NOT_SIMULATED, reason=SHARED)
def a_task_has_its_variables_and_nobody_else(ray: ModuleType) -> None:
    """L6, surface 11: env_vars are set in the workers of that environment and never leak to others."""
    read = make_reader(ray)
    with_it = read.options(runtime_env={"env_vars": {"CONFORMANCE_A": "1"}})
    assert ray.get([with_it.remote("CONFORMANCE_A"), read.remote("CONFORMANCE_A")]) == [["1"], [None]]
    assert ray.get([read.remote("CONFORMANCE_A") for _ in range(4)]) == [[None]] * 4
    other = read.options(runtime_env={"env_vars": {"CONFORMANCE_B": "2"}})
    assert ray.get(other.remote("CONFORMANCE_A", "CONFORMANCE_B")) == [None, "2"]
    assert "CONFORMANCE_A" not in os.environ


@program(engines=NOT_SIMULATED, reason=SHARED)
def variables_are_merged_with_the_parents(ray: ModuleType) -> None:
    """L6, surface 11: a child task has its parent's variables and its own; where both have one, its own."""
    read = make_reader(ray)

    @ray.remote
    def parent(read):
        inherits = ray.get(read.remote("CONFORMANCE_A", "CONFORMANCE_B"))
        own = {"env_vars": {"CONFORMANCE_B": "child", "CONFORMANCE_C": "child"}}
        names = ("CONFORMANCE_A", "CONFORMANCE_B", "CONFORMANCE_C")
        return inherits, ray.get(read.options(runtime_env=own).remote(*names))

    environment = {"env_vars": {"CONFORMANCE_A": "parent", "CONFORMANCE_B": "parent"}}
    answer = ray.get(parent.options(runtime_env=environment).remote(read))
    assert answer == (["parent", "parent"], ["parent", "child", "child"])


@program(engines=NOT_SIMULATED, reason=SHARED)
def an_actor_has_its_variables_and_so_do_its_tasks(ray: ModuleType) -> None:
    """L6, surface 11: in the constructor, in methods, and in the tasks they submit."""
    read = make_reader(ray)

    @ray.remote(runtime_env={"env_vars": {"CONFORMANCE_A": "actor"}})
    class Actor:
        def __init__(self):
            self.at_first = os.environ.get("CONFORMANCE_A")

        def values(self, read):
            return self.at_first, os.environ.get("CONFORMANCE_A"), ray.get(read.remote("CONFORMANCE_A"))

    actor = Actor.options(num_cpus=0).remote()
    assert ray.get(actor.values.remote(read)) == ("actor", "actor", ["actor"])
    assert ray.get(read.remote("CONFORMANCE_A")) == [None]


@program(engines=NOT_SIMULATED, reason=SHARED)
def variables_are_expanded_in_the_worker(ray: ModuleType) -> None:
    """L6, surface 11: ${X} and $X are the worker's own X; an unknown one in braces is nothing, a bare one stays."""
    environment = {
        "env_vars": {
            "CONFORMANCE_A": "a",
            "CONFORMANCE_B": "${CONFORMANCE_A}b:$CONFORMANCE_A",
            "CONFORMANCE_C": "<${CONFORMANCE_MISSING}>",
            "CONFORMANCE_D": "$CONFORMANCE_MISSING",
            "PATH": "/conformance:${PATH}",
        }
    }
    read = make_reader(ray, runtime_env=environment)
    names = ("CONFORMANCE_A", "CONFORMANCE_B", "CONFORMANCE_C", "CONFORMANCE_D", "PATH")
    *values, path = ray.get(read.remote(*names))
    assert values == ["a", "ab:a", "<>", "$CONFORMANCE_MISSING"]
    assert path.startswith("/conformance:")
    assert len(path) > len("/conformance:")


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_job_has_variables_for_all_its_workers(ray: ModuleType) -> None:
    """L6, surface 11: init's env_vars; later changes of the driver's environment are not seen by workers."""
    ray.init(**LOCAL, runtime_env={"env_vars": {"CONFORMANCE_A": "job"}})
    read = make_reader(ray)
    os.environ["CONFORMANCE_LATE"] = "late"
    try:
        assert ray.get(read.remote("CONFORMANCE_A", "CONFORMANCE_LATE")) == ["job", None]
        task = {"env_vars": {"CONFORMANCE_B": "task"}}
        both = read.options(runtime_env=task).remote("CONFORMANCE_A", "CONFORMANCE_B")
        assert ray.get(both) == ["job", "task"]
    finally:
        del os.environ["CONFORMANCE_LATE"]


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_environment_may_come_in_a_job_config(ray: ModuleType) -> None:
    """A1, surface 11: JobConfig(runtime_env=…) is another way to give it; init's own runtime_env takes its place."""
    module = import_module(f"{ray.__name__}.job_config")
    config = module.JobConfig(runtime_env={"env_vars": {"CONFORMANCE_A": "config"}})
    ray.init(**LOCAL, job_config=config)
    assert ray.get(make_reader(ray).remote("CONFORMANCE_A")) == ["config"]
    ray.shutdown()
    ray.init(**LOCAL, job_config=config, runtime_env={"env_vars": {"CONFORMANCE_B": "own"}})
    assert ray.get(make_reader(ray).remote("CONFORMANCE_A", "CONFORMANCE_B")) == [None, "own"]


@program()
def a_task_can_ask_for_its_environment(ray: ModuleType) -> None:
    """Surface 11: runtime_env is what it was given, get_runtime_env_string the same as JSON; the driver's is empty."""
    assert ray.get_runtime_context().runtime_env == {}
    assert ray.get_runtime_context().get_runtime_env_string() == "{}"

    @ray.remote
    def tell():
        context = ray.get_runtime_context()
        return dict(context.runtime_env), context.get_runtime_env_string(), type(context.runtime_env).__name__

    given = {"env_vars": {"CONFORMANCE_A": "1"}}
    told, text, kind = ray.get(tell.options(runtime_env=given).remote())
    assert told == given
    assert json.loads(text) == given
    assert kind == "RuntimeEnv"
    assert ray.get(tell.remote())[0] == {}


@program()
def what_cannot_be_an_environment_is_refused_where_it_is_given(ray: ModuleType) -> None:
    """L7, surface 11: wrong types are errors at the decorator and at options()."""

    def nothing():
        return None

    cases = [
        ({"env_vars": {"A": 1}}, TypeError),
        ({"env_vars": {1: "a"}}, TypeError),
        ({"env_vars": ["a"]}, TypeError),
        ({"pip": 1}, TypeError),
        ({"pip": ["a"], "conda": "b"}, ValueError),
        ({"pip": {"package": ["a"]}}, ValueError),
        ({"pip": "/no/such/requirements.txt"}, ValueError),
        ({"uv": {"packages": "a"}}, ValueError),
        ({"conda": 3}, TypeError),
        ({"excludes": "a"}, TypeError),
        ({"working_dir": 1}, TypeError),
        ({"working_dir": "/tmp"}, ValueError),
        ({"py_modules": "a"}, TypeError),
        ({"py_modules": ["/tmp"]}, ValueError),
        ({"config": {"setup_timeout_seconds": 0}}, ValueError),
        ({"config": {"setup_timeout_seconds": "1"}}, TypeError),
        ({"config": 1}, TypeError),
        ({"image_uri": "a", "pip": ["b"]}, ValueError),
        ({"container": {"image": "a"}, "pip": ["b"]}, ValueError),
    ]
    for environment, error in cases:
        with pytest.raises(error):
            ray.remote(runtime_env=environment)(nothing)
        with pytest.raises(error):
            ray.remote(nothing).options(runtime_env=environment)


@program()
def an_empty_environment_is_none(ray: ModuleType) -> None:
    """L6, surface 11: {} and empty env_vars mean nothing of one's own."""

    @ray.remote
    def tell():
        return dict(ray.get_runtime_context().runtime_env)

    assert ray.get(tell.options(runtime_env={}).remote()) == {}
    assert ray.get(tell.options(runtime_env={"env_vars": {}}).remote()) == {}
    assert ray.get(tell.options(runtime_env=None).remote()) == {}


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_working_directory_is_a_copy_of_the_drivers(ray: ModuleType) -> None:
    """L7, surface 11: tasks start in a copy of working_dir without what is excluded; modules are imported from it."""
    with TemporaryDirectory() as name:
        root = Path(name)
        (root / "conformance_wd_module.py").write_text("VALUE = 'from the directory'\n")
        (root / "data.txt").write_text("data")
        (root / "left_out.txt").write_text("")
        (root / "inner").mkdir()
        (root / "inner" / "kept.txt").write_text("kept")
        (root / "inner" / "left_out.log").write_text("")
        (root / ".rayignore").write_text("*.ignored\n")
        (root / "some.ignored").write_text("")
        ray.init(**LOCAL, runtime_env={"working_dir": name, "excludes": ["left_out.txt", "*.log"]})
        (root / "data.txt").write_text("changed after init")

        @ray.remote
        def look():
            import conformance_wd_module

            files = sorted(str(path.relative_to(Path.cwd())) for path in Path.cwd().rglob("*") if path.is_file())
            value = conformance_wd_module.VALUE
            files = [file for file in files if file.endswith((".txt", ".log", ".ignored"))]
            return str(Path.cwd()), files, Path("data.txt").read_text(), value

        directory, files, data, value = ray.get(look.remote())
        assert Path(directory).resolve() != root.resolve()
        assert files == ["data.txt", "inner/kept.txt"]
        assert data == "data"
        assert value == "from the directory"
        ray.shutdown()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_working_directory_may_be_an_archive(ray: ModuleType) -> None:
    """L7, surface 11: a zip file is unpacked; the context tells a name for it that is not the path."""
    with TemporaryDirectory() as name:
        archive = Path(name) / "packed.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("conformance_zip_module.py", "VALUE = 'zipped'\n")
        ray.init(**LOCAL, runtime_env={"working_dir": str(archive)})

        @ray.remote
        def look():
            import conformance_zip_module

            uri = ray.get_runtime_context().runtime_env["working_dir"]
            return conformance_zip_module.VALUE, uri

        value, uri = ray.get(look.remote())
        assert value == "zipped"
        assert uri.startswith("gcs://_ray_pkg_")
        assert ray.get_runtime_context().runtime_env["working_dir"] == uri
        ray.shutdown()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def modules_can_be_brought_along(ray: ModuleType) -> None:
    """L7, surface 11: py_modules are directories that are importable by their own names in every worker of the job."""
    with TemporaryDirectory() as name:
        package = Path(name) / "conformance_py_package"
        package.mkdir()
        (package / "__init__.py").write_text("from .part import VALUE\n")
        (package / "part.py").write_text("VALUE = 'brought along'\n")
        sys.path.insert(0, name)
        try:
            import conformance_py_package
        finally:
            sys.path.remove(name)
        del sys.modules["conformance_py_package"]
        for module in (str(package), conformance_py_package):
            ray.init(**LOCAL, runtime_env={"py_modules": [module]})

            @ray.remote
            def use():
                import conformance_py_package

                return conformance_py_package.VALUE, conformance_py_package.__file__

            value, file = ray.get(use.remote())
            assert value == "brought along"
            assert not file.startswith(name)
            ray.shutdown()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_hook_sets_each_worker_up(ray: ModuleType) -> None:
    """L5, L7, surface 11: worker_process_setup_hook, a function, has run before the first task of every worker of the job."""

    def set_up():
        os.environ["CONFORMANCE_HOOKED"] = "yes"

    ray.init(**LOCAL, runtime_env={"worker_process_setup_hook": set_up})
    read = make_reader(ray)

    @ray.remote(num_cpus=0)
    class Actor:
        def __init__(self):
            self.hooked = os.environ.get("CONFORMANCE_HOOKED")

        def seen(self):
            return self.hooked

    assert ray.get(read.remote("CONFORMANCE_HOOKED")) == ["yes"]
    assert ray.get(Actor.remote().seen.remote()) == "yes"
    assert "CONFORMANCE_HOOKED" not in os.environ


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_hook_may_be_named(ray: ModuleType) -> None:
    """L7, surface 11: as a string, module and function."""
    ray.init(**LOCAL, runtime_env={"worker_process_setup_hook": "antigravity_of_conformance.set_up"})
    with pytest.raises(Exception, match=r"(?i)setup hook|worker|crashed|runtime"):
        ray.get(make_reader(ray, max_retries=0).remote("A"), timeout=60)
    ray.shutdown()
    with pytest.raises(TypeError):
        ray.init(**LOCAL, runtime_env={"worker_process_setup_hook": 1})


@program(engines=NOT_SIMULATED, reason="pretends nothing in a simulation: nothing is set up there")
def an_environment_that_cannot_be_made_fails_on_get(ray: ModuleType) -> None:
    """L7, surface 11: RuntimeEnvSetupError, on get and not at submission; for tasks and actors; others go on."""
    broken = {"working_dir": "gcs://_ray_pkg_0123456789abcdef.zip"}
    read = make_reader(ray)
    refs = [read.options(runtime_env=broken).remote("A") for _ in range(3)]
    for ref in refs:
        with pytest.raises(ray.exceptions.RuntimeEnvSetupError):
            ray.get(ref)

    @ray.remote(num_cpus=0, runtime_env=broken)
    class Actor:
        def ping(self):
            return 1

    with pytest.raises(ray.exceptions.RuntimeEnvSetupError):
        ray.get(Actor.remote().ping.remote())
    assert ray.get(read.remote("CONFORMANCE_A")) == [None]


@program(engines=NOT_SIMULATED, reason="pretends nothing in a simulation: nothing is set up there")
def an_unknown_field_fails_on_get(ray: ModuleType) -> None:
    """L7, surface 11: what nobody knows is taken at submission and refused at set-up, or ignored."""
    task = make_reader(ray, runtime_env={"conformance_field": 1}).remote("CONFORMANCE_A")
    assert ray.get(task) == [None]


@program(starts_session=False, engines=NOT_SIMULATED, reason=OWN_INIT)
def runtime_env_objects(ray: ModuleType) -> None:
    """Surface 11: `ray.runtime_env`: dictionaries that check what is put into them."""
    module = import_module(f"{ray.__name__}.runtime_env")
    environment = module.RuntimeEnv(env_vars={"A": "1"}, config={"setup_timeout_seconds": 10})
    assert isinstance(environment, dict)
    assert environment["env_vars"] == {"A": "1"} == environment.env_vars()
    assert isinstance(environment["config"], module.RuntimeEnvConfig)
    assert environment["config"]["setup_timeout_seconds"] == 10
    assert environment.to_dict()["config"] == {"setup_timeout_seconds": 10, "eager_install": True, "log_files": []}
    assert module.RuntimeEnv.deserialize(environment.serialize())["env_vars"] == {"A": "1"}
    assert module.RuntimeEnv(pip=["b", "a", "b"])["pip"] == {"packages": ["b", "a"], "pip_check": False}
    assert module.RuntimeEnv(uv=["a"])["uv"] == {"packages": ["a"], "uv_check": False}
    assert module.RuntimeEnv(pip=["a"]).has_pip() is True
    assert module.RuntimeEnv().has_pip() is False
    assert module.RuntimeEnv() == {}
    assert module.RuntimeEnv(env_vars={}) == {}
    environment["env_vars"] = {"B": "2"}
    environment.set("working_dir", "s3://bucket/file.zip")
    assert environment.has_working_dir()
    assert environment.working_dir_uri() == "s3://bucket/file.zip"
    assert environment.get("missing", 3) == 3
    assert environment.plugins() == []
    with pytest.raises(TypeError):
        environment["env_vars"] = {"B": 2}
    with pytest.raises(ValueError):
        module.RuntimeEnv(working_dir="/no/such/directory")
    with pytest.raises(ValueError):
        module.RuntimeEnv(working_dir="s3://bucket/file.txt")
    with pytest.raises(ValueError):
        module.RuntimeEnvConfig(setup_timeout_seconds=0)
    assert module.RuntimeEnvConfig(setup_timeout_seconds=-1)["setup_timeout_seconds"] == -1
    with pytest.raises(TypeError):
        module.RuntimeEnvConfig(eager_install="yes")
    with pytest.raises(TypeError):
        module.RuntimeEnvConfig(log_files="a")
