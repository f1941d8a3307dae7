"""Searching: programs with bugs are found, shrunk, saved, played back and told; a sound one never fails."""

from __future__ import annotations

import json
import pickle
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from localray.cli.main import main
from localray.sim.plain_values import arguments_in_words
from localray.sim.schedule import Search
from localray.sim.search.case import Case, Settings, Target, Variation, in_words
from localray.sim.search.chronicle import GIVEN_BACK, chronicle
from localray.sim.search.report import explain, explain_run
from localray.sim.search.seeds import calibrated, check, first_difference, run_here, run_in_processes
from localray.sim.search.shrink import NotReproducedError, shrink, thin_out
from localray.sim.search.story import About, tell
from localray.sim.search.trace_file import UnreadableTraceError, load, replay

CLUSTER = "2x4cpu"


def target(name: str) -> Target:
    return Target(f"tests.sim.programs_with_bugs:{name}")


BUGS = [
    ("lost_update", "calm", "AssertionError"),
    ("first_come", "calm", "AssertionError"),
    ("waits_in_a_circle", "calm", "DeadlockError"),
    ("check_then_act", "calm", "RayTaskError"),
    ("order_between_callers", "calm", "AssertionError"),
    ("three_must_meet", "calm", "AssertionError"),
    ("gives_up_too_soon", "chaos", "GetTimeoutError"),
    ("paid_twice", "chaos", "AssertionError"),
    ("no_retries", "kill_worker:probability=0.02", "WorkerCrashedError"),
    ("orphaned_actor", "kill_worker:probability=0.02", "ActorDiedError"),
    ("keeps_everything", "calm", "LeftBehindError"),
]


@pytest.mark.parametrize(("name", "faults", "error"), BUGS, ids=[bug[0] for bug in BUGS])
def test_a_bug_is_found_and_shrunk_to_little(name: str, faults: str, error: str) -> None:
    settings = Settings(CLUSTER, faults, check_left_behind=name == "keeps_everything", check_invariants=False)
    found = next(outcome for outcome in run_here(target(name), settings, range(2000)) if outcome.signature)
    assert found.signature.startswith(error), found.error
    small = shrink(Case(target(name), settings, found.seed), most_runs=150)
    assert len(small.firings) <= 2
    assert len(small.deviations) <= 3
    report = small.run()
    assert report.error is not None


@pytest.mark.parametrize("kind", ["random", "pct", "delays"])
def test_a_sound_program_never_fails(kind: str) -> None:
    settings = calibrated(target("sound"), Settings("3x2cpu", "swarm", Search(kind)))
    outcomes = list(run_here(target("sound"), settings, range(25)))
    assert [outcome.error for outcome in outcomes if outcome.signature] == []
    assert kind == "random" or settings.search.points > 100


@pytest.mark.parametrize("kind", ["pct", "delays"])
def test_other_schedules_find_bugs_with_few_deviations(kind: str) -> None:
    settings = calibrated(target("first_come"), Settings(CLUSTER, search=Search(kind), check_invariants=False))
    found = next(outcome for outcome in run_here(target("first_come"), settings, range(500)) if outcome.signature)
    assert found.signature.startswith("AssertionError")


