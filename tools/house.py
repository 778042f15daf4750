"""The rules of the house that no other tool checks; one line per breach, then one line of figures.

    python tools/house.py [folder]

Allowed exceptions are named in pyproject.toml under [tool.house].
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

FUNCTION_MEDIAN, FUNCTION_USUAL, FUNCTION_LONGEST, USUAL_SHARE = 8, 35, 60, 0.95
MODULE_USUAL, MODULE_LONGEST = 300, 400
SKIPPED = {".git", "node_modules", "build", "dist", "__pycache__"}

VAGUE_NAME = re.compile(r"(.*_)?(utils?|helpers?|managers?|common|misc)|base_.*")
MARKER = re.compile(r"\b(TODO|FIXME|XXX)\b")
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:root|work|home)/")
REGISTRY = re.compile(
    r"pythonhosted\.org|pypi\.org/simple|registry\.npmjs\.org|registry\.yarnpkg\.com|--(?:extra-)?index-url"
)
UNPICKLERS = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
Breach = tuple[int, str]


@dataclass
class Figures:
    """What is measured in `src`, over all its modules."""

    functions: list[int] = field(default_factory=list[int])
    modules: list[int] = field(default_factory=list[int])
    comments: int = 0
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Source:
    """One Python file, read and parsed once."""

    name: str
    text: str
    tree: ast.Module

    @property
    def ships(self) -> bool:
        return self.name.startswith("src/")

    @property
    def lines(self) -> int:
        return self.text.count("\n")


def tracked(root: Path) -> list[Path]:
    """Files that are, or would be, under version control; every file where git cannot say."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        listed = ""
    names = [root / name for name in listed.split("\0") if name] or [*root.rglob("*")]
    return sorted({path for path in names if path.is_file() and not skipped(path.relative_to(root))})


def skipped(path: Path) -> bool:
    return any(part in SKIPPED or part.startswith(".venv") or part.endswith("_cache") for part in path.parts)


def text_of(path: Path) -> str | None:
    """The text of a file, or None when it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


# --- what any text file must keep --------------------------------------------------------------------------


def numbered(pattern: re.Pattern[str], text: str, what: str) -> Iterator[Breach]:
    for number, line in enumerate(text.splitlines(), 1):
        if match := pattern.search(line):
            yield number, what.format(match.group().strip())


def portable(text: str) -> Iterator[Breach]:
    yield from numbered(MACHINE_PATH, text, "a path of one machine: {}")
    yield from numbered(REGISTRY, text, "the host of a package registry: {}")


# --- what Python must keep ---------------------------------------------------------------------------------


def vague_names(path: str) -> Iterator[Breach]:
    for part in Path(path).with_suffix("").parts:
        if VAGUE_NAME.fullmatch(part):
            yield 1, f"the name {part!r} says nothing: name the module for what it holds"


def comments(text: str) -> list[tuple[int, str]]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]


def markers(text: str) -> Iterator[Breach]:
    for line, comment in comments(text):
        if match := MARKER.search(comment):
            yield line, f"{match.group()} in a comment: do it, or write it where plans are kept"


def swallowed(tree: ast.Module) -> Iterator[Breach]:
    """Broad handlers that do nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type) and all(map(is_nothing, node.body)):
            yield node.lineno, "an error is swallowed: catch what is expected, and act"
        elif isinstance(node, ast.Call) and suppresses_all(node):
            yield node.lineno, "an error is swallowed: suppress what is expected"


def suppresses_all(call: ast.Call) -> bool:
    return ast.unparse(call.func).endswith("suppress") and any(map(is_broad, call.args))


def is_broad(kind: ast.expr | None) -> bool:
    return kind is None or ast.unparse(kind) in {"Exception", "BaseException"}


def is_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass | ast.Continue)


def sleeps(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.ImportFrom) and brings_sleep(node):
            yield node.lineno, "time.sleep blocks a thread: wait on the clock"


def brings_sleep(node: ast.Attribute | ast.ImportFrom) -> bool:
    if isinstance(node, ast.Attribute):
        return ast.unparse(node) == "time.sleep"
    return node.module == "time" and any(alias.name == "sleep" for alias in node.names)


def unpickles(tree: ast.Module) -> Iterator[Breach]:
    for line, module in imported(tree):
        if (package := module.partition(".")[0]) in UNPICKLERS:
            yield line, f"{package} runs what it reads: use model/codec"


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


