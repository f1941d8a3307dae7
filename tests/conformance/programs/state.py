"""`ray.util.state`: what there is in a session, listed, looked up and summarized. In Ray it is told a little late."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ..helpers import make_gate, make_recorder, make_waiter, wait_until
from ..registry import NOT_SIMULATED, Engine, program


def _state(ray: ModuleType) -> ModuleType:
    return importlib.import_module(f"{ray.__name__}.util.state")


def _tasks(ray: ModuleType, name: str, **options: Any) -> list[Any]:
    return _state(ray).list_tasks(filters=[("name", "=", name)], **options)


def _await_tasks(ray: ModuleType, name: str, state: str, number: int = 1) -> list[Any]:
    """The tasks of a name, once so many of them are in a state."""

    def are_there() -> bool:
        return sum(1 for task in _tasks(ray, name) if task.state == state) >= number

    wait_until(are_there, f"{number} tasks {name} are {state}")
    return _tasks(ray, name, detail=True)


@program(dashboard=True)
def state_of_finished_tasks(ray: ModuleType) -> None:
    """T15, U8, surface 8: a task that has ended is listed with its name, function, job, node, worker and times."""

    @ray.remote(num_cpus=0.5)
    def state_done(x):
        return ray.get_runtime_context().get_worker_id()

    before_ms = time.time() * 1000 - 2000
    worker_id = ray.get(state_done.options(name="state_renamed").remote(1))
    [task] = _await_tasks(ray, "state_renamed", "FINISHED")
    context = ray.get_runtime_context()
    assert task.func_or_class_name == "state_done"
    assert task.type == "NORMAL_TASK"
    assert (task.job_id, task.node_id, task.worker_id) == (context.get_job_id(), context.get_node_id(), worker_id)
    assert task.attempt_number == 0
    assert task.actor_id is None
    assert task.error_type is None
    assert task.error_message is None
    assert task.required_resources == {"CPU": 0.5}
    assert task.parent_task_id == "ff" * 20 + context.get_job_id()
    assert task.language == "PYTHON"
    assert before_ms <= task.creation_time_ms <= task.start_time_ms <= task.end_time_ms
    assert task["state"] == task.get("state") == "FINISHED"


@program(dashboard=True)
def state_without_detail(ray: ModuleType) -> None:
    """Surface 8: Without detail=True, details are None."""

    @ray.remote
    def state_plain():
        return 1

    ray.get(state_plain.remote())
    _await_tasks(ray, "state_plain", "FINISHED")
    [task] = _tasks(ray, "state_plain")
    assert task.name == "state_plain"
    assert task.creation_time_ms is None
    assert task.required_resources is None


@program(dashboard=True)
def state_of_failed_tasks(ray: ModuleType) -> None:
    """Surface 8: A task that raised is FAILED, with a kind of error and its text."""

    @ray.remote
    def state_fails():
        raise ValueError("on purpose")

    with pytest.raises(ValueError):
        ray.get(state_fails.remote())
    [task] = _await_tasks(ray, "state_fails", "FAILED")
    assert task.error_type == "TASK_EXECUTION_EXCEPTION"
    assert task.error_message.startswith("User exception:")
    assert "ValueError: on purpose" in task.error_message


@program(dashboard=True)
def state_of_attempts(ray: ModuleType) -> None:
    """Surface 8: A task that was tried twice has an entry for each attempt; get_task gives both."""

    @ray.remote(max_retries=1, retry_exceptions=True)
    def state_retried():
        raise ValueError("again")

    ref = state_retried.remote()
    with pytest.raises(ValueError):
        ray.get(ref)
    tasks = _await_tasks(ray, "state_retried", "FAILED", 2)
    assert sorted(task.attempt_number for task in tasks) == [0, 1]
    attempts = _state(ray).get_task(ref)
    assert sorted(task.attempt_number for task in attempts) == [0, 1]
    assert all(task.error_type == "TASK_EXECUTION_EXCEPTION" for task in attempts)


@program(dashboard=True)
def state_of_tasks_under_way(ray: ModuleType) -> None:
    """Surface 8: RUNNING, PENDING_NODE_ASSIGNMENT for want of room, PENDING_ARGS_AVAIL for want of an argument; and a cancelled
    task is FAILED."""
    gate = make_gate(ray)
    wait_for = make_waiter(ray, num_cpus=1)
    running = wait_for.options(name="state_runs").remote(gate)
    queued = wait_for.options(name="state_queued", num_cpus=99).remote(gate)
    waiting = wait_for.options(name="state_waits").remote(gate, running)
    wait_until(lambda: any(task.state.startswith("RUNNING") for task in _tasks(ray, "state_runs")), "one task runs")
    _await_tasks(ray, "state_queued", "PENDING_NODE_ASSIGNMENT")
    _await_tasks(ray, "state_waits", "PENDING_ARGS_AVAIL")
    [task] = _tasks(ray, "state_runs", detail=True)
    assert task.end_time_ms is None
    assert task.start_time_ms is not None
    ray.cancel(queued)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(queued)
    [task] = _await_tasks(ray, "state_queued", "FAILED")
    assert task.error_type == "TASK_CANCELLED"
    ray.get(gate.open.remote())
    ray.get([running, waiting])


@program(dashboard=True)
def state_of_child_tasks(ray: ModuleType) -> None:
    """Surface 8: A task's parent is the task that submitted it."""

    @ray.remote(num_cpus=0)
    def state_child():
        return 1

    @ray.remote
    def state_parent():
        return ray.get(state_child.remote()), ray.get_runtime_context().get_task_id()

    _, parent_id = ray.get(state_parent.remote())
    [task] = _await_tasks(ray, "state_child", "FINISHED")
    assert task.parent_task_id == parent_id


