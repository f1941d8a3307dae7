"""Private modules of Ray that its own test suite, and packages, work with: what they give is the same."""

from __future__ import annotations

import asyncio
import inspect
import logging
import pickle
from types import ModuleType
from typing import Any

import pytest

from ..helpers import module_of
from ..registry import NOT_JUDGED, program


@program()
def the_tables_of_a_session(ray: ModuleType) -> None:
    """Surface 14b: `ray._raylet.GcsClient`: keys and values, shared with `internal_kv`."""
    client = module_of(ray, "_raylet").GcsClient(address=ray.get_runtime_context().gcs_address)
    place = b"the_tables_of_a_session"
    assert client.internal_kv_get(b"A", place) is None
    assert client.internal_kv_put(b"A", b"B", False, place) == 1
    assert client.internal_kv_put(b"A", b"C", False, place) == 0
    assert client.internal_kv_get(b"A", place) == b"B"
    assert client.internal_kv_put(b"A", b"C", True, namespace=place) == 0
    assert client.internal_kv_put(b"AA", b"D", namespace=place) == 1
    assert client.internal_kv_multi_get([b"A", b"B"], place) == {b"A": b"C"}
    assert sorted(client.internal_kv_keys(b"A", place)) == [b"A", b"AA"]
    assert client.internal_kv_exists(b"AA", place) and not client.internal_kv_exists(b"B", place)
    assert module_of(ray, "experimental.internal_kv")._internal_kv_get(b"AA", namespace=place) == b"D"
    assert client.internal_kv_del(b"A", False, place) == 1
    assert client.internal_kv_del(b"A", True, place) == 1
    assert client.internal_kv_del(b"A", False, place) == 0
    assert client.internal_kv_keys(b"", place) == []

    async def later() -> None:
        assert await client.async_internal_kv_put(b"X", b"1", True, place)
        assert await client.async_internal_kv_get(b"X", place) == b"1"
        assert await client.async_internal_kv_keys(b"X", place) == [b"X"]
        assert await client.async_internal_kv_del(b"X", False, place) == 1

    asyncio.run(later())


@program()
def jobs_and_nodes_by_the_tables(ray: ModuleType) -> None:
    """Surface 14b: `GcsClient.get_all_job_info`, `get_all_node_info`, `check_alive`."""
    context = ray.get_runtime_context()
    client = module_of(ray, "_private.worker").global_worker.gcs_client
    assert client.address == context.gcs_address
    node_id = ray.NodeID.from_hex(context.get_node_id())
    assert client.check_alive([node_id, ray.NodeID.from_random()]) == [True, False]
    node = client.get_all_node_info()[node_id]
    numbers = module_of(ray, "core.generated.gcs_pb2")
    assert node.state == numbers.GcsNodeInfo.ALIVE and node.is_head_node
    assert node.node_id == node_id.binary() and node.resources_total["CPU"] == 2.0
    assert client.get_all_node_info(state_filter=numbers.GcsNodeInfo.DEAD) == {}
    jobs = client.get_all_job_info()
    job = jobs[ray.JobID.from_hex(context.get_job_id())]
    assert not job.is_dead and job.start_time > 0
    assert job.config.ray_namespace == context.namespace
    assert asyncio.run(_job_ids(client)) == set(jobs)


async def _job_ids(client: Any) -> set[Any]:
    return set(await client.async_get_all_job_info())


@program(starts_session=False)
def numbers_of_protocol_buffers(ray: ModuleType) -> None:
    """Surface 14b: `ray.core.generated`: enumerations have their names and numbers; those in messages are in these."""
    common, gcs = module_of(ray, "core.generated.common_pb2"), module_of(ray, "core.generated.gcs_pb2")
    assert common.TaskStatus.Name(common.TaskStatus.Value("RUNNING")) == "RUNNING"
    assert common.TaskStatus.FINISHED == common.FINISHED
    assert common.ErrorType.keys()[:2] == ["WORKER_DIED", "ACTOR_DIED"] and common.WORKER_DIED == 0
    assert common.ErrorType.Name(gcs.ActorTableData.DEPENDENCIES_UNREADY) == "WORKER_DIED"
    assert (gcs.ActorTableData.ALIVE, gcs.ActorTableData.ActorState.Name(4)) == (2, "DEAD")
    assert common.NodeDeathInfo.Reason.DESCRIPTOR.values_by_name["UNEXPECTED_TERMINATION"].number == 2
    assert common.WorkerType.DESCRIPTOR.values_by_number[1].name == "DRIVER"
    assert dict(common.TaskType.items())["ACTOR_TASK"] == 2 and 3 in common.TaskType.values()
    for wrong in (lambda: common.TaskStatus.Name(999), lambda: common.TaskStatus.Value("SLEEPING")):
        with pytest.raises(ValueError):
            wrong()
    types = module_of(ray, "_private.custom_types")
    assert common.TaskStatus.keys() == types.TASK_STATUS and types.NODE_STATUS == ["ALIVE", "DEAD"]
    types.validate_protobuf_enum(common.ErrorType, types.ERROR_TYPE)
    with pytest.raises(AssertionError):
        types.validate_protobuf_enum(common.ErrorType, types.TASK_TYPE)


