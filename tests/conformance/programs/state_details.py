"""`ray.util.state` in detail: names by `__repr__`, restarts, lines at actors, columns, limits, filters."""

from __future__ import annotations

import json
import os
import time
import warnings
from types import ModuleType
from typing import Any

import pytest

from ..helpers import make_gate, make_waiter, module_of, wait_until
from ..registry import NOT_SIMULATED, program

LISTS = ("actors", "nodes", "workers", "tasks", "objects", "placement_groups", "jobs", "runtime_envs")


def _state(ray: ModuleType) -> ModuleType:
    state: ModuleType = module_of(ray, "util.state")
    return state


def _calls(ray: ModuleType, actor: Any, **options: Any) -> list[Any]:
    """The calls of an actor."""
    filters = [("actor_id", "=", actor._actor_id.hex()), ("type", "=", "ACTOR_TASK")]
    return _state(ray).list_tasks(filters=filters, **options)


@program(dashboard=True)
def state_tells_actors_by_their_repr(ray: ModuleType) -> None:
    """Surface 8: repr_name is what the class's own __repr__ said when the actor was made, empty without one; calls without a name
    of their own are called by it; the context calls them by the class."""
    state = _state(ray)

    class Plain:
        def call(self):
            return ray.get_runtime_context().get_task_name()

    class Shown(Plain):
        def __init__(self):
            self.name = "first"

        def __repr__(self):
            return f"the {self.name} of them"

        def rename(self):
            self.name = "second"
            return ray.get_runtime_context().get_task_name()

    class Later:
        def __repr__(self):
            return "one of several"

        async def call(self):
            return 1

    plain, shown, later = (ray.remote(num_cpus=0)(each).remote() for each in (Plain, Shown, Later))
    assert ray.get([shown.rename.remote(), shown.call.remote()]) == ["Shown.rename", "Shown.call"]
    ray.get([shown.call.options(name="of its own").remote(), plain.call.remote(), later.call.remote()])

    def names() -> list[Any]:
        return [getattr(state.get_actor(each._actor_id.hex()), "repr_name", None) for each in (plain, shown, later)]

    wait_until(lambda: names() == ["", "the first of them", "one of several"], "the names are told")
    expected = {
        (plain, "Plain.call", "Plain.call"),
        (shown, "the first of them.rename", "Shown.rename"),
        (shown, "the first of them.call", "Shown.call"),
        (shown, "of its own", "Shown.call"),
        (later, "one of several.call", "Later.call"),
    }

    def told() -> set[Any]:
        actors = (plain, shown, later)
        return {(each, call.name, call.func_or_class_name) for each in actors for call in _calls(ray, each)}

    wait_until(lambda: told() == expected, "the calls are called by it")
    actor_id = shown._actor_id.hex()
    assert [row.actor_id for row in state.list_actors(filters=[("repr_name", "=", "the first of them")])] == [actor_id]
    assert [row.repr_name for row in state.list_actors(filters=[("actor_id", "=", actor_id)])] == [None]


@program(dashboard=True, engines=NOT_SIMULATED, reason="ends its process")
def state_of_an_actor_that_restarts(ray: ModuleType) -> None:
    """Surface 8: RESTARTING while its constructor runs again, with a call that waits for it; then ALIVE, with the number of its
    restarts and another process."""
    state = _state(ray)
    gate = make_gate(ray)

    @ray.remote(num_cpus=0, max_restarts=2, max_task_retries=-1)
    class Restarting:
        def __init__(self, gate):
            while ray.get_runtime_context().was_current_actor_reconstructed and not ray.get(gate.is_open.remote()):
                time.sleep(0.01)

        def process(self):
            return os.getpid()

        def die(self):
            os._exit(1)

    actor = Restarting.remote(gate)
    first = ray.get(actor.process.remote())

    def found() -> Any:
        return state.get_actor(actor._actor_id.hex())

    wait_until(lambda: found() is not None and found().pid == first, "its process is told")
    actor.die.options(max_task_retries=0).remote()
    wait_until(lambda: found().state == "RESTARTING", "it restarts")
    again = actor.process.options(name="waits for the restart").remote()
    waiting = [("name", "=", "waits for the restart"), ("state", "=", "PENDING_NODE_ASSIGNMENT")]
    wait_until(lambda: len(state.list_tasks(filters=waiting)) == 1, "its call waits")
    ray.get(gate.open.remote())
    second = ray.get(again)
    wait_until(lambda: found().state == "ALIVE", "it is back")
    assert second != first
    assert (found().num_restarts, found().pid, found().death_cause) == (1, second, None)