# --- sizes -------------------------------------------------------------------------------------------------


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_overload(node):
            yield node


def is_overload(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(each).endswith("overload") for each in function.decorator_list)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is None:
        return total
    return total - ((first.end_lineno or first.lineno) - first.lineno + 1)


def too_long(tree: ast.Module) -> Iterator[Breach]:
    for function in functions(tree):
        if (lines := length(function)) > FUNCTION_LONGEST:
            yield function.lineno, f"{function.name} has {lines} lines, {FUNCTION_LONGEST} are the most"


def measure(source: Source, figures: Figures) -> Iterator[Breach]:
    """Take a module's sizes into the figures."""
    figures.functions += [length(function) for function in functions(source.tree)]
    figures.modules.append(source.lines)
    figures.comments += len(comments(source.text))
    if source.lines > MODULE_LONGEST:
        yield 1, f"{source.lines} lines, {MODULE_LONGEST} are the most"
    elif source.lines > MODULE_USUAL:
        figures.notes.append(f"{source.name}: {source.lines} lines, on its way past {MODULE_USUAL}")


def shape(figures: Figures) -> Iterator[str]:
    """What the functions of the whole must keep."""
    if not figures.functions:
        return
    if (middle := median(figures.functions)) > FUNCTION_MEDIAN:
        yield f"src: the median function has {middle:g} lines, {FUNCTION_MEDIAN} are the most"
    if (share := within(figures.functions, FUNCTION_USUAL)) < USUAL_SHARE:
        yield f"src: {share:.1%} of functions are within {FUNCTION_USUAL} lines, {USUAL_SHARE:.0%} are asked"


def within(sizes: list[int], limit: int) -> float:
    return sum(size <= limit for size in sizes) / len(sizes)


# --- the walk ----------------------------------------------------------------------------------------------


def allowances(root: Path) -> dict[str, list[str]]:
    with (root / "pyproject.toml").open("rb") as file:
        return dict(tomllib.load(file).get("tool", {}).get("house", {}))


def python_breaches(source: Source, allowed: dict[str, list[str]], figures: Figures) -> Iterator[Breach]:
    def unless(allowance: str, rule: Callable[[ast.Module], Iterator[Breach]]) -> Iterator[Breach]:
        return iter(()) if source.name in allowed.get(allowance, ()) else rule(source.tree)

    yield from vague_names(source.name)
    yield from markers(source.text)
    yield from swallowed(source.tree)
    yield from too_long(source.tree)
    if source.ships:
        yield from unless("may_sleep", sleeps)
        yield from unless("may_unpickle", unpickles)
        yield from measure(source, figures)


def breaches(name: str, text: str, allowed: dict[str, list[str]], figures: Figures) -> Iterator[Breach]:
    """Every breach in one file, with its line."""
    if name not in allowed.get("may_name_paths", ()):
        yield from portable(text)
    if not name.endswith(".py"):
        yield from numbered(MARKER, text, "{} is left in the text")
        return
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield error.lineno or 1, f"not Python: {error.msg}"
        return
    yield from python_breaches(Source(name, text, tree), allowed, figures)


def inspect(root: Path) -> tuple[list[str], Figures]:
    """Every breach under a folder as a line to print, and the figures."""
    figures, found, allowed = Figures(), list[str](), allowances(root)
    for path in tracked(root):
        name = path.relative_to(root).as_posix()
        if (text := text_of(path)) is not None:
            found += [f"{name}:{line}: {what}" for line, what in breaches(name, text, allowed, figures)]
    return found + list(shape(figures)), figures


def summary(figures: Figures) -> str:
    """One line of figures."""
    sizes, lines = figures.functions or [0], sum(figures.modules)
    return (
        f"house: {len(figures.functions)} functions, median {median(sizes):g} lines,"
        f" {within(sizes, FUNCTION_USUAL):.1%} within {FUNCTION_USUAL}, longest {max(sizes)};"
        f" {len(figures.modules)} modules, longest {max(figures.modules, default=0)};"
        f" comments {figures.comments / max(lines, 1):.1%} of {lines} lines"
    )


def main(arguments: list[str]) -> int:
    """Print what was found; 1 when a rule is broken."""
    found, figures = inspect(Path(arguments[0] if arguments else ".").resolve())
    print("\n".join([*figures.notes, *found, summary(figures)]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