def test_a_failing_run_is_saved_played_back_told_and_drawn(tmp_path: Path) -> None:
    case = Case(target("first_come"), Settings(CLUSTER), 0)
    case = next(replace(case, seed=seed) for seed in range(100) if case_fails(replace(case, seed=seed)))
    lines: list[str] = []
    found = explain(case, tmp_path, lines.append)
    assert lines
    assert "the second was ready first" in found.story
    assert "The nearest run that passes is the same for" in found.story
    assert "start_up of worker" in found.story or "latency of" in found.story
    trace, story, page, chrome = sorted(found.files, key=lambda path: (".trace", ".story", ".html", ".chrome").index("." + path.name.split(".")[-2 if path.suffix != ".html" else -1]))
    assert story.read_text() == found.story
    assert "<svg" in page.read_text() and "queued: arguments ready" in page.read_text()
    assert any(event["ph"] == "X" for event in json.loads(chrome.read_text())["traceEvents"])
    assert type(replay(load(trace)).error) is AssertionError
    other = json.loads(trace.read_text())
    trace.write_text(json.dumps(other | {"python": "2.7"}))
    with pytest.raises(UnreadableTraceError, match=r"on Python 2\.7"):
        load(trace)
    trace.write_text(json.dumps(other | {"seed": 99999, "outcome": other["outcome"] | {"digest": "0"}}))
    with pytest.raises(NotReproducedError, match="otherwise"):
        replay(load(trace))
    trace.write_text("{}")
    with pytest.raises(UnreadableTraceError, match="no trace"):
        load(trace)
    with pytest.raises(UnreadableTraceError, match=r"replay the file whose name ends in \.trace\.json"):
        load(page)
    trace.unlink()
    with pytest.raises(UnreadableTraceError, match="cannot be read: No such file"):
        load(trace)


def test_a_run_that_is_made_small_is_the_same_failure_or_is_said_to_be_another(tmp_path: Path) -> None:
    settings = Settings(CLUSTER, "chaos", check_invariants=False)
    outcome = next(outcome for outcome in run_here(target("paid_twice"), settings, range(2000)) if outcome.signature)
    found = explain(Case(target("paid_twice"), settings, outcome.seed), tmp_path, lambda text: None)
    assert found.run.seeds_error == outcome.error
    assert in_words(found.run.run().error) == outcome.error
    title = f"seed {outcome.seed} of tests.sim.programs_with_bugs:paid_twice"
    assert found.story.startswith(f"A smaller run than that of {title} fails, too:\n  {outcome.error}\n\nIt takes")
    assert f"seed {outcome.seed}: a smaller run</title>" in next(tmp_path.glob("*.html")).read_text()
    saved = load(next(tmp_path.glob("*.trace.json")))
    assert saved.run.seeds_error == outcome.error
    other = explain_run(replace(saved.run, seeds_error="AssertionError: other"), replay(saved), None).story
    assert f"{outcome.error}\nThe seed's own run, which is another, fails with:\n  AssertionError: other\n" in other
    whole = explain(Case(target("paid_twice"), settings, outcome.seed), None, pytest.fail, small=False)
    assert whole.story.startswith(f"Seed {outcome.seed} of tests.sim.programs_with_bugs:paid_twice fails:\n")
    assert " deviations of the schedule from the plain one" in whole.story


LEDGER = """
import ray

@ray.remote(max_restarts=-1, max_task_retries=-1)
class Ledger:
    def __init__(self):
        self.entries = []

    def append(self, amount):
        self.entries.append(amount)

    def total(self):
        return sum(self.entries)

ray.init(num_cpus=2)
ledger = Ledger.remote()
ray.get([ledger.append.remote(number) for number in range(8)])
assert ray.get(ledger.total.remote()) == 28
"""


def test_the_story_is_short_and_says_what_was_lost(tmp_path: Path) -> None:
    script = tmp_path / "ledger.py"
    script.write_text(LEDGER)
    settings = Settings("1x2cpu", "kill_worker:phase=during,task=Ledger.total,nth=1")
    story = explain(Case(Target(str(script)), settings, 0), None, lambda text: None).story
    course, parting = story.split("What happened")[1].split("The nearest run")
    assert "the driver submits Ledger.append #1 to #8" in course
    assert "Ledger.append #1 and #2 on worker" in course
    assert ", try 2: the actor begins anew, without what it held" in course
    assert course.index("FAULT: ") < course.index("DEATH: ") < course.index("lost with its worker")
    assert len(course.splitlines()) < 25
    assert "fails:  " in parting and "FAULT: worker" in parting
    assert "passes: " in parting and "Ledger.total on worker" in parting


STRAGGLERS = """
import time
import localray as ray

@ray.remote
def chunk(number):
    time.sleep(1)
    return number

@ray.remote(max_retries=0)
def job(number):
    return ray.get(chunk.remote(number))

ray.get([job.remote(number) for number in range(8)])
"""


