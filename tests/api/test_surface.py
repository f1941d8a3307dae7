"""Every name that users import of Ray's core is here, at its path, and can be called as Ray's can.

What Ray has was written down by `surface/generate.py`. What is not here yet is listed in `surface/missing.txt`: one line
each, `module name`, or `module name: what differs`. The list may only shrink; lines that are not true any more are told
of, and `LOCALRAY_REWRITE_MISSING=1` has them taken off.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localray.absent import is_stand_in

_FOLDER = Path(__file__).parent / "surface"
_SURFACE: dict[str, dict[str, dict[str, Any]]] = json.loads((_FOLDER / "ray_surface.json").read_text())
_NOT_MADE_BY_USERS = {
    "ObjectRef", "ObjectRefGenerator", "ActorClass", "ActorHandle", "ActorMethod", "RemoteFunction", "RuntimeContext", "IMapIterator",
    "OrderedIMapIterator", "UnorderedIMapIterator", "ClassNode", "FunctionNode", "InputAttributeNode",
}  # fmt: skip
"""Classes whose constructors are nobody's business."""
_HIDDEN = {"ActorGroup"}
"""Classes whose constructors Ray hides behind a decorator; a conformance program calls them."""
_ONLY_RAYS = {"redis_shard_hash", "add_note", "_use_object_store", "_exiting_interpreter", "_internal"}
"""Names that mean something inside of Ray only, or come with the Python that Ray ran on."""
_POSITIONAL = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")

Parameters = list[tuple[str, str, bool]]


def missing() -> set[str]:
    """The lines of the list, without those of what is left out on purpose."""
    return {line for line in (_FOLDER / "missing.txt").read_text().splitlines() if line and not line.startswith("#")}


def differences(module_name: str, name: str, wanted: dict[str, Any]) -> Iterator[str]:
    """What is not as in Ray: lines of the list."""
    where = f"{module_name} {name}"
    try:
        value = getattr(importlib.import_module(module_name.replace("ray", "localray", 1)), name)
    except (AttributeError, ModuleNotFoundError):
        yield where
        return
    loader = getattr(getattr(value, "__spec__", None), "loader", None)
    if is_stand_in(value) or type(loader).__module__ == "localray.absent.catalogue":
        yield where
        return
    if wanted["kind"] == "function":
        for text in call_differences(wanted["signature"], value):
            yield f"{where}: {text}"
    if wanted["kind"] == "class":
        yield from class_differences(where, wanted, value)


def class_differences(where: str, wanted: dict[str, Any], value: Any) -> Iterator[str]:
    """Of a class: what of its construction, methods and properties is missing or cannot be called alike."""
    if where.split()[1] not in _NOT_MADE_BY_USERS | _HIDDEN:
        for text in call_differences(wanted["signature"], value):
            yield f"{where}: {text}"
    for method, signature in wanted["methods"].items():
        if method in _ONLY_RAYS:
            continue
        found = getattr(value, method, None)
        if found is None:
            yield f"{where}: no method {method}"
            continue
        for text in call_differences(signature, found):
            yield f"{where}: {method}: {text}"
    for each in wanted["properties"]:
        if not hasattr(value, each) and each not in getattr(value, "__slots__", ()):
            yield f"{where}: no property {each}"


def call_differences(wanted: Parameters | None, function: Any) -> Iterator[str]:
    """Why a call that Ray's takes may not be taken by ours."""
    try:
        ours = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return
    if wanted is None:
        return
    kinds = {each.kind for each in ours.values()}
    takes_any = inspect.Parameter.VAR_KEYWORD in kinds
    wanted = [each for each in wanted if each[0] not in _ONLY_RAYS]
    named = {name for name, kind, _ in wanted if not kind.startswith("VAR_")}
    for name, kind, _ in wanted:
        if kind.startswith("VAR_"):
            if kind not in {each.name for each in kinds}:
                yield f"takes no {'*' if kind == 'VAR_POSITIONAL' else '**'}{name}"
        elif name not in ours and not takes_any:
            yield f"takes no {name}"
    positional = [name for name, kind, _ in wanted if kind in _POSITIONAL]
    own = [each.name for each in ours.values() if each.kind.name in _POSITIONAL]
    if inspect.Parameter.VAR_POSITIONAL not in kinds and own[: len(positional)] != positional:
        yield f"positions {', '.join(own)} instead of {', '.join(positional)}"
    for each in ours.values():
        optional = each.default is not each.empty or each.kind.name.startswith("VAR_")
        must = {name for name, _, has_default in wanted if not has_default}
        if not optional and each.name not in must:
            yield f"cannot do without {each.name}" + ("" if each.name in named else ", which Ray does not know")


def all_differences() -> set[str]:
    """Over the whole surface."""
    return {
        line
        for module_name, names in _SURFACE.items()
        for name, wanted in names.items()
        for line in differences(module_name, name, wanted)
    }


def test_what_ray_has_is_here_but_for_the_list() -> None:
    found = all_differences()
    if os.environ.get("LOCALRAY_REWRITE_MISSING"):
        head = [line for line in (_FOLDER / "missing.txt").read_text().splitlines() if line.startswith("#")]
        (_FOLDER / "missing.txt").write_text("\n".join([*head, *sorted(found)]) + "\n")
    assert sorted(found - missing()) == []
    come = sorted(missing() - found)
    if come:
        warnings.warn(f"tests/api/surface/missing.txt lists what is here by now: {come}", stacklevel=1)


@pytest.mark.parametrize("name", sorted(_SURFACE["ray.exceptions"]))
def test_exceptions_have_rays_bases(name: str) -> None:
    """They are caught by their bases."""
    wanted = _SURFACE["ray.exceptions"][name]
    if wanted["kind"] == "class":
        ours = {base.__name__ for base in getattr(importlib.import_module("localray.exceptions"), name).__mro__}
        assert set(wanted["bases"]) <= ours