@program(dashboard=True)
def state_of_a_living_actor(ray: ModuleType) -> None:
    """Surface 8: An actor is listed with its class, name, process and resources; its constructor and calls are tasks."""

    @ray.remote
    class StateActor:
        def call(self):
            return True

    actor = StateActor.options(name="state_actor", num_cpus=0.5).remote()
    ray.get(actor.call.remote())
    actor_id = actor._actor_id.hex()
    wait_until(lambda: _state(ray).get_actor(actor_id) is not None, "the actor is told")
    found = _state(ray).get_actor(actor_id)
    context = ray.get_runtime_context()
    assert found.class_name == "state_of_a_living_actor.<locals>.StateActor"
    assert (found.state, found.name, found.job_id) == ("ALIVE", "state_actor", context.get_job_id())
    assert (found.node_id, found.ray_namespace) == (context.get_node_id(), context.namespace)
    assert found.is_detached is False
    assert found.required_resources == {"CPU": 0.5}
    assert found.num_restarts == 0
    assert found.death_cause is None
    assert found.placement_group_id is None
    [creation] = _await_tasks(ray, "state_actor:StateActor.__init__", "FINISHED")
    assert (creation.type, creation.func_or_class_name) == ("ACTOR_CREATION_TASK", "StateActor.__init__")
    [call] = _await_tasks(ray, "StateActor.call", "FINISHED")
    assert (call.type, call.func_or_class_name, call.actor_id) == ("ACTOR_TASK", "StateActor.call", actor_id)
    assert [each.actor_id for each in _state(ray).list_actors(filters=[("name", "=", "state_actor")])] == [actor_id]