@program(dashboard=True)
def state_of_calls_in_a_line(ray: ModuleType) -> None:
    """Surface 8: of a serial actor's calls one runs, of a threaded or asyncio actor's as many as may; the others are
    PENDING_ACTOR_TASK_ORDERING_OR_CONCURRENCY, which real Ray says of a serial actor's only if they came before it was there."""
    signal = module_of(ray, "_common.test_utils").SignalActor.remote()

    class Serial:
        def hold(self, signal):
            ray.get(signal.wait.remote())

    class Later:
        async def hold(self, signal):
            await signal.wait.remote()

    serial = ray.remote(num_cpus=0)(Serial).remote()
    threaded = ray.remote(num_cpus=0, max_concurrency=2)(Serial).remote()
    later = ray.remote(num_cpus=0, max_concurrency=2)(Later).remote()
    refs = [actor.hold.remote(signal) for actor in (serial, threaded, later) for _ in range(4)]

    def states(actor: Any) -> list[str]:
        return sorted(call.state for call in _calls(ray, actor))

    waiting = "PENDING_ACTOR_TASK_ORDERING_OR_CONCURRENCY"
    several = [waiting] * 2 + ["RUNNING"] * 2

    def is_in_line() -> bool:
        found = states(serial)
        return len(found) == 4 and found.count("RUNNING") == 1 and set(found) <= {"RUNNING", waiting, "SUBMITTED_TO_WORKER"}

    wait_until(is_in_line, "one runs")
    wait_until(lambda: states(threaded) == several, "two run in threads")
    wait_until(lambda: states(later) == several, "two run as coroutines")
    ray.get(signal.send.remote())
    ray.get(refs)
    wait_until(lambda: states(serial) == states(later) == states(threaded) == ["FINISHED"] * 4, "all are over")


@program(dashboard=True)
def state_rows_have_their_columns(ray: ModuleType) -> None:
    """Surface 8: columns, base_columns and filterable_columns of each kind; without detail only the base ones are filled; what a
    list and a get tell in detail is the same."""
    state = _state(ray)
    common = module_of(ray, "util.state.common")
    kinds = {name: getattr(common, name) for name in ("ActorState", "TaskState", "WorkerState", "NodeState")}
    kinds |= {name: getattr(common, name) for name in ("ObjectState", "JobState", "PlacementGroupState")}
    for name, kind in kinds.items():
        assert kind.base_columns() <= kind.columns() and kind.filterable_columns() <= kind.columns(), name
    assert common.ActorState.base_columns() == {
        "actor_id", "class_name", "job_id", "name", "node_id", "pid", "ray_namespace", "state"
    }  # fmt: skip
    assert common.PlacementGroupState.base_columns() == {"creator_job_id", "name", "placement_group_id", "state"}

    @ray.remote(num_cpus=0)
    class Listed:
        def ping(self):
            return 1

    actor = Listed.options(name="state columns").remote()
    ray.get(actor.ping.remote())
    actor_id, node_id = actor._actor_id.hex(), ray.get_runtime_context().get_node_id()
    wait_until(lambda: getattr(state.get_actor(actor_id), "state", "") == "ALIVE", "the actor is told")
    [row] = state.list_actors(filters=[("actor_id", "=", actor_id)])
    filled = {name for name in common.ActorState.columns() if getattr(row, name) is not None}
    assert filled == common.ActorState.base_columns()
    assert state.list_actors(filters=[("actor_id", "=", actor_id)], detail=True) == [state.get_actor(actor_id)]
    assert state.list_nodes(filters=[("node_id", "=", node_id)], detail=True) == [state.get_node(node_id)]
    # Real Ray takes dead workers that a filter leaves out for missing ones.
    options = {"raise_on_missing_output": False}
    worker_id = state.list_workers(filters=[("is_alive", "=", True)], **options)[0].worker_id
    found = state.list_workers(filters=[("worker_id", "=", worker_id)], detail=True, **options)
    assert found == [state.get_worker(worker_id)]


