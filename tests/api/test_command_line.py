"""The command line on running sessions: started, joined, looked at, ended; by the commands' own words."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0

JOINS = """
import localray as ray
ray.init(address="auto", namespace="here")
@ray.remote(num_cpus=0)
class Counter:
    def __init__(self):
        self.count = 0
    def add(self):
        self.count += 1
        return self.count
@ray.remote(resources={"missing": 1})
def never():
    pass
counter = Counter.options(name="counter", get_if_exists=True, lifetime="detached").remote()
print(ray.get(counter.add.remote()))
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """For the sessions of a test; short, because a socket's path must be."""
    path = Path(tempfile.mkdtemp(prefix="localray-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def environment(directory: Path) -> Iterator[dict[str, str]]:
    """In which a test finds no sessions but its own."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(directory)}
    given.pop("RAY_ADDRESS", None)
    yield given
    localray(given, "stop", "--all", "--force")


def localray(environment: dict[str, str], *words: str, code: int = 0) -> str:
    return python(environment, "-m", "localray.cli.main", *words, code=code)


def python(environment: dict[str, str], *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_session_outlives_its_drivers(environment: dict[str, str], directory: Path) -> None:
    assert "There is no running session" in localray(environment, "status", code=1)
    started = localray(environment, "start", "--head", "--num-cpus", "2", "--labels", "zone=a", "--port", "7000")
    assert "127.0.0.1:7000" in started
    assert "already" in localray(environment, "start", "--head", "--port", "7000", code=1)
    assert "Added node" in localray(environment, "start", "--num-cpus", "3", "--node-name", "second")
    refused = localray(environment, "start", "--port", "7001", "--state-dir", str(directory), code=1)
    assert refused.startswith("localray start: without --head a node is added, which takes no --port and no --state-dir.")
    told = localray(environment, "start", "--num-cpus", "0", "--temp-dir", str(directory))
    assert "Added node" in told and "so without effect: --temp-dir." in told
    assert python(environment, "-c", JOINS).split() == ["1"]
    assert python(environment, "-c", JOINS + "waits = never.remote()\nray.get(counter.add.remote())").split()[0] == "2"
    assert python({**environment, "RAY_ADDRESS": "127.0.0.1:7000"}, "-c", JOINS.replace('address="auto", ', "")) == "4\n"
    status = localray(environment, "status")
    assert "3 nodes; " in status and "1 actor" in status and "0 of 5" in status and "second" in status
    assert "zone=a" in status and status.rstrip().endswith("nothing")
    assert "ACTOR_HANDLE" not in localray(environment, "memory") and "0 objects" in localray(environment, "memory")
    assert "has ended" in localray(environment, "stop")
    assert list(directory.iterdir()) == []
    assert "No session is running" in localray(environment, "stop")


FAILS = """
import localray as ray
ray.init(address="auto")
@ray.remote(max_retries=0)
def boom(x):
    raise ValueError("bad")
@ray.remote
def fine():
    return 1
@ray.remote
class Bad:
    def __init__(self):
        raise KeyError("nope")
@ray.remote
class Killed:
    pass
refs = [boom.remote(1), fine.remote()]
killed, bad = Killed.options(name="killed").remote(), Bad.remote()
ray.get(killed.__ray_ready__.remote())
ray.kill(killed)
ray.wait([*refs, killed.__ray_ready__.remote(), bad.__ray_ready__.remote()], num_returns=4)
"""


def test_why_says_how_what_is_over_has_ended(environment: dict[str, str]) -> None:
    localray(environment, "start", "--head", "--num-cpus", "2")
    python(environment, "-c", FAILS)
    told = localray(environment, "why", "boom")
    assert told.startswith("boom failed: ValueError: bad\n`localray get tasks ")
    assert "line 6, in boom" in localray(environment, *told.split("`")[1].split()[1:])
    assert "fine finished " in localray(environment, "why", "fine")
    assert localray(environment, "why", "Bad").startswith("Bad.__init__ failed: KeyError: 'nope'\n")
    assert "Killed is dead: " in localray(environment, "why", "killed")


def test_of_several_sessions_one_is_named(environment: dict[str, str]) -> None:
    """None is looked at without saying which it is, and none is ended that was not meant."""
    localray(environment, "start", "--head", "--num-cpus", "1", "--port", "7000")
    assert "sessions are running" not in localray(environment, "status")
    localray(environment, "start", "--head", "--num-cpus", "1", "--port", "7001")
    told = localray(environment, "list", "nodes")
    assert "2 sessions are running" in told
    assert told.index("127.0.0.1:7001") < told.index("others") < told.index("127.0.0.1:7000")
    assert "sessions are running" not in localray(environment, "status", "--address", "127.0.0.1:7000")
    assert "sessions are running" not in localray({**environment, "RAY_ADDRESS": "127.0.0.1:7000"}, "list", "nodes")
    refused = localray(environment, "stop", code=1)
    assert "127.0.0.1:7000" in refused and "127.0.0.1:7001" in refused and "--all" in refused
    assert "7001 has ended" in localray(environment, "stop", "--address", "127.0.0.1:7001")
    assert "7000 has ended" in localray(environment, "stop")


def test_a_programs_own_session_is_left_to_it(environment: dict[str, str]) -> None:
    program = (
        "import subprocess, sys\nimport localray as ray\nray.init('local', num_cpus=1)\n"
        "sys.exit(subprocess.call([sys.executable, '-m', 'localray', 'stop']))"
    )
    told = python(environment, "-c", program)
    assert told.startswith("No session is running but those of programs, which end with them:\n  127.0.0.1:")
    assert "of process " in told


def test_a_session_of_another_version_is_skipped(environment: dict[str, str], directory: Path) -> None:
    """It is told of, with both versions; who insists on it is told why that is not to be."""
    localray(environment, "start", "--head", "--num-cpus", "1", "--port", "7000")
    localray(environment, "start", "--head", "--num-cpus", "1", "--port", "7001")
    (written,) = directory.glob("*/session_7001/facts")
    facts = json.loads(written.read_text())
    written.write_text(json.dumps([*facts[:-2], "localray 9.9 on Python 3.99", 1]))
    told = localray(environment, "list", "nodes")
    assert told.index("127.0.0.1:7000") < told.index("others") < told.index("of localray 9.9 on Python 3.99, which localray")
    assert "ALIVE" in told


def test_status_says_what_waits_and_why(environment: dict[str, str]) -> None:
    localray(environment, "start", "--head", "--num-cpus", "1")
    program = JOINS + (
        "from localray.util import placement_group\n"
        "import subprocess, sys\n"
        "waits = never.remote(); group = placement_group([{'CPU': 1}] * 2, name='pair')\n"
        "group.wait(0)\n"
        "print(subprocess.run([sys.executable, '-m', 'localray.cli.main', 'status'], text=True, capture_output=True))\n"
    )
    said = python(environment, "-c", program)
    looked_at_from_outside(environment)
    assert "task never: 1 CPU, 1 missing" in said and "needs 1 missing, has 0" in said
    assert "placement group pair: 1 CPU + 1 CPU" in said


def looked_at_from_outside(environment: dict[str, str]) -> None:
    """What a driver has left behind, by the commands that look at a session."""
    actors = json.loads(localray(environment, "list", "actors", "--format", "json", "--filter", "name=counter"))
    assert [(actor["class_name"], actor["state"]) for actor in actors] == [("Counter", "ALIVE")]
    actor_id = actors[0]["actor_id"]
    for shape in (["--format", "json"], ["--detail"]):
        cut = localray(environment, "list", "actors", "--limit", "1", *shape)
        assert cut.endswith("\nlocalray list: the first 1; --limit shows more, --filter fewer\n")
    listed = localray(environment, "list", "actors").splitlines()
    assert listed[0].split()[:4] == ["ACTOR", "ID", "CLASS", "STATE"]
    assert listed[1].split()[:3] == [actor_id, "Counter", "ALIVE"]
    assert "is_detached" in localray(environment, "get", "actors", actor_id)
    assert actor_id in localray(environment, "get", "actors", "counter")
    assert "there is no actor" in localray(environment, "get", "actors", "ab" * 16, code=1)
    assert "Counter.add" in localray(environment, "summary", "tasks")
    assert "It is ready." in localray(environment, "why", actor_id)
    assert "It is ready." in localray(environment, "why", "counter") == localray(environment, "why", "Counter")
    assert "There is no task or actor 'nobody'" in localray(environment, "why", "nobody", code=1)
    assert "QUEUED" in localray(environment, "why", actor_id, "--story")
    refused = localray(environment, "list", "nodes", "--filter", "nothing=1", code=1)
    assert "by 'nothing' is not supported. Write --filter KEY=VALUE" in refused and "node_name" in refused
    assert "No placement groups." in localray(environment, "list", "placement-groups", "--filter", "state=CREATED")
    trace = Path(environment["TMPDIR"]) / "trace.json"
    told = localray(environment, "timeline", "--output", str(trace))
    events = json.loads(trace.read_text())
    assert "Counter.add" in {event["name"] for event in events}
    # The constructor and the call that was answered, though each has parts of its own.
    tasks = {event["args"]["task_id"] for event in events if event["ph"] == "X"}
    assert told == f"{trace}: {len(tasks)} tasks. Open it at https://ui.perfetto.dev.\n"
    assert len(tasks) < sum(event["ph"] == "X" for event in events)
    assert "there is no directory '/nowhere' to write 'trace.json' into" in localray(
        environment, "timeline", "--output", "/nowhere/trace.json", code=2
    )
    assert localray(environment, "timeline", "-o", "/proc/trace.json", code=1).startswith("localray timeline: [Errno 2] ")


def test_a_blocking_start_ends_with_its_process(environment: dict[str, str], directory: Path) -> None:
    words = [sys.executable, "-m", "localray.cli.main", "start", "--head", "--num-cpus", "1", "--block", "--port", "0"]
    words += ["--include-dashboard", "false", "--disable-usage-stats", "--system-config", '{"min_spilling_size": 1}']
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as blocking:
        assert blocking.stdout is not None
        assert "Started a session" in blocking.stdout.readline()
        blocking.terminate()
        assert blocking.wait(DEADLINE_S) != 0
    assert list(directory.iterdir()) == []


def test_a_node_that_was_added_to_stay_goes_with_its_process(environment: dict[str, str]) -> None:
    """As after `ray start --address=... --block`; a node that is gone before, or with its session, ends the process."""
    localray(environment, "start", "--head", "--num-cpus", "1")
    words = [sys.executable, "-m", "localray.cli.main", "start", "--num-cpus", "1", "--block"]
    popen = partial(subprocess.Popen[str], words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    for end in ("stop the process", "end the session"):
        with popen() as blocking:
            try:
                assert blocking.stdout is not None and blocking.stderr is not None
                assert "Added node" in blocking.stdout.readline()
                assert "2 nodes" in localray(environment, "status")
                if end == "stop the process":
                    blocking.terminate()
                else:
                    localray(environment, "stop")
                assert blocking.wait(DEADLINE_S) == 1
                told = blocking.stderr.read()
            finally:
                blocking.kill()
        if end == "stop the process":
            assert told == ""
            assert "1 node, 1 dead;" in localray(environment, "status")
        else:
            assert told == "localray start: the session has ended\n"


def test_words_that_are_none_of_ours(environment: dict[str, str]) -> None:
    assert "no option of `localray list` (did you mean --filter?)" in localray(environment, "list", "tasks", "--fliter=a", code=2)
    assert "'actors' to be: one argument too many" in localray(environment, "list", "tasks", "actors", code=2)
    assert "--limit: '-1' is not how many" in localray(environment, "list", "tasks", "--limit", "-1", code=2)
    for words, told in (
        (["start", "--head", "--resources", "special"], "--resources: 'special' is no JSON: "),
        (["start", "--head", "--system-config", "[1]"], "--system-config: '[1]' must be an object of JSON, as {\"name\": 2}"),
        (["start", "--head", "--labels", "zone"], "--labels: 'zone' is no label: write KEY=VALUE"),
        (["microbenchmark", "--seconds", "long"], "--seconds: 'long' is not how long: seconds, above 0"),
        (["microbenchmark", "--repeats", "x"], "--repeats: 'x' is not how many: a whole number from 1"),
    ):
        assert told in localray(environment, *words, code=2)
    assert localray(environment, "--version").startswith("localray 0.")
    folder = environment["TMPDIR"]
    for work in (["sim", "run", "prog.py"], ["sim", "plan", "t.json", "--nodes", "1cpu"], ["microbenchmark"], ["timeline"]):
        told = localray(environment, *work, "-o" if work[0] == "timeline" else "--json", folder, code=2)
        assert told.endswith(f"{folder!r} is a directory: name a file in it\n")
    for look in (["list", "tasks"], ["why", "train"], ["get", "actors", "train"], ["logs"], ["memory"], ["summary", "tasks"]):
        told = localray(environment, *look, code=1)
        assert told.startswith(f"localray {look[0]}: There is no running session") and "Traceback" not in told


def test_what_follows_two_dashes_is_the_programs(environment: dict[str, str]) -> None:
    said = localray(environment, "run", "-c", "import sys; print(sys.argv)", "a", "--", "--b")
    assert said == "['-c', 'a', '--', '--b']\n"


def interrupted_while_it_follows(environment: dict[str, str], job: str) -> None:
    words = [sys.executable, "-u", "-m", "localray.cli.main", "job", "logs", job, "--follow"]
    follows = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert follows.stdout is not None
    # Asyncio is no place to be interrupted in before it has begun.
    assert "begun\n" in iter(follows.stdout.readline, "")
    follows.send_signal(signal.SIGINT)
    assert follows.communicate(timeout=DEADLINE_S) == ("", "")
    assert follows.returncode == 128 + signal.SIGINT


def test_jobs(environment: dict[str, str], directory: Path) -> None:
    """Submitted, waited for, looked at, stopped and forgotten by commands; a failed one is an exit code."""
    assert "There is no" in localray(environment, "job", "list", code=1)
    localray(environment, "start", "--head", "--num-cpus", "1")
    assert localray(environment, "job", "list").endswith("\nNo job has been submitted.\n")
    settings = directory / "settings.json"
    settings.write_text("env_vars: [")
    wrong = localray(environment, "job", "submit", "--runtime-env", str(settings), "--", "true", code=1)
    assert wrong.splitlines()[1].startswith(f"localray job: {settings} is neither JSON nor YAML: ")
    settings.write_text(json.dumps({"env_vars": {"WORD": "said"}}))
    said = [sys.executable, "-c", "import os; print(os.environ['WORD'])"]
    shown = localray(environment, "job", "submit", "--submission-id", "one", "--runtime-env", str(settings), "--", *said)
    assert "Job 'one' submitted successfully" in shown and "\nsaid\n" in shown and "Job 'one' succeeded" in shown
    assert "already exists" in localray(environment, "job", "submit", "--submission-id", "one", "--", "true", code=1)
    assert "said" in localray(environment, "job", "logs", "one")
    failed = localray(environment, "job", "submit", "--submission-id", "two", "--", "sh", "-c", "exit 3", code=1)
    assert "Job 'two' failed" in failed and "exit code 3" in failed
    localray(environment, "job", "submit", "--no-wait", "--submission-id", "three", "--", "sh", "-c", "echo begun; sleep 1000")
    assert "Status for job 'three'" in localray(environment, "job", "status", "three")
    assert "non-terminal" in localray(environment, "job", "delete", "three", code=1)
    interrupted_while_it_follows(environment, "three")
    assert "Job 'three' was stopped" in localray(environment, "job", "stop", "three")
    listed = localray(environment, "job", "list")
    assert "one    SUCCEEDED" in listed and "two    FAILED" in listed and "three  STOPPED" in listed
    assert "deleted" in localray(environment, "job", "delete", "one")
    assert "does not exist" in localray(environment, "job", "status", "one", code=1)
    assert "there is no command" in localray(environment, "job", "submit", code=1)
    wrong = localray(environment, "job", "submit", "--runtime-env-json", "{", "--", "true", code=1)
    assert "is no JSON" in wrong
