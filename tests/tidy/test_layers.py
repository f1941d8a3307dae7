"""Imports go down only: what is written in ``docs/architecture.md`` as a picture, checked on the source.

Every import counts: at the top of a module, inside a function, under ``if TYPE_CHECKING``. An exception needs a reason,
here.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "localray"

LAYERS = (
    "__main__ pytest_plugin",
    "cli mypy_plugin shim leaks sim_mark",
    "benchmark __init__ doctor",
    "internal",
    "_private",
    "_common chaos cluster_utils autoscaler dashboard experimental job_submission",
    "util",
    "executor",
    "api pending runtime_context chrome_trace",
    "worker types _raylet",
    "gcs_client",
    "client_builder",
    "session remote_function actor",
    "job session_context async_tasks termination",
    "actor_description actor_metadata placement_groups job_environment real_ray",
    "dag",
    "submission store_settings node_description node_processes on_ray",
    "strategies job_config",
    "runtime sim inline",
    "kernel_log",
    "client kernel",
    "shm sched host runtime_env",
    "object_ref listings job_details checkpoint_rule function_descriptors",
    "options protocol ids exceptions signatures tracebacks language logging_config cloudpickle alias faults",
    "version absent",
)
"""From top to bottom. What stands on one line does not import each other."""

KERNEL_MAY_IMPORT = {"sched", "protocol", "listings", "exceptions", "kernel"}
PURE_OF_THE_STORE = {"shm.allocator", "shm.settings", "shm.spill_layout"}
"""Arithmetic on offsets and plain data, which the kernel decides with."""
THIRD_PARTY = {"cloudpickle", "numpy", "psutil"}
ONLY_WHERE_INSTALLED = {
    "util": {"click", "dask", "joblib", "yaml"},
    "_common": {"prometheus_client"},
    "_private": {"pytest"},
    "on_ray": {"ray"},
    "benchmark": {"ray", "joblib", "loky", "dask", "distributed"},
    "cli": {"ray", "yaml"},
    "pytest_plugin": {"pytest"},
    "mypy_plugin": {"mypy"},
}

LEVEL = {name: level for level, line in enumerate(LAYERS) for name in line.split()}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    """``kernel.objects`` for localray/kernel/objects.py, ``__init__`` for the package's own."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if len(parts) > 1 and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a module imports; of ``from a import b`` also ``a.b``, where that is a module of ours."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                here = path.relative_to(ROOT).with_suffix("").parts
                module = ".".join([*here[: -node.level], *filter(None, [module])])
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if is_module(inner) else module


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return name.startswith("localray") and (place.with_suffix(".py").exists() or (place / "__init__.py").exists())


def own_imports(path: Path) -> Iterator[str]:
    """Of the package: names relative to it."""
    for name in imports(path):
        if name == "localray":
            yield "__init__"
        elif name.startswith("localray."):
            yield name.removeprefix("localray.")


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_go_down(path: Path) -> None:
    name = dotted(path)
    part = name.split(".")[0]
    wrong = []
    for imported in own_imports(path):
        other = imported.split(".")[0]
        if other != part and LEVEL[other] <= LEVEL[part]:
            wrong.append(imported)
    assert not wrong, f"{name} imports {wrong}, which do not stand below it"


def test_every_module_has_its_place() -> None:
    assert {dotted(path).split(".")[0] for path in modules()} <= set(LEVEL)


@pytest.mark.parametrize("path", sorted((PACKAGE / "kernel").glob("*.py")), ids=dotted)
def test_the_kernel_imports_only_policies_and_leaves(path: Path) -> None:
    assert {
        imported.split(".")[0] for imported in own_imports(path) if imported not in PURE_OF_THE_STORE
    } <= KERNEL_MAY_IMPORT


@pytest.mark.parametrize("path", sorted((PACKAGE / "sched").glob("*.py")), ids=dotted)
def test_policies_import_only_the_protocol(path: Path) -> None:
    assert {imported.split(".")[0] for imported in own_imports(path)} <= {"protocol", "sched"}


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_what_is_not_ours_is_the_standard_library_or_a_declared_dependency(path: Path) -> None:
    foreign = {name.split(".")[0] for name in imports(path)} - {"localray"} - set(sys.stdlib_module_names)
    assert foreign <= THIRD_PARTY | ONLY_WHERE_INSTALLED.get(dotted(path).split(".")[0], set())


@pytest.mark.parametrize("name", sorted(PURE_OF_THE_STORE))
def test_what_the_kernel_uses_of_the_store_is_pure(name: str) -> None:
    path = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
    assert set(imports(path)) <= {"__future__", "bisect", "struct", "collections.abc", "typing"}