@program(starts_session=False)
def calls_that_are_tried_again(ray: ModuleType) -> None:
    """Surface 14b: `ray._common.retry`: what is tried again, how often, and the error in the end."""
    retry = module_of(ray, "_common.retry")
    calls: list[str] = []

    def fail(text: str, times: int = 9) -> str:
        calls.append(text)
        if len(calls) <= times:
            raise ValueError(text)
        return text

    assert retry.call_with_retry(fail, "fail once", None, 3, 0, "a", times=1) == "a" and len(calls) == 2
    for match, attempts in ((["nothing"], 1), (["ValueError"], 3), (["b$"], 3), (["(", "b"], 3)):
        calls.clear()
        with pytest.raises(ValueError, match="^b$"):
            retry.retry("fail", match=match, max_attempts=3, max_backoff_s=0)(fail)("b")
        assert len(calls) == attempts, match
    with pytest.raises(AssertionError):
        retry.call_with_retry(fail, "nothing", max_attempts=0)
    try:
        raise KeyError("outer") from OSError("inner")
    except KeyError as error:
        assert retry.format_exception(error) == "KeyError: 'outer'"
        assert retry.format_exception(error, include_cause=True) == "KeyError: 'outer' OSError: inner"
    assert retry.matches_error("a.c", "xabcx") and not retry.matches_error("(", "x")


@program(starts_session=False)
def calls_as_flat_lists(ray: ModuleType) -> None:
    """Surface 14b: `ray._common.signature`: parameters, checks, and a call in a list and back."""
    signature = module_of(ray, "_common.signature")

    def function(a: int, b: int = 2, *more: int, c: int = 3) -> None: ...

    parameters = signature.extract_signature(function)
    assert [each.name for each in parameters] == ["a", "b", "more", "c"]
    assert signature.extract_signature(function, ignore_first=True) == parameters[1:]
    flat = signature.flatten_args(parameters, (1, 5, 6), {"c": 7})
    assert flat == [signature.DUMMY_TYPE, 1, signature.DUMMY_TYPE, 5, signature.DUMMY_TYPE, 6, "c", 7]
    assert signature.recover_args(flat) == ([1, 5, 6], {"c": 7})
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        signature.flatten_args(parameters, (), {"b": 1})
    with pytest.raises(TypeError, match="unexpected keyword argument 'd'"):
        signature.validate_args(parameters, (1,), {"d": 1})
    with pytest.raises(ValueError, match="must take a 'self' argument"):
        signature.extract_signature(lambda: None, ignore_first=True)
    with pytest.raises(AssertionError):
        signature.recover_args([1])
    assert signature.get_signature(function) == inspect.signature(function)


