"""What the census knows about Python source: the facts of one file, how facts add up, and who imports whom in circles.

Everything here is pure and serial: no task, no actor, no printing. `census.py` spreads these functions over processes.
Adding censuses is associative and commutative and has an empty census as its zero, so any tree of tasks, merged in any
order, must arrive at the very same answer as a plain loop. That is what the example checks.
"""

from __future__ import annotations

import ast
import gc
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from heapq import nlargest
from importlib.util import decode_source
from pathlib import Path

LONGEST_KEPT = 10
TEST_PACKAGES = frozenset({"test", "tests", "idle_test", "_test"})
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
ImportNode = ast.Import | ast.ImportFrom
ScopeNode = FunctionNode | ast.ClassDef | ast.Module
StringNode = ast.Constant | ast.JoinedStr
Graph = Mapping[str, set[str]]

# A file that cannot be read is itself a fact. The parser makes RecursionError or MemoryError of source that nests too
# deep, and ValueError of null bytes; the standard library's own tests hold examples of nearly all of these.
UNPARSABLE = (OSError, SyntaxError, ValueError, RecursionError, MemoryError)

# Fields of a syntax node that never lead to a name, a call, an import or a definition: half of all nodes hang there.
BARREN_FIELDS = frozenset({"ctx", "op", "ops", "id", "attr", "kind", "type_comment", "type_ignores"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to look at; `module` is the dotted name it is imported by."""

    path: str
    module: str
    is_package: bool
    size_bytes: int

    @property
    def is_test(self) -> bool:
        """Whether the file belongs to the tests of the library."""
        return is_test(self.module)


@dataclass(frozen=True, slots=True)
class LeafRun:
    """One stretch of work: how much was read in one go, and how long that took."""

    size_bytes: int
    seconds: float


class LineKind(Enum):
    """What a line of source is for."""

    CODE = "code"
    DOCSTRING = "docstrings"
    COMMENT = "comments"
    BLANK = "blank"


@dataclass(frozen=True, slots=True, order=True)
class FunctionSize:
    """One function, ordered by its length; the other fields make the order total, so that a top ten is unique."""

    lines: int
    module: str
    first_line: int
    name: str


@dataclass(slots=True)
class Census:
    """Facts of any number of files. `eager` imports run when a module is imported, `deferred` ones in functions."""

    files: int = 0
    size_bytes: int = 0
    unparsable: set[str] = field(default_factory=set)
    lines: Counter[LineKind] = field(default_factory=Counter)
    syntax: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    longest: list[FunctionSize] = field(default_factory=list)
    eager: dict[str, set[str]] = field(default_factory=dict)
    deferred: dict[str, set[str]] = field(default_factory=dict)

    def add(self, other: Census) -> None:
        """Add the facts of other files to these."""
        self.files += other.files
        self.size_bytes += other.size_bytes
        self.unparsable.update(other.unparsable)
        self.lines.update(other.lines)
        self.syntax.update(other.syntax)
        self.names.update(other.names)
        self.longest = nlargest(LONGEST_KEPT, self.longest + other.longest)
        _unite(self.eager, other.eager)
        _unite(self.deferred, other.deferred)


def is_test(module: str) -> bool:
    """Return whether a module is a test, or there for tests only."""
    return any(part in TEST_PACKAGES for part in module.split("."))


def total(censuses: Iterable[Census]) -> Census:
    """Return the sum of some censuses."""
    result = Census()
    for census in censuses:
        result.add(census)
    return result


def census_of_file(source: SourceFile, modules: frozenset[str]) -> Census:
    """Return the facts of one file.

    Args:
        source: the file.
        modules: names of all modules that count as a target of an import.
    """
    try:
        text = decode_source(Path(source.path).read_bytes())
        tree = _parse(text)
    except UNPARSABLE:
        return Census(files=1, size_bytes=source.size_bytes, unparsable={source.module})
    census = Census(files=1, size_bytes=source.size_bytes)
    survey = _Survey(source, modules)
    survey.walk(tree)
    survey.write_to(census)
    census.lines = _count_lines(text, survey.docstring_lines, survey.string_lines)
    return census


def _unite(graph: dict[str, set[str]], other: Graph) -> None:
    # Not dict.update: should two files go by one name, the order in which they come must make no difference.
    for module, targets in other.items():
        graph[module] = graph.get(module, set()) | targets


def _parse(text: str) -> ast.Module:
    # A syntax tree is large and free of cycles: while it grows, the garbage collector would search it in vain.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    finally:
        if collecting:
            gc.enable()


def _count_lines(text: str, docstring_lines: set[int], string_lines: set[int]) -> Counter[LineKind]:
    kinds: list[LineKind] = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        stripped = line.strip()
        if number in docstring_lines:
            kinds.append(LineKind.DOCSTRING)
        elif number in string_lines:
            kinds.append(LineKind.CODE)
        elif not stripped:
            kinds.append(LineKind.BLANK)
        else:
            kinds.append(LineKind.COMMENT if stripped.startswith("#") else LineKind.CODE)
    return Counter(kinds)


class _Survey:
    """One pass over a syntax tree. It keeps its own stack: source that nests deep must not overflow Python's."""

    def __init__(self, source: SourceFile, modules: frozenset[str]) -> None:
        self._source = source
        self._modules = modules
        self._syntax: list[type[ast.AST]] = []
        self._names: list[str] = []
        self._functions: list[FunctionSize] = []
        self._eager: set[str] = set()
        self._deferred: set[str] = set()
        self.docstring_lines: set[int] = set()
        self.string_lines: set[int] = set()

    def walk(self, tree: ast.Module) -> None:
        """Visit every node: first what runs on import, then the insides of functions, which run later or never."""
        eager: list[ast.AST] = [tree]
        deferred: list[ast.AST] = []
        for pending, imports in ((eager, self._eager), (deferred, self._deferred)):
            while pending:
                node = pending.pop()
                self._syntax.append(type(node))
                if isinstance(node, ast.Name):
                    self._names.append(node.id)
                    continue
                if isinstance(node, ast.Attribute):
                    self._names.append(node.attr)
                elif isinstance(node, StringNode):
                    self._note_string(node)
                elif isinstance(node, ScopeNode):
                    self._note_scope(node)
                elif isinstance(node, ImportNode):
                    imports.update(_imported(node, self._source, self._modules))
                _push_children(node, deferred if _runs_later(node) else pending)

    def write_to(self, census: Census) -> None:
        """Put what was seen into a census of this one file."""
        module = self._source.module
        census.syntax = Counter(kind.__name__ for kind in self._syntax)
        census.names = Counter(self._names)
        census.longest = nlargest(LONGEST_KEPT, self._functions)
        census.eager = {module: self._eager - {module}}
        census.deferred = {module: self._deferred - {module}}

    def _note_string(self, node: StringNode) -> None:
        last_line = node.end_lineno or node.lineno
        if last_line > node.lineno:
            self.string_lines.update(range(node.lineno + 1, last_line + 1))

    def _note_scope(self, node: ScopeNode) -> None:
        if isinstance(node, FunctionNode):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            self._functions.append(FunctionSize(lines, self._source.module, node.lineno, node.name))
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            self.docstring_lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))