def test_the_story_of_a_crash_begins_to_differ_with_the_crash(tmp_path: Path) -> None:
    script = tmp_path / "stragglers.py"
    script.write_text(STRAGGLERS)
    case = Case(Target(str(script)), Settings("3x2cpu", "crash_node:at_s=0.5"), 0)
    lines: list[str] = []
    story = explain(case, None, lines.append).story
    course, parting = story.split("What happened")[1].split("The nearest run")
    # Those for which there is no room yet are submitted like the others, and have their numbers.
    assert "the driver submits job #1 to #8 with (0) to (7)\n" in course and " job #4 to #8 never began\n" in course
    fault, node = parting.splitlines()[1:3]
    assert fault.endswith(" crashed") and "fails:  0.500000 FAULT: node " in fault
    # The error names the node by its id, of which the story has the first digits.
    named = story.split("failed because node ")[1][:8]
    assert f" ({named}…) is gone: it crashed" in node
    assert re.search(rf"\nNode {named}… is node [12] here\.\n", story)
    assert lines[-1].startswith("1 fault, 0 deviations of the schedule, ")


def test_a_death_after_an_answer_is_told_in_words() -> None:
    report = Case(target("sound"), Settings("2x2cpu", "kill_worker:phase=replied,nth=2"), 1).run()
    (happened,) = report.happened
    assert " killed after the answer of " in happened.text


class Sly:
    """Wants something done when it is unpickled."""

    def __init__(self, found: list[str]) -> None:
        self.found = found

    def __reduce__(self) -> tuple[object, ...]:
        return pytest.fail, ("its pickle was run",), {"state": 1}, iter([1, 2]), iter([(3, 4)])


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((10, "a", 2.5, None, True), "(10, 'a', 2.5, None, True)"),
        (([1, 2], {"a": (b"x", {3})}), "([1, 2], {'a': (b'x', {3})})"),
        ((Sly([]), [Sly([])], 5), "(…, […], 5)"),
        ((print, Sly, len), "(…, …, …)"),
        (("x" * 100,), "('xxxxxxxxxxxx...xxxxxxxxxxxxx')"),
        ((b"x" * 3000,), ""),
        ((), "()"),
    ],
)
def test_arguments_are_told_without_running_their_pickles(args: tuple[object, ...], told: str) -> None:
    assert arguments_in_words(pickle.dumps((args, {}, ()), protocol=5)) == told
    assert arguments_in_words(b"") == arguments_in_words(b"\x02") == arguments_in_words(b"no pickle") == ""


KEEPS = """
import ray

ray.init(num_cpus=1)

@ray.remote
def work(number):
    # All but one are over at once, and so many are sent to the worker ahead; while that one waits they are taken back.
    return number if number != 30 else ray.get(work.remote(0))

@ray.remote(max_restarts=-1, max_task_retries=-1)
class Keeper:
    def __init__(self):
        self.calls = 0

    def call(self):
        self.calls += 1
        return self.calls

    def checkpoint(self):
        return self.calls

    def restore(self, calls):
        self.calls = calls

ray.get([work.remote(number) for number in range(1, 60)])
keeper = Keeper.remote()
assert ray.get([keeper.call.remote() for _ in range(3)]) == [1, 2, 3]
"""


def test_what_came_to_nothing_is_no_part_of_the_story(tmp_path: Path) -> None:
    script = tmp_path / "keeps.py"
    script.write_text(KEEPS)
    case = Case(Target(str(script)), Settings(faults="kill_worker:phase=during,task=Keeper.call,nth=3"), 0)
    report = case.run(Variation(keep_trace=True))
    assert report.error is None
    assert any(attempt.how == GIVEN_BACK for attempt in chronicle(report).tries)
    story = tell(About("seed 0"), report)
    assert GIVEN_BACK not in story
    assert "Keeper.__init__ goes to worker" in story and ", try 2\n" in story
    assert "begins anew" not in story