@program(dashboard=True)
def state_of_dead_actors(ray: ModuleType) -> None:
    """Surface 8: A killed actor, and one whose constructor failed, are DEAD, with the cause."""

    @ray.remote
    class StateKilled:
        def ready(self):
            return True

    @ray.remote
    class StateBroken:
        def __init__(self):
            raise RuntimeError("no start")

    killed, broken = StateKilled.remote(), StateBroken.remote()
    ray.get(killed.ready.remote())
    killed_id, broken_id = killed._actor_id.hex(), broken._actor_id.hex()
    ray.kill(killed)

    def is_dead(actor_id: str) -> bool:
        found = _state(ray).get_actor(actor_id)
        return found is not None and found.state == "DEAD"

    wait_until(lambda: is_dead(killed_id) and is_dead(broken_id), "both are dead")
    del killed
    cause = _state(ray).get_actor(killed_id).death_cause["actor_died_error_context"]
    assert "killed by `ray.kill`" in cause["error_message"]
    assert cause["actor_id"] == killed_id
    cause = _state(ray).get_actor(broken_id).death_cause["creation_task_failure_context"]
    assert "RuntimeError: no start" in cause["formatted_exception_string"]


@program(dashboard=True, engines=NOT_SIMULATED, reason="ends its process")
def state_of_an_actor_whose_process_died(ray: ModuleType) -> None:
    """Surface 8: An actor that is dead because its process is gone is told with that process and its node."""

    @ray.remote
    class StateCrashed:
        def where(self):
            return os.getpid(), ray.get_runtime_context().get_node_id()

        def crash(self):
            os._exit(1)

    crashed = StateCrashed.remote()
    pid, node_id = ray.get(crashed.where.remote())
    actor_id = crashed._actor_id.hex()
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(crashed.crash.remote())
    wait_until(lambda: _state(ray).get_actor(actor_id).state == "DEAD", "it is dead")
    found = _state(ray).get_actor(actor_id)
    assert (found.pid, found.node_id) == (pid, node_id)
    cause = found.death_cause["actor_died_error_context"]
    assert (cause["pid"], cause["never_started"]) == (pid, False)


@program(dashboard=True)
def state_of_actors_that_wait(ray: ModuleType) -> None:
    """Surface 8: PENDING_CREATION without room, DEPENDENCIES_UNREADY without an argument."""
    gate = make_gate(ray)

    @ray.remote
    class StateWaiting:
        def __init__(self, value=None):
            pass

    big = StateWaiting.options(num_cpus=99).remote()
    dependent = StateWaiting.remote(make_waiter(ray, num_cpus=1).remote(gate))

    def state_is(actor: Any, state: str) -> bool:
        found = _state(ray).get_actor(actor._actor_id.hex())
        return found is not None and found.state == state

    wait_until(lambda: state_is(big, "PENDING_CREATION"), "one has no room")
    wait_until(lambda: state_is(dependent, "DEPENDENCIES_UNREADY"), "one has no argument")
    ray.get(gate.open.remote())
    ray.get(dependent.__ray_ready__.remote())


@program(dashboard=True, engines=NOT_SIMULATED, reason="simulated workers are no processes")
def state_of_processes(ray: ModuleType) -> None:
    """Surface 8: Workers, actors and the driver are listed with their processes."""

    @ray.remote
    class StateProcess:
        def where(self):
            return ray.get_runtime_context().get_worker_id(), os.getpid()

    state = _state(ray)
    actor = StateProcess.remote()
    worker_id, pid = ray.get(actor.where.remote())
    found = state.get_worker(worker_id)
    assert (found.is_alive, found.worker_type, found.pid) == (True, "WORKER", pid)
    assert found.exit_type is None
    assert state.get_actor(actor._actor_id.hex()).pid == pid
    drivers = state.list_workers(filters=[("worker_type", "=", "DRIVER"), ("is_alive", "=", "true")])
    assert os.getpid() in [each.pid for each in drivers]
    [call] = _await_tasks(ray, "StateProcess.where", "FINISHED")
    assert call.worker_id == worker_id
    # Ray is told of a task in pieces: its process may come after its end.
    wait_until(lambda: _await_tasks(ray, "StateProcess.where", "FINISHED")[0].worker_pid == pid, "the process is told")


