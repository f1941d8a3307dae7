"""Surface 13: more variables, each in a driver of its own: loggers, folded lines, devices, sizes, where things were made."""

from __future__ import annotations

import importlib.util
import json
from types import ModuleType

import pytest

from ..registry import NOT_SIMULATED, program
from .environment_variables import OWN_DRIVER, START, Driver

TALKERS = """
    @ray.remote(num_cpus=0)
    class Talker:
        def say(self, words):
            print(words, flush=True)
    talkers = [Talker.remote() for _ in range(3)]
    ray.get([talker.say.remote("") for talker in talkers])
"""


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def the_logger_of_the_package_has_the_variables_level(ray: ModuleType) -> None:
    """Surface 13: RAY_LOGGER_LEVEL: of the logger "ray" on the driver and in workers; what init is told goes before it."""
    code = """
        import logging
        @ray.remote
        def level():
            return logging.getLogger("ray").level
        print(logging.getLogger("ray").level, ray.get(level.remote()))
    """
    assert Driver(ray, code, RAY_LOGGER_LEVEL="error").lines()[-1] == "40 40"
    start = START.replace("**OPTIONS", "logging_level='WARNING'")
    assert Driver(ray, code, start, RAY_LOGGER_LEVEL="error").lines()[-1].split()[0] == "30"


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def lines_are_folded_for_as_long_as_the_variable_says(ray: ModuleType) -> None:
    """L4, surface 13: RAY_DEDUP_LOGS_AGG_WINDOW_S: what is folded is told when that time is over, and something is said."""
    code = (
        TALKERS
        + """
    ray.get([talker.say.remote("the same" + " words") for talker in talkers])
    time.sleep(1.5)
    ray.get(talkers[0].say.remote("a later" + " line"))
    time.sleep(1.5)
    print("the driver ends", flush=True)
    """
    )
    for window, is_told_early in (("1", True), ("100", False)):
        lines = Driver(ray, code, RAY_DEDUP_LOGS_AGG_WINDOW_S=window).lines()
        [told] = [number for number, line in enumerate(lines) if "the same words" in line and "repeated 2x" in line]
        assert (told < lines.index("the driver ends")) is is_told_early, lines


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def some_lines_are_never_folded_and_some_never_shown(ray: ModuleType) -> None:
    """L4, surface 13: RAY_DEDUP_LOGS_ALLOW_REGEX and RAY_DEDUP_LOGS_SKIP_REGEX, searched for in a line; the first wins."""
    code = (
        TALKERS
        + """
    ray.get([talker.say.remote("progress" + " of many") for talker in talkers])
    ray.get([talker.say.remote("secret" + " words") for talker in talkers])
    ray.get([talker.say.remote("secret" + " progress") for talker in talkers])
    time.sleep(1.5)
    """
    )
    driver = Driver(ray, code, RAY_DEDUP_LOGS_ALLOW_REGEX="prog.ess", RAY_DEDUP_LOGS_SKIP_REGEX="^secret")
    assert sum("progress of many" in line for line in driver.lines()) == 3
    assert sum("secret progress" in line for line in driver.lines()) == 3
    assert "secret words" not in driver.out


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def a_function_may_be_as_large_as_the_variable_says(ray: ModuleType) -> None:
    """V15, surface 13: FUNCTION_SIZE_ERROR_THRESHOLD: larger functions and classes are a ValueError of .remote()."""
    code = """
        captured = b"x" * (4 * 2**20)

        @ray.remote
        def use():
            return len(captured)

        @ray.remote
        class Use:
            def use(self):
                return len(captured)

        for submit in (use.remote, Use.remote):
            try:
                submit()
                print("submitted")
            except ValueError as error:
                print("refused", "too large" in str(error), "FUNCTION_SIZE_ERROR_THRESHOLD" in str(error))
    """
    # Below ten megabytes nothing is looked at, whatever the variable says.
    assert Driver(ray, code, FUNCTION_SIZE_ERROR_THRESHOLD="1000000").lines().count("submitted") == 2
    larger = code.replace("4 * 2**20", "12 * 2**20")
    assert Driver(ray, larger, FUNCTION_SIZE_ERROR_THRESHOLD="11000000").lines().count("refused True True") == 2
    assert Driver(ray, larger).lines().count("submitted") == 2


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def who_has_no_gpu_may_be_shown_none(ray: ModuleType) -> None:
    """T13, surface 13: RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1: CUDA_VISIBLE_DEVICES is empty where no GPU was asked for."""
    code = """
        @ray.remote
        def seen():
            return os.environ.get("CUDA_VISIBLE_DEVICES")

        @ray.remote(num_cpus=0)
        class Actor:
            def seen(self):
                return os.environ.get("CUDA_VISIBLE_DEVICES")

        print(json.dumps(ray.get([seen.remote(), seen.options(num_gpus=1).remote(), Actor.remote().seen.remote()])))
    """
    start = "import json\n" + START.replace("**OPTIONS", "num_gpus=1")
    quiet = Driver(ray, code, start, RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="1")
    assert json.loads(quiet.lines()[-1]) == ["", "0", ""]
    assert json.loads(Driver(ray, code, start).lines()[-1]) == [None, "0", None]


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def the_devices_of_the_driver_are_shared_out(ray: ModuleType) -> None:
    """T13, surface 1: CUDA_VISIBLE_DEVICES of the driver names the devices there are: get_gpu_ids gives those, as
    texts; more of them than that can't be offered."""
    code = """
        @ray.remote(num_gpus=2)
        def both():
            ids = ray.get_runtime_context().get_accelerator_ids()["GPU"]
            return ray.get_gpu_ids(), ids, os.environ["CUDA_VISIBLE_DEVICES"]
        print(json.dumps(ray.get(both.remote())))
    """
    start = "import json\n" + START.replace("**OPTIONS", "num_gpus=2")
    for names in (["5", "3"], ["GPU-aa", "GPU-bb"]):
        driver = Driver(ray, code, start, CUDA_VISIBLE_DEVICES=",".join(names))
        ids, of_context, seen = json.loads(driver.lines()[-1])
        assert ids == of_context == seen.split(",") and sorted(ids) == sorted(names)
    refused = """
        try:
            ray.init("local", num_cpus=1, num_gpus=2, include_dashboard=False)
        except ValueError as error:
            print("refused", "CUDA_VISIBLE_DEVICES" in str(error))
    """
    assert Driver(ray, refused, "", CUDA_VISIBLE_DEVICES="5").lines()[-1] == "refused True"


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def variables_for_clients_do_not_matter(ray: ModuleType) -> None:
    """Surface 13: RAY_NAMESPACE and RAY_RUNTIME_ENV are for Ray's client alone: init without an address minds neither."""
    code = """
        @ray.remote
        def seen():
            return os.environ.get("CONFORMANCE_A")
        print(ray.get_runtime_context().namespace == "of the variable", ray.get(seen.remote()))
    """
    environment = json.dumps({"env_vars": {"CONFORMANCE_A": "1"}})
    driver = Driver(ray, code, RAY_NAMESPACE="of the variable", RAY_RUNTIME_ENV=environment)
    assert driver.lines()[-1] == "False None"


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def nothing_starts_a_session_by_itself(ray: ModuleType) -> None:
    """A1, surface 1, surface 13: RAY_ENABLE_AUTO_CONNECT=0: every call that needs a session is a RaySystemError, before its
    arguments are looked at; the runtime context can be had, and shutdown does nothing."""
    code = """
        @ray.remote
        def task():
            return 1

        @ray.remote
        class Actor:
            def method(self):
                return 1

        calls = {
            "get": lambda: ray.get(1), "put": lambda: ray.put(1), "wait": lambda: ray.wait(1),
            "cancel": lambda: ray.cancel(1), "kill": lambda: ray.kill(1), "get_actor": lambda: ray.get_actor("x"),
            "get_gpu_ids": ray.get_gpu_ids, "task": task.remote, "options": task.options(num_cpus=0).remote,
            "actor": Actor.remote, "nodes": ray.nodes, "cluster_resources": ray.cluster_resources,
            "available_resources": ray.available_resources,
        }
        for name, call in calls.items():
            try:
                call()
                print(name, "is answered")
            except ray.exceptions.RaySystemError:
                pass
        ray.shutdown()
        ray.get_runtime_context()
        print(ray.is_initialized())
    """
    assert Driver(ray, code, start="", RAY_ENABLE_AUTO_CONNECT="0").lines() == ["False"]


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def the_place_where_an_object_was_made_is_kept(ray: ModuleType) -> None:
    """Surface 13, surface 3: RAY_record_ref_creation_sites=1: memory_summary tells it; else it does not."""
    code = """
        import importlib
        def make_it_here():
            return ray.put(b"x" * 1000)
        ref = make_it_here()
        summary = importlib.import_module(ray.__name__ + "._private.internal_api").memory_summary(
            ray.get_runtime_context().gcs_address
        )
        print("make_it_here" in summary)
    """
    assert Driver(ray, code, RAY_record_ref_creation_sites="1").lines()[-1] == "True"
    assert Driver(ray, code).lines()[-1] == "False"


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False)
def a_debugger_that_is_not_there_stops_nothing(ray: ModuleType) -> None:
    """Surface 13, surface 6: RAY_DEBUG=0 and RAY_DEBUG_POST_MORTEM=1, without a debugger: a breakpoint is passed over, and an
    error is raised as ever."""
    code = """
        pdb = ray.util.pdb

        @ray.remote(max_retries=0)
        def stop():
            breakpoint()
            pdb.set_trace()
            return "went on"

        print(ray.get(stop.remote(), timeout=60))
    """
    assert Driver(ray, code, RAY_DEBUG="0").lines()[-1] == "went on"
    code = """
        @ray.remote(max_retries=0)
        def fail():
            raise ValueError("after the fact")

        try:
            ray.get(fail.remote(), timeout=60)
        except ValueError as error:
            print("raised", "after the fact" in str(error))
    """
    assert Driver(ray, code, RAY_DEBUG_POST_MORTEM="1").lines()[-1] == "raised True"


