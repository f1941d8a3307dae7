"""The pytest plugin, seen from a project that uses it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TESTS = """
import pytest
import localray as ray

seen = []

@pytest.mark.sim(seeds=7, nodes="2x2cpu")
def test_of_seeds(ray_sim, tmp_path):
    seen.append(ray_sim.seed)
    assert tmp_path.is_dir() and len(ray.nodes()) == 2

def test_all_were_run():
    assert seen == list(range(7))

@pytest.mark.sim(seeds=100)
def test_that_fails_under_some_seed():
    work = ray.remote(lambda name: name)
    ready, _ = ray.wait([work.remote("a"), work.remote("b")])
    assert ray.get(ready) == ["a"]

@pytest.mark.sim(seeds=1)
def test_that_leaves_something_behind():
    global kept
    kept = ray.put(bytes(300_000))

def test_without_a_mark(ray_sim):
    assert ray.get(ray.put(1)) == 1 and ray_sim.now_s > 0

def test_on_processes(ray_session):
    assert ray_session.get(ray_session.remote(lambda: 2).remote()) == 2

def test_what_ends_with_its_session(ray_session):
    global kept
    class Actor:
        def stay(self):
            import time
            time.sleep(1000)
    actor = ray.remote(Actor).options(lifetime="detached", name="stays").remote()
    kept = [actor, actor.stay.remote(), ray.put(bytes(300_000))]

def test_on_a_cluster(ray_cluster):
    ray_cluster.add_node(num_cpus=3)
    ray.init(address=ray_cluster.address)
    assert ray.cluster_resources()["CPU"] == 5

DEATHS = "kill_worker:probability=0.3,times=4,by_s=0.01"

def double_all():
    def double(number):
        import time
        time.sleep(0.01)
        return 2 * number
    refs = [ray.remote(double).options(max_retries=-1).remote(number) for number in range(12)]
    assert ray.get(refs) == [2 * number for number in range(12)]

def test_chaos_on_processes(ray_session, ray_chaos):
    deaths = ray_chaos(DEATHS, seed=1)
    for _ in range(100):
        double_all()
        if deaths.happened:
            break
    assert deaths.happened

died = []

@pytest.mark.sim(seeds=6)
def test_the_same_chaos_simulated(ray_sim, ray_chaos):
    deaths = ray_chaos(DEATHS)
    double_all()
    died.append(len(deaths.happened))

def test_chaos_was_there():
    assert sum(died) > 3 and len(set(died)) > 1

def test_that_leaks(ray_session):
    import threading
    threading.Thread(target=threading.Event().wait, daemon=True).start()
"""


# What would make pytest print otherwise than at a terminal of 80 columns: where `CI` or `BUILD_NUMBER` is set, for one, its
# summary repeats whole messages instead of cutting them to the width.
OURS_NOT_THEIRS = ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "COLUMNS")


def pytest_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """pytest with the plugin, which is there by itself where localray is installed and not only on the path."""
    surroundings = {name: value for name, value in os.environ.items() if name not in OURS_NOT_THEIRS}
    plugins = [point.value for point in entry_points(group="pytest11")]
    given = [] if "localray.pytest_plugin" in plugins else ["-p", "localray.pytest_plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *given, "-p", "no:cacheprovider", "-q", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**surroundings, "PYTHONPATH": str(ROOT)},
        check=False,
    )


def test_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_program.py").write_text(TESTS)
    done = pytest_in(tmp_path)
    assert "2 failed, 10 passed, 1 error" in done.stdout, done.stdout
    assert "LeftBehindError" in done.stdout
    assert "left behind (waited for 5 s after shutdown" in done.stdout
    line = next(line for line in done.stdout.splitlines() if "--sim-seed=" in line)
    alone = pytest_in(tmp_path, "test_program.py::test_that_fails_under_some_seed", line.split()[-1])
    assert "1 failed" in alone.stdout
    assert line in alone.stdout


FIXTURES = """
import pytest

ended = []

@pytest.fixture(scope="module")
def shared():
    return []

@pytest.fixture
def box():
    made = []
    yield made
    ended.append(len(made))

@pytest.mark.sim(seeds=3)
def test_of_seeds(box, shared, tmp_path, monkeypatch):
    box.append(1)
    shared.append(len(ended))
    assert box == [1]
    (tmp_path / "folder").mkdir()