@program(dashboard=True)
def state_of_a_worker_that_died(ray: ModuleType) -> None:
    """Surface 8: A worker that died stays listed for a while, and says how it died."""
    state = _state(ray)

    @ray.remote(max_retries=0)
    def state_dies():
        os._exit(3)

    known = {each.worker_id for each in state.list_workers(limit=1000)}
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(state_dies.remote())

    def dead() -> list[Any]:
        everybody = state.list_workers(filters=[("is_alive", "=", False)], limit=1000, detail=True)
        return [each for each in everybody if each.exit_type == "SYSTEM_ERROR" and each.end_time_ms > 0]

    wait_until(lambda: bool(dead()), "the death is told")
    assert dead()[0].exit_detail
    assert known


def _exits(ray: ModuleType) -> dict[str, Any]:
    """A class whose instances end themselves, and what is known of a process that has ended, by its id."""
    state = _state(ray)

    @ray.remote(num_cpus=0)
    class StateEnds:
        def where(self):
            return ray.get_runtime_context().get_worker_id()

        def leave(self):
            ray.actor.exit_actor()

        def exit(self, code):
            sys.exit(code)

        def kill(self):
            os.kill(os.getpid(), signal.SIGKILL)

    def ended(worker_id: str, exit_type: str, words: str) -> None:
        def is_told() -> bool:
            row = state.get_worker(worker_id)
            return row is not None and row.exit_type == exit_type and words in row.exit_detail

        wait_until(is_told, f"the process has ended: {exit_type}, {words}")

    return {"class": StateEnds, "ended": ended}


@program(dashboard=True)
def state_tells_why_actors_ended(ray: ModuleType) -> None:
    """Surface 8: exit_type and exit_detail: by exit_actor, by exit codes, by a signal, by ray.kill."""
    StateEnds, ended = _exits(ray).values()
    for end, exit_type, words in (
        (lambda actor: actor.leave.remote(), "INTENDED_USER_EXIT", "exit_actor"),
        (lambda actor: actor.exit.remote(0), "INTENDED_USER_EXIT", "exit code 0"),
        (lambda actor: actor.exit.remote(4), "SYSTEM_ERROR", "exit code 4"),
        (lambda actor: actor.kill.remote(), "SYSTEM_ERROR", "OOM"),
        (lambda actor: ray.kill(actor), "INTENDED_SYSTEM_EXIT", "ray.kill"),
    ):
        actor = StateEnds.remote()
        worker_id = ray.get(actor.where.remote())
        call = end(actor)
        if call is not None:
            with pytest.raises(ray.exceptions.RayActorError):
                ray.get(call)
        ended(worker_id, exit_type, words)


@program(dashboard=True)
def state_tells_what_ended_processes(ray: ModuleType) -> None:
    """Surface 8: exit_type and exit_detail of what was cancelled by force, lost its placement group, or failed to be made."""
    StateEnds, ended = _exits(ray).values()
    recorder = make_recorder(ray)

    def tell_and_wait():
        ray.get(recorder.add.remote(ray.get_runtime_context().get_worker_id()))
        time.sleep(1000)

    waits = ray.remote(max_retries=0)(tell_and_wait).remote()
    wait_until(lambda: len(ray.get(recorder.items.remote())) == 1, "the task runs")
    ray.cancel(waits, force=True)
    ended(ray.get(recorder.items.remote())[0], "INTENDED_USER_EXIT", "ray.cancel")

    group = ray.util.placement_group([{"CPU": 1}])
    strategy = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(group)
    actor = StateEnds.options(num_cpus=1, scheduling_strategy=strategy).remote()
    worker_id = ray.get(actor.where.remote())
    ray.util.remove_placement_group(group)
    ended(worker_id, "INTENDED_SYSTEM_EXIT", "placement group was removed")

    @ray.remote(num_cpus=0)
    class StateFails:
        def __init__(self):
            ray.get(recorder.add.remote(ray.get_runtime_context().get_worker_id()))
            raise ValueError("on purpose")

    failed = StateFails.remote()
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(failed.__ray_ready__.remote())
    ended(ray.get(recorder.items.remote())[1], "USER_ERROR", "exception in the initialization method")


