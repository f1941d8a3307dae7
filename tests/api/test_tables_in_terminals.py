"""Tables of the command line where a person looks at them: no wider than the terminal, whole in a pipe; and that what
they print can be given to the commands that ask for an id."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from localray.cli.fitting import fit, said_below
from localray.cli.held import Wishes, describe, store_line
from localray.cli.short_ids import fitting, shortened
from localray.protocol import HeldObject, StoreTotals

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
KINDS = ("tasks", "actors", "objects", "nodes", "workers", "placement-groups", "jobs")

PROGRAM = """
import sys
import localray as ray
from localray.util import placement_group
ray.init(num_cpus=2, namespace="a-namespace-whose-name-is-rather-long-as-names-go")
@ray.remote(num_returns=2)
def prepare_the_data_of_a_batch(number):
    return number, bytes(200_000)
@ray.remote(num_cpus=0.1)
class ParameterServerWithALongName:
    def keep(self, references):
        self.kept = references
    def fail(self):
        raise ValueError("on purpose")
@ray.remote(resources={"missing": 1})
def never():
    pass
servers = [ParameterServerWithALongName.options(name=name).remote() for name in ("first", "second")]
made = [prepare_the_data_of_a_batch.remote(number) for number in range(3)]
ray.get([servers[0].keep.remote([pair[1]]) for pair in made])
failed = servers[0].fail.remote()
ray.wait([failed])
ray.wait([reference for pair in made for reference in pair], num_returns=6)
waits = never.remote()
kept = ray.put(bytes(300_000))
group = placement_group([{"CPU": 1}], name="a-group")
ray.get(group.ready())
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """In which there is one session, of a program with some of everything."""
    with tempfile.TemporaryDirectory(prefix="localray-") as directory:
        given = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": directory}
        given.pop("RAY_ADDRESS", None)
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=given
        ) as program:
            assert program.stdout is not None and program.stdin is not None
            while program.stdout.readline() != "ready\n":
                assert program.poll() is None
            yield given
            program.stdin.close()


def piped(environment: dict[str, str], *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "localray", *words], capture_output=True, text=True, env=environment, timeout=DEADLINE_S
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def seen(environment: dict[str, str], width: int, *words: str) -> list[str]:
    """The lines that a terminal of this width is sent."""
    ours, theirs = os.openpty()
    given = {**environment, "COLUMNS": str(width), "LINES": "50"}
    with subprocess.Popen([sys.executable, "-m", "localray", *words], stdout=theirs, env=given) as command:
        os.close(theirs)
        pieces = []
        try:
            while piece := os.read(ours, 65536):
                pieces.append(piece)
        except OSError:
            pass  # So a terminal says that nobody writes any more.
        assert command.wait(DEADLINE_S) == 0
    os.close(ours)
    return b"".join(pieces).decode().replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_no_wider_than_its_terminal(environment: dict[str, str], kind: str, width: int) -> None:
    lines = seen(environment, width, "list", kind)
    assert len(lines) > 1
    assert [line for line in lines if len(line) > width] == []
    whole = piped(environment, "list", kind)
    assert seen(environment, width, "list", kind, "--full") == whole.splitlines()
    if max(map(len, whole.splitlines())) > width:
        assert "--full shows everything" in " ".join(lines)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_printed_is_understood(environment: dict[str, str], kind: str) -> None:
    table = [line.split()[0] for line in seen(environment, 80, "list", kind)[1:] if line[:1] not in " ("]
    shown = [word for word in dict.fromkeys(table) if set(word) <= set("0123456789abcdef.") and len(word) >= 8]
    whole = list(dict.fromkeys(line.split()[0] for line in piped(environment, "list", kind).splitlines()[1:]))
    assert len(shown) == len(whole)
    for short, identity in list(zip(shown, whole, strict=True))[-4:]:
        assert identity in piped(environment, "get", kind, short)


