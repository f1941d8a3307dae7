"""What `localray microbenchmark` shows and writes, and that it runs from end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from localray.benchmark.comparison import Contestant, MeasuredRow, Outcome, Plan, Results, State, chosen_rows
from localray.benchmark.report import (
    FANCY,
    PLAIN,
    bar_of,
    format_ratio,
    format_value,
    glyphs_for,
    goal_is_met,
    machine_facts,
    render_table,
    to_json,
)
from localray.benchmark.systems import CAPABILITIES, Capability, SystemName
from localray.benchmark.workloads import MEMCPY_ROW_OF, ROWS, WORKLOADS, Unit
from localray.cli.main import main

ROW = {row.key: row for row in ROWS}
END_TO_END_TIMEOUT_S = 120


def plan_of(*names: SystemName, patterns: tuple[str, ...] = ("*",)) -> Plan:
    contestants = tuple(Contestant(name, sys.executable) for name in names)
    return Plan(contestants, patterns, seconds=0.5, turns=3, processors=2)


def measured(*values: float) -> Outcome:
    return Outcome(State.MEASURED, values)


def results_against_ray() -> Results:
    ours, ray = SystemName.LOCALRAY, SystemName.RAY
    results = Results(plan_of(ours, ray), versions={ours: "0.1.0", ray: "2.60.0"})
    results.rows = [
        MeasuredRow(ROW["startup"], {ours: measured(0.2, 0.25, 0.21), ray: measured(5.0, 5.0, 6.3)}),
        MeasuredRow(ROW["idle-memory"], {ours: measured(60.0 * 2**20), ray: measured(300.0 * 2**20)}),
        MeasuredRow(ROW["tasks-sync"], {ours: measured(8000, 8400, 8100), ray: measured(800, 700, 810)}),
        MeasuredRow(ROW["actor-n-n"], {ours: measured(10, 10, 10), ray: measured(20, 40, 25)}),
        MeasuredRow(ROW["put-100mib"], {ours: measured(8e9, 8e9, 8e9), ray: measured(2e9, 2e9, 2e9)}),
        MeasuredRow(ROW["memcpy-100mib"], {ours: measured(1e10, 1e10, 1e10), ray: measured(1e10, 1e10, 1e10)}),
    ]
    return results


TABLE = """\
localray 0.1.0 against ray 2.60.0
2 processors, Python PYTHON; median of 3 turns of 0.5 s for each row and system

                                     localray    ray  unit     better by  range             goal

start and stop
  fresh interpreter to first result       210  5,000  ms             25×  20–30      █████  ≥ 15×  ✓

at rest, after a few tasks
  memory, all processes                  60.0    300  MiB           5.0×  5.0–5.0    ██     ≥ 6×   ✗

tasks
  one at a time                         8.10k    800  tasks/s        10×  10–12      ███    ≥ 6×   ✓

actor calls
  2:2, 1,000 at once each                10.0   25.0  calls/s      0.40×  0.25–0.50  ◁

objects
  put, 100 MiB                           8.00   2.00  GB/s          4.0×  4.0–4.0    ██     ≥ 1×   ✓
    memcpy, 100 MiB                      10.0   10.0  GB/s          1.0×  1.0–1.0

put, 100 MiB: localray 0.80 × memcpy, ray 0.20 × memcpy