@program(dashboard=True)
def state_of_the_node(ray: ModuleType) -> None:
    """Surface 8: One node, the head, with its resources and labels."""
    state = _state(ray)
    node_id = ray.get_runtime_context().get_node_id()
    [node] = state.list_nodes(filters=[("is_head_node", "=", True)], detail=True)
    assert (node.node_id, node.state, node.is_head_node) == (node_id, "ALIVE", True)
    assert node.resources_total["CPU"] == 2.0
    assert node.resources_total["object_store_memory"] > 0
    assert node.labels["ray.io/node-id"] == node_id
    assert node.start_time_ms > 0
    assert node.end_time_ms == 0
    assert state.get_node(node_id).node_id == node_id
    assert state.get_node("ab" * 28) is None


@program(dashboard=True)
def state_of_the_job(ray: ModuleType) -> None:
    """Surface 8: The driver is a job that runs; it is not one that was submitted."""
    state = _state(ray)
    job_id = ray.get_runtime_context().get_job_id()
    jobs = [job for job in state.list_jobs(detail=True) if job.job_id == job_id]
    assert [(job.type, job.status, job.submission_id) for job in jobs] == [("DRIVER", "RUNNING", None)]
    assert jobs[0].driver_info.pid == str(os.getpid())
    assert jobs[0].start_time > 0
    assert state.get_job("nothing") is None


@program(dashboard=True)
def state_of_objects(ray: ModuleType) -> None:
    """Surface 8: An object is listed with its size, and why it is kept."""
    state = _state(ray)
    ref = ray.put(b"x" * 300_000)
    wait_until(lambda: bool(state.get_objects(ref.hex())), "the object is told")
    [found] = state.get_objects(ref.hex())
    assert 300_000 <= found.object_size < 301_000
    assert (found.reference_type, found.type, found.pid) == ("LOCAL_REFERENCE", "DRIVER", os.getpid())
    assert found.task_status == "FINISHED"
    listed = state.list_objects(filters=[("object_id", "=", ref.hex())])
    assert [each.object_id for each in listed] == [ref.hex()]
    object_id = ref.hex()
    del ref
    wait_until(lambda: not state.list_objects(filters=[("object_id", "=", object_id)]), "the object is gone")


@program(dashboard=True)
def state_of_placement_groups(ray: ModuleType) -> None:
    """Surface 8: CREATED, PENDING and REMOVED, with bundles."""
    state = _state(ray)
    groups = importlib.import_module(f"{ray.__name__}.util.placement_group")
    here = ray.get_runtime_context().get_node_id()
    group = groups.placement_group([{"CPU": 0.5}, {"CPU": 0.25}], name="state_group")
    ray.get(group.ready())
    never = groups.placement_group([{"CPU": 99}])
    found = state.get_placement_group(group.id.hex())
    assert (found.name, found.state, found.is_detached) == ("state_group", "CREATED", False)
    assert [bundle["unit_resources"] for bundle in found.bundles] == [{"CPU": 0.5}, {"CPU": 0.25}]
    assert {bundle["node_id"] for bundle in found.bundles} == {here}
    assert found.stats["scheduling_state"] == "FINISHED"
    assert found.creator_job_id == ray.get_runtime_context().get_job_id()
    assert state.get_placement_group(never.id.hex()).state == "PENDING"
    groups.remove_placement_group(group)
    wait_until(lambda: state.get_placement_group(group.id.hex()).state == "REMOVED", "the group is removed")
    listed = state.list_placement_groups(filters=[("state", "=", "PENDING")])
    assert never.id.hex() in [each.placement_group_id for each in listed]
    groups.remove_placement_group(never)


