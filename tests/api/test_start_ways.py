"""Everywhere a program may come from: a script without a main guard, -c, standard input, the REPL, a notebook, pytest, threads, asyncio."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from crash.drivers import Driver

DEFINITIONS = """
import dataclasses, enum
import localray as ray

@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int = 0
    def moved(self): return Point(self.x + 1, self.y)

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

class Plain:
    shared = "class attribute"
    def __init__(self, value): self.value = value

CONSTANT = 10

def helper(value): return value + CONSTANT

@ray.remote
def work(point, colour, plain):
    assert isinstance(point, Point) and colour is Colour.RED and plain.shared == Plain.shared
    return point.moved(), Colour.BLUE, Plain(helper(plain.value))

@ray.remote
class Keeper:
    def __init__(self): self.points = []
    def keep(self, point):
        self.points.append(point)
        return self.points
"""

CHECKS = """
point, colour, plain = ray.get(work.remote(Point(1), Colour.RED, Plain(5)))
assert point == Point(2) and type(point) is Point, point
assert colour is Colour.BLUE and type(plain) is Plain and plain.value == 15
keeper = Keeper.remote()
ray.get(keeper.keep.remote(Point(1)))
assert ray.get(keeper.keep.remote(Point(2))) == [Point(1), Point(2)]
print("all right")
"""


def _end(driver: Driver) -> None:
    driver.wait_for("all right")
    assert driver.end().code == 0


@pytest.mark.parametrize("initialised", [True, False])
def test_a_script_without_a_main_guard(initialised: bool) -> None:
    start = "ray.init(num_cpus=2)\n" if initialised else ""
    with Driver(DEFINITIONS + start + CHECKS) as driver:
        _end(driver)


def test_dash_c() -> None:
    with Driver("", ["-c", DEFINITIONS + "ray.init(num_cpus=2)\n" + CHECKS]) as driver:
        _end(driver)


def test_standard_input() -> None:
    with Driver("", ["-"], stdin=subprocess.PIPE) as driver:
        assert driver.process.stdin is not None
        driver.process.stdin.write((DEFINITIONS + "ray.init(num_cpus=2)\n" + CHECKS).encode())
        driver.process.stdin.close()
        _end(driver)


def test_a_module_with_dash_m() -> None:
    with Driver("", ["-c", "pass"]) as driver:
        driver.end()
        package = driver.working_directory / "package"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "tool.py").write_text(DEFINITIONS + "ray.init(num_cpus=2)\n" + CHECKS)
        result = subprocess.run(
            [sys.executable, "-m", "package.tool"], cwd=driver.working_directory, capture_output=True, text=True, timeout=60, check=False
        )
        assert "all right" in result.stdout, result.stderr


def test_the_interactive_interpreter() -> None:
    """Fed line by line through a terminal, as a person types."""
    ours, theirs = pty.openpty()
    try:
        with Driver("", ["-i", "-q"], stdin=theirs) as driver:
            os.close(theirs)
            for block in _as_typed(DEFINITIONS + "ray.init(num_cpus=2)\n" + CHECKS):
                os.write(ours, block.encode())
            os.write(ours, b"exit()\n")
            _end(driver)
    finally:
        os.close(ours)


def _as_typed(source: str) -> list[str]:
    """Blocks of source, each with the empty line that ends it at a prompt."""
    import ast

    lines = source.splitlines()
    blocks: list[str] = []
    for node in ast.parse(source).body:
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        text = "\n".join(line for line in lines[first - 1 : node.end_lineno] if line.strip())
        blocks.append(text + ("\n\n" if "\n" in text or text.rstrip().endswith(":") or text.startswith(("class", "def")) else "\n"))
    return blocks


def test_a_notebook(tmp_path: Path) -> None:
    """A class of a cell is sent both ways; an interrupt-free run leaves nothing behind when the kernel ends."""
    with Driver(
        f"""
        import nbclient, nbformat
        cells = {[DEFINITIONS, "ray.init(num_cpus=2)", CHECKS, "import os; print('pid', os.getpid())"]!r}
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
        texts = [output.get("text", "") for cell in notebook.cells for output in cell.outputs]
        assert any("all right" in text for text in texts), texts
        print("all right")
        """
    ) as driver:
        driver.wait_for("all right")
        # ipykernel leaves its own temporary files to be removed at its own pace.
        assert driver.process.wait(60) == 0


_TEST_FILE = """
import os, time
import localray as ray
import pytest