goals: 3 of 4 met; missed: idle-memory (5.0× of 6×)"""


def test_table_of_a_comparison() -> None:
    python = ".".join(map(str, sys.version_info[:3]))
    assert render_table(results_against_ray(), FANCY) == TABLE.replace("PYTHON", python)


def test_table_without_fancy_signs_is_ascii() -> None:
    table = render_table(results_against_ray(), PLAIN)
    assert table.isascii()
    assert "10x  10-12      ###    >= 6x   yes" in table
    assert "goals: 3 of 4 met" in table


def test_table_of_localray_alone_has_no_ratio() -> None:
    results = Results(plan_of(SystemName.LOCALRAY))
    results.rows = [MeasuredRow(ROW["tasks-sync"], {SystemName.LOCALRAY: measured(5, 7, 6)})]
    table = render_table(results)
    assert table.splitlines()[-1] == "  one at a time      6.00  tasks/s"
    assert "better by" not in table
    assert "goal" not in table


def test_what_a_system_cannot_do_is_a_dash_and_a_failure_is_told() -> None:
    ours, pool = SystemName.LOCALRAY, SystemName.POOL
    results = Results(plan_of(ours, pool))
    results.rows = [
        MeasuredRow(ROW["actor-sync"], {ours: measured(5.0), pool: Outcome(State.UNSUPPORTED)}),
        MeasuredRow(ROW["tasks-sync"], {ours: Outcome(State.FAILED, error="boom\nbang"), pool: measured(5.0)}),
        MeasuredRow(ROW["tasks-batched"], {ours: Outcome(State.FAILED, error="boom\nbang"), pool: measured(5.0)}),
    ]
    results.stop_errors[pool] = "would not"
    lines = render_table(results).splitlines()
    assert any(line.split() == ["1:1,", "one", "at", "a", "time", "5.00", "–", "calls/s"] for line in lines)
    assert any(line.split() == ["one", "at", "a", "time", "failed", "5.00", "tasks/s"] for line in lines)
    assert lines[-5:] == [
        "failed on localray: tasks-sync, tasks-batched",
        "    boom",
        "    bang",
        "pool did not stop in order:",
        "    would not",
    ]
    assert not any("goal" in line and "met" in line for line in lines)


def test_a_failed_row_misses_its_goal() -> None:
    failed = MeasuredRow(
        ROW["tasks-sync"], {SystemName.LOCALRAY: Outcome(State.FAILED, error="x"), SystemName.RAY: measured(1.0)}
    )
    assert goal_is_met(failed) is False


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.05, Unit.TASKS, "0.05"),
        (9.996, Unit.TASKS, "10.0"),
        (99.96, Unit.TASKS, "100"),
        (999.6, Unit.TASKS, "1.00k"),
        (12_345, Unit.TASKS, "12.3k"),
        (1_234_567, Unit.TASKS, "1.23M"),
        (11.6, Unit.MILLISECONDS, "11,600"),
        (15e9, Unit.GIGABYTES, "15.0"),
        (64 * 2**20, Unit.MEBIBYTES, "64.0"),
        (0.055, Unit.PERCENT, "5.50"),
        (3.0, Unit.PROCESSES, "3"),
    ],
)
def test_values_have_few_digits(value: float, unit: Unit, text: str) -> None:
    assert format_value(value, unit) == text


def test_ratios_and_bars() -> None:
    assert [format_ratio(ratio) for ratio in (0.456, 0.96, 9.94, 9.96, 123.4)] == ["0.46", "1.0", "9.9", "10", "123"]
    assert [bar_of(ratio, PLAIN) for ratio in (0.01, 0.4, 1.0, 2.0, 16.0, 1e6)] == [
        "<<<<<<<", "<", "", "#", "####", "#######",
    ]  # fmt: skip


def test_signs_follow_the_encoding() -> None:
    assert glyphs_for("utf-8") is FANCY
    assert glyphs_for("ascii") is PLAIN
    assert glyphs_for(None) is PLAIN


def test_json_has_every_field_with_its_type() -> None:
    written = json.loads(json.dumps(to_json(results_against_ray(), machine_facts())))
    assert set(written) == {
        "schema", "machine", "processors_used", "seconds", "turns", "systems", "rows", "stop_errors",
    }  # fmt: skip
    assert written["schema"] == 1
    assert written["systems"] == [
        {"name": "localray", "version": "0.1.0", "python": sys.executable},
        {"name": "ray", "version": "2.60.0", "python": sys.executable},
    ]
    machine = written["machine"]
    assert {name: type(value) for name, value in machine.items()} == {
        "system": str, "release": str, "architecture": str, "processor": str, "processors": int,
        "memory_bytes": int, "load_average": list, "python": str,
    }  # fmt: skip
    assert machine["memory_bytes"] > 0
    startup = written["rows"][0]
    assert startup == {
        "key": "startup",
        "group": "start and stop",
        "title": "fresh interpreter to first result",
        "unit": "s",
        "higher_is_better": False,
        "systems": {
            "localray": {"state": "measured", "values": [0.2, 0.25, 0.21], "median": 0.21, "error": ""},
            "ray": {"state": "measured", "values": [5.0, 5.0, 6.3], "median": 5.0, "error": ""},
        },
        "better_by": {"median": 25.0, "lowest": 20.0, "highest": 30.0},
        "goal": 15,
        "goal_met": True,
    }
    assert [row["goal_met"] for row in written["rows"]] == [True, False, True, None, True, None]
    assert [row["unit"] for row in written["rows"]] == ["s", "bytes", "tasks/s", "calls/s", "bytes/s", "bytes/s"]


def test_rows_are_well_formed() -> None:
    assert len(ROW) == len(ROWS)
    assert {key: row.goal for key, row in ROW.items() if row.goal is not None} == {
        "startup": 15, "idle-memory": 6, "tasks-sync": 6, "tasks-batched": 10, "actor-sync": 4, "actor-batched": 5,
        "get-small": 8, "put-small": 12, "put-1mib": 1, "put-100mib": 1, "get-100mib": 3,
    }  # fmt: skip
    assert set(MEMCPY_ROW_OF) | set(MEMCPY_ROW_OF.values()) <= set(ROW)
    groups = [row.group for row in ROWS]
    assert groups == sorted(groups, key=list(dict.fromkeys(groups)).index), "rows of a group stand together"


def test_every_system_can_do_some_rows_and_the_ray_likes_all() -> None:
    assert set(CAPABILITIES) == set(SystemName)
    for name, capabilities in CAPABILITIES.items():
        able = [workload.row.key for workload in WORKLOADS if workload.needs in capabilities]
        assert "tasks-sync" in able
        if name in (SystemName.LOCALRAY, SystemName.RAY):
            assert len(able) == len(WORKLOADS)
    assert Capability.ACTORS not in CAPABILITIES[SystemName.POOL]


def test_patterns_choose_rows() -> None:
    plan = plan_of(SystemName.LOCALRAY, patterns=("tasks-s*", "put-1mib"))
    assert [row.key for row in chosen_rows(plan)] == ["tasks-sync", "put-1mib"]


def test_list_names_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["microbenchmark", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(ROW)


def test_a_pattern_without_rows_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["microbenchmark", "--rows", "nothing*"]) == 2
    assert "no row matches nothing*" in capsys.readouterr().err


def test_a_python_that_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["microbenchmark", "--vs", "ray", "--ray-python", "/nowhere/python"]) == 2
    assert "/nowhere/python is not a program" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--seconds", "0"], ["--seconds", "x"], ["--repeats", "0"], ["--vs", "spark"]])
def test_impossible_options_are_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["microbenchmark", *option])
    assert ended.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_end_to_end_against_a_pool(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "localray.cli.main", "microbenchmark", "--vs", "pool", "--rows", "tasks*"]
    command += ["--seconds", "0.05", "--repeats", "2", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=END_TO_END_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["key"]: row for row in json.loads(path.read_text())["rows"]}
    assert list(rows) == ["tasks-sync", "tasks-batched", "tasks-multi-client", "tasks-nested"]
    for row in rows.values():
        ours = row["systems"]["localray"]
        assert ours["state"] == "measured"
        assert len(ours["values"]) == 2
        assert min(ours["values"]) > 0
    assert [rows[key]["systems"]["pool"]["state"] for key in rows] == ["measured"] * 2 + ["unsupported"] * 2
    assert "1,000 at once" in done.stdout
