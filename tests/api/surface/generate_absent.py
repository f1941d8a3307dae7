"""Writes `localray/absent/names.json`: what the modules of Ray's core define and localray does not.

    python -m tests.api.surface.generate_absent FOLDER    # of an installed Ray; its sources are read, not run
    python -m tests.api.surface.generate_absent           # only takes off what localray has by now

Of each module of `FOLDER` that programs may import: classes and functions, and values that are written out there.
"""

from __future__ import annotations

import ast
import importlib
import json
import operator
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from localray.absent.catalogue import Entry

PACKAGE = Path(__file__).resolve().parents[3] / "localray"
PLACE = PACKAGE / "absent" / "names.json"
BEYOND_THE_CORE = {"air", "data", "llm", "rllib", "serve", "train", "tune", "workflow"}
NOT_IMPORTED = {
    "jars", "thirdparty", "thirdparty_files", "cloudpickle", "tests", "setup-dev", "_version", "scripts.symmetric_run",
    "experimental.sandbox", "experimental.gradio_utils", "experimental.tf_utils", "util.spark", "util.sgd", "util.horovod",
    "util.lightgbm", "util.xgboost", "util.dask", "autoscaler.aliyun", "autoscaler.azure", "autoscaler.vsphere", "autoscaler.spark",
    "autoscaler._private._azure", "autoscaler._private.aliyun", "autoscaler._private.vsphere", "autoscaler._private.spark",
    "_private.workers", "_private.runtime_env._clonevirtualenv", "_private.ray_perf", "_private.ray_cluster_perf",
    "_private.ray_client_microbenchmark", "_private.ray_experimental_perf",
    "_private.thirdparty", "_private.runtime_env.agent.main", "dashboard.client", "dashboard.modules.aggregator.publisher",
    "dashboard.modules.metrics.dashboards", "dashboard.modules.metrics.templates", "dashboard.modules.platform_events",
    "dashboard.modules.train", "dashboard.modules.serve", "dashboard.modules.data", "dashboard.modules.task_events",
    "dashboard.subprocesses", "autoscaler.v2.instance_manager.cloud_providers", "autoscaler._private.cli_logger_demoall",
    "core.src", "experimental.job", "experimental.multiprocessing",
}  # fmt: skip
"""What no program imports, and what is a program itself."""
GENERATED = {"core.generated"}
"""This has a file of its own."""
ASKS = "missing_in("
"""What stands in a module of localray that looks into the catalogue."""
LONGEST_TEXT = 80
READS_VARIABLE = {"env_integer", "env_float", "env_bool", "os.environ.get", "os.getenv", "int", "float"}


def above(module: str) -> set[str]:
    """A module's name, and those of the packages that it is in."""
    parts = module.split(".")
    return {".".join(parts[:depth]) for depth in range(1, len(parts) + 1)}


def modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """The modules of an installed Ray, by their names without ``ray.``."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        left_out = above(".".join(parts)) & {*BEYOND_THE_CORE, *NOT_IMPORTED, *GENERATED}
        if parts and not left_out and "thirdparty_files" not in parts:
            yield ".".join(parts), path


def defined(path: Path) -> Iterator[tuple[str, str, object]]:
    """What a module defines or imports: name, kind (a key of `Entry`) and, where there is one, the value."""
    for node in statements(ast.parse(path.read_text()).body):
        if isinstance(node, ast.ClassDef):
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            yield node.name, "errors" if any(base.endswith(("Error", "Exception")) for base in bases) else "names", None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, "names", None
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            found = evaluated(node.value)
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    # What is not written in capitals is a module's state, which is not that of another.
                    kind, value = found if target.id.isupper() else ("names", None)
                    yield target.id, kind, value
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            chosen = (each.name for each in node.names if path.name == "__init__.py" or each.name[0].isupper())
            if source.startswith("ray.") and not above(source[4:]) & {*BEYOND_THE_CORE, *NOT_IMPORTED}:
                yield from ((name, "taken_from", source[4:]) for name in chosen)


def statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Those of a module, also within conditions and attempts."""
    for node in body:
        if isinstance(node, (ast.If, ast.Try)):
            yield from statements([*node.body, *node.orelse])
        else:
            yield node


def is_imported(name: str) -> bool:
    """Whether somebody may import something of this name."""
    return (
        name != "logger"
        and "llm" not in name.lower()
        and not re.fullmatch(r"__\w+|_?[A-Z]\d?|_(Remote|remote).*\d|RemoteFunction\d|\*", name)
    )


def evaluated(node: ast.expr | None) -> tuple[str, object]:
    """Of a value: constants, variables or names, and what is written there."""
    value = arithmetic(node)
    if value is not None or (isinstance(node, ast.Constant) and node.value is None):
        return ("constants", value) if len(str(value)) <= LONGEST_TEXT else ("names", None)
    if isinstance(node, ast.Call) and ast.unparse(node.func) in READS_VARIABLE and node.args:
        if ast.unparse(node.func) in ("int", "float"):
            kind, read = evaluated(node.args[0])
            convert = int if ast.unparse(node.func) == "int" else float
            return (kind, [read[0], convert(read[1])]) if kind == "variables" else ("names", None)  # type: ignore[index]
        words = [arithmetic(each) for each in node.args]
        if len(words) == 2 and None not in words:
            return "variables", words
    return "names", None