def test_names_and_beginnings(environment: dict[str, str]) -> None:
    assert "a-group" in piped(environment, "get", "placement-groups", "a-group")
    assert "is_head_node" in piped(environment, "get", "nodes", "127.0.0.1")
    several = piped(environment, "get", "tasks", "prepare_the_data_of_a_batch")
    assert "3 tasks are called prepare_the_data_of_a_batch. Of the last" in several
    assert "actors: " in piped(environment, "why", "0300", code=1)
    assert "there is no task nobody; `localray list tasks`" in piped(environment, "get", "tasks", "nobody", code=1)
    waiting = next(line.split()[0] for line in seen(environment, 80, "list", "tasks") if " never " in line)
    assert "needs 1 missing, has 0" in piped(environment, "why", waiting)
    creation = next(line.split()[0] for line in seen(environment, 80, "list", "tasks") if line.startswith("f.."))
    assert "It is ready." in piped(environment, "why", creation)
    assert "1970" not in piped(environment, "get", "jobs", "01000000")


def test_filters_take_ids_as_they_are_printed(environment: dict[str, str]) -> None:
    of_actor = piped(environment, "list", "tasks", "--filter", "actor_id=first", "--filter", "name!=nothing")
    assert "ParameterServerWithALongName.keep" in of_actor and "prepare" not in of_actor
    short = seen(environment, 80, "list", "actors")[1].split()[0]
    listed = piped(environment, "list", "actors", "--filter", f"actor_id={short}").splitlines()
    assert len(listed) == 2 and listed[1].startswith(short)
    assert piped(environment, "list", "actors", "--filter", f"actor_id!={short}").count("\n") == 2
    assert "0300 fits 2 actors" in piped(environment, "list", "tasks", "--filter", "actor_id=0300", code=1)
    assert "No actors." in piped(environment, "list", "actors", "--filter", "actor_id=nobody")


def test_summaries_fit_too(environment: dict[str, str]) -> None:
    for kind in ("tasks", "actors", "objects"):
        assert max(map(len, seen(environment, 60, "summary", kind))) <= 60


@pytest.mark.parametrize("width", [80, 120])
def test_memory_has_a_line_for_each_object_on_a_terminal(environment: dict[str, str], width: int) -> None:
    lines = seen(environment, width, "memory")
    assert [line for line in lines if len(line) > width] == []
    assert "of the store's" in lines[0] and "RAY_record_ref_creation_sites=1" in " ".join(lines)
    table = [line.split() for line in lines if line[:2] in ("03", "f.")]
    assert len({row[0] for row in table}) == len(table) > 8
    assert "293 KiB" in " ".join(table[0]), "what was put is the largest"
    identity = table[0][0]
    assert "LOCAL_REFERENCE" in piped(environment, "get", "objects", identity)
    assert any("actor handle of driver" in line for line in lines)
    assert any("ParameterS" in line and "LongName" in line for line in lines)


def test_memory_in_a_pipe_is_rays_table(environment: dict[str, str]) -> None:
    assert "--- Object references for node address" in piped(environment, "memory")
    assert "--- Object references" in "\n".join(seen(environment, 80, "memory", "--layout", "ray"))
    whole = piped(environment, "memory", "--layout", "objects", "--units", "KB", "-n", "2").splitlines()
    assert whole[2].split() == ["OBJECT", "ID", "SIZE", "HELD", "BY"] and len(whole[3].split()[0]) == 56
    assert " KB " in whole[3] and "more objects, " in whole[5]
    assert seen(environment, 80, "memory", "--stats-only") == piped(
        environment, "memory", "--layout", "objects", "--stats-only"
    ).splitlines()


