"""A store that is too small, on real processes: everything written is read back, faults of the disk hit only who they must, and
whoever is killed, no file is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from .drivers import Driver, wait_until

_STORE = """
import glob, numpy as np
from localray.protocol import Query
from localray.session import _session, require_session
STORE = 80 * 1024 * 1024

def start(**options):
    ray.init(num_cpus=2, object_store_memory=STORE, **options)

def spilled():
    return sorted(glob.glob(os.path.join(os.environ["TMPDIR"], "localray_spilled_objects_*", "*")))

def sizes():
    return dict(require_session("sizes").ask(Query.TABLE_SIZES))

def array(number, megabytes=8):
    return np.full(megabytes << 20, number % 251, dtype=np.uint8)

def check(value, number, megabytes=8):
    assert value.nbytes == megabytes << 20 and value[0] == value[-1] == number % 251 and (value == number % 251).all()

def wait_until(condition):
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, "never"
        time.sleep(0.01)

def spill_some():
    refs = [ray.put(array(number)) for number in range(24)]
    wait_until(lambda: len(spilled()) >= 5)
    return refs
"""


def run(program: str, *, expected: str = "right", code: int = 0) -> str:
    """Run a driver to its end; nothing is left of it, no file either. Returns what it printed."""
    with Driver(_STORE + program) as driver:
        ended = driver.end()
    assert (ended.code, expected in ended.output) == (code, True), ended.output
    return ended.output


def test_three_times_the_store_is_written_and_read_back() -> None:
    run("""
start()
refs = [ray.put(array(number)) for number in range(30)]
for number, ref in enumerate(refs):
    check(ray.get(ref), number)
for number, ref in reversed(list(enumerate(refs))):
    check(ray.get(ref), number)
kept = ray.get(refs[0])
del refs, ref
wait_until(lambda: sizes()["spill files"] == 0 and not spilled())
wait_until(lambda: sizes()["objects"] == 0)
check(kept, 0)
del kept
wait_until(lambda: sizes()["store bytes"] == 0)
print("right")
""")


def test_tasks_make_and_read_more_than_the_store() -> None:
    run("""
start()
@ray.remote
def make(number):
    return array(number), array(number + 1)

@ray.remote
def add(a, b):
    return int(a[0]) + int(b[-1])

pairs = [make.options(num_returns=2).remote(number) for number in range(20)]
sums = ray.get([add.remote(a, b) for a, b in pairs])
assert sums == [number % 251 + (number + 1) % 251 for number in range(20)], sums
print("right")
""")


def test_an_object_larger_than_the_store_goes_to_disk_and_reads_back() -> None:
    run("""
start()
started_s = time.monotonic()
ref = ray.put(array(7, 200))
check(ray.get(ref), 7, 200)

@ray.remote
def twice(value):
    check(value, 7, 200)
    return np.concatenate([value, value])

result = ray.get(twice.remote(ref))
check(result, 7, 400)
assert not result.flags.writeable
assert sizes()["store bytes"] == 0, sizes()
assert [ray.get(ray.put(value)).nbytes for value in (np.zeros(0), np.zeros((0, 5)))] == [0, 0]
print("right")
""")


def test_all_that_is_in_the_store_is_looked_at_then_objects_get_files_of_their_own() -> None:
    output = run("""
start(_system_config={"oom_grace_period_s": 0.2})
values = [ray.get(ray.put(array(number))) for number in range(24)]
for number, value in enumerate(values):
    check(value, number)
print("right")
""")
    assert output.count("waits for room") == 1
    assert "driver 3 waits for room for an object of 8.0 MiB" in output
    assert "viewed by driver 3" in output


def test_views_that_are_only_kept_in_case_make_room() -> None:
    """Without them a task would wait for the grace period, and be told of."""
    output = run("""
start(_system_config={"oom_grace_period_s": 60})
refs = [ray.put(array(number)) for number in range(9)]
for number, ref in enumerate(refs):
    check(ray.get(ref), number)

@ray.remote
def make(number):
    return array(number)

made = [make.remote(number) for number in range(9)]
assert len(ray.wait(made, num_returns=9)[0]) == 9
for number, ref in enumerate(refs + made):
    check(ray.get(ref), number % 9)
print("right")
""")
    assert output.count("waits for room") <= 1


def test_without_a_directory_a_full_store_refuses_and_says_who_has_it_all() -> None:
    run("""
start(object_spilling_directory="", _system_config={"oom_grace_period_s": 0.2})
refs = []
try:
    for number in range(24):
        refs.append(ray.put(array(number)))
except ray.exceptions.ObjectStoreFullError as error:
    assert refs[0].hex() in str(error) and "8.0 MiB, held by driver 3" in str(error), error
assert len(refs) == 9, len(refs)

@ray.remote
def make():
    return array(1, 9)

try:
    ray.get(make.remote())
except ray.exceptions.ObjectStoreFullError as error:
    assert refs[0].hex() in str(error)
del refs[4]
check(ray.get(ray.put(array(99))), 99)
assert not spilled()
print("right")
""")


def test_spilling_switched_off_leaves_what_is_there_and_puts_the_rest_on_disk() -> None:
    run("""
start(_system_config={"automatic_object_spilling_enabled": False, "oom_grace_period_s": 0.2})
refs = [ray.put(array(number)) for number in range(24)]
for number, ref in enumerate(refs):
    check(ray.get(ref), number)
assert len([path for path in spilled() if not path.endswith(".lock")]) == 15, spilled()
print("right")
""")


def test_a_full_disk_stops_the_writer_and_loses_nothing() -> None:
    output = run("""
