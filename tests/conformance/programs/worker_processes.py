"""The processes in which tasks and actors run: how long they live, what they are called, what they share, and that none
is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, program

MB = 2**20
PROCESSES = "it is about processes"
OWN_INIT = "calls ray.init itself and so chooses no engine"


def running(pid: int) -> bool:
    """Whether there is such a process; one that nobody has waited for yet counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


@program(engines=NOT_SIMULATED, reason=PROCESSES)
def a_worker_is_replaced_after_so_many_calls(ray: ModuleType) -> None:
    """T4: max_calls=2: a process runs the function twice and then goes; without a limit it stays."""

    @ray.remote(max_calls=2)
    def limited():
        return os.getpid()

    processes = [ray.get(limited.remote()) for _ in range(6)]
    assert processes[0] == processes[1] and processes[2] == processes[3] and processes[4] == processes[5]
    assert len(set(processes)) == 3
    wait_until(lambda: not any(running(pid) for pid in processes), "all three have gone")


@program(num_cpus=1, engines=NOT_SIMULATED, reason=PROCESSES)
def a_worker_is_used_again(ray: ModuleType) -> None:
    """T5: what a task leaves in a module is there for the next task in that process."""

    @ray.remote
    def count():
        import string

        string.conformance_count = getattr(string, "conformance_count", 0) + 1
        return os.getpid(), string.conformance_count

    found = [ray.get(count.remote()) for _ in range(5)]
    assert len({pid for pid, _ in found}) == 1
    first = found[0][1]
    assert [number for _, number in found] == list(range(first, first + 5))


@program(engines=NOT_SIMULATED, reason=PROCESSES)
def an_actor_has_a_process_to_itself(ray: ModuleType) -> None:
    """T5, AC1: neither another actor nor any task runs in it."""

    @ray.remote(num_cpus=0)
    class Resident:
        def process(self):
            return os.getpid()

    @ray.remote
    def process():
        return os.getpid()

    residents = [Resident.remote() for _ in range(3)]
    of_actors = ray.get([resident.process.remote() for resident in residents])
    of_tasks = ray.get([process.remote() for _ in range(20)])
    assert len(set(of_actors)) == 3
    assert not set(of_actors) & set(of_tasks)
    assert os.getpid() not in of_actors + of_tasks


@program(engines=NOT_SIMULATED, reason=PROCESSES)
def a_large_array_is_in_memory_once(ray: ModuleType) -> None:
    """V5: who reads it, as an argument or by get, has no copy of its own."""

    def private():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))

    @ray.remote
    class Reader:
        def __init__(self):
            self.kept = []

        def warm_up(self, array):
            return int(array.sum())

        def read(self, array, box):
            before = private()
            self.kept += [array, ray.get(box[0])]
            totals = [int(each.sum()) for each in self.kept]
            return totals, private() - before

    ref = ray.put(np.ones(64 * MB, dtype=np.uint8))
    readers = [Reader.options(num_cpus=0).remote() for _ in range(2)]
    ray.get([reader.warm_up.remote(np.ones(MB, dtype=np.uint8)) for reader in readers])
    for totals, grown in ray.get([reader.read.remote(ref, [ref]) for reader in readers]):
        assert totals == [64 * MB, 64 * MB]
        assert grown < 16 * MB


@program(engines=NOT_SIMULATED, reason=PROCESSES)
def a_gpuless_task_leaves_the_variable_alone(ray: ModuleType) -> None:
    """T13: CUDA_VISIBLE_DEVICES is not touched where no GPU was asked for."""

    @ray.remote
    def seen():
        return os.environ.get("CUDA_VISIBLE_DEVICES")

    @ray.remote
    class Actor:
        def seen(self):
            return os.environ.get("CUDA_VISIBLE_DEVICES")

    own = {"env_vars": {"CUDA_VISIBLE_DEVICES": "7"}}
    assert ray.get(seen.remote()) == os.environ.get("CUDA_VISIBLE_DEVICES")
    assert ray.get(seen.options(runtime_env=own).remote()) == "7"
    assert ray.get(Actor.options(runtime_env=own).remote().seen.remote()) == "7"


@program(num_cpus=1, num_gpus=1, engines=NOT_SIMULATED, reason=PROCESSES)
def what_has_gpus_runs_in_a_process_of_its_own(ray: ModuleType) -> None:
    """A process that has run tasks without GPUs is given none with one: libraries look for GPUs but once."""

    @ray.remote
    def process():
        return os.getpid()

    with_gpu = process.options(num_gpus=1)
    without = {ray.get(process.remote()) for _ in range(3)}
    assert len(without) == 1
    assert ray.get(with_gpu.remote()) not in without
    assert ray.get(process.remote()) in without


