"""Odd exceptions, retries, and what the death of a worker looks like."""

from __future__ import annotations

import logging
import os
import sys
from types import ModuleType

import pytest

from ..helpers import make_recorder, wait_until
from ..registry import NOT_SIMULATED, program


@program()
def stop_iteration_arrives_as_itself(ray: ModuleType) -> None:
    """T3: StopIteration and GeneratorExit are ordinary failures of a task."""

    @ray.remote
    def stop():
        raise StopIteration("value")

    @ray.remote
    def leave():
        raise GeneratorExit("left")

    with pytest.raises(StopIteration) as caught:
        ray.get(stop.remote())
    assert caught.value.cause.args == ("value",)
    with pytest.raises(GeneratorExit) as caught_exit:
        ray.get(leave.remote())
    assert isinstance(caught_exit.value, ray.exceptions.RayTaskError)


@program()
def base_exceptions_reach_the_caller(ray: ModuleType) -> None:
    """T3: a user's BaseException arrives as RayTaskError of that type; the worker lives on."""

    class Abort(BaseException):
        pass

    @ray.remote(max_retries=0)
    def fail():
        raise Abort("stop all")

    with pytest.raises(BaseException, match="stop all") as caught:
        ray.get(fail.remote())
    assert isinstance(caught.value, ray.exceptions.RayTaskError)
    assert type(caught.value.cause).__name__ == "Abort"
    assert type(caught.value).__name__ == "RayTaskError(Abort)"


@program()
def a_raised_keyboard_interrupt_is_a_cancellation(ray: ModuleType) -> None:
    """T3: KeyboardInterrupt out of user code becomes TaskCancelledError."""

    @ray.remote(max_retries=0)
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(interrupt.remote())


@program()
def a_raised_ray_error_is_wrapped(ray: ModuleType) -> None:
    """E2: user code may raise RayError itself; the caller gets a RayTaskError with that cause."""

    @ray.remote
    def fail():
        raise ray.exceptions.RayError("by hand")

    with pytest.raises(ray.exceptions.RayTaskError, match="by hand") as caught:
        ray.get(fail.remote())
    assert type(caught.value.cause) is ray.exceptions.RayError


@program()
def user_errors_are_not_retried(ray: ModuleType) -> None:
    """T2: without retry_exceptions a raising task runs once."""
    recorder = make_recorder(ray)

    @ray.remote(max_retries=5)
    def fail(recorder):
        ray.get(recorder.add.remote("ran"))
        raise ValueError("once")

    with pytest.raises(ValueError, match="once"):
        ray.get(fail.remote(recorder))
    assert ray.get(recorder.count.remote()) == 1


@program()
def user_errors_are_retried_when_asked_for(ray: ModuleType) -> None:
    """T2: retry_exceptions=True runs max_retries more times; then the last error arrives."""
    recorder = make_recorder(ray)

    @ray.remote(max_retries=2, retry_exceptions=True)
    def fail(recorder):
        raise ValueError(f"run {ray.get(recorder.add.remote('ran'))}")

    with pytest.raises(ValueError, match="run 3"):
        ray.get(fail.remote(recorder))
    assert ray.get(recorder.count.remote()) == 3


@program()
def only_the_listed_errors_are_retried(ray: ModuleType) -> None:
    """T2: the list names types, subclasses count; a retried task may succeed."""
    recorder = make_recorder(ray)

    @ray.remote(max_retries=3, retry_exceptions=[LookupError])
    def flaky(recorder, kind):
        if ray.get(recorder.add.remote(kind)) < 3:
            raise KeyError("again") if kind == "listed" else ValueError("not again")
        return "finally"

    assert ray.get(flaky.remote(recorder, "listed")) == "finally"
    assert ray.get(recorder.count.remote()) == 3
    other = make_recorder(ray)
    with pytest.raises(ValueError, match="not again"):
        ray.get(flaky.remote(other, "unlisted"))
    assert ray.get(other.count.remote()) == 1


