"""What the documents show is run: Python blocks of the README, doctests of the package, and links between the pages."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import localray

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Modules that run something when they are imported as a script would.
NEEDS = {"localray.mypy_plugin": "mypy", "localray.util.dask": "dask"}
"""Modules for whoever has a package that is no dependency of ours."""
NOT_IMPORTED = ("localray.cli.__main__", "localray.__main__")


class Written(NamedTuple):
    """A whole program in a document; ``kind`` is the word behind the language, if any: "simulated" programs choose their
    engine themselves, "processes" ones are about real processes, "pytest" ones are tests."""

    page: str
    number: int
    kind: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.page}-{self.number}"


def programs(kind: str) -> list[Written]:
    """The Python blocks of the documents that are whole programs of this kind."""
    found = [
        Written(page.stem, number, match[1], match[2])
        for page in PAGES
        for number, match in enumerate(re.finditer(r"```python ?(\w*)\n(.*?)```", page.read_text(), re.DOTALL))
    ]
    return [each for each in found if "import localray" in each.source and each.kind == kind]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)


def expected_output(program: str) -> list[str]:
    """What the comments behind the prints say comes out."""
    return re.findall(r"print\(.*\)\s+# (.*)", program)


@pytest.mark.parametrize("program", programs(""), ids=lambda program: program.name)
@pytest.mark.parametrize("engine", ["processes", "sim"])
def test_programs_print_what_they_say(program: Written, engine: str) -> None:
    start = "" if "ray.init(" in program.source else f"import localray; localray.init(engine={engine!r})\n"
    check_output(start + program.source.replace("ray.init(", f"ray.init(engine={engine!r}, "), program)


@pytest.mark.parametrize("program", programs("simulated") + programs("processes"), ids=lambda program: program.name)
def test_programs_of_one_engine_print_what_they_say(program: Written) -> None:
    check_output(program.source, program)


@pytest.mark.parametrize("program", programs("pytest"), ids=lambda program: program.name)
def test_tests_pass(program: Written, tmp_path: Path) -> None:
    file = tmp_path / "test_written.py"
    file.write_text(program.source)
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(file))
    assert done.returncode == 0, done.stdout


def check_output(source: str, program: Written) -> None:
    done = run("-c", source)
    assert done.returncode == 0, done.stderr
    assert expected_output(program.source)
    assert done.stdout.splitlines() == expected_output(program.source)


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
    fences = importlib.import_module("localray.sim.fences")
    for fence in (*fences.FENCED, *fences.FENCED_WHERE_STRICT):
        assert f"| `{fence.name}` | {fence.what} | {fence.instead} |" in page


def test_the_page_on_determinism_names_the_events_that_rules_of_faults_may_wait_for() -> None:
    page = (ROOT / "docs" / "determinism.md").read_text()
    listed = re.search(r"<summary>All words for `on`</summary>\n\n(.*?)\n\n</details>", page, re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"`(\w+)`", listed[1])) == importlib.import_module("localray.faults.meanings").EVENTS


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="signatures are written a little differently by each Python")
def test_the_reference_is_what_the_docstrings_say() -> None:
    done = run("-c", "from tests.docs.reference import PAGE, page; assert page() == PAGE.read_text()")
    assert done.returncode == 0, "python -m tests.docs.reference writes it anew"
