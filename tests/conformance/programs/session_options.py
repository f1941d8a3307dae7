"""What `init` takes: directories, names, job configurations, variables; what it refuses; what its context tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, program

OWN_INIT = "calls ray.init itself and so chooses no engine"
LOCAL = {"address": "local", "num_cpus": 1, "include_dashboard": False, "log_to_driver": False}


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_context_tells_where_the_session_is(ray: ModuleType) -> None:
    """L2, surface 2: address_info has Ray's keys; session_dir is a directory; the versions are those of Python and of Ray."""
    with ray.init(**LOCAL) as context:
        info = context.address_info
        assert set(info) >= {
            "node_ip_address",
            "object_store_address",
            "raylet_socket_name",
            "webui_url",
            "session_dir",
            "metrics_export_port",
            "gcs_address",
            "address",
            "dashboard_agent_listen_port",
            "node_id",
        }
        assert Path(info["session_dir"]).is_dir()
        assert context.python_version == ".".join(str(part) for part in sys.version_info[:3])
        assert context.ray_version.startswith("2.")
        assert not context.dashboard_url
        assert ray.get_runtime_context().get_session_name() == Path(info["session_dir"]).name
        with pytest.warns(DeprecationWarning):
            assert context["node_id"] == info["node_id"]


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_session_may_be_told_where_its_files_go(ray: ModuleType) -> None:
    """Surface 2: `_temp_dir`."""
    with tempfile.TemporaryDirectory(prefix="r") as root:
        context = ray.init(**LOCAL, _temp_dir=root)
        directory = Path(context.address_info["session_dir"])
        assert Path(root) in directory.parents
        assert directory.is_dir()
        ray.shutdown()


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_job_config_may_name_the_namespace(ray: ModuleType) -> None:
    """Surface 2: JobConfig(ray_namespace=…); init's own goes before it; metadata is accepted."""
    job_config = import_module(f"{ray.__name__}.job_config").JobConfig
    ray.init(**LOCAL, job_config=job_config(ray_namespace="of the config", metadata={"a": "b"}))
    assert ray.get_runtime_context().namespace == "of the config"
    ray.shutdown()
    ray.init(**LOCAL, namespace="of init", job_config=job_config(ray_namespace="of the config"))
    assert ray.get_runtime_context().namespace == "of init"
    ray.shutdown()
    with pytest.raises(ValueError, match="detached"):
        job_config(default_actor_lifetime="for ever")
    with pytest.raises(TypeError):
        job_config(code_search_path="a")


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_job_config_may_detach_actors(ray: ModuleType) -> None:
    """Surface 2: JobConfig(default_actor_lifetime="detached"): who says nothing outlives its handles, made in a task too."""
    job_config = import_module(f"{ray.__name__}.job_config").JobConfig
    ray.init(**LOCAL, namespace="conformance", job_config=job_config(default_actor_lifetime="detached"))

    @ray.remote(num_cpus=0)
    class Resident:
        def ping(self):
            return "pong"

    @ray.remote
    def make():
        ray.get(Resident.options(name="of the task").remote().ping.remote())

    ray.get(Resident.options(name="of the driver").remote().ping.remote())
    ray.get(Resident.options(name="passing", lifetime="non_detached").remote().ping.remote())
    ray.get(make.remote())
    for name in ("of the driver", "of the task"):
        assert ray.get(ray.get_actor(name).ping.remote()) == "pong"
    wait_until(lambda: "passing" not in ray.util.list_named_actors(), "the other is gone")


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def some_keywords_are_refused_with_words(ray: ModuleType) -> None:
    """L2, surface 2: those that Ray has left, and those that make no sense together."""
    for keywords, error, words in (
        ({"storage": "/x"}, RuntimeError, "storage"),
        ({"allow_multiple": True}, RuntimeError, "allow_multiple"),
        ({"runtime_env": {"env_vars": {"A": 1}}}, TypeError, "env_vars"),
        ({"runtime_env": {"working_dir": "/no/such/place"}}, ValueError, "no/such/place"),
        ({"_system_config": 3}, TypeError, "_system_config"),
        ({"namespace": 3}, TypeError, ""),
        ({"namespace": ""}, ValueError, "namespace"),
    ):
        with pytest.raises(error, match=words):
            ray.init(**LOCAL, **keywords)
        ray.shutdown()
    assert ray.is_initialized() is False


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def a_terminated_driver_cleans_up(ray: ModuleType) -> None:
    """L3, surface 2: SIGTERM ends the driver through its exit handlers; a handler of the program's own, set later, is kept."""
    code = f"""
import atexit, os, signal, sys, time
import {ray.__name__} as ray
ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
atexit.register(lambda: print("exit handlers ran", flush=True))
print("ready", flush=True)
# A signal that comes in the moment before a sleep begins does not cut it short.
for _ in range(600):
    time.sleep(0.1)
"""
    driver = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "ready\n"
    driver.send_signal(signal.SIGTERM)
    out, _ = driver.communicate(timeout=60)
    assert "exit handlers ran" in out
    assert driver.returncode != 0


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_logger_of_the_package_has_the_level_asked_for(ray: ModuleType) -> None:
    """Surface 2: logging_level; with configure_logging=False it is left alone."""
    import logging

    logger = logging.getLogger("ray")
    before, handlers = logger.level, list(logger.handlers)
    try:
        ray.init(**LOCAL, logging_level=logging.ERROR)
        assert logger.level == logging.ERROR
        ray.shutdown()
        ray.init(**LOCAL, logging_level="DEBUG", configure_logging=False)
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)
        logger.handlers[:] = handlers


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def resources_may_be_overridden_by_a_variable(ray: ModuleType) -> None:
    """Surface 13, surface 2: RAY_OVERRIDE_RESOURCES is JSON; what it names it decides."""
    os.environ["RAY_OVERRIDE_RESOURCES"] = json.dumps({"CPU": 3, "special": 2})
    try:
        ray.init(**LOCAL, resources={"special": 1, "other": 1})
        resources = ray.cluster_resources()
        assert (resources["CPU"], resources["special"], resources["other"]) == (3, 2, 1)
    finally:
        del os.environ["RAY_OVERRIDE_RESOURCES"]


@program(engines=NOT_SIMULATED, reason=OWN_INIT, starts_session=False)
def the_start_is_logged_as_the_program_says(ray: ModuleType) -> None:
    """Surface 2: with a logging_format of its own, or a LoggingConfig, a driver logs in that form that a session is there."""
    start = f"import {ray.__name__} as ray\nray.init({', '.join(f'{name}={value!r}' for name, value in LOCAL.items())}, "
    for options, shown in (
        ("logging_format='mine - %(message)s'", "mine - "),
        ("logging_config=ray.LoggingConfig(encoding='TEXT')", "timestamp_ns="),
    ):
        ended = subprocess.run([sys.executable, "-c", f"{start}{options})"], capture_output=True, text=True, check=True)
        lines = [line for line in ended.stderr.splitlines() if "Started a local Ray instance." in line]
        assert len(lines) == 1 and shown in lines[0], ended.stderr
