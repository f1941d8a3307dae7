"""Recorded runs on clusters that do not exist: on the cluster of the recording they take as long as they did, on others
what is to be expected; and the command that says so."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from localray import sim
from localray.cli.main import main
from localray.sim.planning import cheapest, parse_cluster, plan
from localray.sim.recorded import UnreadableTimelineError, load_timeline, recording_of


def pipeline(ray: ModuleType) -> None:
    """Arguments made by others, an actor, a tree of tasks that wait for their children, and a driver that waits."""
    import time

    @ray.remote
    def load() -> bytes:
        time.sleep(0.5)
        return bytes(3_000_000)

    @ray.remote
    def clean(data: bytes) -> bytes:
        time.sleep(1.0)
        return data[:1_000_000]

    @ray.remote
    class Model:
        def step(self, *parts: bytes) -> int:
            time.sleep(0.3)
            return sum(map(len, parts))

    @ray.remote
    def tree(depth: int) -> int:
        time.sleep(0.2)
        return 1 + (sum(ray.get([tree.remote(depth - 1) for _ in range(3)])) if depth else 0)

    cleaned = [clean.remote(load.remote()) for _ in range(8)]
    model = Model.remote()
    ray.get([model.step.remote(*cleaned[start : start + 2]) for start in range(0, 8, 2)])
    assert ray.get(tree.remote(2)) == 13
    for _ in range(3):
        ray.get(load.remote())


@pytest.fixture(scope="module")
def timeline(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A recorded run on two CPUs, and how long it took."""
    path = tmp_path_factory.mktemp("recorded") / "timeline.json"
    took_s: list[float] = []

    def program(ray: ModuleType) -> None:
        import time

        started_s = time.monotonic()
        pipeline(ray)
        took_s.append(time.monotonic() - started_s)
        ray.timeline(str(path))

    report = sim.run(program, seed=1, num_cpus=2)
    if report.error is not None:
        raise report.error
    return path, took_s[0]


def test_a_recording_says_what_a_run_needs(timeline: tuple[Path, float]) -> None:
    recording = load_timeline(timeline[0])
    cleans = [task for task in recording.tasks.values() if task.name == "clean"]
    assert {recording.tasks[name].name for task in cleans for name in task.depends_on} == {"load"}
    assert all(1_000_000 <= task.output_bytes < 1_001_000 and task.resources == {"CPU": 1} for task in cleans)
    steps = [task for task in recording.tasks.values() if task.kind == "ACTOR_CALL"]
    assert len(steps) == 4 and all(len(task.depends_on) == 2 for task in steps)
    trees = [task for task in recording.tasks.values() if task.name == "tree"]
    assert sum(1 for task in trees if task.parent_id) == 12
    # The driver has waited for each of its last three tasks before it submitted the next.
    assert [len(step.wait_for) for step in recording.driver[-3:]] == [1, 1, 1]


def test_on_the_same_cluster_it_takes_as_long(timeline: tuple[Path, float]) -> None:
    path, took_s = timeline
    made = plan(load_timeline(path), parse_cluster("1x2cpu@3.6"))
    assert made.makespan_s == pytest.approx(took_s, rel=0.1)
    assert made.cost == pytest.approx(made.makespan_s * 0.001)
    assert 0.5 < made.cpu_share <= 1.0
    assert made == plan(load_timeline(path), parse_cluster("1x2cpu@3.6"))


def test_on_other_clusters_it_takes_what_is_to_be_expected(timeline: tuple[Path, float]) -> None:
    path, took_s = timeline
    recording = load_timeline(path)
    slow, large, far = (
        plan(recording, parse_cluster(text))
        for text in ("1cpu@1", "4x8cpu@9", "1x0cpu@9,4x2cpu+bandwidth_bytes_per_s=1e6@9")
    )
    assert slow.makespan_s > 1.4 * took_s
    # The longest chain: load, clean, two steps of the model, a path through the tree, and three times load.
    assert 0.5 + 1.0 + 0.3 + 0.6 + 1.5 < large.makespan_s < 0.75 * took_s
    assert far.transferred_bytes > 0 and far.makespan_s > large.makespan_s
    assert cheapest([slow, large, far], took_s) == large
    assert cheapest([slow, large], 1000.0) == slow
    assert cheapest([slow, large], 1.0) is None
    small = plan(recording, parse_cluster("2cpu+0.008gb-store"))
    assert small.spilled_bytes > 0 and small.cost is None
    assert cheapest([small], 1000.0) == small


def test_what_fits_nowhere_is_told(timeline: tuple[Path, float]) -> None:
    made = plan(load_timeline(timeline[0]), parse_cluster("1x0cpu+1gpu"))
    assert made.impossible == "no node has 1 CPU for load"


def test_durations_of_a_recording(timeline: tuple[Path, float]) -> None:
    draw = sim.recorded_durations(timeline[0], "clean")
    assert {round(draw(Random(seed)), 1) for seed in range(20)} == {1.0}
    with pytest.raises(ValueError, match="No task 'cleen' was recorded.*clean, load"):
        sim.recorded_durations(timeline[0], "cleen")


def test_the_command(timeline: tuple[Path, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "figures.json"
    words = ["sim", "plan", str(timeline[0]), "--nodes", "1cpu@1", "--nodes", "4x8cpu@1", "--nodes", "1gpu+0cpu"]
    assert main([*words, "--deadline", "8s", "--json", str(figures)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "37 tasks in" in lines[0] and lines[1].split()[:2] == ["cluster", "makespan"]
    assert "cannot be: no node has 1 CPU for load" in lines[4]
    assert lines[5] == "cheapest within 8s: 4x8cpu@1"
    assert [row["nodes"] for row in json.loads(figures.read_text())] == ["1cpu@1", "4x8cpu@1", "1gpu+0cpu"]
    assert main([*words[:5], "--deadline", "1s"]) == 1
    assert "none is done within 1s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--nodes", "2x1cpu@cheap"], "write 20x16cpu@0.80"),
        (["--nodes", "2x-zebra"], "not what a node has"),
        (["--nodes", "1cpu", "--deadline", "soon"], "write 90s, 15m or 2h"),
    ],
)
def test_what_makes_no_sense(
    timeline: tuple[Path, float], arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sim", "plan", str(timeline[0]), *arguments]) == 2
    assert text in capsys.readouterr().err


def test_files_that_are_no_timelines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    for content, text in (("{", "cannot be read"), ("[]", "no tasks"), ('[{"ph": "X", "args": {}}]', "missing or wrong")):
        path.write_text(content)
        with pytest.raises(UnreadableTimelineError, match=text):
            load_timeline(path)
    assert main(["sim", "plan", str(path), "--nodes", "1cpu"]) == 2
    assert "localray sim:" in capsys.readouterr().err
    with pytest.raises(UnreadableTimelineError):
        recording_of([])
