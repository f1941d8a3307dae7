"""U3: `ray.util.multiprocessing.Pool`, and joblib's backend."""

from __future__ import annotations

import multiprocessing
import os
import threading
from types import ModuleType
from typing import Any

from ..helpers import make_gate, make_recorder, module_of, wait_until
from ..registry import NOT_SIMULATED, program


def _raises(kind: type[BaseException], function: Any, *args: Any, **kwargs: Any) -> str:
    try:
        function(*args, **kwargs)
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


def _pool(ray: ModuleType, *args: Any, **kwargs: Any) -> Any:
    return module_of(ray, "util.multiprocessing").Pool(*args, **kwargs)


@program()
def pools_map_in_order(ray: ModuleType) -> None:
    """U3, surface 6: `map`, `starmap`, `imap` are ordered, whatever the chunks; `imap_unordered` gives each once."""
    with _pool(ray) as pool:
        for options in ({}, {"chunksize": 1}, {"chunksize": 4}, {"chunksize": 100}):
            assert pool.map(lambda x: x * x, range(10), **options) == [x * x for x in range(10)]
            assert pool.starmap(lambda x, y: x - y, [(x, 1) for x in range(10)], **options) == list(range(-1, 9))
            assert list(pool.imap(lambda x: x * x, range(10), **(options or {"chunksize": 1}))) == [
                x * x for x in range(10)
            ]
            assert sorted(pool.imap_unordered(lambda x: -x, iter(range(10)), **options)) == list(range(-9, 1))
        assert pool.map(abs, []) == [] and pool.map(abs, iter([-1, -2])) == [1, 2]
        assert list(pool.imap(abs, [])) == []


@program()
def pools_apply(ray: ModuleType) -> None:
    """U3, surface 6: `apply` and `apply_async` with positional and keyword arguments."""
    with _pool(ray, 2) as pool:
        assert pool.apply(lambda: 1) == 1
        assert pool.apply(lambda a, b=0: (a, b), (1,), {"b": 2}) == (1, 2)
        result = pool.apply_async(lambda a: a + 1, (1,))
        assert result.get() == 2 and result.ready() and result.successful()
        assert result.get(timeout=0) == 2


@program()
def pools_raise_what_calls_raise(ray: ModuleType) -> None:
    """U3, surface 6: exceptions come out of `get` with their own type; other calls of the chunk are made all the same."""

    def odd(value: int) -> int:
        if value % 2:
            raise ValueError(value)
        return value

    with _pool(ray, 1) as pool:
        assert _raises(ValueError, pool.map, odd, [0, 1, 2, 3]) == "1"
        assert _raises(ValueError, pool.apply, odd, (5,)) == "5"
        result = pool.map_async(odd, [0, 1])
        result.wait()
        assert result.ready() and not result.successful()


@program()
def pools_give_errors_in_imap(ray: ModuleType) -> None:
    """U3, surface 6: `imap` gives an object with the `underlying` error in the place of a call that raised."""

    def odd(value: int) -> int:
        if value % 2:
            raise ValueError(value)
        return value

    with _pool(ray, 1) as pool:
        zero, one, two = pool.imap(odd, [0, 1, 2])
        assert (zero, two) == (0, 2) and isinstance(one, Exception)
        assert isinstance(one.underlying, ValueError) and one.underlying.args == (1,)


@program()
def pools_time_out(ray: ModuleType) -> None:
    """U3, surface 6: `AsyncResult.get(timeout)` and `imap(...).next(timeout)` raise `multiprocessing.TimeoutError`."""
    module = module_of(ray, "util.multiprocessing")
    assert module.TimeoutError is multiprocessing.TimeoutError
    gate = make_gate(ray)

    def wait_for(value: int) -> int:
        import time

        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        return value

    with _pool(ray, 1) as pool:
        result = pool.map_async(wait_for, [1, 2])
        results = pool.imap(wait_for, [3])
        _raises(multiprocessing.TimeoutError, result.get, timeout=0.01)
        _raises(multiprocessing.TimeoutError, results.next, timeout=0.01)
        assert not result.ready()
        _raises(ValueError, result.successful)
        result.wait(timeout=0.01)
        ray.get(gate.open.remote())
        assert result.get() == [1, 2] and result.successful()
        assert results.next() == 3
        _raises(StopIteration, results.next)


