"""What type checkers see without our plugin. `mypy` on its own, CI's next-to-last step, reads the package, the examples
and ``tests/api/typed_program.py`` with it; here only the difference is tested, and only where mypy is installed."""

from __future__ import annotations

import ast
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
