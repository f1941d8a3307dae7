"""The variables of the environment by which users steer a session, each in a driver of its own that is started with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from types import ModuleType

from ..registry import NOT_SIMULATED, program

OWN_DRIVER = "starts drivers of its own, which choose no engine"
COLOURS = re.compile(r"\x1b\[\d+m")
START = 'ray.init("local", num_cpus=2, include_dashboard=False, **OPTIONS)\n'


class Driver:
    """A driver that has run to its end: what it wrote."""

    def __init__(self, ray: ModuleType, code: str, start: str = START, **variables: str) -> None:
        text = f"import os, sys, time\nimport {ray.__name__} as ray\nOPTIONS = {{}}\n" + start + textwrap.dedent(code)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **variables}
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr[-3000:]
        self.out, self.err = done.stdout, done.stderr

    def lines(self) -> list[str]:
        """Of standard output, without colours."""
        return COLOURS.sub("", self.out).splitlines()


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def tasks_have_as_many_retries_as_the_variable_says(ray: ModuleType) -> None:
    """T1, surface 13: RAY_TASK_MAX_RETRIES is the default of max_retries, and only that."""
    code = """
        @ray.remote(num_cpus=0)
        class Counter:
            def __init__(self):
                self.counts = {}
            def add(self, name):
                self.counts[name] = self.counts.get(name, 0) + 1
            def all(self):
                return self.counts

        counter = Counter.remote()

        @ray.remote
        def die(name):
            ray.get(counter.add.remote(name))
            os._exit(1)

        for function, name in ((die, "default"), (die.options(max_retries=0), "own")):
            try:
                ray.get(function.remote(name))
            except ray.exceptions.WorkerCrashedError:
                pass
        print(ray.get(counter.all.remote()))
    """
    driver = Driver(ray, code, RAY_TASK_MAX_RETRIES="1")
    assert "{'default': 2, 'own': 1}" in driver.lines()


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def nothing_is_shown_if_the_variable_says_so(ray: ModuleType) -> None:
    """L4, surface 13: RAY_LOG_TO_DRIVER=0; what init is told goes before it."""
    code = """
        @ray.remote
        def talk():
            print("a task" + " talks", flush=True)
            return 1
        assert ray.get(talk.remote()) == 1
        time.sleep(1.5)
        print("the driver talks")
    """
    driver = Driver(ray, code, RAY_LOG_TO_DRIVER="0")
    assert "the driver talks" in driver.out and "a task talks" not in driver.out + driver.err
    driver = Driver(ray, code, start=START.replace("**OPTIONS", "log_to_driver=True"), RAY_LOG_TO_DRIVER="0")
    assert "a task talks" in driver.out


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def equal_lines_are_shown_if_the_variable_says_so(ray: ModuleType) -> None:
    """L4, surface 13: RAY_DEDUP_LOGS=0 shows each worker's line; without it they are folded."""
    code = """
        @ray.remote(num_cpus=0)
        class Talker:
            def talk(self):
                print("the same" + " words", flush=True)
        talkers = [Talker.remote() for _ in range(3)]
        ray.get([talker.talk.remote() for talker in talkers])
        time.sleep(1.5)
    """
    driver = Driver(ray, code, RAY_DEDUP_LOGS="0")
    assert sum("the same words" in line for line in driver.lines()) == 3
    driver = Driver(ray, code, RAY_DEDUP_LOGS="1")
    shown = [line for line in driver.lines() if "the same words" in line]
    assert len(shown) == 2 and "repeated 2x" in shown[1]


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def prefixes_are_coloured_or_left_out(ray: ModuleType) -> None:
    """L4, surface 13: RAY_COLOR_PREFIX=0 has no colours; RAY_DISABLE_WORKER_LOG_PREFIX=1 has no prefix."""
    code = """
        @ray.remote
        def talk():
            print("some" + " words", flush=True)
        ray.get(talk.remote())
        time.sleep(1.5)
    """
    shown = [line for line in Driver(ray, code, RAY_COLOR_PREFIX="0").out.splitlines() if "some words" in line]
    assert len(shown) == 1 and re.fullmatch(r"\(talk pid=\d+\) some words", shown[0])
    shown = [line for line in Driver(ray, code, RAY_COLOR_PREFIX="1").out.splitlines() if "some words" in line]
    assert len(shown) == 1 and shown[0].startswith("\x1b[") and shown[0].endswith("some words")
    driver = Driver(ray, code, RAY_DISABLE_WORKER_LOG_PREFIX="1")
    assert [line for line in driver.lines() if "some words" in line] == ["some words"]


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def errors_that_nobody_sees_may_be_kept_quiet(ray: ModuleType) -> None:
    """E5, surface 13: RAY_IGNORE_UNHANDLED_ERRORS=1: a failed task whose reference is dropped is not told of."""
    code = """
        @ray.remote
        def fail():
            raise ValueError("nobody" + " sees this")
        ref = fail.remote()
        time.sleep(1)
        del ref
        fail.remote()
        time.sleep(1.5)
        ray.get(ray.put(1))
    """
    assert "nobody sees this" in Driver(ray, code).err
    assert "nobody sees this" not in Driver(ray, code, RAY_IGNORE_UNHANDLED_ERRORS="1").err


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def sessions_live_where_the_variable_says(ray: ModuleType) -> None:
    """Surface 13: RAY_TMPDIR: the session's directory is below it."""
    with tempfile.TemporaryDirectory(prefix="r") as root:
        code = """
            print(os.path.realpath(ray.get_runtime_context().get_temp_dir()))
        """
        driver = Driver(ray, code, RAY_TMPDIR=root)
        assert Path(os.path.realpath(root)) in (Path(driver.lines()[-1]), *Path(driver.lines()[-1]).parents)


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def devices_may_be_left_alone(ray: ModuleType) -> None:
    """T13, surface 13: RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES=1: the ids are given, the variable is not set."""
    code = """
        @ray.remote(num_gpus=1)
        def seen():
            return ray.get_gpu_ids(), os.environ.get("CUDA_VISIBLE_DEVICES")
        print(ray.get(seen.remote()))
    """
    start = START.replace("**OPTIONS", "num_gpus=1")
    assert Driver(ray, code, start).lines()[-1] in ("([0], '0')", "(['0'], '0')")
    quiet = Driver(ray, code, start, RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES="1")
    assert quiet.lines()[-1] in ("([0], None)", "(['0'], None)")


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def the_users_number_of_threads_is_kept(ray: ModuleType) -> None:
    """T12, surface 13: OMP_NUM_THREADS that the user has set is what workers see, whatever num_cpus says."""
    code = """
        @ray.remote(num_cpus=2)
        def seen():
            return os.environ.get("OMP_NUM_THREADS")
        print(ray.get(seen.remote()))
    """
    assert Driver(ray, code, OMP_NUM_THREADS="7").lines()[-1] == "7"


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def cpus_are_counted_as_the_variable_says(ray: ModuleType) -> None:
    """Surface 13: RAY_USE_MULTIPROCESSING_CPU_COUNT=1: as many as multiprocessing counts."""
    start = 'ray.init("local", include_dashboard=False)\n'
    code = """
        import multiprocessing
        print(int(ray.cluster_resources()["CPU"]) == multiprocessing.cpu_count())
    """
    assert Driver(ray, code, start, RAY_USE_MULTIPROCESSING_CPU_COUNT="1").lines()[-1] == "True"


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def a_warning_of_blocking_calls_may_be_silenced(ray: ModuleType) -> None:
    """G5, surface 13: RAY_WARN_BLOCKING_GET_INSIDE_ASYNC=0; without it, one warning for each worker."""
    code = """
        @ray.remote
        class Blocking:
            async def get(self):
                return sum(ray.get(ray.put(number)) for number in range(3))
        assert ray.get(Blocking.remote().get.remote()) == 3
        time.sleep(1.5)
    """
    told = Driver(ray, code)
    assert (told.out + told.err).count("Using blocking ray.get inside") == 1
    quiet = Driver(ray, code, RAY_WARN_BLOCKING_GET_INSIDE_ASYNC="0")
    assert "Using blocking" not in quiet.out + quiet.err


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def a_retry_may_be_delayed(ray: ModuleType) -> None:
    """T1, surface 13: RAY_task_retry_delay_ms: so long a crashed task waits before it is run again."""
    code = """
        @ray.remote(num_cpus=0)
        class Times:
            def __init__(self):
                self.times = []
            def add(self):
                self.times.append(time.monotonic())
                return len(self.times)
            def all(self):
                return self.times

        times = Times.remote()

        @ray.remote(max_retries=1)
        def die_once():
            if ray.get(times.add.remote()) == 1:
                os._exit(1)

        ray.get(die_once.remote())
        first, second = ray.get(times.all.remote())
        print(second - first >= 3)
    """
    assert Driver(ray, code, RAY_task_retry_delay_ms="3000").lines()[-1] == "True"


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def large_captures_are_warned_of(ray: ModuleType) -> None:
    """V15, surface 13: a function that has captured more than ten megabytes is told of, and runs."""
    code = """
        captured = b"x" * (20 * 2**20)

        @ray.remote
        def use():
            return len(captured)

        assert ray.get(use.remote()) == 20 * 2**20
        time.sleep(1.5)
    """
    told = Driver(ray, code)
    assert "is very large" in told.out + told.err
    assert "use" in told.out + told.err


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def workers_log_as_the_variable_says(ray: ModuleType) -> None:
    """L5, surface 13: RAY_LOGGING_CONFIG_ENCODING=JSON: what workers log is JSON, with the ids of job and task."""
    code = """
        @ray.remote
        def log():
            import logging
            logging.getLogger().warning("told" + " by a logger")
            return ray.get_runtime_context().get_task_id()
        print("task", ray.get(log.remote()))
        time.sleep(1.5)
    """
    driver = Driver(ray, code, RAY_LOGGING_CONFIG_ENCODING="JSON")
    [task] = [line.split()[1] for line in driver.lines() if line.startswith("task ")]
    told = COLOURS.sub("", driver.out + driver.err)
    [line] = [line for line in told.splitlines() if "told by a logger" in line]
    record = json.loads(line[line.index("{") :])
    assert record["message"] == "told by a logger" and record["levelname"] == "WARNING"
    assert record["task_id"] == task and "job_id" in record
