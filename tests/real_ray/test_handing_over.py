"""The engine that hands a program to real Ray: what it says where that is not possible, and, where Ray is installed,
that programs give the same results through it.

The conformance programs run through it with ``--backend engine-ray``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DEADLINE_S = 300
OF_ITS_OWN = {"RAY_ADDRESS": "local"}
"""Real Ray would else join whatever cluster runs on this machine."""

NESTED = """
import localray as ray
from localray.exceptions import RayTaskError

@ray.remote
def inner(x):
    return x + 1

@ray.remote
def outer(x):
    return ray.get(inner.remote(x)) + ray.get(inner.options(name="named").remote(x))

@ray.remote
class Counter:
    def __init__(self):
        self.total = 0

    @ray.method(num_returns=2)
    def add(self, amount):
        self.total += amount
        return self.total, amount

@ray.remote
def ask(counter):
    return ray.get(counter.add.remote(5))

@ray.remote(max_retries=0)
def fail():
    raise KeyError("the key")

ray.init(num_cpus=2)
print(ray.get(outer.remote(1)), ray.get(ask.remote(Counter.options(name="one").remote())))
try:
    ray.get(fail.remote())
except KeyError as error:
    print(type(error).__name__, isinstance(error, RayTaskError))
from localray.util import ActorPool
pool = ActorPool([Counter.remote()])
print(list(pool.map(lambda actor, value: actor.add.remote(value)[0], [1, 2, 3])))
ray.shutdown()
"""


def run(source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={**os.environ, **OF_ITS_OWN, **environment},
        check=False,
    )


def test_without_ray_the_error_says_what_to_install() -> None:
    hidden = "import sys; sys.modules['ray'] = None\nimport localray\nlocalray.init(engine='ray')"
    done = run(hidden)
    assert done.returncode == 1
    assert "pip install 'ray==2.60.0'" in done.stderr.splitlines()[-1]


def test_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("__version__ = '3.0.0'")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = run("import localray; localray.init(engine='ray')", PYTHONPATH=path)
    assert done.returncode == 1
    assert "works with Ray 2.x; 3.0.0 is installed" in done.stderr.splitlines()[-1]


def test_an_address_where_nobody_answers_is_an_error_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    done = run(f"import localray; localray.init(address='ray://127.0.0.1:{port}')")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"ConnectionError: No Ray cluster answers at ray://127.0.0.1:{port}")


@pytest.mark.ray
def test_a_program_gives_the_same_through_the_engine() -> None:
    pytest.importorskip("ray")
    here = run(NESTED)
    by_environment = run(NESTED, LOCALRAY_ENGINE="ray")
    by_keyword = run(NESTED.replace("ray.init(", "ray.init(engine='ray', "))
    assert here.returncode == 0, here.stderr
    assert by_environment.stdout == here.stdout, by_environment.stderr
    # A name that was imported before belongs to localray, so the last `isinstance` differs there; nothing else does.
    assert by_keyword.stdout == here.stdout.replace("(KeyError) True", "(KeyError) False"), by_keyword.stderr


ONLY_LOCAL = """
import os
import localray

def chaos(): import localray.chaos
def sim(): import localray.sim
def pending(): localray.why_pending
def executor(): localray.Executor
def async_tasks(): localray.allow_async_tasks
def nodes(): localray.init(nodes="4x8cpu")
def faults(): localray.init(faults="kill_worker:probability=0.1")
def engine(): localray.init(engine="sim")
def variable():
    os.environ["LOCALRAY_FAULTS"] = "kill_worker:probability=0.1"
    localray.init()
for wish in (chaos, sim, pending, executor, async_tasks, nodes, faults, engine, variable):
    try:
        wish()
    except AttributeError as error:
        assert "Unset LOCALRAY_ENGINE" in str(error)
        print(wish.__name__, type(error).__name__)
"""


@pytest.mark.ray
def test_what_only_localray_has_says_so() -> None:
    pytest.importorskip("ray")
    done = run(ONLY_LOCAL, LOCALRAY_ENGINE="ray")
    wishes = ["chaos", "sim", "pending", "executor", "async_tasks", "nodes", "faults", "engine", "variable"]
    assert done.stdout.splitlines() == [f"{wish} LocalEngineNeeded" for wish in wishes], done.stderr


@pytest.mark.ray
def test_a_module_by_our_name_stands_in_no_functions_place() -> None:
    """`ray.util.placement_group` is a function although there is a module of that name, however that was imported."""
    pytest.importorskip("ray")
    source = (
        "import localray as ray, importlib\n"
        "importlib.import_module('localray.util.placement_group').placement_group_table\n"
        "import localray.util.placement_group\n"
        "print(callable(ray.util.placement_group))\n"
    )
    done = run(source, LOCALRAY_ENGINE="ray")
    assert done.stdout.split() == ["True"], done.stderr


@pytest.mark.ray
def test_our_engines_are_back_after_shutdown() -> None:
    pytest.importorskip("ray")
    source = (
        "import localray as ray\n"
        "@ray.remote\ndef where(): import sys; return 'localray.kernel' not in sys.modules and 'ray' in sys.modules\n"
        "ray.init(engine='ray', num_cpus=1)\nfirst = ray.get(where.remote())\nray.shutdown()\n"
        "ray.init(num_cpus=1)\nprint(first, ray.get(where.remote()))\n"
    )
    done = run(source)
    assert done.stdout.split() == ["True", "False"], done.stderr


@pytest.mark.ray
@pytest.mark.parametrize("name", ["census", "parameter_server", "search"])
def test_examples_give_the_serial_answer_through_the_engine(name: str) -> None:
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), "--quick"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={**os.environ, **OF_ITS_OWN, "LOCALRAY_ENGINE": "ray"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "answer checked against the serial one: equal"
