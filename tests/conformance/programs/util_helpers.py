"""U4, U6, U7 and the small helpers of `ray.util`: metrics, test utilities, as_completed, log_once, annotations."""

from __future__ import annotations

import asyncio
import pickle
import warnings
from types import ModuleType
from typing import Any

import pytest

from ..helpers import make_gate, make_recorder, make_waiter, module_of
from ..registry import NOT_SIMULATED, program


def _raises(kind: type[BaseException], function: Any, *args: Any, **kwargs: Any) -> str:
    try:
        function(*args, **kwargs)
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


@program()
def as_completed_gives_each_result_once(ray: ModuleType) -> None:
    """U7, surface 6: every result once; of a chunk in the order of submission; references on demand."""

    @ray.remote
    def double(value: int) -> int:
        return 2 * value

    refs = [double.remote(value) for value in range(25)]
    assert sorted(ray.util.as_completed(refs)) == [2 * value for value in range(25)]
    assert sorted(ray.util.as_completed(refs, chunk_size=1)) == [2 * value for value in range(25)]
    assert set(ray.util.as_completed(refs, yield_obj_refs=True)) == set(refs)
    assert list(ray.util.as_completed([])) == []
    assert len(refs) == 25


@program()
def as_completed_does_not_wait_for_the_slow(ray: ModuleType) -> None:
    """U7, surface 6: what is ready comes while another task still runs."""
    waiter, gate = make_waiter(ray), make_gate(ray)
    refs = [waiter.remote(gate, "slow"), ray.put("fast")]
    results = ray.util.as_completed(refs, chunk_size=1)
    assert next(results) == "fast"
    ray.get(gate.open.remote())
    assert list(results) == ["slow"]


@program()
def as_completed_checks_its_arguments(ray: ModuleType) -> None:
    """U7, surface 6: a chunk below 1 and `num_returns` are ValueErrors when the first result is asked for."""
    for arguments in ({"chunk_size": 0}, {"num_returns": 1}):
        _raises(ValueError, next, ray.util.as_completed([ray.put(1)], **arguments))

    @ray.remote
    def same(value: int) -> int:
        return value

    for arguments in ({"chunk_size": 0}, {"num_returns": 1}, {"backpressure_size": 0}):
        _raises(ValueError, next, ray.util.map_unordered(same, [1], **arguments))


@program()
def map_unordered_keeps_few_in_flight(ray: ModuleType) -> None:
    """U7, surface 6: at most `backpressure_size` tasks have been submitted beyond those whose results were given."""
    recorder = make_recorder(ray)

    @ray.remote
    def same(value: int) -> int:
        return value

    taken = 0

    def items() -> Any:
        nonlocal taken
        for value in range(12):
            taken += 1
            yield value

    given = []
    for result in ray.util.map_unordered(same, items(), backpressure_size=3, chunk_size=1):
        given.append(result)
        assert taken - len(given) < 3 or taken == 12, (taken, given)
    assert sorted(given) == list(range(12))
    assert sorted(ray.util.map_unordered(same, range(5), backpressure_size=None)) == [0, 1, 2, 3, 4]
    assert len(list(ray.util.map_unordered(recorder.add, range(5), yield_obj_refs=True))) == 5
    assert ray.get(recorder.count.remote()) == 5


@program(starts_session=False)
def metrics_check_their_arguments(ray: ModuleType) -> None:
    """U4, surface 6: bad names, tags and types."""
    metrics = module_of(ray, "util.metrics")
    _raises(ValueError, metrics.Counter, "")
    _raises(TypeError, metrics.Counter, "count", tag_keys=["a"])
    _raises(TypeError, metrics.Counter, "count", tag_keys=(1,))
    counter = metrics.Counter("count", description="what is counted", tag_keys=("a", "b"))
    assert counter.info == {
        "name": "count",
        "description": "what is counted",
        "tag_keys": ("a", "b"),
        "default_tags": {},
    }
    assert _raises(ValueError, counter.set_default_tags, {"c": "1"}) == "Unrecognized tag key c."
    _raises(TypeError, counter.set_default_tags, {"a": 1})
    assert counter.set_default_tags({"a": "1"}) is counter and counter.info["default_tags"] == {"a": "1"}
    assert _raises(ValueError, counter.inc) == "Missing value for tag key(s): b."
    _raises(TypeError, counter.inc, 1, tags={"b": 1})
    for wrong in (0, -1):
        assert _raises(ValueError, counter.inc, wrong, tags={"b": "2"}) == f"value must be >0, got {wrong}"
    _raises(TypeError, counter.inc, "1", tags={"b": "2"})
    for boundaries in (None, [], [1.0, 0.0], [-1.0]):
        _raises(ValueError, metrics.Histogram, "spread", boundaries=boundaries)
    histogram = metrics.Histogram("spread", boundaries=[1.0, 2.0], tag_keys=("a",))
    assert histogram.info["boundaries"] == [1.0, 2.0]
    _raises(TypeError, histogram.observe, "1", tags={"a": "1"})
    _raises(TypeError, metrics.Gauge("level").set, "1")
    for metric in (counter, histogram, metrics.Gauge("level", tag_keys=("a",))):
        copy = pickle.loads(pickle.dumps(metric))
        assert type(copy) is type(metric) and copy.info["tag_keys"] == metric.info["tag_keys"]


