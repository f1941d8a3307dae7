"""`ray.util.state.state_cli`: the state API as commands of click, where click is installed."""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType
from typing import Any

import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, program

_CLASS = "_make_actors.<locals>.CommandActor"


def _commands(ray: ModuleType) -> ModuleType:
    pytest.importorskip("click")
    pytest.importorskip("yaml")
    return importlib.import_module(f"{ray.__name__}.util.state.state_cli")


def _run(command: Any, *words: str) -> str:
    from click.testing import CliRunner

    result = CliRunner().invoke(command, list(words))
    assert result.exit_code == 0, result.output
    return str(result.output)


def _fails(command: Any, *words: str) -> str:
    from click.testing import CliRunner

    result = CliRunner().invoke(command, list(words))
    assert result.exit_code == 2, result.output
    return str(result.output)


def _shows(text: str, command: Any, *words: str) -> bool:
    """Whether a text is there by now; until a log is known, its command fails."""
    from click.testing import CliRunner

    return text in CliRunner().invoke(command, list(words)).output


def _make_actors(ray: ModuleType, number: int) -> list[Any]:
    @ray.remote(num_cpus=0)
    class CommandActor:
        def ready(self):
            return 1

    actors = [CommandActor.remote() for _ in range(number)]
    ray.get([actor.ready.remote() for actor in actors])
    return actors


@program(dashboard=True)
def state_commands_list(ray: ModuleType) -> None:
    """U8: `ray list` shows how many there are and a table; with details, YAML; only what fits the filters."""
    import yaml

    commands = _commands(ray)
    actors = _make_actors(ray, 2)
    first, second = (actor._actor_id.hex() for actor in actors)
    wait_until(lambda: second in _run(commands.ray_list, "actors"), "both are told")
    mine = ("--filter", f"class_name={_CLASS}", "--filter", "state=ALIVE")
    shown = _run(commands.ray_list, "actors", *mine)
    lines = shown.split("\n")
    assert lines[2] == "Stats:"
    assert lines[4] == "Total: 2"
    assert lines[6] == "Table:"
    assert lines[8].split() == [
        "ACTOR_ID",
        "CLASS_NAME",
        "STATE",
        "JOB_ID",
        "NAME",
        "NODE_ID",
        "PID",
        "RAY_NAMESPACE",
    ]
    assert {first, second} <= set(shown.split())
    ray.kill(actors[1])
    wait_until(lambda: second not in _run(commands.ray_list, "actors", *mine), "one has died")
    assert second in _run(commands.ray_list, "actors", "-f", "STATE!=alive", "-f", f"class_name={_CLASS}")
    detailed = yaml.safe_load(_run(commands.ray_list, "actors", "--detail", *mine))
    assert [each["actor_id"] for each in detailed] == [first]
    assert "serialized_runtime_env" in detailed[0]
    as_json = json.loads(_run(commands.ray_list, "actors", *mine, "--format", "json"))
    assert [each["actor_id"] for each in as_json] == [first]
    assert "Table:" in _run(commands.ray_list, "actors", "--detail", "--format=table", *mine)
    assert "No resource in the cluster" in _run(commands.ray_list, "actors", "-f", "class_name=Nothing")
    assert len(json.loads(_run(commands.ray_list, "actors", "--limit", "1", "--format", "json"))) == 1
    assert "Available filter keys are: actor_id" in _fails(commands.ray_list, "actors", "-f", "nokey=1")
    for resource in ("nodes", "workers", "jobs"):
        assert "Table:" in _run(commands.ray_list, resource)


