"""Runtime environments that need other software: packages by pip, and conda environments and images, which may not be there."""

from __future__ import annotations

from types import ModuleType

import pytest

from ..registry import NOT_SIMULATED, program

NOTHING_SET_UP = "nothing is set up in a simulation"


def make_teller(ray: ModuleType):
    """A remote function that tells whether a package can be imported, and what environment it runs in."""

    def tell():
        import packaging

        return packaging.__name__, dict(ray.get_runtime_context().runtime_env)

    return ray.remote(tell)


@program(engines=NOT_SIMULATED, reason=NOTHING_SET_UP)
def a_conda_environment_that_is_not_there_fails_on_get(ray: ModuleType) -> None:
    """L7, surface 11: by name or as a list of dependencies: taken at submission, RuntimeEnvSetupError on get; tasks without go on."""
    tell = make_teller(ray)
    for conda in ("no-such-environment-here", {"dependencies": ["pip"]}):
        ref = tell.options(runtime_env={"conda": conda}).remote()
        with pytest.raises(ray.exceptions.RuntimeEnvSetupError, match="conda"):
            ray.get(ref, timeout=60)

    @ray.remote(num_cpus=0, runtime_env={"conda": "no-such-environment-here"})
    class Actor:
        def ping(self):
            return "pong"

    actor = Actor.remote()
    for _ in range(2):
        with pytest.raises(ray.exceptions.RuntimeEnvSetupError, match="conda"):
            ray.get(actor.ping.remote(), timeout=60)
    assert ray.get(tell.remote())[0] == "packaging"


@program(engines=NOT_SIMULATED, reason=NOTHING_SET_UP)
def an_image_that_is_not_there_fails_on_get(ray: ModuleType) -> None:
    """L7, surface 11: image_uri and the older container: taken at submission, RuntimeEnvSetupError on get."""
    tell = make_teller(ray)
    for environment in ({"image_uri": "no/such:image"}, {"container": {"image": "no/such:image"}}):
        ref = tell.options(runtime_env=environment).remote()
        with pytest.raises(ray.exceptions.RuntimeEnvSetupError):
            ray.get(ref, timeout=60)
    assert ray.get(tell.remote())[0] == "packaging"


@program(engines=NOT_SIMULATED, reason=NOTHING_SET_UP, dashboard=True)
def packages_that_are_installed_are_not_fetched(ray: ModuleType) -> None:
    """L7, surface 11: pip as a list and as a dict, of what is there: no index is asked. (Real Ray needs virtualenv for it, which
    comes with what its dashboard needs.)"""
    tell = make_teller(ray)
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    told = {"packages": ["packaging>=1"], "pip_check": False}
    for pip in (["packaging>=1"], told):
        environment = {"pip": pip, "env_vars": nowhere}
        name, seen = ray.get(tell.options(runtime_env=environment).remote(), timeout=100)
        assert name == "packaging"
        assert seen["pip"] == told
        assert seen["env_vars"] == nowhere