@program(engines=NOT_SIMULATED, reason=OWN_DRIVER, starts_session=False, dashboard=True)
def the_place_where_a_task_was_submitted_is_kept(ray: ModuleType) -> None:
    """Surface 13, surface 8: RAY_record_task_actor_creation_sites=1: call_site of tasks, calls and actors in `ray.util.state` has
    the user's lines; else it is None."""
    if importlib.util.find_spec("ray") is not None:
        pytest.importorskip("aiohttp", reason="real Ray's dashboard answers for the state")
    code = """
        import importlib
        os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
        state = importlib.import_module(ray.__name__ + ".util.state")

        @ray.remote
        def task():
            return 1

        @ray.remote(num_cpus=0)
        class Actor:
            def method(self):
                return 1

        def submit_it_here():
            actor = Actor.remote()
            return actor, [task.remote(), actor.method.remote()]

        actor, refs = submit_it_here()
        ray.get(refs)
        wanted, found = {"task", "Actor.method", "Actor.__init__"}, {}
        give_up_at = time.monotonic() + 60
        while not wanted <= set(found) and time.monotonic() < give_up_at:
            found = {row.name: row.call_site for row in state.list_tasks(detail=True) if row.state == "FINISHED"}
            time.sleep(0.1)
        sites = [*(found[name] for name in sorted(wanted)), state.list_actors(detail=True)[0].call_site]
        print([bool(site) and "in submit_it_here" in site for site in sites])
    """
    start = 'ray.init("local", num_cpus=2, include_dashboard=True)\n'
    told = Driver(ray, code, start, RAY_record_task_actor_creation_sites="1")
    assert told.lines()[-1] == "[True, True, True, True]"
    assert Driver(ray, code, start).lines()[-1] == "[False, False, False, False]"