def arithmetic(node: ast.expr | None) -> bool | int | float | str | None:
    """A number or a text that is written out, products such as ``100 * 1024`` too; else None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float, str)):
        return node.value
    if isinstance(node, ast.BinOp):
        left, right = arithmetic(node.left), arithmetic(node.right)
        operations = {ast.Mult: operator.mul, ast.Add: operator.add, ast.Pow: operator.pow}
        compute = operations.get(type(node.op))  # type: ignore[call-overload]
        if compute is not None and isinstance(left, (int, float)) and isinstance(right, (int, float)):
            return compute(left, right)  # type: ignore[no-any-return]
    return None


def own_file(module: str) -> Path | None:
    """Localray's module of this name."""
    place = PACKAGE.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)


def is_here(module: str, name: str) -> bool:
    """Whether localray has this, or says of it by itself what to use."""
    own = own_file(module)
    names_it = own is not None and f'"{name}"' in own.read_text()
    return (
        names_it
        or own_file(f"{module}.{name}") is not None
        or name in vars(importlib.import_module(f"localray.{module}"))
    )


def collect(folder: Path) -> dict[str, Entry]:
    """The catalogue of an installed Ray."""
    catalogue: dict[str, Entry] = {}
    for module, path in modules(folder):
        found = {name: (kind, value) for name, kind, value in defined(path) if is_imported(name)}
        catalogue[module] = entry_of({name: each for name, each in found.items() if each != ("taken_from", module)})
    return catalogue


def is_there(catalogue: Mapping[str, Entry], module: str, name: str) -> bool:
    """Whether a module has this: a module of localray, of the catalogue, or of `ray.core.generated`."""
    if f"{module}.{name}" in catalogue or own_file(f"{module}.{name}") is not None or above(module) & GENERATED:
        return True
    if own_file(module) is not None and is_here(module, name):
        return True
    return name in {each for each, _ in names_of(catalogue.get(module, {}))}


def settled(catalogue: Mapping[str, Entry]) -> dict[str, Entry]:
    """With what is taken from where it is not to be found as a mere name."""
    return {
        module: entry_of(
            {
                name: ("names", None)
                if kind == "taken_from" and not is_there(catalogue, str(value), name)
                else (kind, value)
                for name, (kind, value) in names_of(entry)
            }
        )
        for module, entry in catalogue.items()
    }


def entry_of(found: Mapping[str, tuple[str, object]]) -> Entry:
    """By kinds."""
    entry: dict[str, object] = {}
    for kind in ("names", "errors", "constants", "variables", "taken_from", "enumerations"):
        chosen = {name: value for name, (each, value) in sorted(found.items()) if each == kind}
        if kind == "taken_from":
            sources = sorted({str(source) for source in chosen.values()})
            chosen = {source: " ".join(name for name in chosen if chosen[name] == source) for source in sources}
        if chosen:
            entry[kind] = " ".join(chosen) if kind in ("names", "errors") else chosen
    return cast("Entry", entry)


def names_of(entry: Mapping[str, object]) -> Iterator[tuple[str, tuple[str, object]]]:
    """An entry's names with their kinds and values."""
    for kind, listed in entry.items():
        if isinstance(listed, str):
            yield from ((name, (kind, None)) for name in listed.split())
        elif isinstance(listed, dict) and kind == "taken_from":
            yield from ((name, (kind, source)) for source, names in listed.items() for name in names.split())
        elif isinstance(listed, dict):
            yield from ((name, (kind, value)) for name, value in listed.items())


def pruned(catalogue: Mapping[str, Entry]) -> dict[str, Entry]:
    """Without what localray has, without modules of localray that do not look into the catalogue, and without what
    would be below a module that is no package here."""
    left: dict[str, Entry] = {}
    for module, entry in catalogue.items():
        own, above = own_file(module), own_file(module.rpartition(".")[0])
        if above is not None and above.name != "__init__.py":
            continue
        if own is None:
            left[module] = entry
        elif ASKS in own.read_text():
            kept = {name: each for name, each in names_of(entry) if not is_here(module, name)}
            if kept:
                left[module] = entry_of(kept)
    return left


def write(place: Path, catalogue: Mapping[str, Entry]) -> None:
    """One line for each module."""
    lines = [f"{json.dumps(module)}:{json.dumps(entry)}" for module, entry in sorted(pruned(catalogue).items())]
    place.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> None:
    """Write the files."""
    write(PLACE, settled(collect(Path(sys.argv[1]))) if sys.argv[1:] else json.loads(PLACE.read_text()))
    generated = PLACE.with_name("generated.json")
    write(generated, json.loads(generated.read_text()))


if __name__ == "__main__":
    main()