@program(dashboard=True)
def state_filters(ray: ModuleType) -> None:
    """Surface 8: Texts fit without regard to case, numbers and truths may be texts, all filters must fit."""
    state = _state(ray)

    @ray.remote
    def state_filtered():
        return 1

    ray.get([state_filtered.options(name=f"state_filtered_{number}").remote() for number in range(3)])
    wait_until(
        lambda: (
            len(state.list_tasks(filters=[("func_or_class_name", "=", "state_filtered"), ("state", "=", "finished")]))
            == 3
        ),
        "all are told",
    )
    mine = ("func_or_class_name", "=", "state_filtered")
    assert len(state.list_tasks(filters=[mine, ("name", "=", "STATE_FILTERED_1")])) == 1
    assert len(state.list_tasks(filters=[mine, ("name", "!=", "state_filtered_1")])) == 2
    assert len(state.list_tasks(filters=[mine, ("attempt_number", "=", "0")])) == 3
    assert len(state.list_tasks(filters=[mine, ("attempt_number", "=", 0)])) == 3
    assert state.list_tasks(filters=[mine, ("attempt_number", "=", 1)]) == []
    assert state.list_tasks(filters=[mine, ("state", "=", "NOSUCH")]) == []
    assert len(state.list_tasks(filters=[mine], limit=2)) == 2
    assert state.list_tasks(filters=[mine], limit=0) == []
    with pytest.warns(UserWarning, match="multiple '=' filters"):
        assert state.list_tasks(filters=[("name", "=", "one"), ("name", "=", "two")]) == []


@program(dashboard=True)
def state_misuse(ray: ModuleType) -> None:
    """Surface 8: Unknown columns, predicates, values and too large limits are refused; what is not there is None."""
    state = _state(ray)
    error = importlib.import_module(f"{ray.__name__}.util.state.exception").RayStateApiException
    make_gate(ray)
    with pytest.raises(error, match="column nokey is not supported"):
        state.list_nodes(filters=[("nokey", "=", "x")])
    with pytest.raises(error, match="is not supported"):
        state.list_nodes(filters=[("resources_total", "=", "x")])
    with pytest.raises(ValueError, match="Unsupported filter predicate <"):
        state.list_nodes(filters=[("state", "<", "x")])
    with pytest.raises(error, match="exceeds the supported limit|exceeds the supported"):
        state.list_nodes(limit=10_001)
    with pytest.raises(error):
        state.list_nodes(limit=-1)
    with pytest.raises(error, match="Failed to convert"):
        state.list_actors(filters=[("pid", "=", "abc")])
    assert state.get_actor("ab" * 16) is None
    assert state.get_task("ab" * 24) is None
    assert state.get_worker("ab" * 28) is None
    assert state.get_placement_group("ab" * 18) is None


@program(dashboard=True)
def state_summaries(ray: ModuleType) -> None:
    """Surface 8: Counts by name and state, under the key "cluster"."""
    state = _state(ray)

    @ray.remote
    class StateCounted:
        def call(self):
            return 1

    @ray.remote
    def state_summed():
        return 1

    actor = StateCounted.remote()
    ray.get([actor.call.remote(), state_summed.remote(), state_summed.remote()])
    wait_until(
        lambda: (
            state.summarize_tasks()["cluster"]["summary"].get("state_summed", {}).get("state_counts") == {"FINISHED": 2}
        ),
        "the tasks are counted",
    )
    tasks = state.summarize_tasks()["cluster"]
    assert tasks["summary"]["state_summed"]["type"] == "NORMAL_TASK"
    assert tasks["summary_by"] == "func_name"
    assert tasks["total_tasks"] >= 2
    actors = state.summarize_actors()["cluster"]
    name = "state_summaries.<locals>.StateCounted"
    assert actors["summary"][name] == {"class_name": name, "state_counts": {"ALIVE": 1}}
    assert actors["summary_by"] == "class"
    ref = ray.put(b"x" * 2**20)
    wait_until(lambda: state.summarize_objects()["cluster"]["total_size_mb"] >= 1, "the object is counted")
    objects = state.summarize_objects()["cluster"]
    assert objects["callsite_enabled"] is False
    assert objects["summary"]["disabled"]["ref_type_counts"]["LOCAL_REFERENCE"] >= 1
    assert ref is not None


