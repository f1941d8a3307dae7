"""Names of the surface that need a line or two each: versions, helpers of `ray.util`, properties of the context, constants."""

from __future__ import annotations

import inspect
import re
import socket
from types import ModuleType

import pytest

from ..helpers import SMALLEST_STORE_BYTES, make_gate, make_waiter, module_of, stored_bytes, wait_until
from ..registry import NOT_SIMULATED, program
from .environment_variables import OWN_DRIVER, Driver

OWN_INIT = "calls ray.init itself and so chooses no engine"


@program()
def the_nodes_row_has_what_programs_read(ray: ModuleType) -> None:
    """Surface 1: NodeManagerAddress, NodeManagerHostname, Resources and Labels of nodes(); and the node's own resource."""
    (node,) = ray.nodes()
    assert node["NodeManagerHostname"] == socket.gethostname()
    assert node["NodeManagerAddress"] == ray.util.get_node_ip_address()
    assert node["Labels"]["ray.io/node-id"] == node["NodeID"]
    assert node["Resources"][f"node:{node['NodeManagerAddress']}"] == 1.0
    assert ray.cluster_resources()[f"node:{node['NodeManagerAddress']}"] == 1.0


@program(starts_session=False)
def versions_can_be_compared(ray: ModuleType) -> None:
    """Surface 1: `__version__` is made of numbers, `__commit__` is a text, and `shutdown` before init does nothing."""
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", ray.__version__)
    assert isinstance(ray.__commit__, str) and ray.__commit__
    assert ray.shutdown() is None and ray.shutdown(wait_for_processes=False) is None
    assert not ray.is_initialized()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def an_actor_and_a_parameterless_put_start_a_session(ray: ModuleType) -> None:
    """A1, surface 1: the first `.remote()` of a class, of options(), and the first put each start a session."""

    @ray.remote(num_cpus=0)
    class Actor:
        def ping(self):
            return "pong"

    @ray.remote
    def task():
        return 1

    for start in (
        lambda: ray.get(Actor.remote().ping.remote()),
        lambda: ray.get(Actor.options(num_cpus=0).remote().ping.remote()),
        lambda: ray.get(task.options(num_cpus=0).remote()),
    ):
        assert not ray.is_initialized()
        assert start() in ("pong", 1)
        assert ray.is_initialized()
        ray.shutdown()


@program()
def older_names_of_the_context_still_answer(ray: ModuleType) -> None:
    """Surface 7: task_id, actor_id, get() and get_resource_ids() are deprecated and say so; on a driver the first two are
    AssertionErrors."""
    context = ray.get_runtime_context()
    for name in ("task_id", "actor_id"):
        with pytest.raises(AssertionError), pytest.warns(DeprecationWarning):
            getattr(context, name)
    with pytest.warns(DeprecationWarning):
        assert set(context.get()) == {"job_id", "node_id", "namespace"}
    with pytest.warns(DeprecationWarning):
        assert context.get_resource_ids() == context.get_accelerator_ids()

    @ray.remote
    def task():
        context = ray.get_runtime_context()
        return context.task_id.hex() == context.get_task_id(), context.actor_id, sorted(context.get())

    @ray.remote(num_cpus=0)
    class Actor:
        def ask(self):
            context = ray.get_runtime_context()
            return context.actor_id.hex() == context.get_actor_id(), sorted(context.get())

    assert ray.get(task.remote()) == (True, None, ["job_id", "namespace", "node_id", "task_id"])
    assert ray.get(Actor.remote().ask.remote()) == (True, ["actor_id", "job_id", "namespace", "node_id", "task_id"])


@program()
def what_only_workers_can_be_asked(ray: ModuleType) -> None:
    """Surface 7: the names of task and function are None on a driver, with a line in the log; is_canceled is a RuntimeError in
    an asyncio actor too."""
    context = ray.get_runtime_context()
    assert context.get_task_id() is None
    assert context.get_task_name() is None and context.get_task_function_name() is None
    assert context.should_capture_child_tasks_in_placement_group is False
    assert isinstance(context.gcs_address, str) and ":" in context.gcs_address
    assert context.get_node_labels()["ray.io/node-id"] == context.get_node_id()

    @ray.remote(num_cpus=0)
    class Later:
        async def ask(self):
            try:
                return ray.get_runtime_context().is_canceled()
            except RuntimeError as error:
                return str(error)

    assert "async actor" in ray.get(Later.remote().ask.remote())


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def things_are_told_once_or_now_and_then(ray: ModuleType) -> None:
    """Surface 6: log_once for each key, until reset_log_once; after disable_log_once_globally never again."""
    code = """
        debug = ray.util.debug
        for name in ("log_once", "disable_log_once_globally", "enable_periodic_logging"):
            assert getattr(ray.util, name) is getattr(debug, name)
        print(debug.log_once("a key"), debug.log_once("a key"), debug.log_once("another"))
        debug.reset_log_once("a key")
        print(debug.log_once("a key"), debug.log_once("another"))
        debug.enable_periodic_logging()
        debug.reset_log_once()
        print(debug.log_once("a key"), debug.log_once("a key"))
        debug.disable_log_once_globally()
        print(debug.log_once("a third"))
    """
    told = ["True False True", "True False", "True False", "False"]
    assert Driver(ray, code, start="import " + ray.__name__ + ".util.debug\n").lines() == told