def _runs_later(node: ast.AST) -> bool:
    """Return whether what is inside does not run when the module is imported: a function, or `if __name__ == ...`."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Compare):
        return isinstance(node.test.left, ast.Name) and node.test.left.id == "__name__"
    return isinstance(node, FunctionNode)


def _push_children(node: ast.AST, stack: list[ast.AST]) -> None:
    for name in _fruitful(node._fields):
        child = getattr(node, name, None)
        if isinstance(child, list):
            stack += [item for item in child if isinstance(item, ast.AST)]
        elif isinstance(child, ast.AST):
            stack.append(child)


@cache
def _fruitful(fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in fields if name not in BARREN_FIELDS)


def _imported(node: ImportNode, source: SourceFile, modules: frozenset[str]) -> Iterator[str]:
    """Yield the known modules that an import statement names; what is written in C has no source and is left out."""
    if isinstance(node, ast.Import):
        origin, names = "", [alias.name for alias in node.names]
    else:
        origin, names = _origin(node, source), [alias.name for alias in node.names]
    for name in names:
        target = f"{origin}.{name}" if origin else name
        while target and target not in modules:
            target = target.rpartition(".")[0]
        if target:
            yield target


def _origin(node: ast.ImportFrom, source: SourceFile) -> str:
    """Return the absolute name of the module that `from ... import` takes things from."""
    if not node.level:
        return node.module or ""
    package = source.module if source.is_package else source.module.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}" if node.module else package


def import_cycles(graph: Graph) -> list[list[str]]:
    """Return the strongly connected components of more than one module, the largest first (Kosaraju's algorithm)."""
    backwards: dict[str, set[str]] = {}
    for module, targets in graph.items():
        for target in targets:
            backwards.setdefault(target, set()).add(module)
    seen: set[str] = set()
    finished = [module for root in sorted(graph) for module in _postorder(root, graph, seen)]
    seen.clear()
    components = [sorted(_postorder(root, backwards, seen)) for root in reversed(finished)]
    return sorted((part for part in components if len(part) > 1), key=lambda part: (-len(part), part))


def _postorder(root: str, graph: Graph, seen: set[str]) -> Iterator[str]:
    """Yield the modules within reach of `root` that were not seen yet, each after all it leads to."""
    if root in seen:
        return
    seen.add(root)
    path = [(root, iter(sorted(graph.get(root, ()))))]
    while path:
        module, targets = path[-1]
        unseen = next((target for target in targets if target not in seen), None)
        if unseen is None:
            path.pop()
            yield module
        else:
            seen.add(unseen)
            path.append((unseen, iter(sorted(graph.get(unseen, ())))))


def longest_way_round(component: list[str], graph: Graph) -> list[str]:
    """Return, of the shortest cycles through each module of a component, the longest: the knot's most telling loop."""
    return max((_shortest_cycle(module, graph) for module in component), key=len)


def _shortest_cycle(start: str, graph: Graph) -> list[str]:
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue and start not in came_from:
        module = queue.popleft()
        for target in sorted(graph.get(module, ())):
            if target not in came_from:
                came_from[target] = module
                queue.append(target)
    cycle = [start]
    while came_from[cycle[-1]] != start:
        cycle.append(came_from[cycle[-1]])
    return [start, *reversed(cycle[1:]), start]