@program(starts_session=False)
def metrics_with_odd_names(ray: ModuleType) -> None:
    """U4, surface 6: an invalid name and one with a colon are told of and accepted."""
    metrics = module_of(ray, "util.metrics")
    for name, category in (("1x", UserWarning), ("a-b", UserWarning), ("a:b", FutureWarning)):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            metrics.Gauge(name)
        assert [warning.category for warning in told] == [category], (name, told)


@program()
def metrics_in_tasks(ray: ModuleType) -> None:
    """U4, surface 6: metrics are recorded in tasks, and travel to them."""
    metrics = module_of(ray, "util.metrics")
    counter = metrics.Counter("tasks", tag_keys=("kind",))

    @ray.remote
    def work() -> dict[str, Any]:
        counter.inc(tags={"kind": "some"})
        metrics.Gauge("level").set(3.5)
        metrics.Gauge("level").set(None)
        metrics.Histogram("spread", boundaries=[1, 2]).observe(1.5)
        return dict(counter.info)

    assert ray.get(work.remote())["tag_keys"] == ("kind",)


@program()
def signal_actors_hold_up(ray: ModuleType) -> None:
    """U6, surface 6: `SignalActor` holds up whoever waits until it is sent."""
    utils = module_of(ray, "_common.test_utils")
    signal = utils.SignalActor.remote()
    waiting = [signal.wait.remote() for _ in range(3)]
    utils.wait_for_condition(lambda: ray.get(signal.cur_num_waiters.remote()) == 3)
    assert ray.wait(waiting, timeout=0.05)[0] == []
    ray.get(signal.send.remote(clear=True))
    ray.get(waiting)
    assert ray.get(signal.cur_num_waiters.remote()) == 0
    again = signal.wait.remote()
    assert ray.get(signal.wait.remote(should_wait=False)) is None
    assert ray.wait([again], timeout=0.05)[0] == []
    ray.get(signal.send.remote())
    ray.get([again, signal.wait.remote()])


@program()
def semaphores_count(ray: ModuleType) -> None:
    """U6, surface 6: `Semaphore` lets in as many as its value."""
    utils = module_of(ray, "_common.test_utils")
    semaphore = utils.Semaphore.remote(value=2)
    ray.get([semaphore.acquire.remote(), semaphore.acquire.remote()])
    assert ray.get(semaphore.locked.remote()) is True
    third = semaphore.acquire.remote()
    assert ray.wait([third], timeout=0.05)[0] == []
    ray.get(semaphore.release.remote())
    ray.get(third)
    ray.get([semaphore.release.remote(), semaphore.release.remote()])
    assert ray.get(semaphore.locked.remote()) is False


@program(starts_session=False)
def conditions_are_waited_for(ray: ModuleType) -> None:
    """U6, surface 6: `wait_for_condition` and its kin: retried, exceptions swallowed unless told otherwise, RuntimeError in the end."""
    utils = module_of(ray, "_common.test_utils")
    asked = []

    def third_time(number: int) -> bool:
        asked.append(number)
        if len(asked) == 1:
            raise KeyError("not yet")
        return len(asked) == number

    utils.wait_for_condition(third_time, retry_interval_ms=1, number=3)
    assert asked == [3, 3, 3]

    def broken() -> bool:
        raise KeyError("broken for good")

    text = _raises(RuntimeError, utils.wait_for_condition, broken, timeout=0.02, retry_interval_ms=1)
    assert text.startswith("The condition wasn't met before the timeout expired. Last exception:"), text
    assert "broken for good" in text
    _raises(KeyError, utils.wait_for_condition, broken, raise_exceptions=True)

    async def coroutine_condition() -> bool:
        asked.append(0)
        return len(asked) > 5

    asyncio.run(utils.async_wait_for_condition(coroutine_condition, retry_interval_ms=1))
    asyncio.run(utils.async_wait_for_condition(lambda: True))
    text = _raises(
        RuntimeError, asyncio.run, utils.async_wait_for_condition(lambda: False, timeout=0.01, retry_interval_ms=1)
    )
    assert text == "The condition wasn't met before the timeout expired."


@program(starts_session=False, engines=NOT_SIMULATED, reason="starts interpreters")
def drivers_from_strings(ray: ModuleType) -> None:
    """U6, surface 6: `run_string_as_driver` gives the output, and raises for a program that fails."""
    import subprocess

    assert module_of(ray, "_common.test_utils").run_string_as_driver("print('out')\nimport sys; print('err', file=sys.stderr)") in (
        "out\nerr\n",
        "err\nout\n",
    )
    assert module_of(ray, "_private.test_utils").run_string_as_driver_stdout_stderr("import sys; print('err', file=sys.stderr)") == ("", "err\n")
    _raises(
        subprocess.CalledProcessError, module_of(ray, "_common.test_utils").run_string_as_driver, "raise SystemExit(3)"
    )
    utils = module_of(ray, "_private.test_utils")
    process = utils.run_string_as_driver_nonblocking("print('later', __name__)")
    utils.wait_for_pid_to_exit(process.pid)
    assert process.stdout.read() == b"later __main__\n"
    process.stderr.close()
    process.stdout.close()
    process.wait()


