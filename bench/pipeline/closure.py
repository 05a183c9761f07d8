"""Which source a cell depends on: the static import closure, found without importing anything.

DVC's dependencies of a cell are the files of all that can change its record. The digest of what
training reads is narrower, and blind to comments and docstrings: it addresses the trained weights.
"""

from __future__ import annotations

import ast
import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench import adapters
from bench.registry import ENTRY, DatasetEntry, ModelEntry, discover

PACKAGE = Path(__file__).resolve().parent.parent
CLONE = PACKAGE.parent
OWN = "bench.datasets.own.loading"  #: what reads the data of an entry file

#: what takes part in training beside the plugins. Values that come from settings.py, and the data
#: themselves, are part of a training's address on their own
TRAINING = (
    "preparing.py",
    "fitting.py",
    "training.py",
    "spaces.py",
    "dequantization.py",
    "adapters/__init__.py",
    "adapters/native.py",
)
NOT_TRAINING = (
    "__init__.py",
    "atomic.py",
    "declared.py",
    "errors.py",
    "paths.py",
    "records.py",
    "registry.py",
    "settings.py",
)


@dataclass(frozen=True)
class Closure:
    """Files of this project that a file imports, itself included, and the packages outside it."""

    files: frozenset[Path]
    packages: frozenset[str]


def dependencies(
    model: ModelEntry, datasets: Iterable[DatasetEntry]
) -> tuple[list[Path], dict[str, list[Path]]]:
    """What all cells of a model depend on, and by data set the further files of its own.

    A folder that belongs to it as a whole stands for its files: DVC's work per cell grows with
    the number of dependencies.
    """
    common = model_files(model) | scoring_files()
    own = {
        d.name: [d.file, *d.data, *folded(closure(d.file).files - common - {d.file})]
        for d in datasets
    }
    return folded(common), own


def folded(files: frozenset[Path]) -> list[Path]:
    """The files, sorted, with each folder below the package that holds no other code in one."""
    whole = {
        folder
        for folder in {f.parent for f in files if PACKAGE in f.parent.parents}
        if files.issuperset(folder.rglob("*.py"))
    }
    return sorted({*whole, *(f for f in files if not whole.intersection(f.parents))})


@cache
def scoring_files() -> frozenset[Path]:
    """Files of all that loads, trains, scores, checks, times and records a cell."""
    checks = {entry.file for entry in discover().checks.values()}
    roots = [PACKAGE / "cell.py", *sorted(checks.union((PACKAGE / "checks").glob("*.py")))]
    return frozenset().union(*(closure(f).files for f in roots))


def model_files(model: ModelEntry) -> frozenset[Path]:
    """The model's own closure, with the adapters of the packages it imports or requires."""
    own = closure(model.file)
    packages = set(own.packages) | {r.replace("-", "_") for r in model.requires}
    return own.files.union(*(closure(f).files for f in adapters.sources(packages)))


def training_digest(model: ModelEntry, dataset: DatasetEntry) -> str:
    """sha256 (hex) of all source that training reads, without comments and docstrings."""
    whole = hashlib.sha256()
    for file in sorted(training_files(model, dataset)):
        whole.update(f"{relative(file)} {_code_digest(file)}\n".encode())
    return whole.hexdigest()


def training_files(model: ModelEntry, dataset: DatasetEntry) -> frozenset[Path]:
    """Files of the model, the data set and what fits the one to the other."""
    files = model_files(model) | closure(dataset.file).files
    files = files.union(*(closure(PACKAGE / name).files for name in TRAINING))
    return files - {PACKAGE / name for name in NOT_TRAINING}


def relative(file: Path) -> str:
    """A path as it is written in dvc.yaml: relative to the clone, absolute outside it."""
    return (file.relative_to(CLONE) if file.is_relative_to(CLONE) else file).as_posix()


@cache
def closure(file: Path) -> Closure:
    """Everything that `file` imports, directly or not, inside functions too.

    Each file is read once per process: what is edited meanwhile is seen by the next one.
    """
    files: set[Path] = set()
    packages: set[str] = set()
    todo = [file]
    while todo:
        here = todo.pop()
        if here in files or not here.is_file():
            continue
        files.add(here)
        for module, names in _imports(here):
            found = _resolve(module, names)
            todo += found
            if not found:
                packages.add(module.partition(".")[0])
    return Closure(frozenset(files), frozenset(packages))


def _resolve(module: str, names: tuple[str, ...]) -> list[Path]:
    """Files that `from module import names` executes, in this project; none for other packages."""
    parts = module.split(".")
    folder = CLONE.joinpath(*parts)
    targets = [folder.with_name(f"{parts[-1]}.py"), folder / "__init__.py"]
    for name in names:
        targets += [folder / f"{name}.py", folder / name / "__init__.py"]
    found = [t for t in targets if t.is_file()]
    if not found:
        return []
    parents = [CLONE.joinpath(*parts[:i]) / "__init__.py" for i in range(1, len(parts))]
    return [*(p for p in parents if p.is_file()), *found]


@cache
def _imports(file: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Modules and the names taken from them; none where the file does not parse."""
    if file.suffix == ENTRY:
        return ((OWN, ()),)
    tree = _parsed(file)
    return tuple(_statements(tree, _package(file))) if tree is not None else ()


def _parsed(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return None


def _package(file: Path) -> list[str]:
    return list(file.relative_to(CLONE).parent.parts) if file.is_relative_to(CLONE) else []


def _statements(node: ast.AST, package: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, ()) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            above = package[: len(package) - child.level + 1] if child.level else []
            module = ".".join([*above, *([child.module] if child.module else [])])
            if module:
                yield module, tuple(alias.name for alias in child.names)
        elif _type_checking(child):
            yield from _statements(ast.Module(child.orelse, []), package)  # type: ignore[attr-defined]
        elif not _lazy_attributes(node, child):
            yield from _statements(child, package)


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _lazy_attributes(parent: ast.AST, node: ast.AST) -> bool:
    """A module's `__getattr__` (PEP 562) imports only what is asked for by name."""
    return (
        isinstance(parent, ast.Module)
        and isinstance(node, ast.FunctionDef)
        and node.name == "__getattr__"
    )


@cache
def _code_digest(file: Path) -> str:
    if file.suffix == ENTRY:  # what it states, without its comments
        stated = json.dumps(tomllib.loads(file.read_text(encoding="utf-8")), sort_keys=True)
        return hashlib.sha256(stated.encode()).hexdigest()
    tree = _parsed(file)
    code = file.read_bytes() if tree is None else repr(_skeleton(tree)).encode()
    return hashlib.sha256(code).hexdigest()


def _skeleton(node: Any) -> Any:
    """The syntax tree as nested tuples; absent fields left out, so that versions agree."""
    if isinstance(node, list):
        return [_skeleton(n) for n in node]
    if not isinstance(node, ast.AST):
        return node
    fields = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(value, list):
            value = [n for n in value if not _docstring(n)]
        if value is not None and value != []:
            fields.append((name, _skeleton(value)))
    return (type(node).__name__, fields)


def _docstring(node: ast.AST) -> bool:
    """A string standing alone does nothing, wherever it stands."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
