"""The pytest plugin: fixtures with a session on processes or in a simulation, and tests that run under many seeds.

* ``ray_session``: the module `localray` with a session on processes; what it leaves of processes, threads, open files
  and shared memory fails the test
* ``ray_cluster``: a `localray.cluster_utils.Cluster`, shut down afterwards
* ``ray_chaos``: called with rules of faults, lets things go wrong in the session of any of these until the test ends:
  ``ray_chaos("kill_worker:probability=0.1,times=0")``; on processes ``--chaos-seed`` throws the dice
* ``ray_sim``: a `localray.sim.Cluster` of one seed, or, in a test marked ``sim``, of each seed in turn
* ``@pytest.mark.sim(seeds=200, faults="chaos", nodes="4x8cpu")``: the test runs once for each seed; a failing one says
  how to run it alone: ``--sim-seed=17``; with ``--sim-save=FOLDER`` it tells what happened, and draws it

Nothing of localray is imported before a test asks for it. Must not live here: sessions, simulations.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Any

import pytest

_MARK = pytest.StashKey[Any]()
"""Of a test: its mark, read."""
_OPENED_BY = pytest.StashKey[str]()
"""Of a run, while there is a session: who was the first to leave it open."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("localray")
    group.addoption("--chaos-seed", type=int, default=0, help="of the faults of `ray_chaos` on processes")
    group.addoption("--sim-seed", type=int, help="run tests marked `sim` under this seed only")
    group.addoption("--sim-save", metavar="FOLDER", help="tell the story of a seed that fails, and draw it there")
    group.addoption("--sim-seeds", type=int, help="run tests marked `sim` under so many seeds, whatever they say")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "sim(seeds=20, faults='calm', nodes=1, check_left_behind=True, **options): run in simulations, one for each "
        "seed; the other options are those of localray.sim.Cluster",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A mark or fixtures that make no sense are told of before anything is run."""
    marker = item.get_closest_marker("sim")
    names = getattr(item, "fixturenames", ())
    simulated = "the mark `sim`" if marker is not None else "`ray_sim`" if "ray_sim" in names else ""
    for name in ("ray_session", "ray_cluster"):
        if simulated and name in names:
            pytest.fail(
                f"{simulated} runs the test in a simulation, `{name}` on processes: take one of the two.", pytrace=False
            )
    if marker is None:
        return
    problem = ""
    try:
        item.stash[_MARK] = import_module("localray.sim_mark").read(marker.args, marker.kwargs)
    except ValueError as error:
        problem = str(error)
    if problem:
        pytest.fail(f"@pytest.mark.sim: {problem}", pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Remembers who has opened the session that is there now, for whoever then finds it in the way; and leaves our own
    code out of tracebacks."""
    stash = item.config.stash
    if _is_session_open():
        stash.setdefault(_OPENED_BY, f"a fixture of {item.nodeid}" if call.when == "setup" else item.nodeid)
    elif _OPENED_BY in stash:
        del stash[_OPENED_BY]
    text = None if call.excinfo is None or item.config.getoption("fulltrace") else _shorten(call.excinfo)
    outcome = yield
    if text is not None:
        outcome.get_result().longrepr = text


def _shorten(found: pytest.ExceptionInfo[BaseException]) -> str | None:
    """Leave our own code out of the traceback of an error that we have for users; returns the error alone where nothing
    else is in it, as at the end of a simulation."""
    exceptions = sys.modules.get("localray.exceptions")
    if exceptions is None or not isinstance(found.value, exceptions.RayError):
        return None
    if isinstance(found.value, exceptions.InternalError):
        return None  # a bug of ours
    places = import_module("localray.sim.places")
    if not any(places.is_users(str(entry.path)) for entry in found.traceback):
        return f"{type(found.value).__name__}: {found.value}"
    entry: TracebackType | None = found.tb
    while entry is not None:
        while entry.tb_next is not None and places.is_ours(entry.tb_next.tb_frame.f_code.co_filename):
            entry.tb_next = entry.tb_next.tb_next
        entry = entry.tb_next
    return None