@program(starts_session=False)
def fake_timers_go_on_when_told(ray: ModuleType) -> None:
    """U6, surface 6: `FakeTimer`."""
    timer = module_of(ray, "_common.test_utils").FakeTimer(10.0)
    assert timer.time() == 10.0
    timer.advance(1.5)
    timer.realistic_sleep(1)
    assert abs(timer.time() - 12.501) < 1e-9
    timer.reset(3.0)
    assert timer.time() == 3.0


@program(starts_session=False)
def log_once_is_true_once(ray: ModuleType) -> None:
    """Surface 6: `log_once` for each key; `reset_log_once` forgets."""
    debug = module_of(ray, "util.debug")
    debug.reset_log_once()
    assert [ray.util.log_once("a"), ray.util.log_once("a"), ray.util.log_once("b")] == [True, False, True]
    debug.reset_log_once("a")
    assert [debug.log_once("a"), debug.log_once("b")] == [True, False]


@program(starts_session=False)
def annotations_mark_and_warn(ray: ModuleType) -> None:
    """Surface 6: the decorators of `ray.util.annotations` keep what they decorate; `Deprecated` warns if told to."""
    annotations = module_of(ray, "util.annotations")

    @annotations.PublicAPI
    def plain() -> int:
        """Documented."""
        return 1

    @annotations.PublicAPI(stability="beta", api_group="Group")
    class Beta:
        pass

    @annotations.DeveloperAPI
    def developer() -> int:
        return 2

    @annotations.Deprecated(message="Use the other.", warning=True)
    def old() -> int:
        return 3

    @annotations.Deprecated(warning=True)
    class Old:
        def __init__(self, value: int) -> None:
            self.value = value

    assert (plain(), developer()) == (1, 2) and plain.__doc__ == "Documented." and isinstance(Beta(), Beta)
    assert "beta" in Beta.__doc__ and "may change" in developer.__doc__ and "Use the other." in old.__doc__
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert (old(), Old(4).value) == (3, 4)
    assert [warning.category for warning in told] == [annotations.RayDeprecationWarning] * 2
    assert "Use the other." in str(told[0].message) and issubclass(told[0].category, DeprecationWarning)
    _raises(AssertionError, annotations.PublicAPI, stability="odd")
    _raises(ValueError, annotations.Deprecated, odd=1)


@program(starts_session=False)
def names_of_the_machine(ray: ModuleType) -> None:
    """Surface 6: addresses, and names of accelerators."""
    assert ray.util.get_node_ip_address().count(".") == 3
    assert ray.util.get_node_instance_id() == ""
    assert ray.util.accelerators.NVIDIA_TESLA_V100 == "V100" and ray.util.accelerators.APPLE_M1_MAX == "M1-Max"


@program()
def actors_that_are_called_together(ray: ModuleType) -> None:
    """Surface 6: `ray.util.actor_group.ActorGroup`: a method of all, metadata, more and fewer actors, an end and a new start."""
    module = module_of(ray, "util.actor_group")

    class Member:
        def __init__(self, base: int, step: int = 1) -> None:
            self.value = base

        def get_actor_metadata(self) -> str:
            return f"member of {self.value}"

        def add(self, number: int) -> int:
            self.value += number
            return self.value

    with pytest.warns(DeprecationWarning, match=r"use ray\.util\.multiprocessing"):
        group = module.ActorGroup(Member, 2, num_cpus_per_actor=0, init_args=(10,), init_kwargs={"step": 2})
    assert len(group) == 2 and group.actor_metadata == ["member of 10"] * 2
    assert ray.get(group.add.remote(5)) == [15, 15]
    assert ray.get(group[1].actor.add.remote(1)) == 16
    group.add_actors(1)
    assert ray.get(group.add.remote(1)) == [16, 17, 11]
    group.remove_actors([0])
    assert ray.get(group.add.remote(1)) == [18, 12] and len(group) == 2
    with pytest.raises(TypeError, match="cannot be called directly"):
        group.add(1)
    with pytest.raises(RuntimeError, match="already been started"):
        group.start()
    group.shutdown(patience_s=0)
    with pytest.raises(RuntimeError, match="has been shutdown"):
        _ = group.add
    group.start()
    assert ray.get(group.add.remote(0)) == [10, 10]
    group.shutdown()
    assert len(group) == 0
    for wrong in ({"num_actors": 0}, {"num_cpus_per_actor": -1}):
        with pytest.raises(ValueError):
            module.ActorGroup(Member, **wrong)
