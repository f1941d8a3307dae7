"""Private names that test suites of Ray read: its table of functions, their descriptors, what actors and nodes are told
of, the limits of containers."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path
from types import ModuleType
from unittest import mock

import psutil
import pytest

from ..helpers import module_of, wait_until
from ..registry import NOT_SIMULATED, program

OWN_CLUSTER = "builds its own cluster"


@program()
def the_table_of_functions_has_what_is_run(ray: ModuleType) -> None:
    """A function and a class are in the table of functions once they are used, by their ids, and a class by its name."""
    worker = module_of(ray, "_private.worker").global_worker
    namespace = module_of(ray, "_private.ray_constants").KV_NAMESPACE_FUNCTION_TABLE

    @ray.remote
    def function():
        return 1

    @ray.remote
    class Something:
        def method(self):
            return 2

    assert ray.get(function.remote()) == 1
    actor = Something.remote()
    assert ray.get(actor.method.remote()) == 2
    job = worker.current_job_id.hex().encode()
    descriptors = {
        b"RemoteFunction:": function._function_descriptor,
        b"ActorClass:": actor._ray_actor_creation_function_descriptor,
    }
    for kind, descriptor in descriptors.items():
        key = kind + job + b":" + descriptor.function_id.binary()
        assert worker.gcs_client.internal_kv_exists(key, namespace)
        assert key in worker.gcs_client.internal_kv_keys(kind + job, namespace)
        assert key in module_of(ray, "experimental.internal_kv")._internal_kv_list(kind, namespace=namespace)
    found = pickle.loads(worker.gcs_client.internal_kv_get(key, namespace))
    assert found["class_name"] == "Something" and "private_tables" in found["module"]
    assert not worker.gcs_client.internal_kv_exists(b"RemoteFunction:" + job + b":" + b"0" * 28, namespace)


@program(starts_session=False)
def descriptors_are_what_they_say(ray: ModuleType) -> None:
    """Descriptors of functions are equal, and have equal ids, where all that they are made of is."""
    raylet = module_of(ray, "_raylet")
    python = raylet.PythonFunctionDescriptor("module", "function", "class", "hash")
    java = raylet.JavaFunctionDescriptor("class", "function", "signature")
    for one in (python, java):
        same = pickle.loads(pickle.dumps(one))
        assert one == same and hash(one) == hash(same) and {one: 1}[same] == 1
        assert one != object()
    assert python != java
    assert python.function_id == pickle.loads(pickle.dumps(python)).function_id
    other = raylet.PythonFunctionDescriptor("module", "function", "class", "another hash")
    assert other != python and other.function_id != python.function_id
    assert (python.module_name, python.function_name, python.class_name) == ("module", "function", "class")


@program()
def actors_tell_when_they_lived(ray: ModuleType) -> None:
    """An actor is listed with when it began, which stays, and when it ended, in milliseconds; and with who made it."""
    state = module_of(ray, "_private.state")

    @ray.remote(num_cpus=0)
    class Actor:
        def ready(self):
            return None

    actor = Actor.remote()
    ray.get(actor.ready.remote())
    actor_id = actor._actor_id.hex()
    wait_until(lambda: state.actors(actor_id)["State"] == "ALIVE", "it is alive")
    before = state.actors()[actor_id]
    assert before["StartTime"] > 0 and before["EndTime"] == 0
    assert before["OwnerAddress"]["IPAddress"] == before["Address"]["IPAddress"]
    assert before["OwnerAddress"]["Port"] != before["Address"]["Port"]
    ray.kill(actor)
    wait_until(lambda: state.actors(actor_id)["State"] == "DEAD", "it is dead")
    after = state.actors()[actor_id]
    assert after["StartTime"] == before["StartTime"] <= after["EndTime"]


@program(num_gpus=2, resources={"custom": 2})
def what_a_task_holds_by_its_old_name(ray: ModuleType) -> None:
    """`ray._private.worker.get_resource_ids`: pairs of an id and an amount for each resource."""

    worker = module_of(ray, "_private.worker")

    @ray.remote(num_gpus=0.25, resources={"custom": 0.5})
    def held():
        found = worker.get_resource_ids()
        return {name: sum(amount for _, amount in pairs) for name, pairs in found.items()}

    assert ray.get(held.remote()) == {"CPU": 1, "GPU": 0.25, "custom": 0.5}


@program(starts_session=False)
def limits_of_containers_are_read_from_these_files(ray: ModuleType) -> None:
    """`get_system_memory` and `_get_docker_cpus` with the files of either version of control groups."""
    memory = module_of(ray, "_common.utils").get_system_memory
    cpus = module_of(ray, "_private.utils")._get_docker_cpus
    total = psutil.virtual_memory().total
    with tempfile.TemporaryDirectory() as folder:

        def file(name, text):
            path = Path(folder, name)
            path.write_text(text)
            return str(path)

        absent = str(Path(folder, "absent"))
        for text, expected in (("100", 100), (str(2**64), total)):
            found = memory(memory_limit_filename=file("limit", text), memory_limit_filename_v2=absent)
            assert found == expected
        for text, expected in (("100\n", 100), ("max", total)):
            found = memory(memory_limit_filename=absent, memory_limit_filename_v2=file("max", text))
            assert found == expected

        def by_version_1(quota, period, cpuset=None):
            bound = absent if cpuset is None else file("cpuset", cpuset)
            return cpus(file("quota", quota), file("period", period), bound, absent)

        assert by_version_1("-1", "100000", "0-63") == 64
        assert by_version_1("-1", "100000", "0-10,20,50-63") == 26
        assert by_version_1("42", "100") == 0.42
        assert cpus(absent, absent, absent, file("cpu.max", "200000 100000")) == 2
        assert cpus(absent, absent, absent, file("cpu.max", "max 100000")) is None


@program(engines=NOT_SIMULATED, reason="it is about processes")
def suites_ask_for_these(ray: ModuleType) -> None:
    """A node's address as suites replace it, what a process is called, and whether all are alive."""
    title = module_of(ray, "_raylet").getproctitle
    assert module_of(ray, "_private.services").remaining_processes_alive()
    with mock.patch(f"{ray.__name__}._private.worker") as worker:
        worker._global_node.node_ip_address = "10.0.0.111"
        assert ray.util.get_node_ip_address() == "10.0.0.111"

    @ray.remote
    class Named:
        def __init__(self):
            self.title = title()

        def method(self):
            return self.title, title()

    named = Named.remote()
    assert ray.get(named.method.remote()) == ("ray::Named.__init__", "ray::Named.method")
    assert ray.get(named.method.options(name="called so").remote())[1] == "ray::called so"
    pickled = module_of(ray, "_private.worker").pickle.dumps(named)
    assert ray.get(module_of(ray, "_private.worker").pickle.loads(pickled).method.remote())
    assert module_of(ray, "_private.workers.default_worker")