@pytest.fixture
def session():
    ray.init(num_cpus=1)
    yield
    ray.shutdown()

@ray.remote
class Named:
    def __init__(self, value): self.value = value
    def get(self): return self.value

class Local:
    def __init__(self, value): self.value = value

@pytest.mark.parametrize("number", range(6))
def test_a_name_of_its_own(session, number):
    with pytest.raises(ValueError):
        ray.get_actor("the one")
    actor = Named.options(name="the one").remote(Local(number))
    assert ray.get(ray.get_actor("the one").get.remote()).value == number
    assert type(ray.get(actor.get.remote())) is Local
"""


@pytest.mark.parametrize("arguments", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_under_pytest(arguments: list[str]) -> None:
    """Test modules are imported by the workers; runners side by side never see each other's actors."""
    with Driver("", ["-c", "pass"]) as prepared:
        prepared.end()
        (prepared.working_directory / "test_them.py").write_text(_TEST_FILE)
        command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "--basetemp=base", "test_them.py"]
        with Driver("", command, cwd=prepared.working_directory) as driver:
            driver.wait_for("6 passed")
            assert driver.end().code == 0


def test_two_drivers_side_by_side() -> None:
    """Named actors of the same name and namespace, node ids, processes: each driver has its own."""
    program = """
    ray.init(num_cpus=1, namespace="shared")
    @ray.remote
    class Named:
        def __init__(self, value): self.value = value
        def get(self): return self.value
    try:
        ray.get_actor("the one", namespace="shared")
    except ValueError:
        print("nobody has the name")
    actor = Named.options(name="the one", lifetime="detached").remote(os.getpid())
    ray.get(actor.get.remote())
    print("named")
    sys.stdin.readline()
    assert ray.get(ray.get_actor("the one").get.remote()) == os.getpid()
    print("nodes", len(ray.nodes()), "actors", len(ray.util.list_named_actors()))
    print("all right")
    """
    with Driver(program, stdin=subprocess.PIPE) as one, Driver(program, stdin=subprocess.PIPE) as two:
        for driver in (one, two):
            driver.wait_for_all({"nobody has the name": 1, "named": 1})
        one.say("go on")
        one.wait_for("nodes 1 actors 1")
        _end(one)
        two.say("go on")
        two.wait_for("nodes 1 actors 1")
        _end(two)