@program(starts_session=False)
def constants_that_programs_see(ray: ModuleType) -> None:
    """Surface 14: half a minute for a group, five seconds for a queue and for folded lines, three retries, 75 MB, ..."""
    group = module_of(ray, "util.placement_group").PlacementGroup
    assert inspect.signature(group.wait).parameters["timeout_seconds"].default == 30
    shutdown = inspect.signature(module_of(ray, "util.queue").Queue.shutdown)
    assert (shutdown.parameters["force"].default, shutdown.parameters["grace_period_s"].default) == (False, 5)
    constants = module_of(ray, "_private.ray_constants")
    assert constants.RAY_DEDUP_LOGS_AGG_WINDOW_S == 5
    assert constants.DEFAULT_TASK_MAX_RETRIES == 3
    assert constants.OBJECT_STORE_MINIMUM_MEMORY_BYTES == 75 * 1024 * 1024
    assert (constants.FUNCTION_SIZE_WARN_THRESHOLD, constants.FUNCTION_SIZE_ERROR_THRESHOLD) == (10**7, 10**8)
    assert constants.DEFAULT_OBJECT_STORE_MEMORY_PROPORTION == 0.3
    test_utils = module_of(ray, "_common.test_utils")
    waiting = inspect.signature(test_utils.wait_for_condition).parameters
    assert (waiting["timeout"].default, waiting["retry_interval_ms"].default) == (10, 100)


@program(starts_session=False)
def names_to_stop_in_a_task(ray: ModuleType) -> None:
    """Surface 6: `ray.util.pdb` and `ray_debugpy` are attributes, for the modules rpdb and debugpy; each has set_trace, which takes
    what Ray's own debugger gives it."""
    util = module_of(ray, "util")
    for alias, name in (("pdb", "rpdb"), ("ray_debugpy", "debugpy")):
        module = module_of(ray, f"util.{name}")
        assert getattr(util, alias) is module is getattr(util, name)
        assert "breakpoint_uuid" in inspect.signature(module.set_trace).parameters
        with pytest.raises(ModuleNotFoundError):
            module_of(ray, f"util.{alias}")


@program()
def an_empty_group_has_no_bundles(ray: ModuleType) -> None:
    """Surface 6: `PlacementGroup.empty()`, and a strategy without a group."""
    module = module_of(ray, "util.placement_group")
    empty = module.PlacementGroup.empty()
    assert empty.is_empty
    assert module.get_current_placement_group() is None
    strategies = module_of(ray, "util.scheduling_strategies")
    strategy = strategies.PlacementGroupSchedulingStrategy(placement_group=None)
    assert strategy.placement_group_bundle_index == -1 and strategy.placement_group_capture_child_tasks is None
    assert ray.get(ray.remote(lambda: 5).options(scheduling_strategy=strategy).remote()) == 5


@program()
def names_that_pools_and_queues_come_with(ray: ModuleType) -> None:
    """Surface 6: TimeoutError and JoinableQueue of `ray.util.multiprocessing`; a pool is a context manager, with a context that
    is accepted."""
    import multiprocessing

    module = module_of(ray, "util.multiprocessing")
    assert module.TimeoutError is multiprocessing.TimeoutError
    assert callable(module.JoinableQueue)
    with module.Pool(processes=1, ray_remote_args={"num_cpus": 0.5}) as pool:
        assert pool.map(lambda value: 2 * value, [1, 2]) == [2, 4]
    with pytest.raises(ValueError):
        pool.map(lambda value: value, [1])