@program()
def pools_call_back(ray: ModuleType) -> None:
    """U3, surface 6: callbacks get the result, the list of results, or the first error, before `get` returns. Ray's list for the
    callback is in the order in which the results came."""

    def fail(value: int) -> int:
        raise KeyError(value)

    told: list[object] = []
    with _pool(ray, 2) as pool:
        assert pool.apply_async(abs, (-1,), callback=told.append).get() == 1
        assert told.pop() == 1
        pool.map_async(abs, [-1, -2, -3], callback=told.append, error_callback=told.append).get()
        assert sorted(told.pop()) == [1, 2, 3]  # type: ignore[call-overload]
        pool.starmap_async(pow, [(2, 3)], callback=told.append).wait()
        assert told.pop() == [8]
        pool.apply_async(fail, (1,), callback=told.append, error_callback=told.append).wait()
        [error] = told
        assert isinstance(getattr(error, "underlying", error), KeyError)


@program()
def pools_close_and_join(ray: ModuleType) -> None:
    """U3, surface 6: a closed pool finishes what it has, takes nothing more, and can be joined."""
    pool = _pool(ray, 2)
    assert _raises(ValueError, pool.join) == "Pool is still running"
    result = pool.map_async(abs, [-1, -2])
    pool.close()
    for method in (pool.map, pool.imap, pool.map_async, pool.starmap):
        assert _raises(ValueError, method, abs, [1]) == "Pool not running"
    assert _raises(ValueError, pool.apply, abs, (1,)) == "Pool not running"
    _raises(ValueError, pool.__enter__)
    pool.join()
    assert result.get() == [1, 2]
    pool.join()


@program()
def pools_terminate(ray: ModuleType) -> None:
    """U3, surface 6: a terminated pool gives up what it was doing; its actors are gone."""
    gate = make_gate(ray)

    def wait_for(value: int) -> int:
        import time

        while not ray.get(gate.is_open.remote()):
            time.sleep(0.01)
        return value

    pool = _pool(ray, 1)
    result = pool.apply_async(wait_for, (1,))
    pool.terminate()
    pool.join()
    _raises(ray.exceptions.RayActorError, result.get)
    _raises(ValueError, pool.apply, abs, (1,))


@program(engines=NOT_SIMULATED, reason="tells workers apart by process ids and module globals")
def pools_initialise_and_replace_processes(ray: ModuleType) -> None:
    """U3, surface 6: the initializer runs in each process; `maxtasksperchild` calls later there is another process."""
    recorder = make_recorder(ray)

    def begin(name: str) -> None:
        import os

        os.environ["BEGUN_BY"] = name
        ray.get(recorder.add.remote(os.getpid()))

    def look(_: int) -> tuple[int, str | None]:
        import os

        return os.getpid(), os.environ.get("BEGUN_BY")

    with _pool(ray, 2, initializer=begin, initargs=("me",), maxtasksperchild=2) as pool:
        assert ray.get(recorder.count.remote()) == 2
        seen = pool.map(look, range(8), chunksize=1)
        assert {name for _, name in seen} == {"me"}
        processes = [process for process, _ in seen]
        assert len(set(processes)) == 4 and all(processes.count(process) == 2 for process in processes)
        pool.close()
        pool.join()


@program()
def pools_of_too_many_processes(ray: ModuleType) -> None:
    """U3, surface 6: more processes than CPUs, or none, are a ValueError; options of the actors are theirs."""
    assert "only 2 CPUs" in _raises(ValueError, _pool, ray, 3)
    _raises(ValueError, _pool, ray, 0)
    with _pool(ray, 1, ray_remote_args={"num_cpus": 2}) as pool:
        assert pool.apply(lambda: ray.get_runtime_context().get_assigned_resources()) == {"CPU": 2.0}
        pool.close()
        pool.join()
    wait_until(lambda: ray.available_resources().get("CPU") == 2.0, "the CPUs are free again")


@program(starts_session=False, engines=NOT_SIMULATED, reason="a session that starts by need is of processes")
def pools_start_a_session(ray: ModuleType) -> None:
    """U3, surface 6: a pool starts a session by need, with as many CPUs as it has processes."""
    with _pool(ray, 1) as pool:
        assert ray.is_initialized() and ray.cluster_resources()["CPU"] == 1.0
        assert pool.map(abs, [-1]) == [1]
    ray.shutdown()