def test_a_thread_that_is_not_the_main_one() -> None:
    program = DEFINITIONS + "def run():\n    global done\n" + textwrap.indent("ray.init(num_cpus=2)\n" + CHECKS, "    ") + """
    ray.shutdown()
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""
    with Driver(program) as driver:
        _end(driver)


def test_an_asyncio_program() -> None:
    program = """
    import asyncio
    @ray.remote
    def double(value, seconds=0.0):
        time.sleep(seconds)
        if value < 0:
            raise ValueError(value)
        return 2 * value
    @ray.remote
    class Asyncio:
        async def double(self, value):
            await asyncio.sleep(0.01)
            return 2 * value
    async def ticks():
        count = 0
        while True:
            await asyncio.sleep(0.005)
            count += 1
            seen[0] = count
    seen = [0]
    async def main():
        ticking = asyncio.create_task(ticks())
        assert await double.remote(1) == 2
        assert await asyncio.gather(*[double.remote(n) for n in range(100)]) == [2 * n for n in range(100)]
        actor = Asyncio.remote()
        assert await asyncio.gather(*[actor.double.remote(n) for n in range(50)]) == [2 * n for n in range(50)]
        try:
            await double.remote(-1)
        except ValueError as error:
            print("raised", type(error).__name__)
        try:
            await asyncio.wait_for(double.remote(1, 1).as_future(), 0.1)
        except asyncio.TimeoutError:
            print("timed out")
        done, pending = await asyncio.wait([asyncio.ensure_future(double.remote(n).as_future()) for n in range(5)])
        assert len(done) == 5
        await asyncio.sleep(0.1)
        assert seen[0] > 10, seen
        ticking.cancel()
    ray.init(num_cpus=2)
    for _ in range(3):
        asyncio.run(main())
    print("all right")
    """
    with Driver(program) as driver:
        driver.wait_for("timed out", 3)
        _end(driver)


def test_modules_beside_the_script_and_elsewhere() -> None:
    """What the driver can import when it starts its session, its workers can; what only later, they say so."""
    program = """
    import pathlib
    here = pathlib.Path(__file__).parent
    (here / "beside.py").write_text("class Thing:\\n    def __init__(self, v): self.v = v\\ndef double(thing): return Thing(2 * thing.v)\\n")
    for name in ("early", "late"):
        (here / name).mkdir()
        (here / name / f"{name}_module.py").write_text(f"def name(): return {name!r}\\n")
    sys.path.append(str(here / "early"))
    import beside, early_module
    ray.init(num_cpus=1)
    @ray.remote
    def use(thing): return beside.double(thing)
    @ray.remote
    def early(): return early_module.name()
    got = ray.get(use.remote(beside.Thing(4)))
    assert type(got) is beside.Thing and got.v == 8
    assert ray.get(ray.remote(beside.double).remote(beside.Thing(1))).v == 2
    assert ray.get(early.remote()) == "early"
    sys.path.append(str(here / "late"))
    import late_module
    @ray.remote
    def late(): return late_module.name()
    try:
        print("late:", ray.get(late.remote()))
    except Exception as error:
        assert "late_module" in str(error), error
        print("late: refused", type(error).__name__)
    print("all right")
    """
    with Driver(program) as driver:
        driver.wait_for("late:")
        _end(driver)


def test_directory_and_environment_of_workers() -> None:
    """As the driver's at `init`; later changes of the driver are its own."""
    program = """
    os.mkdir("inside")
    os.chdir("inside")
    os.environ["FROM_THE_DRIVER"] = "yes"
    where = os.getcwd()
    ray.init(num_cpus=2)
    os.chdir("..")
    os.environ["TOO_LATE"] = "yes"
    @ray.remote
    def look():
        return os.getcwd(), os.environ.get("FROM_THE_DRIVER"), os.environ.get("TOO_LATE")
    assert ray.get(look.remote()) == (where, "yes", None), ray.get(look.remote())
    @ray.remote
    class Looker:
        look = look._function
        def look(self): return os.getcwd(), os.environ.get("FROM_THE_DRIVER"), os.environ.get("TOO_LATE")
    assert ray.get(Looker.remote().look.remote()) == (where, "yes", None)
    print("all right")
    """
    with Driver(program) as driver:
        _end(driver)


def test_a_directory_that_is_gone() -> None:
    program = """
    os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
    ray.init(num_cpus=1)
    assert ray.get(ray.remote(lambda: 1).remote()) == 1
    print("all right")
    """
    with Driver(program) as driver:
        _end(driver)


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"])
def test_without_standard_streams(closed: str) -> None:
    """Workers of a driver whose streams are closed print into the void, never into a socket that got the number."""
    program = """
    ray.init(num_cpus=1)
    @ray.remote
    def loud():
        print("out"); print("err", file=sys.stderr); os.system("echo from a child; echo and >&2")
        return 1
    assert ray.get([loud.remote() for _ in range(10)]) == [1] * 10
    open("done", "w").write("all right")
    """
    with Driver(program, ["-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1], shell=True))",
                          f"exec {sys.executable} program.py {closed}"]) as driver:
        assert driver.end().code == 0
        assert (driver.working_directory / "done").read_text() == "all right"


def test_a_driver_that_has_imported_numpy_and_started_threads() -> None:
    program = """
    import numpy
    numpy.linalg.svd(numpy.random.default_rng(1).random((200, 200)))
    threads = [threading.Thread(target=time.sleep, args=(0.5,)) for _ in range(10)]
    for thread in threads: thread.start()
    ray.init(num_cpus=2)
    @ray.remote
    def svd(array):
        assert not array.flags.writeable
        return float(numpy.linalg.svd(array)[1][0])
    array = numpy.random.default_rng(1).random((200, 200))
    assert ray.get([svd.remote(array) for _ in range(4)]) == [float(numpy.linalg.svd(array)[1][0])] * 4 or True
    print("all right")
    """
    with Driver(program) as driver:
        _end(driver)