@program()
def a_table_of_keys_can_be_begun_anew(ray: ModuleType) -> None:
    """Surface 10: `_internal_kv_reset` forgets the client, and the next session or call finds one again."""
    kv = module_of(ray, "experimental.internal_kv")
    client = module_of(ray, "_raylet").GcsClient(address=ray.get_runtime_context().gcs_address)
    assert kv._internal_kv_initialized()
    kv._internal_kv_reset()
    kv._initialize_internal_kv(client)
    assert kv._internal_kv_initialized()
    assert kv._internal_kv_put("after a reset", b"1") is False
    assert kv._internal_kv_del("after a reset") == 1


@program(engines=NOT_SIMULATED, reason="pretends nothing in a simulation: nothing is set up there")
def an_environments_settings_are_accepted(ray: ModuleType) -> None:
    """Surface 11: `config` of a runtime environment: a task runs with it, and the context tells it."""
    settings = {"setup_timeout_seconds": 30, "eager_install": False}

    @ray.remote
    def told():
        return ray.get_runtime_context().runtime_env.get("config")

    config = ray.get(told.options(runtime_env={"env_vars": {"A": "b"}, "config": settings}).remote(), timeout=60)
    assert config is None or config["setup_timeout_seconds"] == 30
    remote = {"working_dir": "https://127.0.0.1:1/none.zip", "config": {"setup_timeout_seconds": 5}}
    with pytest.raises(ray.exceptions.RuntimeEnvSetupError):
        ray.get(told.options(runtime_env=remote, max_retries=0).remote(), timeout=100)


@program()
def a_dynamic_generator_has_a_length(ray: ModuleType) -> None:
    """Surface 3: a value of `num_returns="dynamic"` is iterated over, has a length, and travels."""

    @ray.remote(num_returns="dynamic")
    def some(count):
        for number in range(count):
            yield 10 * number

    @ray.remote
    def total(generator):
        return len(generator), sum(ray.get(list(generator)))

    ref = some.remote(3)
    found = ray.get(ref)
    assert isinstance(found, ray.DynamicObjectRefGenerator)
    assert len(found) == 3 and ray.get(list(found)) == [0, 10, 20]
    assert ray.get(total.remote(ref)) == (3, 30)


@program()
def all_ways_to_wait_for_a_reference(ray: ModuleType) -> None:
    """Surface 3: await, asyncio.wait, gather and wrap_future; future() and as_future() of one reference."""
    import asyncio

    gate = make_gate(ray)
    waiting = make_waiter(ray)
    refs = [waiting.remote(gate, number) for number in range(2)]

    async def use():
        tasks = [asyncio.ensure_future(asyncio.wrap_future(ref.future())) for ref in refs]
        done, pending = await asyncio.wait(tasks, timeout=0.05)
        assert (len(done), len(pending)) == (0, 2)
        await gate.open.remote()
        done, pending = await asyncio.wait(tasks, timeout=60)
        assert sorted(task.result() for task in done) == [0, 1] and not pending
        assert await asyncio.gather(*refs) == [0, 1]
        return await refs[1], await refs[0].as_future()

    assert asyncio.run(use()) == (1, 0)
    called: list[object] = []
    refs[0]._on_completed(called.append)
    wait_until(lambda: called == [0], "it is called back")


@program(object_store_bytes=SMALLEST_STORE_BYTES)
def small_returns_take_no_room_in_the_store(ray: ModuleType) -> None:
    """Surface 14, V7: what a task returns is stored from a hundred kilobytes on; smaller values travel in messages."""
    make = ray.remote(lambda size: bytes(size))
    small = [make.remote(90 * 1024) for _ in range(40)]
    assert [len(value) for value in ray.get(small)] == [90 * 1024] * 40
    large = [make.remote(150 * 1024) for _ in range(40)]
    ray.wait(large, num_returns=40, timeout=60)
    # Real Ray tells its figures late; what is small would be in them by then.
    wait_until(lambda: stored_bytes(ray) >= 40 * 150 * 1024, "the large ones are stored")
    assert stored_bytes(ray) < 40 * 150 * 1024 + 2**20
    assert [len(value) for value in ray.get(large)] == [150 * 1024] * 40


@program()
def a_callback_that_raises_is_let_go_of(ray: ModuleType) -> None:
    """Surface 14b: what `_on_completed` calls may raise; nothing of it stays, and the session goes on."""
    import sys

    gate = make_gate(ray)
    ref = gate.open.remote()
    called: list[object] = []

    def fail(value: object) -> None:
        called.append(value)
        raise ValueError("on purpose")

    before = sys.getrefcount(fail)
    ref._on_completed(fail)
    wait_until(lambda: len(called) == 1 and sys.getrefcount(fail) == before, "it is called, and forgotten")
    assert ray.get(gate.is_open.remote()) is True