@program()
def a_dead_worker_is_a_worker_crashed_error(ray: ModuleType) -> None:
    """T1, T3: os._exit with max_retries=0 raises WorkerCrashedError, and later tasks run."""

    @ray.remote(max_retries=0)
    def die():
        os._exit(1)

    @ray.remote
    def live():
        return "alive"

    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(die.remote())
    assert ray.get(live.remote()) == "alive"


@program()
def a_dead_worker_is_retried_max_retries_times(ray: ModuleType) -> None:
    """T1: max_retries=2 gives three executions, then the error; fewer deaths than that give the value."""
    recorder = make_recorder(ray)

    @ray.remote(max_retries=2)
    def die_until(recorder, survivor):
        if ray.get(recorder.add.remote("ran")) < survivor:
            os._exit(1)
        return "survived"

    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(die_until.remote(recorder, 99))
    assert ray.get(recorder.count.remote()) == 3
    other = make_recorder(ray)
    assert ray.get(die_until.remote(other, 3)) == "survived"
    assert ray.get(other.count.remote()) == 3


@program()
def a_task_is_retried_three_times_by_default(ray: ModuleType) -> None:
    """T1: four executions at most."""
    recorder = make_recorder(ray)

    @ray.remote
    def die(recorder):
        ray.get(recorder.add.remote("ran"))
        os._exit(1)

    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(die.remote(recorder))
    assert ray.get(recorder.count.remote()) == 4


@program()
def sys_exit_in_a_task_is_a_crash(ray: ModuleType) -> None:
    """T3: SystemExit, whatever its code, ends the worker."""

    @ray.remote(max_retries=0)
    def leave(code):
        sys.exit(code)

    for code in (0, 3):
        with pytest.raises(ray.exceptions.WorkerCrashedError):
            ray.get(leave.remote(code))


@program()
def a_crash_fails_the_dependents_too(ray: ModuleType) -> None:
    """T11: what takes the lost result as an argument raises WorkerCrashedError as well."""

    @ray.remote(max_retries=0)
    def die():
        os._exit(1)

    @ray.remote
    def show(value):
        return value

    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(show.remote(die.remote()))


@program()
def what_takes_a_lost_argument_fails_as_a_task(ray: ModuleType) -> None:
    """T11: it raises a RayTaskError that is also the error of the argument, at any depth; a cancelled one likewise."""

    @ray.remote(max_retries=0)
    def die():
        os._exit(1)

    @ray.remote
    def show(value):
        return value

    @ray.remote(num_cpus=0)
    class Keeper:
        def __init__(self, value=None) -> None:
            pass

        def show(self, value=None):
            return value

        def leave(self) -> None:
            os._exit(1)

    errors = ray.exceptions
    lost = die.remote()
    with pytest.raises(errors.WorkerCrashedError) as first:
        ray.get(lost)
    assert not isinstance(first.value, errors.RayTaskError)
    keeper = Keeper.remote()
    for each in (show.remote(lost), show.remote(show.remote(lost)), keeper.show.remote(lost)):
        with pytest.raises(errors.RayTaskError) as caught:
            ray.get(each)
        assert isinstance(caught.value, errors.WorkerCrashedError)
        assert "input arguments" in str(caught.value) and "worker died" in str(caught.value)
    left = keeper.leave.remote()
    with pytest.raises(errors.RayTaskError) as of_an_actor:
        ray.get(show.remote(left))
    assert isinstance(of_an_actor.value, errors.RayActorError)
    with pytest.raises(errors.RayActorError):
        ray.get(Keeper.remote(lost).show.remote())


@program(engines=NOT_SIMULATED, reason="looks at the process's own log")
def an_error_that_nobody_sees_is_logged(ray: ModuleType) -> None:
    """E5: of a task whose ref was dropped; not of one that was waited for."""
    seen: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    @ray.remote
    def fail(text):
        raise ValueError(text)

    listener = Listener()
    logger = logging.getLogger("ray")
    logger.addHandler(listener)
    try:
        kept = fail.remote("waited for")
        ray.wait([kept])
        del kept
        fail.remote("forgotten")
        wait_until(lambda: any("ValueError: forgotten" in text for text in seen), "the error is logged")
    finally:
        logger.removeHandler(listener)
    assert [text.startswith("Unhandled error") for text in seen if "forgotten" in text] == [True]
    assert not any("waited for" in text for text in seen)


