"""Surface 2: what `init` takes of numbers, labels, directories and keywords that mean little on one machine, and refuses."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

from ..helpers import module_of
from ..registry import NOT_SIMULATED, program

OWN_INIT = "calls ray.init itself and so chooses no engine"
LOCAL = {"address": "local", "num_cpus": 1, "include_dashboard": False, "log_to_driver": False}
MB = 2**20


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def wrong_amounts_are_refused(ray: ModuleType) -> None:
    """Surface 2: amounts are whole and not negative; CPUs, GPUs and memory are no custom resources; the store has 75 MB."""
    for keywords, words in (
        ({"num_cpus": -1}, "CPU"),
        ({"num_gpus": -1}, "GPU"),
        ({"num_cpus": 1.5}, "whole"),
        ({"num_gpus": 0.5}, "whole"),
        ({"resources": {"widget": -1}}, "widget"),
        ({"resources": {"widget": 0.5}}, "whole"),
        ({"_memory": -1}, "memory"),
        ({"object_store_memory": 1}, "minimum"),
        ({"object_store_memory": 75 * MB - 1}, "minimum"),
    ):
        with pytest.raises(ValueError, match=words):
            ray.init(**{**LOCAL, **keywords})
        assert not ray.is_initialized(), keywords
    for name in ("CPU", "GPU", "memory", "object_store_memory"):
        with pytest.raises(AssertionError, match=name):
            ray.init(**LOCAL, resources={name: 1})
    for keywords in ({"num_cpus": "2"}, {"resources": {"widget": "1"}}):
        with pytest.raises(AssertionError):
            ray.init(**{**LOCAL, **keywords})
    with pytest.raises(TypeError):
        ray.init(**LOCAL, object_store_memory="1")
    assert not ray.is_initialized()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def what_goes_only_with_isolation_is_refused_alone(ray: ModuleType) -> None:
    """Surface 2: cgroup_path and system_reserved_* mean nothing without enable_resource_isolation; a temporary directory
    is absolute."""
    for keywords in ({"cgroup_path": "/x"}, {"system_reserved_cpu": 1}, {"system_reserved_memory": 10**9}):
        with pytest.raises(ValueError, match="isolation"):
            ray.init(**LOCAL, **keywords)
    with pytest.raises(ValueError, match="absolute"):
        ray.init(**LOCAL, _temp_dir="relative")
    assert not ray.is_initialized()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_session_has_what_it_was_given(ray: ModuleType) -> None:
    """Surface 2: num_cpus, num_gpus, resources, object_store_memory, _memory and _node_name, as nodes() and the totals tell."""
    ray.init(
        "local",
        num_cpus=3,
        num_gpus=2,
        resources={"widget": 4, "whole": 2.0},
        object_store_memory=100 * MB,
        include_dashboard=False,
        _memory=300 * MB,
        _node_name="conformance",
    )
    total = ray.cluster_resources()
    wanted = {"CPU": 3.0, "GPU": 2.0, "widget": 4.0, "whole": 2.0, "object_store_memory": 100.0 * MB, "memory": 300.0 * MB}
    assert {name: total[name] for name in wanted} == wanted
    (node,) = ray.nodes()
    assert node["NodeName"] == "conformance"
    assert {name: node["Resources"][name] for name in wanted} == wanted


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def memory_is_rounded_down(ray: ModuleType) -> None:
    """Surface 2: whole bytes of memory count, of what there is as of what is asked for; none is an amount too."""

    @ray.remote
    def task():
        return 1

    for memory, asked in ((2, 2.9), (2.2, 2.9), (0.2, 0.5)):
        with ray.init(**LOCAL, _memory=memory):
            assert ray.get(task.options(memory=asked).remote(), timeout=10) == 1
    with ray.init(**LOCAL, _memory=2.9):
        waiting = task.options(memory=3.1).remote()
        assert ray.get(task.options(memory=2).remote()) == 1
        assert ray.wait([waiting], timeout=0) == ([], [waiting])


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_node_may_have_thousands_of_resources(ray: ModuleType) -> None:
    """Surface 2: resources of more names than a command line has room for."""
    names = [str(number) for number in range(10_000)]
    ray.init(**LOCAL, resources=dict.fromkeys(names, 3))

    @ray.remote(resources=dict.fromkeys(names[::200], 2))
    def task():
        return 1

    assert ray.get([task.remote() for _ in range(3)]) == [1, 1, 1]
    totals = ray.cluster_resources()
    assert [totals[name] for name in names] == [3.0] * len(names)


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_node_has_the_labels_of_init(ray: ModuleType) -> None:
    """Surface 2, surface 4.1: labels are in nodes() and in the context, and label_selector chooses by them."""
    ray.init(**LOCAL, labels={"zone": "a", "kind": "small"})

    @ray.remote(num_cpus=0)
    def labels():
        return ray.get_runtime_context().get_node_labels()

    (node,) = ray.nodes()
    for found in (node["Labels"], ray.get_runtime_context().get_node_labels(), ray.get(labels.remote())):
        assert (found["zone"], found["kind"]) == ("a", "small")
    for selector in ({"zone": "a"}, {"zone": "!b"}, {"zone": "in(a,b)"}, {"zone": "!in(b,c)", "kind": "small"}):
        assert ray.get(labels.options(label_selector=selector).remote(), timeout=60)["zone"] == "a"
    waits = [labels.options(label_selector=selector).remote() for selector in ({"zone": "b"}, {"zone": "!a"}, {"none": "x"})]
    assert ray.wait(waits, timeout=0.3) == ([], waits)


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def keywords_that_mean_little_here_are_taken(ray: ModuleType) -> None:
    """Surface 2: those about the dashboard, addresses, ports, and what a cluster would do with them."""
    with tempfile.TemporaryDirectory(prefix="r") as root:
        context = ray.init(
            **LOCAL,
            dashboard_host="127.0.0.1",
            dashboard_port=None,
            proxy_server_url=None,
            enable_resource_isolation=False,
            cgroup_path=None,
            system_reserved_cpu=None,
            system_reserved_memory=None,
            object_spilling_directory=root,
            _driver_object_store_memory=None,
            _metrics_export_port=None,
            _redis_password="unused",
            _enable_object_reconstruction=True,
            _skip_env_hook=True,
            _tracing_startup_hook=None,
            _plasma_directory=None,
            _system_config={"max_direct_call_object_size": 1000, "task_retry_delay_ms": 10},
        )
        assert not context.dashboard_url
        assert ray.get(ray.put(b"x" * 5000)) == b"x" * 5000
        ray.shutdown()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def without_numbers_the_machine_is_counted(ray: ModuleType) -> None:
    """Surface 2: CPUs as many as this process may use, no GPU that is not there, memory, and a store of up to 200 GB."""
    ray.init("local", include_dashboard=False, log_to_driver=False)
    total = ray.cluster_resources()
    assert total["CPU"] == module_of(ray, "_private.utils").get_num_cpus()
    assert "GPU" not in total
    assert total["memory"] > 0
    assert 75 * MB <= total["object_store_memory"] <= 200 * 10**9


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_logger_of_the_package_has_the_format_asked_for(ray: ModuleType) -> None:
    """Surface 2: logging_format and logging_level are those of the driver's logger "ray"; configure_logging=False sets none."""
    logger = logging.getLogger("ray")
    before, handlers = logger.level, list(logger.handlers)
    try:
        ray.init(**LOCAL, logging_level="WARNING", logging_format="conformance %(message)s")
        assert logger.level == logging.WARNING
        assert logger.handlers
        assert {handler.formatter._fmt for handler in logger.handlers} == {"conformance %(message)s"}
        ray.shutdown()
        ray.init(**LOCAL, configure_logging=False)
        assert logger.handlers == []
        ray.shutdown()
        with pytest.raises(ValueError, match="level"):
            ray.init(**LOCAL, logging_level="no such level")
    finally:
        logger.setLevel(before)
        logger.handlers[:] = handlers


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_job_config_is_filled_step_by_step(ray: ModuleType) -> None:
    """Surface 1, surface 2: `ray.job_config.JobConfig` has setters, and can be made of JSON."""
    job_config = module_of(ray, "job_config").JobConfig
    config = job_config(metadata={"a": "1"})
    config.set_metadata("b", "2")
    config.set_ray_namespace("by a setter")
    config.set_runtime_env({"env_vars": {"CONFORMANCE_A": "config"}})
    config.set_default_actor_lifetime("detached")
    assert config.metadata == {"a": "1", "b": "2"}
    with pytest.raises(ValueError, match="detached"):
        config.set_default_actor_lifetime("for ever")
    with pytest.raises(TypeError):
        job_config().set_runtime_env({"env_vars": {"A": 1}}, validate=True)
    made = job_config.from_json(
        {"runtime_env": {"env_vars": {"A": "1"}}, "metadata": {"c": "3"}, "ray_namespace": "of JSON"}
    )
    assert (made.metadata, made.runtime_env["env_vars"]) == ({"c": "3"}, {"A": "1"})
    ray.init(**LOCAL, job_config=config)

    @ray.remote
    def seen():
        import os

        return os.environ.get("CONFORMANCE_A"), ray.get_runtime_context().namespace

    assert ray.get(seen.remote()) == ("config", "by a setter")


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def sessions_come_and_go_in_one_process(ray: ModuleType) -> None:
    """Surface 14b: several rounds of init and shutdown, each with other amounts, a directory of its own and tasks that run."""
    directories = set()
    for cpus in (1, 2, 1):
        with ray.init(**{**LOCAL, "num_cpus": cpus}) as context:
            directories.add(Path(context.address_info["session_dir"]))
            assert ray.cluster_resources()["CPU"] == cpus
            assert ray.get(ray.remote(lambda: "ran").remote()) == "ran"
    assert len(directories) == 3
