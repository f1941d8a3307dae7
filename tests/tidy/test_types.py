"""What type checkers see without our plugin. `mypy` on its own, CI's next-to-last step, reads the package, the examples
and ``tests/api/typed_program.py`` with it; here only the difference is tested, and only where mypy and pyright are
installed. Pyright has no plugins."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import localray

PROGRAM = """
from typing import Any
from typing_extensions import assert_type
import localray as ray
from localray.actor import ActorClass, ActorHandle

class Plain:
    def length(self) -> int:
        return 1

@ray.remote
def square(x: int) -> int:
    return x * x

Remote = ray.remote(num_cpus=1)(Plain)
assert_type(Remote, ActorClass[Plain])
handle = Remote.options(name="n").remote()
assert_type(handle, ActorHandle[Plain])
assert_type(handle.length.remote(), ray.ObjectRef[Any])
length: int = ray.get(handle.length.remote())
one, two = handle.length.options(num_returns=2).remote()
assert_type(ray.get([square.remote(length), square.remote(square.remote(x=1))]), list[int])
"""


FOR_PYRIGHT = (
    PROGRAM
    + """
from collections.abc import Generator

@ray.remote
class Counter:
    def __init__(self, start: int = 0) -> None:
        self.value = start

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

@ray.remote(num_cpus=2, max_retries=0)
def join(parts: list[str], separator: str = ", ") -> str:
    return separator.join(parts)

@ray.remote
def numbers(count: int) -> Generator[int, None, None]:
    yield from range(count)

@ray.remote(num_returns=2)
def halves(text: str) -> tuple[str, str]:
    return text, text

assert_type(ray.get(square.remote(1)), int)
assert_type(ray.get(square.options(num_cpus=2, name="s").remote(ray.put(1))), int)
assert_type(ray.get(join.remote(["a"]), timeout=1), str)
assert_type(ray.put({"a": 1.5}), ray.ObjectRef[dict[str, float]])
ready, _ = ray.wait([square.remote(1), square.remote(2)], num_returns=1)
assert_type(ready, list[ray.ObjectRef[int]])
left, _right = halves.remote("text")
assert_type(left, ray.ObjectRef[Any])
assert_type(numbers.remote(3), ray.ObjectRefGenerator[int])
found = [ray.get(ref) for ref in numbers.remote(3)]
assert_type(found, list[int])

counter = Counter.options(name="c").remote(start=2)
assert_type(counter.add.remote(1), ray.ObjectRef[Any])
total: int = ray.get(counter.add.remote(square.remote(1)))
ray.kill(counter)

async def awaiting() -> int:
    assert_type([await ref async for ref in numbers.remote(2)], list[int])
    return await square.remote(2)
"""
)
WRONG_FOR_PYRIGHT = ("ray.get(3)", "square(3)", "text: str = ray.get(square.remote(3))")


def test_a_program_checks_with_pyright(tmp_path: Path) -> None:
    found = pyright(tmp_path, FOR_PYRIGHT + "\n".join(WRONG_FOR_PYRIGHT))
    first_wrong = FOR_PYRIGHT.count("\n")
    assert [each for each in found if each[0] < first_wrong] == []
    assert {line - first_wrong for line, _ in found} == set(range(len(WRONG_FOR_PYRIGHT))), found


def pyright(folder: Path, source: str) -> list[tuple[int, str]]:
    """What pyright complains of in a program, in its strict mode: the lines, from 0, and the messages."""
    pytest.importorskip("pyright")
    (folder / "program.py").write_text(source)
    settings = {"extraPaths": [str(Path(localray.__file__).parents[1])], "typeCheckingMode": "strict"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if not done.stdout.startswith("{"):
        pytest.skip(f"pyright does not start here: {done.stderr[-200:]}")
    return [(each["range"]["start"]["line"], each["message"]) for each in json.loads(done.stdout)["generalDiagnostics"]]


def test_a_program_checks_without_the_plugin(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    options = ["--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}", "--follow-imports=silent"]
    found, complaints, code = api.run([*options, str(program)])
    assert (code, complaints) == (0, ""), found


def test_every_name_of_the_package_has_a_type() -> None:
    """Names are found by a table at run time, and by imports that only type checkers read: one must not lag behind."""
    tree = ast.parse(Path(localray.__file__).read_text())
    [for_checkers] = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    typed = {alias.asname for node in for_checkers.body for alias in getattr(node, "names", ())}
    assert typed == {*localray._HOME, *localray._MODULES}