@program(dashboard=True)
def state_older_place(ray: ModuleType) -> None:
    """Surface 8: ray.experimental.state.api is the same."""
    older = importlib.import_module(f"{ray.__name__}.experimental.state.api")
    assert len(older.list_nodes()) == 1
    assert older.list_actors is not None
    assert callable(older.summarize_tasks)


@program(
    engines=frozenset({Engine.PROCESSES}), reason="Ray's log files are served by a dashboard; a simulation has none"
)
def log_files_are_listed_and_read(ray: ModuleType) -> None:
    """Surface 8: `list_logs` and `get_log`: by name, by process, by actor; the last lines; what is not there is an error."""
    state = _state(ray)

    @ray.remote
    class Speaker:
        def speak(self) -> int:
            print("first")
            print("\x1b[31msecond\x1b[0m")
            print("wrong", file=sys.stderr)
            return os.getpid()

    speaker = Speaker.remote()
    process_id = ray.get(speaker.speak.remote())
    node_id = ray.get_runtime_context().get_node_id()
    wait_until(
        lambda: len(state.list_logs(node_id=node_id, glob_filter=f"*-{process_id}.*")) == 2, "both files are there"
    )
    [name] = state.list_logs(node_id=node_id, glob_filter=f"*-{process_id}.out")["worker_out"]
    wait_until(lambda: "second" in "".join(state.get_log(node_id=node_id, filename=name)), "all lines are there")
    whole = "".join(state.get_log(node_id=node_id, pid=process_id))
    assert whole.endswith("first\n\x1b[31msecond\x1b[0m\n") and "wrong" not in whole
    assert "".join(state.get_log(actor_id=speaker._actor_id.hex(), suffix="err")).endswith("wrong\n")
    assert list(state.get_log(filename=name, tail=1, filter_ansi_code=True)) == ["second\n"]
    assert list(state.get_log(filename=name, tail=1, filter_ansi_code=True, encoding=None)) == [b"second\n"]
    following = state.get_log(filename=name, tail=1, follow=True, _interval=0.01)
    assert "second" in next(following)
    ray.get(speaker.speak.remote())
    assert "first" in next(following)
    following.close()
    exceptions = importlib.import_module(f"{ray.__name__}.util.state.exception")
    for wrong in (
        {"filename": "none"},
        {"pid": 0},
        {"task_id": "00"},
        {"node_id": "00"},
        {"pid": process_id, "suffix": "x"},
    ):
        with pytest.raises(exceptions.RayStateApiException):
            list(state.get_log(**wrong))
    with pytest.raises(AssertionError):
        state.list_logs()


@program(dashboard=True, engines=NOT_SIMULATED, reason="in a simulation prints go straight to the driver's streams")
def log_lines_of_a_task(ray: ModuleType) -> None:
    """Surface 8: `get_log(task_id=…)`: what one attempt of a task has printed, and nothing that another has in the same process."""
    state = _state(ray)
    exception = importlib.import_module(f"{ray.__name__}.util.state.exception").RayStateApiException

    @ray.remote
    def talk(number):
        print("line", number)
        print("more", number)
        print("wrong", number, file=sys.stderr)

    @ray.remote
    def silent():
        return None

    @ray.remote(max_retries=1, retry_exceptions=True)
    def twice():
        print("an attempt")
        raise ValueError

    def lines(ref, **options):
        return "".join(state.get_log(task_id=ref.task_id().hex(), **options))

    talking, still, failed = [talk.remote(number) for number in range(6)], silent.remote(), twice.remote()
    ray.get([*talking, still])
    with pytest.raises(ValueError):
        ray.get(failed)

    def is_known(ref, **options):
        try:
            return bool(lines(ref, **options)) or ref is still
        except exception:
            return False

    refs = [*talking, still, failed]
    wait_until(lambda: all(is_known(ref) for ref in refs) and is_known(failed, attempt_number=1), "all is known")
    for number, ref in enumerate(talking):
        assert lines(ref) == f"line {number}\nmore {number}\n"
        assert lines(ref, suffix="err") == f"wrong {number}\n"
        assert lines(ref, tail=1) == f"more {number}\n"
    assert lines(still) == ""
    assert lines(failed) == lines(failed, attempt_number=1) == "an attempt\n"
    for wrong in ({"task_id": "00" * 24}, {"task_id": failed.task_id().hex(), "attempt_number": 2}):
        with pytest.raises(exception):
            list(state.get_log(**wrong))