@program()
def an_exception_group_keeps_its_exceptions(ray: ModuleType) -> None:
    """E4: the cause is the group itself."""
    if sys.version_info < (3, 11):
        return

    @ray.remote
    def fail():
        raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])

    with pytest.raises(ray.exceptions.RayTaskError) as caught:
        ray.get(fail.remote())
    kinds = [type(error) for error in caught.value.cause.exceptions]
    assert kinds == [ValueError, KeyError]
    assert isinstance(caught.value, ExceptionGroup)


@program()
def exception_groups_can_be_taken_apart(ray: ModuleType) -> None:
    """E4: `except*` catches what is in a task's or a method's group by its types, and a plain error as a group of one; by
    RayTaskError the group itself."""
    if sys.version_info < (3, 11):
        return

    def fail(error):
        raise error

    @ray.remote(num_cpus=0)
    class Failing:
        def fail(self, error):
            raise error

    failing = Failing.remote()
    # In a text, for Python 3.10, which does not know `except*`.
    code = """
def caught(ref):
    found = []
    try:
        get(ref)
    except* ValueError as group:
        found.append(("ValueError", [type(error).__mro__ for error in group.exceptions]))
    except* TypeError as group:
        found.append(("TypeError", [type(error).__mro__ for error in group.exceptions]))
    return found

def caught_as_task_error(ref):
    found = []
    try:
        get(ref)
    except* kind as group:
        found += group.exceptions
    return found
"""
    names = {"get": ray.get, "kind": ray.exceptions.RayTaskError}
    exec(code, names)
    group = ExceptionGroup("several", [ValueError("one"), TypeError("two"), ValueError("three")])
    for call in (ray.remote(fail).remote, failing.fail.remote):
        found = names["caught"](call(group))
        assert [(name, len(kinds)) for name, kinds in found] == [("ValueError", 2), ("TypeError", 1)]
        [(name, [order])] = names["caught"](call(ValueError("alone")))
        assert name == "ValueError" and {ValueError, ray.exceptions.RayTaskError} <= set(order)
        errors = names["caught_as_task_error"](call(group))
        assert [str(error) for error in errors] == ["one", "two", "three"]
        [alone] = names["caught_as_task_error"](call(ValueError("alone")))
        assert isinstance(alone, ValueError) and isinstance(alone, ray.exceptions.RayTaskError)


@program()
def a_group_of_base_exceptions_reaches_the_caller(ray: ModuleType) -> None:
    """E4, T3: as a plain RayTaskError, whose cause is the group; an actor that raised one goes on."""
    if sys.version_info < (3, 11):
        return

    class Worse(BaseException):
        pass

    def fail():
        raise BaseExceptionGroup("worse", [Worse("one")])

    @ray.remote(num_cpus=0)
    class Failing:
        def fail(self):
            raise BaseExceptionGroup("worse", [Worse("one")])

        def ping(self):
            return "pong"

    failing = Failing.remote()
    for ref in (ray.remote(fail).remote(), failing.fail.remote()):
        with pytest.raises(ray.exceptions.RayTaskError) as caught:
            ray.get(ref)
        assert type(caught.value) is ray.exceptions.RayTaskError
        assert type(caught.value.cause) is BaseExceptionGroup
        assert [str(error) for error in caught.value.cause.exceptions] == ["one"]
    assert ray.get(failing.ping.remote()) == "pong"


@program()
def crashes_and_errors_share_one_budget(ray: ModuleType) -> None:
    """T2: max_retries=2 with retry_exceptions: an error, a crash, and then the error arrives."""
    recorder = make_recorder(ray)

    @ray.remote(max_retries=2, retry_exceptions=True)
    def fail(recorder):
        count = ray.get(recorder.add.remote("ran"))
        if count == 2:
            os._exit(1)
        raise ValueError(f"run {count}")

    with pytest.raises(ValueError, match="run 3"):
        ray.get(fail.remote(recorder))
    assert ray.get(recorder.count.remote()) == 3
