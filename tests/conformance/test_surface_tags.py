"""Each part of Ray's surface has programs: their docstrings say which part they are the proof of, as "Surface 4.1" or, behind
the tags of promises, "T14, surface 4.1"."""

from __future__ import annotations

import inspect
import re

from .registry import load_programs

SECTIONS = {
    "1": "names of the package itself, and which calls start a session",
    "2": "init: arguments, context, refusals",
    "3": "references and generators",
    "4.1": "options",
    "4.2": "remote functions",
    "4.3": "actor classes, handles and methods",
    "5": "exceptions",
    "6": "ray.util",
    "7": "the runtime context",
    "8": "ray.util.state",
    "9": "ray.cluster_utils",
    "10": "other modules: dag, experimental, job submission, helpers of tests",
    "11": "runtime environments",
    "13": "variables of the environment",
    "14": "constants that programs see",
    "14b": "private names that packages use",
}
"""What is not here, the command line (12), is not Ray's to judge: `tests/api` has its tests."""

TAG = re.compile(r"[Ss]urface (\d[\d.b]*[\db]|\d)")


def tagged() -> dict[str, list[str]]:
    """The programs of each section, by name."""
    found: dict[str, list[str]] = {}
    for program in load_programs():
        for section in set(TAG.findall(inspect.getdoc(program.function) or "")):
            found.setdefault(section, []).append(program.name)
    return found


def test_every_section_has_programs() -> None:
    assert sorted(set(SECTIONS) - set(tagged())) == []


def test_every_tag_names_a_section() -> None:
    assert {section: names for section, names in tagged().items() if section not in SECTIONS} == {}