def test_each_seed_had_its_own(shared):
    assert ended == [1, 1, 1] and shared == [0, 1, 2]

class TestMethods:
    def setup_method(self):
        self.box = []

    @pytest.mark.sim(seeds=3)
    def test_of_seeds(self):
        self.box.append(1)
        assert self.box == [1] and not hasattr(self, "kept")
        self.kept = 1

begun = []

@pytest.fixture
def breaks():
    begun.append(1)
    if len(begun) == 2:
        raise ValueError("at the second")
    yield
    raise KeyError("at its end")

@pytest.mark.sim(seeds=3)
def test_whose_fixture_ends_badly(breaks):
    pass

@pytest.mark.sim(seeds=3)
def test_whose_fixture_begins_badly(breaks):
    pass
"""


def test_fixtures_are_made_for_each_seed(tmp_path: Path) -> None:
    (tmp_path / "test_program.py").write_text(FIXTURES)
    done = pytest_in(tmp_path)
    assert "1 failed, 3 passed, 1 error" in done.stdout, done.stdout
    assert "test_whose_fixture_ends_badly' --sim-seed=0" in done.stdout


PRINTS = """
import pytest

@pytest.mark.sim(seeds=30)
def test_that_prints(ray_sim):
    print("under", ray_sim.seed)
    assert ray_sim.seed < 20
"""


def test_only_the_seed_that_fails_is_heard(tmp_path: Path) -> None:
    (tmp_path / "test_program.py").write_text(PRINTS)
    lines = pytest_in(tmp_path).stdout.splitlines()
    assert [line for line in lines if line.startswith("under")] == ["under 20"]
    assert "under 7" in pytest_in(tmp_path, "-s").stdout


MARKS = """
import pytest

@pytest.mark.sim(seed=5)
def test_of_one_seed(): pass

@pytest.mark.sim(fault="chaos")
def test_of_a_fault(): pass

@pytest.mark.sim(wind=3)
def test_of_anything(): pass

@pytest.mark.sim(10)
def test_of_a_number(): pass

@pytest.mark.sim(nodes="lots")
def test_of_lots(): pass

@pytest.mark.sim(seeds=0)
def test_of_nothing(): pass

@pytest.mark.skip
@pytest.mark.sim(seeds=0)
def test_that_is_skipped(): pass

@pytest.mark.sim(seeds=1, heal_after_s=3, nodes=2, faults=["kill_worker:nth=3"], autoscaler="0-1x1cpu")
def test_that_is_right(): pass
"""


def test_a_mark_that_makes_no_sense_is_told_of_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "test_program.py").write_text(MARKS)
    done = pytest_in(tmp_path)
    assert "1 passed, 1 skipped, 6 errors" in done.stdout, done.stdout
    told = [line for line in done.stdout.splitlines() if line.startswith("@pytest.mark.sim: ")]
    assert told[0].endswith("there is no seed: `seeds=` says how many, and `pytest --sim-seed=5` runs only that one.")
    assert told[1].endswith("there is no fault: did you mean faults?")
    assert "there is no wind: there are seeds, nodes, faults, " in told[2]
    assert told[3].endswith("10 has no keyword: write sim(seeds=..., nodes=..., faults=...).")
    assert "nodes='lots': 'lots' in 'lots' is not what a node has" in told[4]
    assert told[5].endswith("seeds=0 is not how many: write a whole number from 1.")
    assert len(told) == 6
    assert "Traceback" not in done.stdout
    assert "fails: pytest" not in done.stdout
    assert "pytest_plugin.py" not in done.stdout


IN_THE_WAY = """
import pytest
import localray as ray

def test_that_leaves_a_session_open():
    assert ray.get(ray.put(1)) == 1

def test_on_processes(ray_session): pass

def test_simulated(ray_sim): pass

@pytest.mark.sim(seeds=2)
def test_of_seeds(): pass

def test_that_ends_it():
    ray.shutdown()

@pytest.fixture
def own():
    with ray.init(num_cpus=1):
        yield

@pytest.mark.sim(seeds=2)
def test_with_a_session_of_its_own(own): pass

@pytest.mark.sim(seeds=2)
def test_of_both(ray_session): pass

def test_of_both_fixtures(ray_cluster, ray_sim): pass