@program(nodes=[{"num_cpus": 1}], engines=NOT_SIMULATED, reason="drivers are processes")
def pools_join_a_session(ray: ModuleType, cluster: Any) -> None:
    """U3, surface 6: a pool joins the session of its address, or of RAY_ADDRESS; that has the CPUs that it has, and is joined too
    where the pool asks for more."""
    for address, variable in ((cluster.address, None), (None, cluster.address)):
        ray.shutdown()
        if variable:
            os.environ["RAY_ADDRESS"] = variable
        try:
            with _pool(ray, ray_address=address) as pool:
                assert ray.cluster_resources()["CPU"] == 1.0
                assert pool.map(abs, [-1]) == [1]
            ray.shutdown()
            assert "only 1" in _raises(ValueError, _pool, ray, 2, ray_address=address)
            assert ray.cluster_resources()["CPU"] == 1.0
        finally:
            os.environ.pop("RAY_ADDRESS", None)


@program()
def pools_tell_what_became_of_their_calls(ray: ModuleType) -> None:
    """U3, surface 6: `ready` and `successful` of a result, before and after it is there, of an error, and of a pool that is
    terminated meanwhile; iterators need no length; what cannot be iterated over is a TypeError."""
    signal = module_of(ray, "_common.test_utils").SignalActor.remote()

    def divide(value: int) -> float:
        ray.get(signal.wait.remote())
        return 10 / value

    with _pool(ray, 2) as pool:
        good, bad = pool.apply_async(divide, (10,)), pool.apply_async(divide, (0,))
        good.wait(timeout=0.01)
        assert not good.ready()
        assert "not ready" in _raises(ValueError, good.successful)
        ray.get(signal.send.remote())
        for result in (good, bad):
            result.wait(timeout=30)
            assert result.ready()
        assert good.successful() and good.get() == 1
        assert not bad.successful()
        _raises(ZeroDivisionError, bad.get)
        several = pool.map_async(divide, [1, 0, 2])
        several.wait(timeout=30)
        assert several.ready() and not several.successful()
        _raises(ZeroDivisionError, several.get)
        for chunks in ({}, {"chunksize": 3}):
            assert list(pool.imap(abs, iter([-1, -2, -3, -4]), **chunks)) == [1, 2, 3, 4]
            assert sorted(pool.imap_unordered(abs, iter([-1, -2, -3, -4]), **chunks)) == [1, 2, 3, 4]
        for function in (pool.map, pool.imap, pool.imap_unordered):
            _raises(TypeError, function, abs, 3)
        ray.get(signal.send.remote(clear=True))
        stuck = pool.map_async(divide, [1, 2])
        assert not stuck.ready()
        pool.terminate()
        pool.join()
        stuck.wait(timeout=30)
        assert stuck.ready() and not stuck.successful()
        _raises(ray.exceptions.RayError, stuck.get)


@program()
def pools_within_pools_do_not_wait_for_ever(ray: ModuleType) -> None:
    """U3, surface 6: a pool's call that makes a pool of its own, with `ray_address`, on as many CPUs as the outer one has."""
    pool_class = module_of(ray, "util.multiprocessing").Pool

    def inner(value: int) -> list[int]:
        with pool_class(1, ray_address="auto", ray_remote_args={"num_cpus": 0}) as pool:
            return list(pool.map(abs, [-value, value]))

    with _pool(ray, 2) as pool:
        assert pool.map(inner, [1, 2, 3]) == [[1, 1], [2, 2], [3, 3]]


@program(engines=NOT_SIMULATED, reason="joblib measures time with clocks of its own threads")
def joblib_runs_on_the_session(ray: ModuleType) -> None:
    """Surface 6: `register_ray` gives joblib a backend."""
    import joblib

    module_of(ray, "util.joblib").register_ray()

    def work(value: int) -> tuple[int, int]:
        import os

        return value * value, os.getpid()

    import os

    with joblib.parallel_backend("ray"):
        results = joblib.Parallel(n_jobs=2)(joblib.delayed(work)(value) for value in range(20))
    assert [value for value, _ in results] == [value * value for value in range(20)]
    assert os.getpid() not in {process for _, process in results}
    with joblib.parallel_backend("ray", n_jobs=-1):
        assert joblib.Parallel()(joblib.delayed(abs)(-value) for value in range(5)) == [0, 1, 2, 3, 4]

    def fail() -> None:
        raise KeyError("as ever")

    with joblib.parallel_backend("ray", n_jobs=2):
        _raises(KeyError, joblib.Parallel(), [joblib.delayed(fail)() for _ in range(5)])
    # joblib ends the threads that fed it on its own time.
    wait_until(lambda: threading.active_count() < 50, "threads end")
