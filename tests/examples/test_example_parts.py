"""What the examples compute, against plain answers: brute force, finite differences, and source written by hand.

The examples compare a parallel run with a serial one. Both use the same parts, so the parts need a judge of their own.
"""

from __future__ import annotations

import itertools
import random
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> ModuleType:
    """A module out of `examples/`, by the name that the test is marked with."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return import_module(request.param)


class Known:
    """An incumbent that starts with nothing."""

    def __init__(self) -> None:
        self.best = 10**9

    def length(self) -> int:
        return self.best

    def offer(self, length: int, tour: tuple[int, ...]) -> int:
        self.best = min(self.best, length)
        return self.best


@pytest.mark.parametrize("part", ["tours"], indirect=True)
@pytest.mark.parametrize("seed", range(12))
def test_search_finds_what_brute_force_finds(part: ModuleType, seed: int) -> None:
    problem = part.Problem.random(8, seed)
    search = part.Search(problem)
    known = Known()
    waiting = [[search.root()]]
    while waiting:
        waiting += part.shares_of(search.explore(waiting.pop(), known, 7).open, 3)
    shortest = min(problem.length((0, *rest)) for rest in itertools.permutations(range(1, 8)))
    assert known.best == shortest
    assert search.root().bound <= shortest


@pytest.mark.parametrize("part", ["tours"], indirect=True)
def test_shares_hold_every_subtree_once_the_best_first(part: ModuleType) -> None:
    bounds = random.Random(1).sample(range(100), 11)
    subtrees = [part.Subtree((0,), 0, 2, bound) for bound in bounds]
    shares = part.shares_of(subtrees, 4)
    assert [subtree.bound for share in shares for subtree in reversed(share)] == sorted(bounds)
    assert len(shares) == 4
    assert part.shares_of([], 4) == []


@pytest.mark.parametrize("part", ["digits"], indirect=True)
def test_gradient_is_that_of_finite_differences(part: ModuleType) -> None:
    np = pytest.importorskip("numpy")
    rng = np.random.default_rng(3)
    network = part.Network(hidden=5)
    parameters = network.initial(seed=4)
    digits = part.Digits(rng.random((6, network.inputs)), rng.integers(0, 10, 6))
    _, gradient = network.loss_and_gradient(parameters, digits)
    for index in rng.choice(network.size, 25, replace=False):
        step = np.zeros(network.size)
        step[index] = 1e-6
        higher, _ = network.loss_and_gradient(parameters + step, digits)
        lower, _ = network.loss_and_gradient(parameters - step, digits)
        assert gradient[index] == pytest.approx((higher - lower) / 2e-6, abs=1e-7)


SOURCE = '''\
"""A docstring
# that looks like a comment."""
import os.path  # a comment behind code is code

# a comment
from . import sibling


class Thing:
    text = """
# not a comment
"""

    async def method(self):
        from ..other import thing
        return self.text

if __name__ == "__main__":
    import unittest
'''


@pytest.mark.parametrize("part", ["census_facts"], indirect=True)
def test_census_of_a_file(part: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "thing.py"
    path.write_text(SOURCE)
    source = part.SourceFile(str(path), "top.inner.thing", False, len(SOURCE))
    modules = frozenset({"os", "unittest", "top", "top.inner", "top.inner.sibling", "top.other"})
    census = part.census_of_file(source, modules)
    kinds = part.LineKind
    assert census.lines == {kinds.DOCSTRING: 2, kinds.COMMENT: 1, kinds.BLANK: 5, kinds.CODE: 11}
    assert census.eager == {"top.inner.thing": {"os", "top.inner.sibling"}}
    assert census.deferred == {"top.inner.thing": {"top.other", "unittest"}}
    assert census.longest == [part.FunctionSize(3, "top.inner.thing", 14, "method")]
    assert census.syntax["AsyncFunctionDef"] == census.syntax["ClassDef"] == 1
    assert census.names == {"text": 2, "self": 1, "__name__": 1}


@pytest.mark.parametrize("part", ["census_facts"], indirect=True)
def test_unreadable_files_are_counted(part: ModuleType, tmp_path: Path) -> None:
    contents = {"syntax": b"def", "bytes": b"x = '\xff'", "null": b"x = 1\0"}
    files = [part.SourceFile(str(tmp_path / "missing.py"), "missing", False, 0)]
    for name, content in contents.items():
        (tmp_path / f"{name}.py").write_bytes(content)
        files.append(part.SourceFile(str(tmp_path / f"{name}.py"), name, False, len(content)))
    census = part.total(part.census_of_file(file, frozenset()) for file in files)
    assert census.files == 4
    assert census.unparsable == {"missing", *contents}
    assert census.lines.total() == 0


@pytest.mark.parametrize("part", ["census_facts"], indirect=True)
def test_import_cycles_are_found_and_walked(part: ModuleType) -> None:
    graph = {"a": {"b"}, "b": {"c", "x"}, "c": {"a"}, "x": {"y"}, "y": {"x"}, "z": {"a"}}
    assert part.import_cycles(graph) == [["a", "b", "c"], ["x", "y"]]
    assert part.longest_way_round(["a", "b", "c"], graph) == ["a", "b", "c", "a"]
    assert part.import_cycles({"a": {"b"}, "b": {"c"}}) == []