@program(starts_session=False)
def references_may_be_unpickled_without_a_session(ray: ModuleType) -> None:
    """They are equal to what was pickled, and of use only in its session."""
    reference = ray.ObjectRef.from_random()
    assert not reference.is_nil()
    assert pickle.loads(pickle.dumps(reference)) == reference


@program(engines=NOT_SIMULATED, reason=OWN_CLUSTER, starts_session=False)
def nodes_have_the_environment_of_when_they_were_added(ray: ModuleType) -> None:
    """What is in `os.environ` when a node is added is in its workers' environment; `OMP_NUM_THREADS` too."""
    names = ("OMP_NUM_THREADS", "OF_THE_SECOND_NODE")
    before = {name: os.environ.pop(name, None) for name in names}
    cluster = module_of(ray, "cluster_utils").Cluster()
    cluster.add_node(num_cpus=2, include_dashboard=False)
    try:
        os.environ.update(dict.fromkeys(names, "1"))
        cluster.add_node(num_cpus=4)
        for name in names:
            del os.environ[name]
        ray.init(address=cluster.address)

        @ray.remote
        def seen():
            return [os.environ.get(name) for name in names]

        assert ray.get(seen.options(num_cpus=2).remote()) in (["2", None], ["1", "1"])
        assert ray.get(seen.options(num_cpus=4).remote()) == ["1", "1"]
        state = module_of(ray, "_private.state")
        assert len(state.node_ids()) == 2 and state.current_node_id() in state.node_ids()
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
        ray.shutdown()
        cluster.shutdown()


@program(starts_session=False)
def options_by_their_keywords(ray: ModuleType) -> None:
    """`ray._common.ray_option_utils`: every option has a default that passes its own check, and refuses other types."""
    utils = module_of(ray, "_common.ray_option_utils")

    def function():
        return 1

    class Plain:
        pass

    for table, target, only_in_decorator in (
        (utils.task_options, function, "max_calls"),
        (utils.actor_options, Plain, "concurrency_groups"),
    ):
        defaults = {name: option.default_value for name, option in table.items()}
        in_options = {name: value for name, value in defaults.items() if name != only_in_decorator}
        ray.remote(target).options(**in_options)
        ray.remote(**defaults)(target).options(**in_options)
        with pytest.raises(ValueError, match=f"Setting '{only_in_decorator}' is not supported in '.options\\(\\)'."):
            ray.remote(target).options(**{only_in_decorator: defaults[only_in_decorator]})
        for name, option in table.items():
            option.validate(name, option.default_value)
            with pytest.raises(TypeError):
                option.validate(name, Plain())
    merged = utils.update_options({"num_cpus": 1, "name": "a"}, {"num_cpus": 2, "memory": 3})
    assert merged == {"num_cpus": 2, "name": "a", "memory": 3}


@program(starts_session=False)
def no_session_starts_by_itself_where_that_is_switched_off(ray: ModuleType) -> None:
    """`ray._private.auto_init_hook.enable_auto_connect`: what needs a session raises, and starts none."""
    hook = module_of(ray, "_private.auto_init_hook")

    @ray.remote
    class Actor:
        def value(self):
            return 3

    with mock.patch.object(hook, "enable_auto_connect", False):
        with pytest.raises(Exception, match="ray.init|initialized"):
            Actor.remote()
        assert not ray.is_initialized()
        ray.get_runtime_context()
        assert not ray.is_initialized()


@program(engines=NOT_SIMULATED, reason="it kills the processes of its own session", starts_session=False)
def a_driver_outlives_its_session(ray: ModuleType) -> None:
    """What of its session's processes a driver kills, it lives on, and may start another."""
    for _ in range(2):
        ray.init("local", num_cpus=1, include_dashboard=False)
        node = module_of(ray, "_private.worker")._global_node
        assert node.remaining_processes_alive()
        node.kill_log_monitor()
        node.kill_monitor()
        manager = node.all_processes["raylet"][0].process
        assert manager.poll() is None
        node.kill_raylet()
        manager.wait(timeout=30)
        assert manager.poll() is not None
        ray.shutdown()
        assert not ray.is_initialized()