@program(dashboard=True)
def state_calls_take_the_same_arguments(ray: ModuleType) -> None:
    """Surface 8: limit, timeout, detail, filters and raise_on_missing_output of every list; what is not there is an empty
    list."""
    state = _state(ray)

    @ray.remote(num_cpus=0)
    class StateArguments:
        def ping(self):
            return 1

    actors = [StateArguments.remote() for _ in range(3)]
    ray.get([actor.ping.remote() for actor in actors])
    alive = [("state", "=", "ALIVE")]

    def listed() -> list[str]:
        return [row.actor_id for row in state.list_actors(filters=alive) if row.class_name.endswith("StateArguments")]

    wait_until(lambda: set(listed()) == {actor._actor_id.hex() for actor in actors}, "all three are listed")
    assert len(state.list_actors(filters=alive, limit=2, timeout=20, raise_on_missing_output=False)) == 2
    assert state.list_actors(filters=[*alive, ("state", "!=", "ALIVE")]) == []
    for name in ("actors", "nodes", "jobs", "workers", "tasks", "objects", "placement_groups"):
        rows = getattr(state, f"list_{name}")(limit=1, detail=True, timeout=20, raise_on_missing_output=False)
        assert isinstance(rows, list) and len(rows) <= 1, name
    node_id = ray.get_runtime_context().get_node_id()
    assert state.get_node(node_id, timeout=20).node_id == node_id
    assert state.get_actor(actors[0]._actor_id.hex(), timeout=20).class_name.endswith("StateArguments")
    for name in ("summarize_tasks", "summarize_actors", "summarize_objects"):
        assert "cluster" in getattr(state, name)(timeout=20, raise_on_missing_output=False), name


@program(dashboard=True, engines=NOT_SIMULATED, reason="what workers print in a simulation goes straight to the driver's streams")
def state_tells_where_the_lines_of_a_task_are(ray: ModuleType) -> None:
    """Surface 8: task_log_info names the log files, and the bytes that an attempt has printed; of one that runs on without an end."""
    state = _state(ray)
    gate = make_gate(ray)

    def say(name):
        print(f"{name} says")
        print("one")
        print(f"{name} errs", file=sys.stderr)

    @ray.remote(num_cpus=0)
    def task(name, gate=None):
        say(name)
        while gate is not None and not ray.get(gate.is_open.remote()):
            time.sleep(0.02)

    def printed(name: str, stream: str, ends: bool = True) -> str | None:
        found = next(iter(state.list_tasks(filters=[("name", "=", name)], detail=True)), None)
        info = (found and found.task_log_info) or {}
        if f"std{stream}_file" not in info:
            return None
        start, end = info[f"std{stream}_start"], info.get(f"std{stream}_end")
        assert start > 0
        assert (end is not None) == ends or found.state == "RUNNING"
        return Path(info[f"std{stream}_file"]).read_bytes()[start:end].decode()

    for name in ("a", "b"):
        ray.get(task.options(name=name).remote(name))
    for name in ("a", "b"):
        wait_until(lambda name=name: printed(name, "out") == f"{name} says\none\n", f"what {name} has said is told")
        wait_until(lambda name=name: printed(name, "err") == f"{name} errs\n", "and its errors")
    running = task.options(name="c").remote("c", gate)
    wait_until(lambda: printed("c", "out", ends=False) == "c says\none\n", "what is not over has lines too")
    gate.open.remote()
    ray.get(running)