import resource
start(_system_config={"oom_grace_period_s": 0.2})
resource.prlimit(_session.engine.head_process_id, resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
refs = []
try:
    for number in range(24):
        refs.append(ray.put(array(number)))
except ray.exceptions.OutOfDiskError as error:
    assert "File too large" in str(error) and os.environ["TMPDIR"] in str(error), error
assert len(refs) == 9
for number, ref in enumerate(refs):
    check(ray.get(ref), number)
assert not spilled() and sizes()["spill files"] == 0
del refs[:5], ref
check(ray.get(ray.put(array(9, 16))), 9, 16)
print("right")
""")
    assert output.count("Objects cannot be spilled to") == 1


def test_another_directory_is_used_when_one_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    run(f"""
import json
directories = [{str(tmp_path / "file" / "below")!r}, {str(tmp_path / "good")!r}]
config = json.dumps({{"type": "filesystem", "params": {{"directory_path": directories}}}})
start(_system_config={{"object_spilling_config": config}})
refs = [ray.put(array(number)) for number in range(24)]
for number, ref in enumerate(refs):
    check(ray.get(ref), number)
assert glob.glob(directories[1] + "/localray_spilled_objects_*/*") and not spilled()
print("right")
""")
    assert not list((tmp_path / "good").iterdir())


def test_missing_and_damaged_files_lose_their_objects_and_no_other() -> None:
    run("""
start(object_spilling_directory=os.environ["TMPDIR"])
refs = spill_some()
files = spilled()
on_disk = [path for path in files if not path.endswith(".lock")]
os.unlink(on_disk[0])
with open(on_disk[1], "r+b") as file:
    file.write(b"damaged!")
os.truncate(on_disk[2], 5000)

@ray.remote
def read(value):
    return int(value[0])

lost = []
for number, ref in enumerate(refs):
    try:
        check(ray.get(ref), number)
    except ray.exceptions.ObjectLostError as error:
        lost.append((number, str(error)))
texts = " ".join(text for _, text in lost)
assert len(lost) == 5, lost  # A file holds two; of one only the first was hit.
assert all(path in texts for path in on_disk[:3]), texts
assert all(words in texts for words in ("is missing", "header is damaged", "is cut off")), texts
for number, text in lost:
    try:
        ray.get(read.remote(refs[number]))
    except ray.exceptions.ObjectLostError as error:
        assert "localray_spilled_objects_" in str(error), error
    else:
        raise AssertionError("a lost object was read")
print("right")
""")


def test_checksums_tell_of_altered_bytes() -> None:
    run("""
os.environ["LOCALRAY_CHECKSUMS"] = "1"
start()

@ray.remote
def read(value):
    return int(value[0])

refs = spill_some()
files = [path for path in spilled() if not path.endswith(".lock")]
with open(files[0], "r+b") as file:
    file.seek(1 << 20)
    file.write(b"altered")
lost = 0
for number, ref in enumerate(refs):
    try:
        assert ray.get(read.remote(ref)) == number
        check(ray.get(ref), number)
    except ray.exceptions.ObjectLostError as error:
        assert "not those that were written" in str(error), error
        lost += 1
assert lost == 1, lost
in_memory = ray.put(array(200))
[arena] = _session.engine.client.store._arenas.values()
arena.writable(0, STORE)[:] = bytes(STORE)
try:
    ray.get(in_memory)
except ray.exceptions.ObjectLostError:
    print("right")
""")


@pytest.mark.parametrize("victim", ["driver", "head", "fork server"])
def test_whoever_is_killed_no_file_is_left(victim: str) -> None:
    program = """
start()
@ray.remote
def parent():
    return os.getppid()
print(f"forker={ray.get(parent.remote())}")
print(f"head={_session.engine.head_process_id}")
refs = spill_some()
print("spilled")
sys.stdin.readline()
ray.shutdown()
assert not spilled(), spilled()
print("right")
"""
    with Driver(_STORE + program, stdin=-1) as driver:
        forker, head = driver.wait_for_number("forker"), driver.wait_for_number("head")
        driver.wait_for("spilled")
        assert list(driver.temporary.iterdir())
        if victim == "driver":
            driver.signal(signal.SIGKILL)
            driver.wait_until_gone()
            return
        os.kill(head if victim == "head" else forker, signal.SIGKILL)
        wait_until(lambda: not list(driver.temporary.iterdir()), "the spilled files are gone")
        driver.say("go on")
        assert "right" in driver.end().output


def _sessions_in(directory: Path) -> int:
    return len(list(directory.glob("*session*")))


def test_what_is_left_when_all_are_killed_at_once_is_swept_by_the_next_session(tmp_path: Path) -> None:
    program = f"""
start(object_spilling_directory={str(tmp_path)!r})
refs = [ray.put(array(number)) for number in range(24)]
print("spilled")
time.sleep(1000)
"""
    with Driver(_STORE + program) as driver:
        driver.wait_for("spilled")
        # Stopped first, so that none of them can clean up after another.
        processes = list(driver.processes())
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes:
                os.kill(process, number)
        wait_until(lambda: not list(driver.processes()), "all are gone")
        # What it spilled, and its session's directory, each with a lock file; and where others find the session.
        assert len(list(tmp_path.iterdir())) == 2
        assert _sessions_in(driver.temporary) == 2
        [meeting_place] = driver.temporary.glob("localray-*")
        left = _sessions_in(meeting_place)
        assert left
        following = f"""
from pathlib import Path
start(object_spilling_directory={str(tmp_path)!r})
assert not os.listdir({str(tmp_path)!r})
# Its own.
assert len(list(Path(os.environ["TMPDIR"]).glob("localray_session_*"))) == 2
assert len(os.listdir({str(meeting_place)!r})) == {left}
print("right")
"""
        with Driver(_STORE + following, temporary=driver.temporary) as other:
            assert "right" in other.end().output
    assert not list(tmp_path.iterdir())