@program(dashboard=True)
def state_lists_are_cut_and_say_so(ray: ModuleType) -> None:
    """Surface 8: limit=1 gives one, always the same; _explain=True warns of what was left out, and of call sites that are not
    recorded; nothing warns otherwise."""
    state = _state(ray)
    gates = [make_gate(ray) for _ in range(3)]
    kept = [ray.put(number) for number in range(3)]
    alive = [("state", "=", "ALIVE")]
    wait_until(lambda: len(state.list_actors(filters=alive)) == len(gates), "all are told")
    wait_until(lambda: len(state.list_objects()) >= len(kept), "all objects are told")

    def told(name: str, **options: Any) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert isinstance(getattr(state, f"list_{name}")(**options), list)
        return [str(each.message) for each in caught if issubclass(each.category, UserWarning)]

    assert state.list_actors(limit=1) == state.list_actors(limit=1)
    assert len(state.list_actors(limit=1)) == 1
    [text] = told("actors", limit=1, _explain=True)
    assert text.startswith("Limit last 1 entries (Total ")
    texts = told("objects", limit=1, _explain=True)
    assert any("RAY_record_ref_creation_sites=1" in text for text in texts)
    for name in LISTS:
        assert told(name, limit=1) == [], name
    assert told("nodes", _explain=True) == []
    assert len(gates) == len(kept)


@program(dashboard=True)
def state_filters_take_truths_in_many_words(ray: ModuleType) -> None:
    """Surface 8: true, True, 1 and a bool are one; what is not a truth or a whole number is refused."""
    state = _state(ray)
    error = module_of(ray, "util.state.exception").RayStateApiException
    options = {"raise_on_missing_output": False}
    for true, false in (("true", "false"), ("True", "False"), ("1", "0"), (True, False)):
        alive = state.list_nodes(filters=[("is_head_node", "=", true)], **options)
        assert len(alive) == 1
        assert state.list_nodes(filters=[("is_head_node", "!=", true)], **options) == []
        assert state.list_nodes(filters=[("is_head_node", "=", false)], **options) == []
    with pytest.raises(error):
        state.list_nodes(filters=[("is_head_node", "=", "perhaps")])
    for wrong in ("123.3", "abc"):
        with pytest.raises(error):
            state.list_workers(filters=[("pid", "=", wrong)])
    assert state.list_workers(filters=[("exit_type", "=", "NODE_OUT_OF_MEMORY")], **options) == []


@program(dashboard=True)
def state_of_what_an_object_is_for(ray: ModuleType) -> None:
    """Surface 8: an object that a task takes is used by it until the task is over; what the task will return is held by who waits."""
    state = _state(ray)
    gate = make_gate(ray)
    wait_for = make_waiter(ray, num_cpus=1)
    taken = ray.put(b"x" * 200_000)
    running = wait_for.remote(gate, taken)

    def rows(ref: Any, **wanted: Any) -> list[Any]:
        filters = [("object_id", "=", ref.hex()), *((key, "=", value) for key, value in wanted.items())]
        return state.list_objects(filters=filters)

    wait_until(lambda: bool(rows(taken, reference_type="USED_BY_PENDING_TASK")), "a task uses it")
    wait_until(lambda: bool(rows(running, reference_type="LOCAL_REFERENCE")), "the result is awaited")
    ray.get(gate.open.remote())
    assert ray.get(running) == b"x" * 200_000
    wait_until(lambda: bool(rows(taken)) and not rows(taken, reference_type="USED_BY_PENDING_TASK"), "it is used no more")


def _names(ray: ModuleType, **options: Any) -> list[str]:
    return sorted(task.name for task in _state(ray).list_tasks(**options))


