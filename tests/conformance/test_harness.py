"""The conformance harness itself: the leak check finds what it is for, the registry refuses bad declarations."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from localray.leaks import check_no_leaks, mark_environment, take_snapshot

from .registry import NOT_SIMULATED, Engine, RegistrationError, load_programs, program

SLEEPER = "import time; time.sleep(60)"


def test_nothing_left_behind_is_fine() -> None:
    before = take_snapshot()
    check_no_leaks(before, deadline_s=0)


def test_a_child_process_is_found() -> None:
    mark_environment()
    before = take_snapshot()
    process = subprocess.Popen([sys.executable, "-c", SLEEPER])
    try:
        with pytest.raises(AssertionError, match=rf"process {process.pid}: .*time\.sleep"):
            check_no_leaks(before, deadline_s=0)
    finally:
        process.kill()
        process.wait()
    check_no_leaks(before)


def test_an_orphan_is_found_by_its_mark() -> None:
    mark_environment()
    before = take_snapshot()
    start = (
        "import subprocess, sys; "
        f"print(subprocess.Popen([sys.executable, '-c', {SLEEPER!r}], stdout=subprocess.DEVNULL).pid)"
    )
    parent = subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, start_new_session=True)
    output, _ = parent.communicate(timeout=60)
    orphan = psutil.Process(int(output))
    try:
        assert orphan.ppid() != os.getpid()
        with pytest.raises(AssertionError, match=f"process {orphan.pid}: "):
            check_no_leaks(before, deadline_s=0)
    finally:
        orphan.kill()
        orphan.wait(60)
    check_no_leaks(before)


def test_a_shared_memory_file_is_found() -> None:
    before = take_snapshot()
    segment = Path("/dev/shm") / f"conformance-{os.getpid()}"
    segment.write_bytes(b"left behind")
    try:
        with pytest.raises(AssertionError, match=f"shared memory: {segment.name}"):
            check_no_leaks(before, deadline_s=0)
    finally:
        segment.unlink()
    check_no_leaks(before, deadline_s=0)


def test_a_strangers_shared_memory_file_is_no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    segment = Path("/dev/shm") / f"conformance-stranger-{os.getpid()}"
    hold = f"import sys; held = open({str(segment)!r}, 'wb'); print('open', flush=True); sys.stdin.read()"
    monkeypatch.delenv("LOCALRAY_LEAK_MARK", raising=False)
    before = take_snapshot()
    stranger = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"open\n"
        with pytest.raises(AssertionError) as found:
            check_no_leaks(before, deadline_s=0)
        # As a child it is ours and its file a leak; as a process that was there before it is neither.
        assert f"shared memory: {segment.name}" in str(found.value)
        assert f"process {stranger.pid}" in str(found.value)
    finally:
        stranger.communicate(timeout=60)
        segment.unlink()


def test_a_thread_is_found() -> None:
    before = take_snapshot()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="left-behind")
    thread.start()
    try:
        with pytest.raises(AssertionError, match="thread: left-behind"):
            check_no_leaks(before, deadline_s=0)
    finally:
        stop.set()
        thread.join()
    check_no_leaks(before)


def test_a_descriptor_is_found() -> None:
    before = take_snapshot()
    reader, writer = os.pipe()
    try:
        with pytest.raises(AssertionError, match=rf"descriptor {reader}: pipe:"):
            check_no_leaks(before, deadline_s=0)
    finally:
        os.close(reader)
        os.close(writer)
    check_no_leaks(before, deadline_s=0)


def test_the_registry_refuses_bad_declarations() -> None:
    def get_of_an_empty_list(ray: ModuleType) -> None:
        """A second program of this name."""

    def undocumented(ray: ModuleType) -> None:
        pass

    def documented(ray: ModuleType) -> None:
        """Fine but for its engines."""

    load_programs()
    with pytest.raises(RegistrationError, match="two conformance programs"):
        program()(get_of_an_empty_list)
    with pytest.raises(RegistrationError, match="undocumented: the docstring"):
        program()(undocumented)
    with pytest.raises(RegistrationError, match="documented: give `reason`"):
        program(engines=NOT_SIMULATED)(documented)
    with pytest.raises(RegistrationError, match="documented: give `reason`"):
        program(reason="for no engine left out")(documented)


def test_every_program_can_run_on_the_process_engine() -> None:
    programs = load_programs()
    assert len(programs) >= 280
    assert [each.name for each in programs if Engine.PROCESSES not in each.engines] == []