def test_memory_by_places_and_by_reasons() -> None:
    def held(number: int, size: int, kind: str, driver: int, site: str = "", status: str = "-") -> HeldObject:
        place = number == 3, number == 4
        return HeldObject(bytes([number]) * 28, size, kind, driver, 7 + (not driver), "", status, 1, site, *place)

    entries = [
        held(1, 10, "LOCAL_REFERENCE", 0, "(deserialize task arg) f"),
        held(1, 10, "LOCAL_REFERENCE", 1, "(put object) /a/b/train.py:load:19 | /a/b/train.py:<module>:40", "FINISHED"),
        held(1, 10, "PINNED_IN_MEMORY", 0),
        held(2, -1, "LOCAL_REFERENCE", 1, "(task call) /a/b/train.py:<module>:9", "PENDING_NODE_ASSIGNMENT"),
        held(3, 2000, "USED_BY_PENDING_TASK", 1, "(put object) /a/b/train.py:load:19 | /a/b/train.py:<module>:40"),
    ]
    totals = StoreTotals(1 << 20, 1 << 30, 2, 2000, 1, 0.1, 0, 0)
    table = describe(entries, totals, Wishes("NODE_ADDRESS", "OBJECT_SIZE", None, None, 130)).splitlines()
    assert table[0] == "1 MiB of the store's 1 GiB are in use (0.1%), by 2 objects; 1 object of 1.95 KiB went to disk so far."
    assert [" ".join(line.split()) for line in table[3:6]] == [
        "030303030303 on disk 1.95 KiB argument of a task of driver 7 - train.py:19 (put)",
        "010101010101 10 B driver 7, worker 8; read by worker 8 - train.py:19 (put)",
        "020202020202 - driver 7 PENDING_NODE_ASSIGNMENT train.py:9 (task)",
    ]
    by_place = describe(entries, totals, Wishes("STACK_TRACE", "PID", "B", 1, None))
    assert "train.py:<module>:40: 2 objects, 2010 B\nOBJECT ID" in by_place and "and 1 more object, " in by_place
    assert "(task call) /a/b/train.py:<module>:9: 1 object\n" in by_place
    own = StoreTotals(0, 1 << 30, 0, 0, 0, 0.0, 3 << 30, 1)
    larger = describe([held(4, 3 << 30, "LOCAL_REFERENCE", 1)], own, Wishes("NODE_ADDRESS", "OBJECT_SIZE", None, None, 130))
    assert larger.startswith("0 B of the store's 1 GiB are in use (0.0%), by 0 objects; 1 object of 3 GiB is in a file of its own.")
    assert larger.splitlines()[3].split()[1:5] == ["own", "file", "3", "GiB"]
    two = store_line(own._replace(own_files=2, spilled_objects=1, spilled_bytes=10), None)
    assert two.endswith("; 2 objects of 3 GiB are in files of their own; 1 object of 10 B went to disk so far.")
    nothing = describe([], totals, Wishes("NODE_ADDRESS", "OBJECT_SIZE", None, None, 80))
    assert nothing.endswith("Nobody holds an object.")


def test_a_reader_that_has_seen_enough(environment: dict[str, str]) -> None:
    command = f"{sys.executable} -m localray list tasks --format json | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment, timeout=DEADLINE_S)
    assert (done.stdout, done.stderr) == ("[\n", "")


def test_every_shortened_id_means_the_one_it_was_made_of() -> None:
    """Among ids like those of a session: tasks, calls, constructors, objects of one task, counters beyond a byte."""
    heads = [f"0300{low:02x}{high:02x}{number:02x}0000" for number in (0, 1, 5) for high in (0, 1) for low in (0, 7)]
    tasks = [head + "0000" + "f" * 24 + "01000000" for head in heads] + ["f" * 16 + head * 2 for head in heads]
    objects = [task + f"{index:02x}000000" for task in tasks for index in (1, 2)]
    for identities in (tasks, objects, ["ab" * 14], ["01000000", "02000000"]):
        short = shortened(identities)
        assert [fitting(short[identity], identities) for identity in identities] == [[each] for each in identities]
        assert [fitting(identity, identities) for identity in identities] == [[each] for each in identities]
    assert fitting("no id", tasks) == [] == fitting("..", tasks)


def test_what_gives_way_in_which_order() -> None:
    titles = ["ID", "NAME", "NODE", "PID", "RESOURCES"]
    rows = [[f"{number}", "a-name" * 6, "node", f"{number}0", "CPU: 1, memory: 2"] for number in range(3)]
    whole = fit(titles, rows, 80, ["PID", "NODE"])
    assert (whole.same, whole.left_out, whole.cut) == ([], [], [])
    once = fit(titles, rows, 65, ["PID", "NODE"])
    assert (once.same, once.left_out, once.cut) == ([("NODE", "node")], [], [])
    cut = fit(titles, rows, 50, ["PID", "NODE"])
    assert (cut.left_out, cut.cut) == ([], ["NAME"]) and "…" in cut.lines[1]
    less = fit(titles, rows, 42, ["PID", "NODE"])
    assert (less.left_out, less.cut) == (["PID"], ["NAME"])
    narrow = fit(titles, rows, 26, ["PID", "NODE"])
    assert max(map(len, narrow.lines)) <= 26 and narrow.lines[2].strip() == "memory: 2"
    said = " ".join(said_below(narrow, 26, ids_are_short=True))
    assert said.startswith("(NODE is node in all; NAME is cut; PID is left out; ids are as short")
