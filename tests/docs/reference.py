"""Writes ``docs/api.md``, the reference of the public names, from their docstrings.

    python -m tests.docs.reference

A test holds the page to the docstrings. Must not live here: what is public (`localray.__all__` and `PAGES`).
"""

from __future__ import annotations

import enum
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
MODULES = (
    "localray",
    "localray.util",
    "localray.util.placement_group",
    "localray.util.scheduling_strategies",
    "localray.util.queue",
    "localray.util.actor_pool",
    "localray.util.iter",
    "localray.util.multiprocessing",
    "localray.util.metrics",
    "localray.util.state",
    "localray.runtime_env",
    "localray.runtime_context",
    "localray.cluster_utils",
    "localray.job_submission",
    "localray.sim",
    "localray.faults",
    "localray.chaos",
)
"""What is described beyond the exceptions, whose texts say all there is to say."""
HEAD = """# Reference

Written from the docstrings by `python -m tests.docs.reference`. Names that are Ray's do what Ray's documentation says; what is
said here is what they take, return and raise. Exceptions: `localray.exceptions`, as Ray's.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    described: set[int] = set()
    for name in MODULES:
        module = importlib.import_module(name)
        parts.append(f"## `{name}`\n")
        for entry in _public(module):
            value = getattr(module, entry, None)
            if value is None or id(value) in described or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            described.add(id(value))
            parts += list(_described(entry, value))
    return "\n".join(parts).rstrip() + "\n"


def _public(module: ModuleType) -> list[str]:
    """The names that a module offers: those it says, else those that are its own."""
    own = [
        name for name, value in vars(module).items() if name[0] != "_" and getattr(value, "__module__", "") == module.__name__
    ]
    return sorted(getattr(module, "__all__", own))


def _described(name: str, value: object, prefix: str = "") -> Iterator[str]:
    """A heading with the signature, the docstring as it is, and the public methods of a class."""
    text = inspect.getdoc(value) or ""
    yield f"{'####' if prefix else '###'} `{prefix}{name}{_signature(value)}`\n"
    if text:
        yield f"```text\n{text}\n```\n"
    if inspect.isclass(value) and not prefix:
        for method, member in vars(value).items():
            function = inspect.unwrap(member.__func__) if isinstance(member, (classmethod, staticmethod)) else member
            if not method.startswith("_") and inspect.isfunction(function) and inspect.getdoc(function):
                yield from _described(method, function, f"{name}.")


def _signature(value: object) -> str:
    if isinstance(value, enum.EnumMeta):
        return ""
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""  # An exception: it has none of its own.
    names = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    return str(signature.replace(parameters=names, return_annotation=inspect.Signature.empty))


def main() -> int:
    """Write the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
