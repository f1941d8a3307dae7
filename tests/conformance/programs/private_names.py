"""Surface 14b: names that are private in Ray, and that packages import all the same."""

from __future__ import annotations

import collections
import contextlib
import copy
import json
import logging
import os
import signal
import sys
import threading
import types
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ..helpers import make_gate, module_of, wait_until
from ..registry import NOT_JUDGED, NOT_SIMULATED, program


def _raises(kind: type[BaseException], function: Any, *args: Any, **kwargs: Any) -> str:
    try:
        function(*args, **kwargs)
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


@program()
def the_global_worker_tells_where_it_runs(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.worker.global_worker`: connected, mode, ids; in a driver and in a task."""
    name = ray.__name__

    def look() -> dict[str, Any]:
        import importlib

        worker = importlib.import_module(f"{name}._private.worker").global_worker
        context = ray.get_runtime_context()
        assert context.worker is worker or context.worker.mode == worker.mode
        assert worker.core_worker.get_worker_id().hex() == context.get_worker_id() == worker.worker_id.hex()
        assert worker.current_node_id.hex() == context.get_node_id()
        assert worker.current_job_id.hex() == context.get_job_id()
        assert worker.namespace == context.namespace
        worker.check_connected()
        return {
            "mode": worker.mode,
            "connected": worker.connected,
            "in an actor": not worker.actor_id.is_nil(),
            "task": worker.current_task_id.hex(),
        }

    @ray.remote
    class Looker:
        def look(self) -> dict[str, Any]:
            return look()

    here = look()
    task = ray.remote(look).remote()
    there = ray.get(task)
    actor = Looker.remote()
    in_actor = ray.get(actor.look.remote())
    assert (here["mode"], there["mode"], in_actor["mode"]) == (ray.SCRIPT_MODE, ray.WORKER_MODE, ray.WORKER_MODE)
    assert here["connected"] and there["connected"]
    assert [each["in an actor"] for each in (here, there, in_actor)] == [False, False, True]
    assert there["task"] == task.task_id().hex()


@program(starts_session=False)
def the_global_worker_before_a_session(ray: ModuleType) -> None:
    """Surface 14b: `global_worker` can be asked before `init`."""
    worker = module_of(ray, "_private.worker").global_worker
    assert not worker.connected and worker.mode is None
    assert worker.node is None
    assert worker.current_job_id.is_nil()
    _raises(ray.exceptions.RaySystemError, worker.check_connected)


@program()
def the_global_worker_knows_its_node(ray: ModuleType) -> None:
    """Surface 14b: `global_worker.node`: its address, and the node's id."""
    node = module_of(ray, "_private.worker").global_worker.node
    assert node.node_ip_address == node.address_info["node_ip_address"] == ray.util.get_node_ip_address()
    [there] = ray.nodes()
    assert node.plasma_store_socket_name == there["ObjectStoreSocketName"]
    assert node.raylet_socket_name == there["RayletSocketName"]
    assert module_of(ray, "_private.services").get_node_ip_address() == ray.util.get_node_ip_address()


@program()
def the_global_worker_knows_how_deep_it_is(ray: ModuleType) -> None:
    """Surface 14b: `global_worker.task_depth`: 0 on the driver, one more in what a task, a constructor or a call submits."""
    name = ray.__name__

    def depth() -> int:
        import importlib

        return importlib.import_module(f"{name}._private.worker").global_worker.task_depth

    @ray.remote(num_cpus=0)
    class Actor:
        def __init__(self) -> None:
            self.made_at = depth()

        def look(self, more: int) -> list[int]:
            below = [] if more == 0 else ray.get(Actor.remote().look.remote(more - 1)) + ray.get(task.remote(0))
            return [self.made_at, depth(), *below]

    @ray.remote(num_cpus=0)
    def task(more: int) -> list[int]:
        return [depth(), *([] if more == 0 else ray.get(task.remote(more - 1)) + ray.get(Actor.remote().look.remote(0)))]

    assert depth() == 0
    assert ray.get(task.remote(1)) == [1, 2, 2, 2]
    actor = Actor.remote()
    for _ in range(3):
        assert ray.get(actor.look.remote(1)) == [1, 1, 2, 2, 2]


@program()
def state_tables_by_their_old_names(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.state.state` and the functions beside it."""
    state = module_of(ray, "_private.state")
    group = ray.util.placement_group([{"CPU": 1}])
    ray.get(group.ready())
    assert state.state.placement_group_table(group.id)["state"] == "CREATED"
    assert group.id.hex() in state.state.placement_group_table()
    [node] = state.state.node_table()
    assert node["NodeID"] == ray.get_runtime_context().get_node_id() and node["Alive"]
    [free] = state.available_resources_per_node().values()
    assert free["CPU"] == 1.0
    [total] = state.total_resources_per_node().values()
    assert total["CPU"] == 2.0
    ray.util.remove_placement_group(group)


@program()
def types_are_at_their_private_paths(ray: ModuleType) -> None:
    """Surface 14b: `ray._raylet.ObjectRef` and ids are the public ones; so `isinstance` holds."""
    raylet = module_of(ray, "_raylet")
    ref = ray.put(1)
    assert raylet.ObjectRef is ray.ObjectRef and isinstance(ref, raylet.ObjectRef)
    for name in ("ActorID", "JobID", "NodeID", "ObjectID", "PlacementGroupID", "TaskID", "UniqueID", "WorkerID"):
        assert getattr(raylet, name) is getattr(ray, name), name
    assert isinstance(ref.task_id(), raylet.TaskID)
    assert isinstance(ray.remote(lambda: 1), module_of(ray, "remote_function").RemoteFunction)
    done: list[object] = []
    other = ray.remote(lambda: 5).remote()
    other._on_completed(done.append)
    assert ray.get(other) == 5


@program()
def attributes_of_remote_functions_may_be_set(ray: ModuleType) -> None:
    """Surface 14b: Assignment to an attribute of a remote function, and a plain method made remote."""

    @ray.remote
    def work() -> int:
        return 1

    work._function_name = "another.name"
    work.note = "mine"
    assert work.note == "mine" and ray.get(work.remote()) == 1

    class Plain:
        def double(self, value: int) -> int:
            return 2 * value

    plain = Plain()
    assert ray.get(ray.remote(plain.double.__func__).remote(plain, 4)) == 8
    assert ray.get(ray.remote(lambda refs: len(refs)).remote({ray.put(1): "a", ray.put(2): "b"})) == 2


@program(starts_session=False)
def modules_are_attributes(ray: ModuleType) -> None:
    """Surface 14b: What `import ray` has loaded can be had without another import."""
    assert ray._private.client_mode_hook.is_client_mode_enabled is False
    assert ray._private.worker.global_worker is module_of(ray, "_private.worker").global_worker
    assert ray._private.services and ray._private.state.state and ray.experimental.internal_kv
    assert ray.util.check_serialize and ray.runtime_env.runtime_env
    constants = ray._private.ray_constants
    assert (constants.PROCESS_TYPE_RAYLET, constants.RAY_ADDRESS_ENVIRONMENT_VARIABLE) == ("raylet", "RAY_ADDRESS")
    assert constants.FUNCTION_SIZE_WARN_THRESHOLD == 10**7 and constants.env_integer("NO_SUCH_VARIABLE", 3) == 3
    assert module_of(ray, "_common.constants").HEAD_NODE_RESOURCE_NAME == "node:__internal_head__"


@program()
def old_ways_to_ask_where_one_is(ray: ModuleType) -> None:
    """Surface 14b: Properties of the runtime context say what to use; `_global_node`; `cloudpickle.dumps_debug`; functions' names."""
    context = ray.get_runtime_context()
    for name, method in (("node_id", "get_node_id"), ("job_id", "get_job_id")):
        with pytest.warns(DeprecationWarning, match=rf"Use {method}\(\) instead"):
            assert getattr(context, name).hex() == getattr(context, method)()
    with pytest.warns(DeprecationWarning, match="Use get_placement_group_id"):
        assert context.current_placement_group_id.is_nil()
    node = module_of(ray, "_private.worker")._global_node
    assert node.get_logs_dir_path() == str(Path(node.get_session_dir_path()) / "logs")
    with pytest.raises(TypeError):
        ray.cloudpickle.dumps_debug(threading.Lock())
    assert ray.cloudpickle.loads(ray.cloudpickle.dumps_debug(3)) == 3
    with pytest.raises(TypeError):
        ray.get_actor("somebody", namespace=123)

    @ray.remote(num_cpus=0)
    def who() -> str:
        return ray.get_runtime_context().get_task_function_name()

    @ray.remote(num_cpus=0)
    class Actor:
        def who(self) -> str:
            return ray.get_runtime_context().get_task_function_name()

    @ray.remote(num_cpus=0)
    class Async:
        async def who(self) -> str:
            return ray.get_runtime_context().get_task_function_name()

        def who_else(self) -> str:
            return ray.get_runtime_context().get_task_function_name()

    one = Async.remote()
    for name in ("who", "who_else"):
        assert ray.get(getattr(one, name).remote()).endswith(f"old_ways_to_ask_where_one_is.<locals>.Async.{name}")
    module_of(ray, "_raylet").Config.initialize("")
    assert ray.get(who.options(name="another name").remote()).endswith("private_names.who")
    assert ray.get(Actor.remote().who.remote()).endswith("private_names.Actor.who")


@program()
def actors_and_jobs_by_their_old_names(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.state.actors` and `jobs`."""
    state = module_of(ray, "_private.state")

    @ray.remote(num_cpus=0)
    class Actor:
        def ready(self) -> None:
            pass

    actor = Actor.options(name="somebody").remote()
    ray.get(actor.ready.remote())
    row = state.actors()[actor._actor_id.hex()]
    assert row == state.state.actor_table(actor._actor_id.hex())
    assert (row["State"], row["Name"], row["NumRestarts"]) == ("ALIVE", "somebody", 0)
    assert row["ActorClassName"].endswith("Actor")
    assert row["Address"]["NodeID"] == ray.get_runtime_context().get_node_id()
    ray.kill(actor)
    wait_until(lambda: state.actors(actor._actor_id.hex())["State"] == "DEAD", "the actor is dead")
    assert any(job["JobID"] == ray.get_runtime_context().get_job_id() and not job["IsDead"] for job in state.jobs())
    assert state.current_node_id() in state.node_ids()


@program(dashboard=True)
def workers_by_their_old_name(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.state.workers`: those that live, by their ids, with the node's address and store."""
    state = module_of(ray, "_private.state")

    @ray.remote
    def worker_id() -> str:
        return ray.get_runtime_context().get_worker_id()

    mine = ray.get(worker_id.remote())
    wait_until(lambda: mine in state.workers(), "the worker is told")
    [node] = ray.nodes()
    row = state.workers()[mine]
    assert (row["node_ip_address"], row["plasma_store_socket"]) == (
        node["NodeManagerAddress"],
        node["ObjectStoreSocketName"],
    )
    assert ray.get_runtime_context().get_worker_id() not in state.workers()


@program(starts_session=False)
def addresses_and_paths_in_words(ray: ModuleType) -> None:
    """Surface 14b: `ray._common.network_utils` and `utils`."""
    network = module_of(ray, "_common.network_utils")
    texts = ("1.2.3.4:80", "[::1]:80", "no port", "::1", "", "http://x.y:8/p")
    assert [network.parse_address(text) for text in texts] == [("1.2.3.4", "80"), ("::1", "80"), *[None] * 4]
    assert (network.build_address("::1", 80), network.build_address("1.2.3.4", "80")) == ("[::1]:80", "1.2.3.4:80")
    assert network.is_localhost("127.0.0.1") and network.is_ipv6("::1") and not network.is_ipv6("1.2.3.4")
    assert 0 < network.find_free_port() < 65536
    utils = module_of(ray, "_common.utils")
    assert utils.import_attr("os.path.join") is utils.import_attr("os.path:join") is utils.load_class("os.path.join")
    assert utils.hex_to_binary(utils.binary_to_hex(b"\x00a")) == b"\x00a" and utils.decode(b"a") == "a"
    _raises(ValueError, utils.load_class, "join")
    _raises(ValueError, utils.decode, "a")
    private = module_of(ray, "_private.utils")
    assert private.split_address("ray://a:1") == ("ray", "a:1") and private.get_num_cpus() >= 1
    _raises(ValueError, private.split_address, "a:1")
    assert 0 < private.get_used_memory() < utils.get_system_memory()


@program()
def references_are_counted(ray: ModuleType) -> None:
    """Surface 14b: `core_worker.get_all_reference_counts` and `object_exists`."""
    core_worker = module_of(ray, "_private.worker").global_worker.core_worker

    @ray.remote(num_cpus=0)
    def wait(value: bytes, gate: Any) -> None:
        while not ray.get(gate.is_open.remote()):
            pass

    def counts(reference: Any) -> tuple[int, int] | None:
        row = core_worker.get_all_reference_counts().get(reference.hex().encode())
        return None if row is None else (row["local"], row["submitted"])

    gate = make_gate(ray)
    reference = ray.put(b"0" * 200_000)
    other = [copy.copy(reference), *copy.deepcopy([reference])]
    task = wait.remote(reference, gate)
    wait_until(lambda: counts(reference) == (3, 1), "three references, and a task that needs the object")
    assert core_worker.object_exists(reference)
    ray.get(gate.open.remote())
    ray.get(task)
    del other
    wait_until(lambda: counts(reference) == (1, 0), "one reference is left")
    digits = reference.hex().encode()
    del reference
    wait_until(lambda: digits not in core_worker.get_all_reference_counts(), "it is gone")
    assert gate._actor_id.hex().encode() not in {each[16:] for each in core_worker.get_all_reference_counts()}


@program()
def values_in_memory_are_counted(ray: ModuleType) -> None:
    """`core_worker.get_memory_store_size`: nothing is left of what nobody refers to; handles do not count."""
    core_worker = module_of(ray, "_private.worker").global_worker.core_worker

    @ray.remote
    def count(limit: int):
        yield from range(limit)

    gate = make_gate(ray)
    assert not ray.get(gate.is_open.remote())
    wait_until(lambda: core_worker.get_memory_store_size() == 0, "nothing is kept for an actor's handle")
    stream = count.remote(5)
    first = next(stream)
    assert ray.get(first) == 0
    assert core_worker.get_memory_store_size() > 0
    del first, stream
    wait_until(lambda: core_worker.get_memory_store_size() == 0, "items that were not taken are gone too")


@program()
def children_that_are_not_over_are_known(ray: ModuleType) -> None:
    """`core_worker.get_pending_children_task_ids`, in a task and in the methods of an asyncio actor."""
    name = ray.__name__

    @ray.remote(num_cpus=0)
    def wait(gate: Any) -> None:
        while not ray.get(gate.is_open.remote()):
            pass

    def look(gate: Any) -> bool:
        import importlib

        core_worker = importlib.import_module(f"{name}._private.worker").global_worker.core_worker
        task_id = ray.get_runtime_context().task_id
        references = [wait.remote(gate) for _ in range(2)]
        children = {each.task_id().hex() for each in references}
        known = {each.hex() for each in core_worker.get_pending_children_task_ids(task_id)}
        ray.get(gate.open.remote())
        ray.get(references)
        return children == known

    @ray.remote
    class Parent:
        async def look(self, gate: Any) -> bool:
            return look(gate)

    assert ray.get(ray.remote(look).remote(make_gate(ray)))
    assert ray.get(Parent.remote().look.remote(make_gate(ray)))


@program(starts_session=False)
def languages_and_modes(ray: ModuleType) -> None:
    """Surface 1, surface 14b: `Language`, the modes, the logging configuration, and what pickles."""
    assert ray.Language.PYTHON != ray.Language.JAVA and ray.Language.PYTHON == ray.Language.PYTHON
    modes = (ray.SCRIPT_MODE, ray.WORKER_MODE, ray.SPILL_WORKER_MODE, ray.RESTORE_WORKER_MODE)
    assert modes == (0, 1, 2, 3)
    config = ray.LoggingConfig(encoding="JSON", log_level="DEBUG", additional_log_standard_attrs=["name"])
    assert (config.encoding, config.log_level, config.additional_log_standard_attrs) == ("JSON", "DEBUG", ["name"])
    assert (ray.LoggingConfig().encoding, ray.LoggingConfig().log_level) == ("TEXT", "INFO")
    _raises(ValueError, ray.LoggingConfig, encoding="XML")
    _raises(ValueError, ray.LoggingConfig, additional_log_standard_attrs=["no such thing"])
    pickle = module_of(ray, "cloudpickle")
    assert pickle is ray.cloudpickle and pickle.loads(pickle.dumps(lambda: 7))() == 7
    assert module_of(ray, "types").ObjectRef[int] is not None
    assert isinstance(ray.__commit__, str) and ray.__version__


@program(starts_session=False)
def namedtuples_are_told(ray: ModuleType) -> None:
    """Surface 14b: `ray._common.test_utils.is_named_tuple`."""
    is_named_tuple = module_of(ray, "_common.test_utils").is_named_tuple
    assert is_named_tuple(collections.namedtuple("Pair", "a b"))
    assert not is_named_tuple(tuple) and not is_named_tuple(int)


@program()
def the_node_of_an_actor(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.test_utils.get_actor_node_id`."""

    @ray.remote(num_cpus=0)
    class Actor:
        def node(self) -> str:
            return ray.get_runtime_context().get_node_id()

    actor = Actor.remote()
    assert module_of(ray, "_private.test_utils").get_actor_node_id(actor) == ray.get(actor.node.remote())


@program(engines=NOT_JUDGED, reason="real Ray asks its dashboard for the state of actors, which is not started")
def actors_are_waited_for(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.test_utils`: waiting for actors to be there, and killing one."""
    utils = module_of(ray, "_private.test_utils")

    @ray.remote(num_cpus=0)
    class Actor:
        def work(self) -> int:
            return 1

    actors = [Actor.remote() for _ in range(2)]
    utils.wait_for_num_actors(2)
    utils.kill_actor_and_wait_for_failure(actors[0])
    _raises(ray.exceptions.RayActorError, ray.get, actors[0].work.remote())
    assert ray.get(actors[1].work.remote()) == 1


@program(starts_session=False)
def constants_and_small_helpers(ray: ModuleType) -> None:
    """Surface 14b: What Ray's own test suites import before they begin: constants, addresses, switches in the environment."""
    constants = module_of(ray, "_private.ray_constants")
    assert constants.KV_NAMESPACE_FUNCTION_TABLE == b"fun" and constants.PROCESS_TYPE_RAYLET == "raylet"
    assert (constants.WORKER_DIED_PUSH_ERROR, constants.REMOVED_NODE_ERROR) == ("worker_died", "node_removed")
    assert module_of(ray, "_common.constants").HEAD_NODE_RESOURCE_NAME == "node:__internal_head__"
    assert constants.env_bool("NOBODY_SETS_THIS", True) and constants.env_integer("NOBODY_SETS_THIS", 3) == 3
    network = module_of(ray, "_common.network_utils")
    assert network.build_address("10.0.0.1", 80) == "10.0.0.1:80" and network.build_address("::1", 80) == "[::1]:80"
    assert list(network.parse_address("[::1]:80")) == ["::1", "80"] and network.parse_address("localhost") is None
    assert 0 < network.find_free_port() < 2**16
    utils = module_of(ray, "_common.utils")
    assert utils.hex_to_binary(utils.binary_to_hex(b"\x00\xff")) == b"\x00\xff"
    assert utils.get_system_memory() > 2**20 and utils.import_attr("collections.OrderedDict") is collections.OrderedDict
    utils.reset_ray_address()
    assert not module_of(ray, "_private.client_mode_hook").client_mode_should_convert()
    testing = module_of(ray, "_private.test_utils")
    assert not testing.client_test_enabled()
    assert testing.generate_system_config_map(a=1) == {"_system_config": {"a": 1}}
    assert testing.format_web_url("localhost:1") == "http://127.0.0.1:1"
    assert module_of(ray, "_private.worker").RayContext and module_of(ray, "_raylet").ObjectRefStreamEndOfStreamError


@program(starts_session=False)
def an_interrupt_can_be_kept_back(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.utils.DeferSigint`: the interrupt comes at the end of the block, to the handler of that time."""
    guard = module_of(ray, "_private.utils").DeferSigint
    before, seen = signal.getsignal(signal.SIGINT), []
    try:
        signal.signal(signal.SIGINT, lambda number, frame: seen.append("outer"))
        with guard.create_if_main_thread():
            os.kill(os.getpid(), signal.SIGINT)
            assert seen == []
        assert seen == ["outer"]
        with guard():
            signal.signal(signal.SIGINT, lambda number, frame: seen.append("inner"))
            os.kill(os.getpid(), signal.SIGINT)
        assert seen == ["outer", "inner"]
    finally:
        signal.signal(signal.SIGINT, before)
    kinds: list[type] = []
    thread = threading.Thread(target=lambda: kinds.append(type(guard.create_if_main_thread())))
    thread.start()
    thread.join()
    assert kinds == [contextlib.nullcontext]


@program(engines=NOT_SIMULATED, reason="what workers print in a simulation goes straight to the driver's streams")
def what_workers_print_can_be_read(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.test_utils`: subscribers to lines and to errors."""
    utils = module_of(ray, "_private.test_utils")
    lines = utils.init_log_pubsub()

    @ray.remote
    def speak(text: str) -> None:
        print(text)

    ray.get(speak.remote("first"))
    (batch,) = utils.get_log_batch(lines, 1, matcher=lambda batch: "first" in batch["lines"])
    assert batch["job"] == ray.get_runtime_context().get_job_id() and not batch["is_err"]
    ray.get(speak.remote("second"))
    assert utils.get_log_message(lines, 1, matcher=lambda line: line == "second") == [["second"]]
    lines.close()
    errors = utils.init_error_pubsub()
    assert utils.get_error_message(errors, 1, "no such kind", timeout=0.05) == []
    errors.close()


@program(starts_session=False)
def older_places_say_so(ray: ModuleType) -> None:
    """Surface 14b: `ray.experimental.state` warns where its modules are now."""
    for module in ("api", "common", "exception"):
        sys.modules.pop(f"{ray.__name__}.experimental.state.{module}", None)
        with pytest.warns(DeprecationWarning, match=r"ray\.util\.state"):
            module_of(ray, f"experimental.state.{module}")


@program(starts_session=False)
def records_become_lines(ray: ModuleType) -> None:
    """Surface 14b: `ray._common.filters` and `formatters`, for handlers that programs set up."""
    formatters = module_of(ray, "_common.formatters")
    json_formatter, text_formatter = formatters.JSONFormatter(), formatters.TextFormatter()
    record = logging.LogRecord("somebody", logging.INFO, "file.py", 7, "Hello", None, None)
    assert module_of(ray, "_common.filters").CoreContextFilter().filter(record)
    facts = json.loads(json_formatter.format(record))
    assert (facts["levelname"], facts["message"], facts["filename"], facts["lineno"]) == ("INFO", "Hello", "file.py", 7)
    assert "name" not in facts
    record.user, record.ray_serve_extra_fields = "me", {"route": "/"}
    json_formatter.set_additional_log_standard_attrs(["name"])
    facts = json.loads(json_formatter.format(record))
    assert (facts["name"], facts["user"], facts["route"]) == ("somebody", "me", "/")
    line = text_formatter.format(record)
    assert "INFO file.py:7 -- Hello" in line and "user=me" in line and "name=" not in line
    record.ray_serve_extra_fields = 3
    _raises(ValueError, json_formatter.format, record)


@program(starts_session=False)
def samples_are_compared(ray: ModuleType) -> None:
    """Surface 14b: `ray._common.test_utils.MetricSamplePattern`."""
    pattern = module_of(ray, "_common.test_utils").MetricSamplePattern
    sample = types.SimpleNamespace(name="tasks", value=2.0, labels={"State": "RUNNING", "Name": "f"})
    assert pattern().matches(sample) and pattern(name="tasks", value=2.0).matches(sample)
    assert pattern(partial_label_match={"State": "RUNNING"}).matches(sample)
    assert not pattern(partial_label_match={"State": "FINISHED"}).matches(sample)
    assert not pattern(name="actors").matches(sample) and not pattern(value=3.0).matches(sample)


@program(engines=NOT_JUDGED, reason="real Ray asks its dashboard for the state of tasks, which is not started")
def failed_tasks_are_verified(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.state_api_test_utils`."""
    utils = module_of(ray, "_private.state_api_test_utils")

    @ray.remote(max_retries=0)
    def fail() -> None:
        raise ValueError("on purpose")

    _raises(ValueError, ray.get, fail.options(name="the one that fails").remote())
    utils.wait_for_task_states({"the one that fails": "FAILED"})
    assert utils.verify_failed_task("the one that fails", "TASK_EXECUTION_EXCEPTION", ["ValueError", "on purpose"])
    _raises(AssertionError, utils.verify_failed_task, "the one that fails", "WORKER_DIED")


@program()
def items_of_several_generators_are_waited_for(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.worker._wait_generators_bulk`: batches of next items; after the end, errors that say so."""
    wait_bulk = module_of(ray, "_private.worker")._wait_generators_bulk

    @ray.remote(num_cpus=0)
    def count(first: int, length: int):
        for number in range(first, first + length):  # noqa: UP028 - real Ray wants something that it can send to
            yield number

    one, two = count.remote(10, 3), count.remote(20, 2)
    ready = wait_bulk([(one, [True, False]), (two, [False, True])], num_return=2, timeout=20)
    found = {id(generator): ray.get(refs) for generator, refs in ready}
    assert found == {id(one): [10, 11], id(two): [20, 21]}
    assert ray.get(next(one)) == 12
    [(ended, refs)] = wait_bulk([(two, [False, False])], timeout=20)
    assert ended is two and len(set(refs)) == 2
    for ref in refs:
        _raises(ray.exceptions.ObjectRefStreamEndOfStreamError, ray.get, ref)
    _raises(TypeError, wait_bulk, {})
    _raises(TypeError, wait_bulk, [(ray.put(1), [False])])
    _raises(ValueError, wait_bulk, [(two, [])])
    _raises(ValueError, wait_bulk, [(two, [False])], num_return=2)
    _raises(ValueError, wait_bulk, [(two, [False]), (two, [False])])


@program(engines=NOT_SIMULATED, reason="simulated workers are no processes")
def errors_that_nobody_sees_go_to_a_handler(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.worker._unhandled_error_handler` may be replaced; and workers die before drivers for want of memory."""
    worker = module_of(ray, "_private.worker")
    before, seen = worker._unhandled_error_handler, []

    @ray.remote(max_retries=0)
    def fail() -> None:
        raise ValueError("nobody looks")

    @ray.remote
    def killable() -> str:
        return Path("/proc/self/oom_score_adj").read_text().strip()

    worker._unhandled_error_handler = seen.append
    try:
        fail.remote()
        wait_until(lambda: len(seen) == 1, "the handler was called")
    finally:
        worker._unhandled_error_handler = before
    assert isinstance(seen[0], ray.exceptions.RayTaskError) and "nobody looks" in str(seen[0])
    if Path("/proc/self/oom_score_adj").exists():
        assert ray.get(killable.remote()) == "1000"


@program(starts_session=False)
def what_the_fixtures_of_rays_tests_import(ray: ModuleType) -> None:
    """Surface 14b: It is all there; what makes no sense on one machine says so when it is called."""
    names = {
        "_private.test_utils": (
            "get_and_run_resource_killer init_error_pubsub init_log_pubsub setup_tls teardown_tls redis_replicas "
            "get_redis_cli start_redis_instance start_redis_sentinel_instance redis_sentinel_replicas "
            "external_redis_test_enabled reset_autoscaler_v2_enabled_cache RayletKiller"
        ),
        "_private.conftest_utils": "set_override_dashboard_url",
        "_private.runtime_env.plugin_schema_manager": "RuntimeEnvPluginSchemaManager",
        "_private.runtime_env.virtualenv_utils": "is_in_virtualenv",
        "cluster_utils": "AutoscalingCluster Cluster cluster_not_supported",
        "_common.test_utils": "wait_for_condition",
        "_common.network_utils": "build_address find_free_port",
    }
    for module, each in names.items():
        for name in each.split():
            assert hasattr(module_of(ray, module), name), f"{module}.{name}"
    assert not hasattr(module_of(ray, "_private.test_utils"), "no_such_helper")