@program(dashboard=True)
def some_tasks_are_not_listed(ray: ModuleType) -> None:
    """Surface 8: what has enable_task_events=False is not listed; calls go by their actor, whoever calls, unless their method says
    otherwise; what a task submits goes by its own option."""

    @ray.remote(enable_task_events=False)
    def silent(actors):
        ray.get([actor.plain.remote() for actor in actors])
        return ray.get(loud.remote())

    @ray.remote
    def loud():
        return 1

    class Actor:
        def plain(self):
            pass

        @ray.method(enable_task_events=True)
        def shown(self):
            pass

        @ray.method(enable_task_events=False)
        def hidden(self):
            pass

    one, two = (ray.remote(num_cpus=0, enable_task_events=events)(Actor).remote() for events in (True, False))
    for actor in (one, two):
        ray.get([actor.shown.remote(), actor.hidden.remote()])
    assert ray.get(silent.remote([one, two])) == 1
    ray.get(loud.options(name="quiet", enable_task_events=False).remote())
    of_one, of_two = ([("actor_id", "=", actor._actor_id.hex())] for actor in (one, two))
    wait_until(lambda: _names(ray, filters=of_one) == ["Actor.__init__", "Actor.plain", "Actor.shown"], "calls are listed")
    wait_until(lambda: _names(ray, filters=of_two) == ["Actor.shown"], "only what says so is listed")
    assert _names(ray, filters=[("type", "=", "NORMAL_TASK")]) == ["loud"]
    with pytest.raises(TypeError):
        loud.options(enable_task_events=None).remote()


@program(dashboard=True, engines=NOT_SIMULATED, reason="calls ray.init itself and so chooses no engine", starts_session=False)
def no_tasks_are_listed_where_the_interval_is_zero(ray: ModuleType) -> None:
    """Surface 8: with task_events_report_interval_ms=0 no task is told of; actors are."""
    ray.init(num_cpus=1, include_dashboard=True, _system_config={"task_events_report_interval_ms": 0})

    @ray.remote(enable_task_events=True)
    class Actor:
        def call(self):
            return 1

    actor = Actor.remote()
    assert ray.get(actor.call.remote()) == 1
    wait_until(lambda: len(_state(ray).list_actors()) == 1, "the actor is listed")
    assert _names(ray) == []


@program(dashboard=True)
def a_driver_is_a_task_for_who_asks(ray: ModuleType) -> None:
    """Surface 8: with exclude_driver=False the list of tasks has the drivers too, as tasks that run and have no name."""
    common, job = module_of(ray, "util.state.common"), ray.get_runtime_context().get_job_id()
    options = common.ListApiOptions(exclude_driver=False, detail=True, filters=[("job_id", "=", job), ("type", "=", "DRIVER_TASK")])

    def found() -> list[Any]:
        rows: list[Any] = _state(ray).StateApiClient().list(common.StateResource.TASKS, options, True)
        return rows

    wait_until(lambda: len(found()) == 1, "the driver is listed")
    (driver,) = found()
    assert (driver.state, driver.name, driver.func_or_class_name) == ("RUNNING", "", "")
    assert (driver.task_id, driver.parent_task_id) == ("f" * 40 + job, "f" * 48)
    assert driver.start_time_ms
    assert (driver.end_time_ms, driver.worker_id, driver.node_id, driver.actor_id) == (None, None, None, None)
    assert "DRIVER_TASK" not in {task.type for task in _state(ray).list_tasks()}


@program(dashboard=True, engines=NOT_SIMULATED, reason="ends its process")
def calls_that_end_their_actor_have_finished(ray: ModuleType) -> None:
    """Surface 8: a call that asked for its actor's end counts as FINISHED, without an error."""

    @ray.remote(num_cpus=0)
    class Actor:
        def leave(self):
            ray.actor.exit_actor()

        def system_exit(self):
            raise SystemExit(0)

        def ready(self):
            return 1

    one, two, three = Actor.remote(), Actor.remote(), Actor.remote()
    ray.get([each.ready.remote() for each in (one, two, three)])
    refs = [one.leave.remote(), two.system_exit.remote(), three.__ray_terminate__.remote()]
    for ref in refs:
        with pytest.raises(ray.exceptions.RayActorError):
            ray.get(ref)
    for name in ("Actor.leave", "Actor.system_exit", "Actor.__ray_terminate__"):
        wait_until(
            lambda name=name: [task.state for task in _state(ray).list_tasks(filters=[("name", "=", name)])] == ["FINISHED"], name
        )
        assert _state(ray).list_tasks(filters=[("name", "=", name)])[0].error_type is None


