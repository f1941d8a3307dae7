"""The layers of docs/architecture.md hold: imports go down only, and neighbours on one line do not know each other.

Every import statement counts, inside functions and under TYPE_CHECKING too: a layer that only looks upwards for its
types depends on what is above all the same.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent.parent / "localray"

# From top to bottom; the names on one line are neighbours.
LAYERS = (
    ("cli",),
    ("benchmark",),
    ("__init__",),
    ("api", "runtime_context", "timeline", "util"),
    ("session", "remote_function", "actor"),
    ("actor_description",),
    ("submission",),
    ("runtime", "sim"),
    ("client", "kernel"),
    ("shm", "sched", "host"),
    ("object_ref", "options", "protocol", "ids", "exceptions", "signatures"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# What must import upwards, with the reason.
ALLOWED = {
    ("object_ref", "client"): "unpickling a reference needs the current client; imported at that moment",
}

KERNEL_MUST_NOT_PULL_IN = (
    "socket", "_socket", "threading", "asyncio", "multiprocessing", "selectors", "select", "time", "random", "subprocess", "numpy", "cloudpickle",
)  # fmt: skip
PACKAGE_MUST_NOT_PULL_IN = ("numpy", "cloudpickle", "asyncio", "multiprocessing", "psutil")


def part_of(path: Path) -> str:
    """The layer name of a file: its folder in the package, or its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> Iterator[tuple[int, str]]:
    """The parts of the package that a file imports, each with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "localray":
            names = [f"localray.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            if name.startswith("localray."):
                yield node.lineno, name.split(".")[1]


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    own = part_of(path)
    assert own in LEVEL, f"{own} has no place in the layers: give it one here and in docs/architecture.md"
    wrong = [
        f"line {line}: {own} must not import {other}"
        for line, other in imported_parts(path)
        if other != own and LEVEL[other] <= LEVEL[own] and (own, other) not in ALLOWED
    ]
    # Leaves may know each other: what they must not do is look up.
    if LEVEL[own] == len(LAYERS) - 1:
        wrong = [text for text in wrong if text.rsplit(" ", 1)[-1] not in LAYERS[-1]]
    assert not wrong


def test_the_kernel_knows_only_what_is_pure() -> None:
    allowed = {"kernel", "sched", "protocol", "exceptions"}
    for path in sorted((PACKAGE / "kernel").rglob("*.py")):
        assert {other for _, other in imported_parts(path)} <= allowed, path.name


def modules_pulled_in_by(name: str) -> set[str]:
    """What importing a module adds to a fresh, bare interpreter."""
    code = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); before = set(sys.modules); import {name}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_kernel_pulls_in_no_io_clock_or_dice() -> None:
    assert modules_pulled_in_by("localray.kernel") & set(KERNEL_MUST_NOT_PULL_IN) == set()


def test_importing_the_package_is_light() -> None:
    assert modules_pulled_in_by("localray") & set(PACKAGE_MUST_NOT_PULL_IN) == set()
