"""What the documents show is run: Python blocks of the README, doctests of the package, and links between the pages."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import localray

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Modules that run something when they are imported as a script would.
NEEDS = {"localray.mypy_plugin": "mypy"}
"""Modules for whoever has a package that is no dependency of ours."""
NOT_IMPORTED = ("localray.cli.__main__", "localray.__main__")


def programs() -> list[str]:
    """The Python blocks of the README that are whole programs."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [block for block in blocks if "import localray" in block]


def expected_output(program: str) -> list[str]:
    """What the comments behind the prints say comes out."""
    return re.findall(r"print\(.*\)\s+# (.*)", program)


@pytest.mark.parametrize("program", programs())
@pytest.mark.parametrize("engine", ["processes", "sim"])
def test_programs_of_the_readme_print_what_they_say(program: str, engine: str) -> None:
    source = program.replace("ray.init()", f"ray.init(engine={engine!r})")
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert expected_output(program)
    assert done.stdout.splitlines() == expected_output(program)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def modules() -> list[str]:
    """All modules of the package."""
    found = pkgutil.walk_packages(localray.__path__, "localray.")
    return sorted(module.name for module in found if module.name not in NOT_IMPORTED)


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_the_page_on_determinism_names_all_that_is_virtual_and_what_is_not() -> None:
    patches = importlib.import_module("localray.sim.patches")
    page = (ROOT / "docs" / "determinism.md").read_text()
    for name, _ in patches.VIRTUAL:
        assert f"- `{name}`" in page
    for name, reason in patches.NOT_VIRTUAL:
        assert f"| {name} | {reason} |" in page