@program(dashboard=True, engines=NOT_SIMULATED, reason="no environment is set up for a virtual worker")
def state_of_what_never_ran(ray: ModuleType) -> None:
    """U8, surface 8: the constructor of an actor that is killed before it has a place has failed as if its worker had
    died; calls of one whose constructor raises, as if it had died later; and a bad environment is named as such."""
    state = _state(ray)

    @ray.remote
    class NeverPlaced:
        pass

    @ray.remote
    class NeverMade:
        def __init__(self):
            raise ValueError("on purpose")

        def call(self):
            return 1

    @ray.remote(runtime_env={"working_dir": "s3://nowhere/nothing.zip"})
    def never_set_up():
        return 1

    def error_types(*filters: tuple[str, str, str]) -> dict[str, str]:
        return {task.name: task.error_type for task in state.list_tasks(filters=list(filters)) if task.state == "FAILED"}

    placed = NeverPlaced.options(num_cpus=10).remote()
    actor_id = placed._actor_id.hex()
    ray.kill(placed)
    made = NeverMade.remote()
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(made.call.remote())
    with pytest.raises(ray.exceptions.RuntimeEnvSetupError):
        ray.get(never_set_up.remote())
    of_placed, of_made = (("actor_id", "=", each) for each in (actor_id, made._actor_id.hex()))
    wait_until(lambda: error_types(of_placed) == {"NeverPlaced.__init__": "WORKER_DIED"}, "it was killed")
    expected = {"NeverMade.__init__": "TASK_EXECUTION_EXCEPTION", "NeverMade.call": "ACTOR_DIED"}
    wait_until(lambda: error_types(of_made) == expected, "it has failed")
    named = ("name", "=", "never_set_up")
    wait_until(lambda: error_types(named) == {"never_set_up": "RUNTIME_ENV_SETUP_FAILED"}, "it was not set up")


@program(dashboard=True)
def state_as_a_chrome_trace(ray: ModuleType) -> None:
    """U8, surface 8: `profiling_data` tells the parts of a task, and `ray._private.profiling.chrome_tracing_dump` makes a
    trace of them: rows for nodes and workers, events with what the task is."""

    @ray.remote
    def state_parted():
        time.sleep(0.1)
        return 1

    ray.get(state_parted.remote())
    state, profiling = _state(ray), module_of(ray, "_private.profiling")

    def told() -> list[Any]:
        tasks = state.list_tasks(filters=[("name", "=", "state_parted"), ("state", "=", "FINISHED")], detail=True)
        return [task for task in tasks if len((task.profiling_data or {}).get("events", ())) == 4]

    wait_until(lambda: len(told()) == 1, "its parts are told")
    [task] = told()
    data = task.profiling_data
    assert (data["component_type"], data["component_id"]) == ("worker", task.worker_id)
    names = [event["event_name"] for event in data["events"]]
    parts = ["task:deserialize_arguments", "task:execute", "task:store_outputs"]
    assert names == [*parts, "task::state_parted"]
    assert all(event["start_time"] <= event["end_time"] for event in data["events"])
    events = json.loads(profiling.chrome_tracing_dump([task]))
    meta = {event["name"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    assert meta == {"process_name": f"Node {data['node_ip_address']}", "thread_name": f"worker:{task.worker_id}"}
    running = next(event for event in events if event["cat"] == "task:execute")
    assert 100_000 * 0.9 < running["dur"] < 1_000_000
    assert running["args"]["task_id"] == task.task_id
    assert running["args"]["func_or_class_name"] == "state_parted"
    assert running["args"]["actor_id"] is None