DRIVER = """
import os, signal, sys, time
import {ray} as ray

def parent_of(pid):
    with open(f"/proc/{{pid}}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])

def main():
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)

    @ray.remote
    def task(recorder):
        ray.get(recorder.add.remote(os.getpid()))
        time.sleep(600)

    @ray.remote(num_cpus=0)
    class Recorder:
        def __init__(self, driver):
            self.pids = [os.getpid()]
            while (parent := parent_of(self.pids[-1])) not in (0, 1, driver):
                self.pids.append(parent)
            self.above = len(self.pids)

        def add(self, pid):
            self.pids.append(pid)

        def are_running(self):
            return len(self.pids) == self.above + 2

        def all(self):
            return self.pids

    recorder = Recorder.remote(os.getpid())
    refs = [task.remote(recorder) for _ in range(2)]
    while not ray.get(recorder.are_running.remote()):
        time.sleep(0.01)
    print(*ray.get(recorder.all.remote()), flush=True)
    {end}

main()
"""


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def no_worker_outlives_its_driver(ray: ModuleType) -> None:
    """L3: after shutdown, the end of the program, an exception, SIGTERM and SIGKILL, whatever the tasks are at; nor does what
    started the workers."""
    for end in (
        "ray.shutdown(); print('down', flush=True); time.sleep(60)",
        "pass",
        "raise ValueError",
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
        "os.kill(os.getpid(), signal.SIGKILL)",
    ):
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER.format(ray=ray.__name__, end=end)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert driver.stdout is not None
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        assert len(pids) > 3
        if "down" in end:
            assert driver.stdout.readline() == "down\n"
        else:
            driver.wait(timeout=60)
        wait_until(lambda pids=pids: not any(running(pid) for pid in pids), f"all are gone after {end!r}")
        driver.kill()
        driver.wait()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_driver_may_be_started_in_many_ways(ray: ModuleType) -> None:
    """L10, V12: a file, -c, -m and standard input; its own classes and functions, and a module next to the file."""
    beside = "def triple(x):\n    return 3 * x\n\nclass Beside:\n    number = 5\n"
    code = textwrap.dedent(
        """
        import {ray} as ray
        ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)

        class Point:
            def __init__(self, x):
                self.x = x

        def helper(point):
            return Point(point.x + 1)

        @ray.remote
        def move(point):
            assert type(point).__name__ == "Point"
            return helper(point)

        @ray.remote
        class Actor:
            def move(self, point):
                return helper(point)

        moved = ray.get(move.remote(Point(1)))
        assert type(moved) is Point, type(moved)
        print(moved.x, ray.get(Actor.remote().move.remote(moved)).x)
        {more}
        """
    ).format(ray=ray.__name__, more="{more}")
    imports = textwrap.dedent(
        """
        import beside_conformance

        @ray.remote
        def use(thing):
            import beside_conformance
            return beside_conformance.triple(thing.number), type(thing) is beside_conformance.Beside

        print(*ray.get(use.remote(beside_conformance.Beside())))
        """
    )
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "beside_conformance.py").write_text(beside)
        script = Path(directory, "script_conformance.py")
        script.write_text(code.format(more=imports))
        alone = code.format(more="")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        for arguments, standard_input, where, expected in (
            ([str(script)], None, "/", "2 3\n15 True\n"),
            (["-m", "script_conformance"], None, directory, "2 3\n15 True\n"),
            (["-c", alone], None, "/", "2 3\n"),
            (["-"], alone, "/", "2 3\n"),
        ):
            done = subprocess.run(
                [sys.executable, *arguments],
                input=standard_input,
                capture_output=True,
                text=True,
                cwd=where,
                env=environment,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr[-3000:]
            assert done.stdout == expected, arguments


@program(engines=NOT_SIMULATED, reason=PROCESSES)
def a_signal_from_outside_is_a_crash(ray: ModuleType) -> None:
    """T1: SIGKILL of a task's process from another one: it is run again; without retries WorkerCrashedError."""

    @ray.remote(num_cpus=0)
    class Recorder:
        def __init__(self):
            self.pids = []

        def add(self, pid):
            self.pids.append(pid)
            return len(self.pids)

        def all(self):
            return self.pids

    recorder = Recorder.remote()

    @ray.remote(max_retries=1)
    def work(recorder):
        import time

        if ray.get(recorder.add.remote(os.getpid())) == 1:
            time.sleep(600)
        return "again"

    ref = work.remote(recorder)
    wait_until(lambda: len(ray.get(recorder.all.remote())) == 1, "it runs")
    os.kill(ray.get(recorder.all.remote())[0], signal.SIGKILL)
    assert ray.get(ref, timeout=60) == "again"

    other = Recorder.remote()
    ref = work.options(max_retries=0).remote(other)
    wait_until(lambda: len(ray.get(other.all.remote())) == 1, "it runs")
    os.kill(ray.get(other.all.remote())[0], signal.SIGKILL)
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(ref, timeout=60)


@program(engines=NOT_SIMULATED, reason="simulated workers are no processes")
def processes_are_called_by_what_they_run(ray: ModuleType) -> None:
    """T15: `ps` and its kin show the name of the task or method, of an idle actor its class, of others that they idle."""

    def called(process: int) -> tuple[str, str]:
        directory = Path(f"/proc/{process}")
        return directory.joinpath("cmdline").read_bytes().split(b"\0")[0].decode(), directory.joinpath("comm").read_text().strip()

    @ray.remote
    def title() -> tuple:
        words = Path("/proc/self/cmdline").read_bytes().split(b"\0")
        return os.getpid(), words[0].decode(), Path("/proc/self/comm").read_text().strip()

    @ray.remote
    class Keeper:
        def title(self) -> tuple:
            words = Path("/proc/self/cmdline").read_bytes().split(b"\0")
            return os.getpid(), words[0].decode(), Path("/proc/self/comm").read_text().strip()

    process, *names = ray.get(title.options(name="mine").remote())
    assert names == ["ray::mine", "ray::mine"]
    wait_until(lambda: called(process) == ("ray::IDLE", "ray::IDLE"), "the worker idles")
    keeper = Keeper.remote()
    process, *names = ray.get(keeper.title.remote())
    assert names[0] == "ray::Keeper.title"
    assert "ray::Keeper.title".startswith(names[1])
    assert ray.get(keeper.title.options(name="call").remote())[1:] == ("ray::call", "ray::call")
    wait_until(lambda: called(process)[0] == "ray::Keeper", "the actor idles")
    threaded = Keeper.options(name="threaded", max_concurrency=2).remote()
    # A short name is one thread's own, and calls run on others.
    assert ray.get(threaded.title.remote())[1:] == ("ray::Keeper.title", "ray::Keeper")
