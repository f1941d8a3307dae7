"""What workers print: seen on the driver with a prefix that says whose it is, folded, hidden, and never in the way."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from types import ModuleType

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, program

OWN_INIT = "calls ray.init itself and so chooses no engine"
LOCAL = {"address": "local", "num_cpus": 2, "include_dashboard": False, "log_to_driver": True}
COLOURS = re.compile(r"\x1b\[\d+m")


class Screen:
    """What was written to the driver's own `sys.stdout` and `sys.stderr` meanwhile."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()

    def lines(self) -> list[str]:
        """Of standard output, without colours."""
        return COLOURS.sub("", self.out.getvalue()).splitlines()

    def errors(self) -> list[str]:
        """Of standard error, without colours."""
        return COLOURS.sub("", self.err.getvalue()).splitlines()


@contextlib.contextmanager
def watching() -> Iterator[Screen]:
    """Replaces the streams, as notebooks do."""
    screen = Screen()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = screen.out, screen.err
    try:
        yield screen
    finally:
        sys.stdout, sys.stderr = before


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def what_a_task_prints_is_seen_with_its_name_and_process(ray: ModuleType) -> None:
    """L4: `(name pid=N) line` on the driver's stdout, and on its stderr what the task writes there."""
    ray.init(**LOCAL)

    @ray.remote
    def talk():
        print("first\nsecond")
        print("third", file=sys.stderr)
        return os.getpid()

    with watching() as screen:
        pid = ray.get(talk.remote())
        wait_until(lambda: len(screen.lines()) >= 2 and any("third" in line for line in screen.errors()), "it is seen")
        assert [line for line in screen.lines() if line.startswith("(talk")] == [
            f"(talk pid={pid}) first",
            f"(talk pid={pid}) second",
        ]
        assert f"(talk pid={pid}) third" in screen.errors()
        pid = ray.get(talk.options(name="named").remote())
        wait_until(lambda: any(line == f"(named pid={pid}) first" for line in screen.lines()), "by its other name")


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_line_without_its_end_is_seen(ray: ModuleType) -> None:
    """L4: What a task or a method has printed without a line's end is seen soon after it has returned."""
    ray.init(**LOCAL)

    @ray.remote
    def talk():
        for number in range(5):
            print(number, end=" ")
            print(100 + number, end=" ", file=sys.stderr)

    @ray.remote
    class Speaker:
        def speak(self):
            print("no end", end="")

    with watching() as screen:
        ray.get(talk.remote())
        wait_until(lambda: any(line.endswith("0 1 2 3 4 ") for line in screen.lines()), "the one is seen")
        wait_until(lambda: any("100 101 102 103 104" in line for line in screen.errors()), "the other is seen")
        speaker = Speaker.remote()
        ray.get(speaker.speak.remote())
        wait_until(lambda: any(line.endswith("no end") for line in screen.lines()), "the actor's is seen")


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def what_an_actor_prints_is_seen_with_its_class_or_its_own_repr(ray: ModuleType) -> None:
    """L4: the class's name, or after the constructor what its __repr__ says."""
    ray.init(**LOCAL)

    @ray.remote
    class Plain:
        def speak(self):
            print("plain speaks")
            return os.getpid()

    @ray.remote
    class Custom:
        def __init__(self, number):
            self.number = number

        def __repr__(self):
            return f"Custom({self.number})"

        def speak(self):
            print("custom speaks")
            return os.getpid()

    with watching() as screen:
        plain, custom = Plain.remote(), Custom.remote(3)
        pids = ray.get([plain.speak.remote(), custom.speak.remote()])
        wanted = {f"(Plain pid={pids[0]}) plain speaks", f"(Custom(3) pid={pids[1]}) custom speaks"}
        wait_until(lambda: wanted <= set(screen.lines()), "both are seen")


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_constructor_that_fails_is_seen(ray: ModuleType) -> None:
    """L4, AC9: the error of an actor's constructor is in the actor's output, whether or not anybody asks for it."""
    ray.init(**LOCAL)

    @ray.remote
    class Broken:
        def __init__(self):
            raise ValueError("not today")

    with watching() as screen:
        broken = Broken.remote()
        wait_until(lambda: any("ValueError: not today" in line for line in screen.errors()), "its error is seen")
        told = [line for line in screen.errors() if line.startswith("(Broken pid=")]
        assert "Exception raised in creation task: The actor died because of an error raised in" in told[0]
        del broken


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def what_is_printed_below_python_is_seen_too(ray: ModuleType) -> None:
    """L4: bytes written to descriptor 1, and what child processes print."""
    ray.init(**LOCAL)

    @ray.remote
    def talk():
        import subprocess

        print("from python")
        os.write(1, b"from below\n")
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)

    with watching() as screen:
        ray.get(talk.remote())
        wanted = ["from python", "from below", "from a child"]
        wait_until(lambda: [line.partition(") ")[2] for line in screen.lines()] == wanted, "all are seen, in order")


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def equal_lines_of_several_workers_are_folded(ray: ModuleType) -> None:
    """L4: one line at once, the others as `[repeated Nx across cluster]` in the end; numbers do not make a difference.
    What one worker repeats is shown each time."""
    ray.init(**LOCAL)

    @ray.remote(num_cpus=0)
    class Speaker:
        def speak(self, number):
            print(f"step {number} of many")

        def say(self, text):
            print(text)

    with watching() as screen:
        speakers = [Speaker.remote() for _ in range(4)]
        ray.get([speaker.say.remote("") for speaker in speakers])
        ray.get([speaker.speak.remote(number) for number, speaker in enumerate(speakers)])
        for _ in range(3):
            ray.get(speakers[0].say.remote("the same again"))
        wait_until(lambda: sum("the same again" in line for line in screen.lines()) == 3, "three times from one")
        assert sum("of many" in line for line in screen.lines()) == 1
        ray.shutdown()
        (folded,) = [line for line in screen.lines() if "repeated" in line]
        assert "of many [repeated 3x across cluster]" in folded


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def nothing_is_shown_where_it_is_not_wanted(ray: ModuleType) -> None:
    """L4: log_to_driver=False."""
    ray.init(**{**LOCAL, "log_to_driver": False})

    @ray.remote
    def talk():
        print("unseen")

    with watching() as screen:
        ray.get([talk.remote() for _ in range(3)])
        ray.shutdown()
    assert "unseen" not in screen.out.getvalue()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def output_is_seen_while_the_driver_computes(ray: ModuleType) -> None:
    """L4: the driver need not wait for the task."""
    ray.init(**LOCAL)

    @ray.remote
    def talk(gate):
        print("already here")
        while not os.path.exists(gate):  # noqa: PTH110
            pass

    import tempfile

    with tempfile.TemporaryDirectory() as directory, watching() as screen:
        ref = talk.remote(f"{directory}/gate")
        wait_until(lambda: any("already here" in line for line in screen.lines()), "it is seen while the task runs")
        with open(f"{directory}/gate", "w"):
            pass
        ray.get(ref)


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def workers_log_as_the_driver_says(ray: ModuleType) -> None:
    """L5: LoggingConfig sets the root logger of every worker, and of the driver, up: as JSON with ids, or as text."""
    import json
    import logging

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        with watching() as screen:
            ray.init(**LOCAL, logging_config=ray.LoggingConfig(encoding="JSON", log_level="DEBUG"))

            @ray.remote
            def talk():
                logging.getLogger("of.the.task").debug("said %s", "so", extra={"more": 3})
                return ray.get_runtime_context().get_task_id(), os.getpid()

            task_id, pid = ray.get(talk.remote())
            wait_until(lambda: any("said so" in line for line in screen.errors()), "it is seen")
            (line,) = [line for line in screen.errors() if "said so" in line]
            record = json.loads(line[line.index("{") :])
            assert record["message"] == "said so"
            assert record["levelname"] == "DEBUG"
            assert record["task_id"] == task_id
            assert record["task_name"] == "talk"
            assert record["process"] == pid
            assert record["more"] == 3
            assert {"asctime", "filename", "lineno", "job_id", "worker_id", "node_id", "timestamp_ns"} <= set(record)
            assert logging.getLogger().level == logging.DEBUG
            ray.shutdown()
            ray.init(**LOCAL, logging_config=ray.LoggingConfig(additional_log_standard_attrs=["name"]))

            @ray.remote
            def write():
                logging.getLogger("of.the.task").debug("not this")
                logging.getLogger("of.the.task").info("but this")

            ray.get(write.remote())
            wait_until(lambda: any("but this" in line for line in screen.errors()), "it is seen")
            assert not any("not this" in line for line in screen.errors())
            (line,) = [line for line in screen.errors() if "but this" in line]
            assert " -- but this name=of.the.task " in line
            assert " task_name=write " in line
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def loggers_of_the_driver_are_not_those_of_workers(ray: ModuleType) -> None:
    """L5: what the driver configures of `logging` is not seen by workers."""
    import logging

    before = logging.getLogger("conformance").level
    logging.getLogger("conformance").setLevel(logging.CRITICAL)
    try:
        ray.init(**LOCAL)
        level = ray.get(ray.remote(lambda: logging.getLogger("conformance").level).remote())
        assert level == logging.NOTSET
    finally:
        logging.getLogger("conformance").setLevel(before)


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_crash_in_native_code_says_where(ray: ModuleType) -> None:
    """L4: the stack of a worker that crashes below Python is seen on the driver's standard error."""
    ray.init(**LOCAL)

    @ray.remote(max_retries=0)
    def crash():
        import ctypes

        ctypes.string_at(0)

    with watching() as screen:
        try:
            ray.get(crash.remote())
        except ray.exceptions.WorkerCrashedError as error:
            assert "died unexpectedly" in str(error)
        else:
            raise AssertionError("it did not crash")
        wait_until(lambda: "Fatal Python error: Segmentation fault" in screen.err.getvalue(), "the crash is told")
        wait_until(lambda: "in crash" in screen.err.getvalue(), "the stack is shown")