def test_a_trace_whose_program_is_not_there_says_where_it_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "fails.py").write_text("import ray\nassert ray.get(ray.put(1)) == 2\n")
    monkeypatch.chdir(tmp_path)
    assert main(["sim", "run", "fails.py", "--seed", "1", "--save", "found"]) == 1
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["sim", "replay", "../found/fails-1.trace.json"]) == 2
    told = f"there is no file fails.py. It was recorded in {tmp_path}: play it back there."
    assert told in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert main(["sim", "replay", "found/fails-1.trace.json"]) == 1
    (tmp_path / "fails.py").write_text("import ray\nray.get([ray.put(1), ray.put(2)])\n")
    assert main(["sim", "replay", "found/fails-1.trace.json"]) == 2
    assert "Has fails.py been changed?" in capsys.readouterr().err


def case_fails(case: Case) -> bool:
    return case.run().error is not None


def test_what_does_not_fail_is_not_shrunk() -> None:
    with pytest.raises(NotReproducedError):
        shrink(Case(target("sound"), Settings("2cpu"), 0))


def test_thinning_out() -> None:
    assert thin_out(range(50), lambda kept: {3, 30, 31} <= set(kept)) == (3, 30, 31)
    assert thin_out([1, 2], lambda kept: True) == ()
    assert thin_out([1, 2], lambda kept: False) == (1, 2)


def test_seeds_in_fresh_processes_are_the_same_as_here() -> None:
    settings = Settings("3x2cpu", "chaos")
    here = {outcome.seed: outcome for outcome in run_here(target("sound"), settings, range(8))}
    there = {outcome.seed: outcome for outcome in run_in_processes(target("sound"), settings, range(8), jobs=2)}
    assert there == here
    pairs = list(check(target("paid_twice"), settings, range(6), jobs=2))
    assert sorted(one.seed for one, _ in pairs) == list(range(6))
    assert all(one == two for one, two in pairs)


def test_where_two_runs_differ() -> None:
    program, settings = target("leans_on_hashes"), Settings("1cpu")
    ((one, two),) = check(program, settings, [3], jobs=2)
    assert one.digest != two.digest
    assert "TaskDone" in first_difference(program, settings, 3)


SCRIPT = """
import sys
import ray

ray.init(num_cpus=4)

@ray.remote
def work(name):
    return name

if __name__ == "__main__":
    assert sys.argv[1] == "argument"
    ready, _ = ray.wait([work.remote("a"), work.remote("b")], num_returns=1)
    assert ray.get(ready) == ["a"]
    ray.shutdown()
    ray.init()
    assert ray.get(work.remote(1)) == 1
"""


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    words = ["sim", "run", str(script), "argument", "--seeds", "200", "--no-invariants"]
    assert main([*words, "--json", str(tmp_path / "all.json"), "--save", str(tmp_path / "found")]) == 1
    output = capsys.readouterr().out
    assert "written: " in output
    assert json.loads((tmp_path / "all.json").read_text())[-1]["signature"] == "AssertionError"
    line = next(line for line in output.splitlines() if line.startswith("replay: "))
    assert main([*shlex.split(line.removeprefix("replay: localray")), "--no-shrink"]) == 1
    output = capsys.readouterr().out
    assert "What happened, in seconds of virtual time" in output
    saving = next(line for line in output.splitlines() if line.startswith("as a page with lanes and arrows"))
    assert saving.endswith(f"--save failures --no-shrink {script} argument")
    saved = next((tmp_path / "found").glob("*.trace.json"))
    assert main(["sim", "replay", str(saved)]) == 1
    output = capsys.readouterr().out
    assert "AssertionError" in output
    assert f": localray sim replay {saved} --save failures\n" in output
    assert main([*words, "--seeds", "4", "--check", "--jobs", "2"]) == 0
    for wrong in (["--nodes", "x"], ["--faults", "x"], ["--schedule", "x"]):
        assert main([*words, *wrong]) == 2
    assert main(["sim", "run", str(tmp_path / "missing.py")]) == 2
    assert "there is no program" in capsys.readouterr().err