@pytest.mark.sim(seeds=2)
def test_with_nothing_in_the_way(): pass
"""


def test_a_session_that_is_in_the_way_is_told_of_with_who_opened_it(tmp_path: Path) -> None:
    (tmp_path / "test_program.py").write_text(IN_THE_WAY)
    done = pytest_in(tmp_path)
    assert "2 failed, 3 passed, 4 errors" in done.stdout, done.stdout
    opened = "A session is open already: {} has opened it, and it has not been shut down."
    assert done.stdout.count(opened.format("test_program.py::test_that_leaves_a_session_open")) == 3
    assert done.stdout.count(opened.format("a fixture of test_program.py::test_with_a_session_of_its_own")) == 1
    assert "the mark `sim` runs the test in a simulation, `ray_session` on processes: take one" in done.stdout
    assert "`ray_sim` runs the test in a simulation, `ray_cluster` on processes: take one" in done.stdout
    assert "by accident" not in done.stdout


LOSES = """
import pytest
import localray as ray

@ray.remote(max_restarts=-1, max_task_retries=-1)
class Ledger:
    def __init__(self):
        self.entries = []

    def append(self, amount):
        self.entries.append(amount)
        return sum(self.entries)

@pytest.mark.sim(seeds=3, nodes="2x2cpu", faults="kill_worker:phase=during,task=Ledger.append,nth=2")
def test_that_loses(tmp_path):
    ledger = Ledger.remote()
    assert ray.get([ledger.append.remote(1) for _ in range(3)])[-1] == 3
"""


def test_a_failing_seed_is_told_of_with_its_faults_and_on_demand_with_its_story(tmp_path: Path) -> None:
    (tmp_path / "test_program.py").write_text(LOSES)
    told = pytest_in(tmp_path).stdout
    assert "s: worker " in told and " killed during " in told, told
    words = next(line for line in told.splitlines() if line.startswith("what happened, and a page"))
    words = words.removeprefix("what happened, and a page with lanes and arrows: pytest ")
    told = pytest_in(tmp_path, *shlex.split(words)).stdout
    assert "Seed 0 of test_program.py::test_that_loses fails:" in told, told
    assert "It had 1 fault:" in told
    assert "lost with its worker" in told
    name = "test_program.py-test_that_loses-0"
    assert sorted(path.name for path in (tmp_path / "failures").iterdir()) == [
        f"{name}.chrome.json",
        f"{name}.html",
        f"{name}.story.txt",
    ]


FAILURES = """
import threading
import pytest
import localray as ray

@pytest.mark.sim(seeds=1)
def test_of_a_task_that_fails():
    def fail():
        raise KeyError("no such thing")
    ray.get([ray.remote(fail).remote()])

@pytest.mark.sim(seeds=1)
def test_of_a_deadlock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

@pytest.mark.sim(seeds=1)
def test_that_keeps_an_object():
    global kept
    kept = ray.put(bytes(300_000))

def test_that_keeps_one_too(ray_sim):
    global kept_too
    kept_too = ray.put(bytes(300_000))

def test_that_leaks(ray_session):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
"""


def test_our_own_code_is_in_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "test_program.py").write_text(FAILURES)
    done = pytest_in(tmp_path)
    assert "3 failed, 2 passed, 2 errors" in done.stdout, done.stdout
    assert f"{ROOT}/localray" not in done.stdout
    assert "test_program.py:10: RayTaskError(KeyError)" in done.stdout
    assert "test_program.py:16: DeadlockError" in done.stdout
    lines = done.stdout.splitlines()
    assert lines.count("LeftBehindError: The program is done, and left behind:") == 2
    leak = lines.index("left behind (waited for 5 s after shutdown, but these did not go away):")
    assert lines[leak - 1].startswith("____")
    assert lines[leak + 1].startswith("  thread: Thread-")
    whole = pytest_in(tmp_path, "--full-trace", "test_program.py::test_of_a_deadlock").stdout
    assert f"{ROOT}/localray/sim/agenda.py" in whole


def test_the_plugin_imports_nothing_before_it_is_asked() -> None:
    program = "import sys, localray.pytest_plugin; print(sorted(n for n in sys.modules if n.startswith('localray')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "['localray', 'localray.absent', 'localray.pytest_plugin', 'localray.version']"
