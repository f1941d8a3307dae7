"""`ray.util.state` about runtime environments: which there are, who is in them, and those that could not be set up."""

from __future__ import annotations

import importlib
import json
from types import ModuleType
from typing import Any

import pytest

from ..helpers import wait_until
from ..registry import NOT_SIMULATED, program


@program(dashboard=True, engines=NOT_SIMULATED, reason="no environment is set up for a virtual worker")
def state_of_runtime_envs(ray: ModuleType) -> None:
    """U8, surface 8: an environment is listed while somebody is in it, with how many these are; one that could not be
    set up stays, with the reason. Actors and tasks tell which they are in."""
    state = importlib.import_module(f"{ray.__name__}.util.state")
    good, bad = {"env_vars": {"STATE_ENV": "1"}}, {"working_dir": "s3://nowhere/state_env.zip"}

    @ray.remote(num_cpus=0)
    class StateEnv:
        def ready(self):
            return 1

    def listed(wanted: dict[str, Any]) -> list[Any]:
        return [each for each in state.list_runtime_envs(detail=True) if each.runtime_env == wanted]

    actors = [StateEnv.options(runtime_env=good).remote() for _ in range(2)]
    ray.get([actor.ready.remote() for actor in actors])
    wait_until(lambda: [each.ref_cnt for each in listed(good)] == [2], "two are in it")
    [found] = listed(good)
    assert (found.success, found.error, found.node_id) == (True, None, ray.get_runtime_context().get_node_id())
    assert json.loads(state.get_actor(actors[0]._actor_id.hex()).serialized_runtime_env) == good
    made = [("actor_id", "=", actors[0]._actor_id.hex()), ("type", "=", "ACTOR_CREATION_TASK")]
    wait_until(lambda: len(state.list_tasks(filters=made)) == 1, "its constructor is told")
    [task] = state.list_tasks(filters=made, detail=True)
    assert json.loads(task.runtime_env_info["serialized_runtime_env"]) == good
    failing = StateEnv.options(runtime_env=bad).remote()
    with pytest.raises(ray.exceptions.RuntimeEnvSetupError):
        ray.get(failing.ready.remote())
    wait_until(lambda: [each.success for each in listed(bad)] == [False], "it could not be set up")
    assert (listed(bad)[0].ref_cnt, "state_env.zip" in listed(bad)[0].error or "s3" in listed(bad)[0].error) == (0, True)
    assert bad in [each.runtime_env for each in state.list_runtime_envs(filters=[("success", "=", False)])]
    ray.kill(actors[0])
    wait_until(lambda: [each.ref_cnt for each in listed(good)] == [1], "one is in it")
    ray.kill(actors[1])
    wait_until(lambda: listed(good) == [], "nobody is in it")
