"""`localray doctor`: facts about the machine, and what a recorded run says about a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from localray.doctor.findings import Concern, findings
from localray.doctor.machine import facts

PROGRAM = """
import os, socket, subprocess, sys
import ray

BIG = bytes(2_000_000)
seen = 0
table = {}

@ray.remote
def work(path, port):
    global seen
    seen += len(BIG)
    table[path] = path
    with open(path) as file:
        text = file.read()
    with open(path + ".out", "w") as file:
        file.write(text)
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        pass
    subprocess.run(["true"])
    return text

@ray.remote
def clean(x):
    import json
    table = {}
    table[x] = x
    return json.dumps(x)

@ray.remote(num_gpus=1, resources={"special": 1})
def waits():
    return 1

ray.init(num_cpus=1)
print(ray.get(work.remote(sys.argv[1], 9)), ray.get(clean.remote(1)))
ray.wait([waits.remote()], timeout=0.1)
"""


def doctor(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "localray", "doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_machine_is_described() -> None:
    done = doctor()
    assert done.returncode == 0
    for fact in facts():
        assert fact.name in done.stdout


def test_what_tasks_rely_on_is_found(tmp_path: Path) -> None:
    program, data = tmp_path / "program.py", tmp_path / "data"
    program.write_text(PROGRAM)
    data.write_text("hello")
    done = doctor(str(program), str(data))
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == "hello 1"
    assert f"work reads {data}" in lines
    assert f"work writes {data}.out" in lines
    assert "work connects to ('127.0.0.1', 9)" in lines
    assert "work starts true" in lines
    assert "__main__.work changes the global variable seen, table" in lines
    assert "__main__.waits needs GPU, special" in lines
    assert "__main__.work carries 2.0 MB" in lines
    assert not [line for line in lines if line.startswith("clean")]
    for concern in Concern:
        assert concern.value in lines


def test_nothing_to_find(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import ray; print(ray.get(ray.remote(lambda: 1).remote()))")
    done = doctor(str(program))
    assert done.stdout.splitlines()[0] == "1"
    assert "nothing its tasks did here would differ" in done.stdout
    program.write_text("raise SystemExit(7)")
    done = doctor(str(program))
    assert "the program ended with status 7 before it ran any task" in done.stdout
    assert done.returncode == 7


def test_a_program_that_fails_is_not_said_to_be_fine(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import ray; ray.get(ray.remote(lambda: 1).remote()); raise ValueError('no')")
    done = doctor(str(program))
    assert done.returncode == 1 and "ValueError: no" in done.stderr
    failed, nothing = done.stdout.strip().splitlines()
    assert "the program failed with status 1" in failed and "did here until then would differ" in nothing


def test_no_session_is_joined_because_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program.py"
    program.write_text("import ray; print(ray.get(ray.remote(lambda: 1).remote()))")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    done = doctor(str(program))
    assert done.returncode == 0 and "RAY_ADDRESS is not heeded" in done.stderr
    assert "nothing its tasks did here would differ" in done.stdout


def test_findings_come_by_concern_and_task() -> None:
    entries = [("g", "reads", "/b"), ("f", "sets_global", "x"), ("f", "reads", "/a"), ("f", "connects", "('10.0.0.1', 1)")]
    lines = [json.dumps({"task": task, "touched": touched, "what": what}) for task, touched, what in entries]
    assert [finding.text() for finding in findings(lines)] == ["f reads /a", "g reads /b", "f changes the global variable x"]