def _is_session_open() -> bool:
    # Not by importing it: most tests of most projects have nothing to do with us.
    session = sys.modules.get("localray.session")
    return session is not None and session.is_initialized()


def _need_no_session(config: pytest.Config) -> None:
    """Whoever is about to open a session is the first to hear of one that is still there."""
    if not _is_session_open():
        return
    opener = config.stash.get(_OPENED_BY, None)
    who = f"{opener} has opened it" if opener else "it was opened by another fixture of this test, or on import"
    pytest.fail(
        f"A session is open already: {who}, and it has not been shut down. Without `ray.init`, the first `.remote()`, "
        "`put` or `get` opens one, which stays until `ray.shutdown()`; with the fixture `ray_session` a test has a "
        "session that ends with it.",
        pytrace=False,
    )


def _ray() -> ModuleType:
    return import_module("localray")


# ---------------------------------------------------------------- on processes


def _check_no_leaks(before: Any) -> None:
    left = ""
    try:
        import_module("localray.leaks").check_no_leaks(before)
    except AssertionError as error:
        left = str(error)
    if left:
        pytest.fail(left, pytrace=False)


@pytest.fixture
def ray_session(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The module `localray` with a session of two CPUs on processes. Processes, threads, open files and shared memory
    that outlive it fail the test; what ends with the session does not: references, actors, tasks."""
    _need_no_session(request.config)
    ray, before = _ray(), import_module("localray.leaks").take_snapshot()
    ray.init(num_cpus=2)
    try:
        yield ray
    finally:
        ray.shutdown()
    _check_no_leaks(before)


@pytest.fixture
def ray_cluster() -> Iterator[Any]:
    """A `localray.cluster_utils.Cluster` with a head, shut down afterwards."""
    ray, before = _ray(), import_module("localray.leaks").take_snapshot()
    cluster = import_module("localray.cluster_utils").Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
    _check_no_leaks(before)


# ---------------------------------------------------------------- faults


class RayChaos:
    """What the fixture `ray_chaos` is: lets things go wrong, and ends them.

    Args:
        seed: of the dice, unless a call says otherwise.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._begun: list[Any] = []

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Things go wrong from now on; arguments and result are those of `localray.chaos.begin`."""
        begun = import_module("localray.chaos").begin(*arguments, **{"seed": self.seed, **options})
        self._begun.append(begun)
        return begun

    def end(self) -> list[str]:
        """Nothing goes wrong any more; returns what did."""
        begun, self._begun = self._begun, []
        for each in begun:
            each.end()
        return [happened.text for each in begun for happened in each.happened]


@pytest.fixture
def ray_chaos(request: pytest.FixtureRequest) -> Iterator[RayChaos]:
    """Lets things go wrong in the test's session, from its call until the test ends."""
    names = request.fixturenames
    for session in ("ray_session", "ray_cluster", "ray_sim"):
        if session in names:
            # First of all: so that it is there as long as things may go wrong.
            request.getfixturevalue(session)
    option = request.config.getoption
    chaos = RayChaos(option("--chaos-seed") if "ray_sim" not in names else option("--sim-seed") or 0)
    yield chaos
    happened = chaos.end()
    if happened:
        request.node.add_report_section("teardown", "chaos", f"seed {chaos.seed}\n" + "\n".join(happened))


# ---------------------------------------------------------------- in simulations


@pytest.fixture
def ray_sim(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The running `localray.sim.Cluster`: of seed 0, or of each seed of a test marked ``sim``. Tasks, actors,
    objects and placement groups that are left behind fail the test."""
    if request.node.get_closest_marker("sim") is not None:
        # Each seed brings its own: see `pytest_pyfunc_call`.
        yield None
        return
    _need_no_session(request.config)
    seed = request.config.getoption("--sim-seed")
    with import_module("localray.sim").Cluster(seed=seed or 0, check_left_behind=True) as cluster:
        yield cluster


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    mark = pyfuncitem.stash.get(_MARK, None)
    if mark is None:
        return None
    _need_no_session(pyfuncitem.config)
    seeds = _seeds(pyfuncitem.config, mark.seeds)
    for number, seed in enumerate(seeds, 1):
        with _naming(pyfuncitem, seed) as ran:
            if number > 1:
                _forget_output(pyfuncitem.config)
                _set_up(pyfuncitem)
            _run_seed(pyfuncitem, seed, mark.options, ran)
            if number < len(seeds):
                _tear_down(pyfuncitem)
    return True


def _forget_output(config: pytest.Config) -> None:
    """What earlier seeds have printed would bury what the one prints that fails."""
    capturing = config.pluginmanager.getplugin("capturemanager")
    if capturing is not None and capturing.is_globally_capturing():
        capturing.read_global_capture()


def _seeds(config: pytest.Config, count: int) -> range | list[int]:
    one, many = config.getoption("--sim-seed"), config.getoption("--sim-seeds")
    return [one] if one is not None else range(many or count)


@contextmanager
def _naming(item: pytest.Function, seed: int) -> Iterator[list[Any]]:
    """If this fails, the report says under which seed, and what happened in the cluster that is put into the list."""
    ran: list[Any] = []
    try:
        yield ran
    except BaseException as error:
        item.add_report_section("call", "simulation", _failure(item, seed, ran, error))
        raise


def _failure(item: pytest.Function, seed: int, ran: list[Any], error: BaseException) -> str:
    alone = f"pytest '{item.nodeid}' --sim-seed={seed}"
    lines = [f"seed {seed} fails: {alone}"]
    for cluster in ran:
        folder = item.config.getoption("--sim-save")
        if folder is not None:
            story, files = import_module("localray.sim_mark").explained(cluster, item.nodeid, error, folder)
            return "\n".join([*lines, "", story, *(f"written: {file}" for file in files)])
        lines += (f"{happened.at_ns / 1e9:.6f} s: {happened.text}" for happened in cluster.happened)
        lines.append(f"what happened, and a page with lanes and arrows: {alone} --sim-save=failures")
    return "\n".join(lines)


def _tear_down(item: pytest.Function) -> None:
    """Between two seeds: what belongs to one run of the test ends, its fixtures and the instance of its class, so that
    each seed finds what it would find alone. What belongs to the class, the module or the session stays.

    pytest runs a test once, and so has no public words for this; these are the same in all its versions since 7.
    """
    item.session._setupstate.teardown_exact(item.parent)  # type: ignore[arg-type]
    if item.cls is not None:
        for cached in ("_instance", "_obj"):
            item.__dict__.pop(cached, None)
    item._initrequest()


def _set_up(item: pytest.Function) -> None:
    """What belongs to one run of the test is made again."""
    call = pytest.CallInfo.from_call(lambda: item.session._setupstate.setup(item), "setup")
    # Some fixtures ask at their end how their test was set up, `tmp_path` for one.
    item.ihook.pytest_runtest_makereport(item=item, call=call)
    if call.excinfo is not None:
        raise call.excinfo.value


def _run_seed(item: pytest.Function, seed: int, options: dict[str, Any], ran: list[Any]) -> None:
    """The test in a simulation of this seed, which is put into the list."""
    names = item._fixtureinfo.argnames
    chaos: RayChaos | None = item.funcargs.get("ray_chaos")  # type: ignore[assignment]
    keep_trace = item.config.getoption("--sim-save") is not None
    with import_module("localray.sim").Cluster(seed=seed, **{"keep_trace": keep_trace, **options}) as cluster:
        ran.append(cluster)
        arguments = {name: cluster if name == "ray_sim" else item.funcargs[name] for name in names}
        if chaos is not None:
            chaos.seed = seed
        try:
            item.obj(**arguments)
        finally:
            if chaos is not None:
                chaos.end()