@program(dashboard=True)
def state_commands_get(ray: ModuleType) -> None:
    """U8: `ray get` shows one thing as YAML, by its id."""
    import yaml

    commands = _commands(ray)
    [actor] = _make_actors(ray, 1)
    actor_id = actor._actor_id.hex()
    wait_until(lambda: "CommandActor" in _run(commands.ray_get, "actors", actor_id), "it is told")
    [shown] = yaml.safe_load(_run(commands.ray_get, "actors", actor_id))
    assert (shown["actor_id"], shown["class_name"]) == (actor_id, _CLASS)
    node_id = ray.get_runtime_context().get_node_id()
    [node] = yaml.safe_load(_run(commands.ray_get, "nodes", node_id))
    assert node["node_id"] == node_id
    assert "GiB" in node["resources_total"]["memory"]
    nothing = "ab" * 28
    assert f"Resource with id={nothing} not found" in _run(commands.ray_get, "nodes", nothing)
    assert "Missing argument 'ID'" in _fails(commands.ray_get, "nodes")
    assert "Invalid value" in _fails(commands.ray_get, "jobs", "1")


@program(dashboard=True)
def state_commands_summary(ray: ModuleType) -> None:
    """U8: `ray summary` shows totals, and a row for each name."""
    commands = _commands(ray)
    actors = _make_actors(ray, 2)

    @ray.remote
    def command_task():
        return 1

    ray.get([command_task.remote() for _ in range(3)])
    ref = ray.put(b"x" * 200_000)

    def has(resource: str, *texts: str) -> bool:
        shown = _run(commands.summary_state_cli_group, resource)
        return all(text in shown for text in texts)

    wait_until(lambda: has("tasks", "FINISHED: 3", "command_task"), "the tasks are told")
    assert has("tasks", "Tasks Summary", "FUNC_OR_CLASS_NAME", "group by func_name", "total_tasks:")
    wait_until(lambda: has("actors", "ALIVE: 2", _CLASS), "the actors are told")
    assert has("actors", "Actors Summary", "CLASS_NAME", "group by class", "total_actors:")
    wait_until(lambda: has("objects", "LOCAL_REFERENCE"), "the objects are told")
    assert has("objects", "Object Summary", "TOTAL_SIZE_MB", "group by callsite", "callsite_enabled:")
    del ref, actors


@program(dashboard=True)
def state_commands_parse_filters(ray: ModuleType) -> None:
    """U8: A filter's key ends at the first = or !=; without a key, a value or either of them it is none."""
    parse = _commands(ray)._parse_filter
    assert parse("key=value") == ("key", "=", "value")
    assert parse("key!=value") == ("key", "!=", "value")
    assert parse("a=b=c!=d=") == ("a", "=", "b=c!=d=")
    assert parse("a!=b=c") == ("a", "!=", "b=c")
    assert parse("a!b=c") == ("a!b", "=", "c")
    for wrong in ("", "key", "key=", "key!=", "=value", "!=value", "key!", "key>value", "key>value!="):
        with pytest.raises(ValueError, match="."):
            parse(wrong)


@program(dashboard=True, engines=NOT_SIMULATED, reason="what a virtual worker prints goes to no file")
def state_commands_logs(ray: ModuleType) -> None:
    """U8: `ray logs` names the files; of an actor, a process or a task it shows what it has printed."""
    commands = _commands(ray)

    @ray.remote
    class CommandPrinter:
        def say(self):
            print("said by the actor")
            print("said as an error", file=sys.stderr)

    @ray.remote
    def say():
        print("said by the task")
        return ray.get_runtime_context().get_task_id()

    actor = CommandPrinter.remote()
    ray.get(actor.say.remote())
    task_id = ray.get(say.remote())
    actor_id = actor._actor_id.hex()
    group = commands.logs_state_cli_group
    wait_until(lambda: _shows("said by the actor", group, "actor", "--id", actor_id), "the line is in the file")
    assert "truncated to last 1000 lines" in _run(group, "actor", "--id", actor_id)
    assert "said as an error" in _run(group, "actor", "--id", actor_id, "--err")
    wait_until(lambda: _shows("said by the task", group, "task", "--id", task_id), "the task's lines are known")
    pid = importlib.import_module(f"{ray.__name__}.util.state").get_actor(actor_id).pid
    assert "said by the actor" in _run(group, "worker", "--pid", str(pid), "--tail", "-1")
    assert "worker" in _run(group, "cluster")
    assert "Commands:" in _fails(group)
    assert _run(group, "no*such*file").startswith("Node IP: ")
    assert "--id" in _fails(group, "actor")