@program(starts_session=False)
def what_kind_of_function_it_is(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.inspect_util` and `async_compat`."""
    kinds, compat = module_of(ray, "_private.inspect_util"), module_of(ray, "_private.async_compat")

    class Mixed:
        @classmethod
        def of_class(cls) -> None: ...

        @staticmethod
        def of_none() -> int:
            return 4

        async def later(self) -> None: ...

    class Below(Mixed): ...

    async def items() -> Any:
        yield 1

    assert kinds.is_function_or_method(Mixed.of_none) and kinds.is_function_or_method(Mixed().later)
    assert not kinds.is_function_or_method(Mixed) and not kinds.is_function_or_method(len)
    assert kinds.is_class_method(Mixed.of_class) and not kinds.is_class_method(Mixed.of_none)
    assert kinds.is_static_method(Below, "of_none") and not kinds.is_static_method(Below, "later")
    assert not kinds.is_static_method(Below, "nothing") and not kinds.is_cython(Mixed.of_none)
    assert compat.is_async_func(Mixed.later) and compat.is_async_func(items) and not compat.is_async_func(len)
    assert compat.has_async_methods(Below) and not compat.has_async_methods(dict)
    assert compat.sync_to_async(Mixed.later) is Mixed.later
    assert asyncio.run(compat.sync_to_async(Mixed.of_none)()) == 4


@program(starts_session=False)
def what_will_go_is_warned_of(ray: ModuleType) -> None:
    """Surface 14b: `ray._common.deprecation`: once in the log, or as an error each time."""
    deprecation = module_of(ray, "_common.deprecation")
    for name in ("older_function", "OlderClass"):
        module_of(ray, "util.debug").reset_log_once(name)
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger(deprecation.__name__)
    logger.addHandler(handler)
    try:
        deprecation.deprecation_warning("this", "that")
        assert "`this` has been deprecated. Use `that` instead." in records.pop()
        deprecation.deprecation_warning("this", help="Do without.")
        assert "`this` has been deprecated. Do without." in records.pop()

        @deprecation.Deprecated(new="newer", error=False)
        def older_function(number: int) -> int:
            return number

        assert [older_function(1), older_function(2)] == [1, 2] and older_function.__name__ == "older_function"
        assert len(records) == 1 and "`older_function`" in records.pop()

        @deprecation.Deprecated(error=False)
        class OlderClass:
            def __init__(self, number: int) -> None:
                self.number = number

        assert OlderClass(3).number == 3 and "`OlderClass`" in records.pop()
    finally:
        logger.removeHandler(handler)
    for error, kind in ((True, ValueError), (KeyError, KeyError)):
        with pytest.raises(kind, match="`gone` has been deprecated"):
            deprecation.deprecation_warning("gone", error=error)


@program(starts_session=False)
def a_pickle_with_an_error_that_explains(ray: ModuleType) -> None:
    """Surface 14b: `ray._common.serialization.pickle_dumps`."""
    dumps = module_of(ray, "_common.serialization").pickle_dumps
    assert pickle.loads(dumps({"a": 1}, "no")) == {"a": 1}
    lock = __import__("threading").Lock()
    with pytest.raises(TypeError, match="(?s)Could not do it:.*lock"):
        dumps(lambda: lock, "Could not do it")


@program()
def a_queue_from_which_several_are_taken(ray: ModuleType) -> None:
    """Surface 14b: `BatchQueue` of `ray._private.test_utils`: batches by number, by time, and what is there."""
    utils, empty = module_of(ray, "_private.test_utils"), module_of(ray, "util.queue").Empty
    queue = utils.BatchQueue(maxsize=10, actor_options={"num_cpus": 0})
    with pytest.raises(empty):
        queue.get_batch(first_timeout=0.1)
    queue.put_nowait_batch([1, 2, 3, 4, 5])
    assert queue.get_batch(batch_size=2) == [1, 2]
    assert queue.get_batch(total_timeout=0.5) == [3, 4, 5]
    queue.put(6)
    assert queue.get_batch(batch_size=3, total_timeout=0.2) == [6]
    assert queue.empty()
    ray.kill(queue.actor)


@program(engines=NOT_JUDGED, reason="Ray's is a server, and begins the session itself")
def a_test_that_is_a_client_or_not(ray: ModuleType) -> None:
    """Surface 14b: `ray_client_helpers`: a block in which `ray.util.client.ray` is connected; the rest is as ever."""
    helpers, client = module_of(ray, "util.client.ray_client_helpers"), module_of(ray, "util.client")

    @ray.remote
    def double(number: int) -> int:
        return 2 * number

    with helpers.connect_to_client_or_not(False):
        assert ray.get(double.remote(2)) == 4 and not client.ray.is_connected()
    with helpers.connect_to_client_or_not(True):
        assert ray.get(double.remote(3)) == 6 and client.ray.is_connected()
    with helpers.ray_start_client_server() as names:
        assert names.is_connected() and names.is_initialized() and names.get(names.put(1)) == 1
    assert not client.ray.is_connected() and ray.is_initialized()


@program(starts_session=False)
def names_of_parts_of_files(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.external_storage`: a part of a file has a name, which can be taken apart."""
    storage = module_of(ray, "_private.external_storage")
    name = storage.create_url_with_offset(url="file:///folder/objects", offset=10, size=20)
    assert name == "file:///folder/objects?offset=10&size=20"
    parsed = storage.parse_url_with_offset(name)
    assert (parsed.base_url, parsed.offset, parsed.size) == ("file:///folder/objects", 10, 20)
    with pytest.raises(ValueError, match="Failed to parse URL"):
        storage.parse_url_with_offset("file:///folder/objects?offset=10")
    assert storage._get_unique_spill_filename([1, 2]).endswith("-multi-2")


@program()
def the_table_of_a_given_session(ray: ModuleType) -> None:
    """Surface 14b: `internal_kv._initialize_internal_kv`: from then on the table is that of this client."""
    kv = module_of(ray, "experimental.internal_kv")
    client = module_of(ray, "_raylet").GcsClient(address=ray.get_runtime_context().gcs_address)
    kv._initialize_internal_kv(client)
    assert kv._internal_kv_initialized() and kv.internal_kv_get_gcs_client() is client
    assert not kv._internal_kv_put(b"given", b"1") and client.internal_kv_get(b"given", None) == b"1"
    assert kv._internal_kv_del(b"given") == 1


@program()
def what_an_actor_class_was_decorated_with(ray: ModuleType) -> None:
    """Surface 14b: `__ray_metadata__` of an actor class: its name, the plain class, and its options. A handle lists its methods."""

    class Plain:
        def work(self) -> int:
            return 7

        def _rest(self) -> None: ...

    decorated = ray.remote(num_cpus=0.5, max_restarts=1)(Plain)
    metadata = decorated.__ray_metadata__
    assert metadata.class_name == Plain.__qualname__ and issubclass(metadata.modified_class, Plain)
    assert metadata.modified_class().work() == 7
    assert (metadata.num_cpus, metadata.max_restarts) == (0.5, 1)
    assert not metadata.num_gpus and not metadata.resources
    assert metadata.language == ray.Language.PYTHON
    with pytest.raises(AttributeError):
        _ = metadata.nothing
    handle = decorated.remote()
    assert [name for name in dir(handle) if not name.startswith("__")] == ["_rest", "work"]
    assert {"__ray_terminate__", "__ray_ready__", "__ray_call__"} <= set(dir(handle))
    with pytest.raises(TypeError):
        ray.get_actor(3)


@program()
def a_driver_is_no_worker(ray: ModuleType) -> None:
    """Surface 14b: What only a worker can be asked is an `AssertionError` on a driver; the node that it is on is the head."""
    context = ray.get_runtime_context()
    with pytest.raises(AssertionError, match="only available when the process is a"):
        context.get_assigned_resources()
    with pytest.raises(AssertionError, match="only available when the process is a"):
        _ = context.was_current_actor_reconstructed
    node = module_of(ray, "_private.worker")._global_node
    assert node.head and node.is_head() and node.address == context.gcs_address
    utils = module_of(ray, "_private.utils")
    group = "0" * 36
    mixed = {f"CPU_group_1_{group}": 2.0, f"GPU_group_{group}": 1.0, f"bundle_group_{group}": 0.001, "memory": 5.0}
    assert utils.parse_pg_formatted_resources_to_original(mixed) == {"CPU": 2.0, "GPU": 1.0, "memory": 5.0}
    assert ray.state.actors() == module_of(ray, "_private.state").actors()
    assert ray.ray_constants.ID_SIZE == 28


@program(starts_session=False)
def lines_that_several_print(ray: ModuleType) -> None:
    """Surface 14b: `ray._private.ray_logging.LogDeduplicator`: what differs in numbers alone and comes of several
    processes is held back for a while, and told with its count."""
    logging = module_of(ray, "_private.ray_logging")
    now = [1000.0]
    fold = logging.LogDeduplicator(5, "KEEP", "DROP", _timesource=lambda: now[0])

    def show(pid: int, *lines: str) -> list[tuple[int, list[str]]]:
        batches = fold.deduplicate({"ip": "node", "pid": pid, "lines": list(lines)})
        return [(batch["pid"], batch["lines"]) for batch in batches]

    assert show(1, "step 1 0xf", "7") == [(1, ["step 1 0xf", "7"])]
    assert show(1, "step 2 0xe") == [(1, ["step 2 0xe"])]
    assert show(2, "step 3 0xd", "7", "other") == [(2, ["7", "other"])]
    assert show(3, "step 4 0xc", "other") == [(3, [])]
    assert show(3, "KEEP DROP step 4", "a DROP") == [(3, ["KEEP DROP step 4"])]
    now[0] += 5
    (_, new), (last, folded), (alone, once) = show(4, "new")
    assert (new, last, alone, once) == (["new"], 3, 3, ["other"])
    assert folded[0].startswith("step 4 0xc\x1b[32m [repeated 2x across cluster]")
    assert show(4, "step 5 0xb") == [(4, [])]
    assert fold.flush() == [{"ip": "node", "pid": 4, "lines": ["step 5 0xb"]}]
    assert fold.flush() == []
