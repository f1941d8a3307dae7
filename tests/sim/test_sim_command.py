"""The words of `localray sim run`: where a program's arguments may stand, what is told of what no seed decides, and of
rules of faults that could do nothing."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from localray.cli.main import main
from localray.faults import Fault, Rule
from localray.sim.search.case import Case, Settings, Target

PROGRAM = """
import os, sys
import localray as ray

@ray.remote(max_retries=-1)
def square(number):
    return number * number

@ray.remote(max_restarts=-1, max_task_retries=-1)
class Ledger:
    def append(self, row):
        return row

print(sys.argv[1:])
ledger = Ledger.options(name="books").remote()
ray.get([square.remote(1), ledger.append.remote(2)])
os.path.getmtime(__file__)
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "prog.py"
    path.write_text(PROGRAM)
    return str(path)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ending:
        main(["sim", "run", *words])
    assert ending.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (["PROGRAM", "a", "--seeds", "1"], ["a"]),
        (["PROGRAM", "--seeds", "1", "a"], ["a"]),
        (["PROGRAM", "a", "--seeds=1", "b", "--no-shrink"], ["a", "b"]),
        (["--seeds", "1", "PROGRAM", "a", "--", "--epochs", "3", "--", "x"], ["a", "--epochs", "3", "--", "x"]),
        (["PROGRAM", "--seed", "1", "-3"], ["-3"]),
    ],
)
def test_a_programs_arguments_stand_anywhere(
    program: str, capsys: pytest.CaptureFixture[str], words: list[str], own: list[str]
) -> None:
    assert main(["sim", "run", *(program if word == "PROGRAM" else word for word in words)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(own)]


def test_what_makes_no_sense_is_refused_with_what_does(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--epochs is no option of `localray sim run`; if it is the program's own, put --" in refused(
        capsys, program, "--epochs", "3"
    )
    assert "did you mean --seeds?" in refused(capsys, program, "--sedes", "3")
    for wrong in ("0", "-3", "many"):
        assert f"--seeds: {wrong!r} is not how many" in refused(capsys, program, "--seeds", wrong)
    assert "--jobs: '0' is not how many" in refused(capsys, program, "--jobs", "0")
    assert "arguments are required: program\n" in refused(capsys, "--seeds", "3")


def test_the_line_that_replays_is_understood(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = Case(Target(program, ("a", "--epochs", "3")), Settings(), 1).replay_line()
    assert main(shlex.split(line)[1:]) == 0
    assert capsys.readouterr().out.splitlines() == ["['a', '--epochs', '3']"]


@pytest.mark.parametrize("more", [[], ["--jobs", "2"], ["--check"]])
def test_what_no_seed_decides_is_told_once(program: str, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    assert main(["sim", "run", program, "--seeds", "3", *more]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "of which no seed decides" in line]
    assert len(told) == 1 and told[0].startswith(f"{program}:17: os.path.getmtime")


def test_rules_that_could_do_nothing_are_told(program: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rules = "kill_worker:nth=1,task=appnd;kill_worker:nth=9,task=square;lose_gpu;kill_worker:nth=1,point=here"
    words = ["sim", "run", program, "--seeds", "2", "--json", str(tmp_path / "outcomes")]
    assert main([*words, "--faults", rules]) == 0
    typo, too_late, no_gpu, no_point = [line for line in capsys.readouterr().err.splitlines() if "The rule" in line]
    assert typo.endswith("no task is called appnd; there are Ledger.__init__, Ledger.append, square.")
    assert too_late.endswith("it waits for its chance number 9, and a run has 1 at most.")
    assert no_gpu == "The rule lose_gpu has done nothing: whenever it had its chance, there was nothing that it could hit."
    assert "has not come by sim.point('here')" in no_point
    (first, _) = json.loads((tmp_path / "outcomes").read_text())
    assert first["fault_chances"]["1 kill_worker:nth=9,task=square"] == 1
    for quiet in ("chaos", "kill_worker:nth=1,task=append", "kill_worker:probability=0.01"):
        assert main([*words, "--faults", quiet]) == 0
        assert "The rule" not in capsys.readouterr().err


WORKS = """
import time
import localray as ray

@ray.remote(max_retries=-1)
def work(number):
    time.sleep(0.1)
    return number

for number in range(10):
    ray.get([work.remote(number) for _ in range(6)])
"""


@pytest.fixture
def works(tmp_path: Path) -> str:
    path = tmp_path / "works.py"
    path.write_text(WORKS)
    return str(path)


@pytest.mark.parametrize("fault", ["crash_node:returns_s=0.1", "kill_worker"])
def test_a_rule_that_does_not_say_when_has_its_moment_by_the_seed(
    works: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, fault: str
) -> None:
    words = ["sim", "run", works, "--nodes", "3x2cpu", "--json", str(tmp_path / "outcomes")]
    assert main([*words, "--seeds", "12", "--faults", fault]) == 0
    outcomes = json.loads((tmp_path / "outcomes").read_text())
    moments = [at_s for outcome in outcomes for at_s in outcome["fault_times_s"][fault.partition(":")[0]]]
    assert len(moments) == 12
    assert min(moments) < 0.4 and max(moments) > 0.6
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == f"faults: 12 × {fault.partition(':')[0]} ({min(moments):.2f} to {max(moments):.2f} s)"
    # The line that replays says among how many, so that nothing has to be counted anew.
    (key,) = outcomes[5]["fault_counts"]
    line = Case(Target(works), Settings("3x2cpu", key.partition(" ")[2]), 5).replay_line("--json", words[-1])
    assert "among=" in line
    assert main(shlex.split(line)[1:]) == 0
    (again,) = json.loads((tmp_path / "outcomes").read_text())
    assert again["digest"] == outcomes[5]["digest"]


def test_a_search_tells_that_nothing_went_wrong(works: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "run", works, "--seeds", "1", "--faults", "kill_worker:probability=0"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "faults: none has happened"


def test_why_a_rule_has_done_nothing(works: str, capsys: pytest.CaptureFixture[str]) -> None:
    rules = "crash_node:at_s=5;crash_node:at_s=0.5,node=7;kill_worker:after_s=6,nth=1"
    assert main(["sim", "run", works, "--nodes", "3x6cpu", "--seeds", "2", "--faults", rules]) == 0
    late, node, after = [line for line in capsys.readouterr().err.splitlines() if "The rule" in line]
    assert "crash_node:at_s=5 has done nothing: the program was over at 1." in late and "at the latest" in late
    assert node.endswith("node=7 has done nothing: the nodes are 0 to 2, unless others join.")
    assert "the program was over at 1." in after
    assert main(["sim", "run", works, "--seed", "2", "--heal-after", "0.3", "--faults", "kill_worker:at_s=0.5"]) == 0
    assert "nothing goes wrong any more from 0.3 s on" in capsys.readouterr().err


SAYS = """
import sys
import localray as ray

@ray.remote
def say(number):
    print("logged", number, file=sys.stderr)
    return number

print("asks")
ready, _ = ray.wait([say.remote(0), say.remote(1)])
number = ray.get(ready[0])
print("got", number)
assert number == 0, "the other was first"
"""


def test_a_search_shows_what_the_first_seed_that_fails_prints(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "says.py"
    path.write_text(SAYS)
    for more in ([], ["--jobs", "2"]):
        assert main(["sim", "run", str(path), "--nodes", "2x2cpu", "--seeds", "50", *more]) == 1
        out, errors = capfd.readouterr()
        told, story = out.split("A smaller run than")
        shown = told.split("What the program prints under seed ")[1].splitlines()[1:]
        assert shown[0] == "  asks" and shown[-2:] == ["  got 1", ""]
        assert sum("logged" in line for line in shown) >= 1
        assert "got" not in errors + story and "logged" not in errors + story
        assert "shrinking ..." in errors and " deviations of the schedule, " in errors
    assert main(["sim", "run", str(path), "--seeds", "2", "--all", "--no-shrink", "--output", "all"]) in (0, 1)
    assert capfd.readouterr().out.count("asks\n") >= 2


@pytest.mark.parametrize("task", ["append", "Ledger", "Ledger.append", "Ledger.__init__", "__init__", "square"])
def test_a_rule_means_tasks_by_each_of_their_names(program: str, task: str) -> None:
    settings = Settings(faults=str(Rule(Fault.KILL_WORKER, nth=1, task=task)))
    assert list(Case(Target(program), settings, 1).run().fault_counts.values()) == [1]
