"""Writes `localray/absent/generated.json`: what Ray's core in C++ brings: the enumerations and the names of messages in
`ray.core.generated`, and the names in `ray._raylet`.

Run it where real Ray 2.60 is installed, and then ``generate_absent.py``, which takes off what localray has.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLACE = Path(__file__).resolve().parents[3] / "localray" / "absent" / "generated.json"


def enumerations(holder: Any, messages: Any, prefix: str = "") -> Iterator[tuple[str, dict[str, int]]]:
    """The enumerations of a file or a message, and of the messages in it."""
    for name, each in holder.items():
        yield prefix + name, {value.name: value.number for value in each.values if "llm" not in value.name.lower()}
    for name, each in messages.items():
        yield from enumerations(each.enum_types_by_name, each.nested_types_by_name, f"{prefix}{name}.")


def describe(module: Any) -> dict[str, Any]:
    """What the catalogue keeps of a module."""
    descriptor = getattr(module, "DESCRIPTOR", None)
    if descriptor is None:
        own = (name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)
        return {"names": " ".join(sorted(own))}
    found = dict(enumerations(descriptor.enum_types_by_name, descriptor.message_types_by_name))
    entry = {"names": " ".join(sorted(descriptor.message_types_by_name)), "enumerations": found}
    return {name: value for name, value in entry.items() if value}


def describe_core(module: Any) -> dict[str, Any]:
    """What the catalogue keeps of `ray._raylet`."""
    own = {name: value for name, value in vars(module).items() if not name.startswith("__")}
    constants = {name: value for name, value in own.items() if name.isupper() and isinstance(value, (int, str))}
    names = sorted(name for name, value in own.items() if getattr(value, "__module__", "") == module.__name__)
    return {"names": " ".join(names), "constants": constants}


def main() -> None:
    """Write the file."""
    package = importlib.import_module("ray.core.generated")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    entries = {
        f"core.generated.{name}": describe(importlib.import_module(f"ray.core.generated.{name}")) for name in names
    }
    entries["_raylet"] = describe_core(importlib.import_module("ray._raylet"))
    lines = [f"{json.dumps(name)}:{json.dumps(entry)}" for name, entry in entries.items()]
    PLACE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
