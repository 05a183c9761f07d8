"""Finds plugins by reading their source, never by importing it.

Places, in order: bench/models and bench/datasets, the clone's baselines/, the folders named in
BENCH_PLUGINS, and the entry points `bench.models` and `bench.datasets` (each naming a module).
A file that does not parse is reported with its line and hides no other; two plugins of one name
are an error that names both files.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from bench import contract, paths
from bench.errors import MissingError, PluginError, UsageError, unknown

FORBIDDEN = {"load", "evaluate"}  # public API that opens the test split


@dataclass(frozen=True)
class ModelEntry:
    """A model as its source declares it."""

    name: str
    file: Path
    function: str
    accepts: tuple[str, ...] = ("continuous",)
    likelihood: str = "exact"
    implementation: str = "in-house"
    twin: str | None = None
    family: str | None = None
    paper: str | None = None
    requires: tuple[str, ...] = ()
    conditional: bool = False
    layout: str = "flat"
    min_dim: int = 1
    max_dim: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)  #: build's keyword defaults


@dataclass(frozen=True)
class DatasetEntry:
    """A data set as its source declares it."""

    name: str
    file: Path
    function: str
    kind: str
    shape: tuple[int, ...]
    levels: int | None = None
    truth: bool = False
    context_dim: int = 0
    requires: tuple[str, ...] = ()
    source: str | None = None
    licence: str | None = None

    @property
    def dim(self) -> int:
        """Number of coordinates of a point."""
        n = 1
        for s in self.shape:
            n *= s
        return n


@dataclass(frozen=True)
class Problem:
    """A plugin file that could not be read: `reason` is one sentence with file and line."""

    file: Path
    reason: str


@dataclass
class Registry:
    """All plugins of this installation, by name."""

    models: dict[str, ModelEntry]
    datasets: dict[str, DatasetEntry]
    problems: list[Problem]

    def model(self, name: str) -> ModelEntry:
        """The model called `name`, or a UsageError with the nearest names."""
        if name not in self.models:
            raise unknown("model", name, self.models, "bench list models")
        return self.models[name]

    def dataset(self, name: str) -> DatasetEntry:
        """The data set called `name`, or a UsageError with the nearest names."""
        if name not in self.datasets:
            raise unknown("data set", name, self.datasets, "bench list datasets")
        return self.datasets[name]


def discover() -> Registry:
    """Read every plugin file. Raises UsageError where two plugins share a name."""
    registry = Registry({}, {}, [])
    for file in dict.fromkeys(plugin_files()):
        try:
            entries = list(read(file))
        except PluginError as error:
            registry.problems.append(Problem(file, str(error)))
            continue
        for entry in entries:
            table: dict[str, Any] = (
                registry.models if isinstance(entry, ModelEntry) else registry.datasets
            )
            if entry.name in table:
                raise UsageError(
                    f"two plugins are called '{entry.name}': {shown(table[entry.name].file)} and "
                    f"{shown(file)}. Rename one of them"
                )
            table[entry.name] = entry
    return registry


def shown(file: Path) -> str:
    """A path as a person would type it: relative to the current folder where it lies below it."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def plugin_files() -> Iterator[Path]:
    """Every file that may hold a plugin, in the order of the module's docstring."""
    package = Path(__file__).parent
    folders = [package / "models", package / "datasets"]
    if (root := paths.find_root()) is not None:
        folders.append(root / "baselines")
    extra = [f for f in os.environ.get("BENCH_PLUGINS", "").split(os.pathsep) if f]
    for folder in extra:
        if not Path(folder).is_dir():
            raise MissingError(
                f"BENCH_PLUGINS names '{folder}', which is no folder. Correct or unset the variable"
            )
    for folder_path in [*folders, *map(Path, extra)]:
        yield from (
            f.resolve() for f in sorted(folder_path.glob("*.py")) if not f.name.startswith("_")
        )
    for group in ("bench.models", "bench.datasets"):
        for point in entry_points(group=group):
            spec = importlib.util.find_spec(point.value.partition(":")[0])
            if spec is not None and spec.origin:
                yield Path(spec.origin).resolve()


def read(file: Path) -> Iterator[ModelEntry | DatasetEntry]:
    """The plugins declared in one file. Raises PluginError naming the line it cannot read."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        message = getattr(error, "msg", None) or str(error)
        raise PluginError(f"{shown(file)}:{line} does not parse: {message}") from error
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                entry = _entry(file, node, decorator)
                if entry is not None:
                    if isinstance(entry, ModelEntry):
                        _refuse_test_data(file, tree)
                    yield entry


def load_function(entry: ModelEntry | DatasetEntry) -> Callable[..., Any]:
    """Import the plugin's file and return its decorated function.

    Raises MissingError for a package in `requires` that is not installed, PluginError for a file
    that raises on import.
    """
    for package in entry.requires:
        if not _installed(package):
            raise MissingError(
                f"'{entry.name}' needs the package {package}. Install it: pip install {package}"
            )
    name = "bench_plugin_" + "".join(c if c.isalnum() else "_" for c in str(entry.file))
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, entry.file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # before execution, so that its classes can be pickled
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise PluginError(
                f"{shown(entry.file)} raised on import: {type(error).__name__}: {error}"
            ) from error
    function: Callable[..., Any] = getattr(sys.modules[name], entry.function)
    return function


def _installed(package: str) -> bool:
    """Whether a distribution (scikit-learn) or a module of that name (sklearn) is at hand."""
    try:
        version(package)
    except PackageNotFoundError:
        return importlib.util.find_spec(package.replace("-", "_")) is not None
    return True


def _entry(file: Path, node: ast.FunctionDef, decorator: ast.expr) -> Any:
    if not isinstance(decorator, ast.Call):
        return None
    target = decorator.func
    called = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", None)
    if called not in ("model", "dataset"):
        return None
    values = _literals(file, decorator, getattr(contract, called))
    _validate(file, decorator.lineno, called, values)
    common = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    if called == "model":
        return ModelEntry(file=file, function=node.name, settings=_defaults(file, node), **common)
    return DatasetEntry(file=file, function=node.name, **common)


def _literals(file: Path, call: ast.Call, decorator: Callable[..., Any]) -> dict[str, Any]:
    """The call's arguments by name, each a literal known to the decorator's signature."""
    known = list(inspect.signature(decorator).parameters)
    pairs = [*zip(known[:1], call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key not in known:
            raise PluginError(
                f"{shown(file)}:{call.lineno} unknown argument '{key}'. Known: {', '.join(known)}"
            )
        try:
            values[key] = ast.literal_eval(value)
        except ValueError as error:
            raise PluginError(
                f"{shown(file)}:{call.lineno} argument '{key}' must be a literal, because plugins "
                "are read without being imported"
            ) from error
    return values


def _validate(file: Path, line: int, called: str, values: dict[str, Any]) -> None:
    where = f"{shown(file)}:{line}"
    name = values.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise PluginError(
            f"{where} the name must be lower-case letters, digits and hyphens, not {name!r}"
        )
    allowed = {
        "accepts": contract.KINDS,
        "kind": contract.KINDS,
        "likelihood": contract.LIKELIHOODS,
        "layout": contract.LAYOUTS,
    }
    for key, choices in allowed.items():
        got = values.get(key, ())
        for value in [got] if isinstance(got, str) else got:
            if value not in choices:
                raise PluginError(f"{where} {key}={value!r}: expected one of {', '.join(choices)}")
    if called == "dataset":
        for key in ("kind", "shape"):
            if key not in values:
                raise PluginError(f"{where} data set '{name}' does not state its {key}")
        if values["kind"] == "discrete" and not values.get("levels"):
            raise PluginError(f"{where} discrete data set '{name}' does not state its levels")


def _defaults(file: Path, node: ast.FunctionDef) -> dict[str, Any]:
    """Keyword parameters of build with literal defaults: the model's settings."""
    args = node.args
    named = args.args[len(args.args) - len(args.defaults) :]
    pairs = [
        *zip(named, args.defaults, strict=True),
        *zip(args.kwonlyargs, args.kw_defaults, strict=True),
    ]
    settings = {}
    for arg, default in pairs:
        try:
            settings[arg.arg] = ast.literal_eval(default) if default is not None else None
        except ValueError as error:
            raise PluginError(
                f"{shown(file)}:{node.lineno} the default of setting '{arg.arg}' must be a literal"
            ) from error
    return settings


def _refuse_test_data(file: Path, tree: ast.Module) -> None:
    """A model that imports what opens the test split is refused with the reason."""
    for node in ast.walk(tree):
        names: set[str] = set()
        if isinstance(node, ast.ImportFrom) and node.module in ("bench", "bench.api"):
            names = {a.name for a in node.names} & FORBIDDEN
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "bench"
        ):
            names = {node.attr} & FORBIDDEN
        if names:
            line = getattr(node, "lineno", 1)
            raise PluginError(
                f"{shown(file)}:{line} uses bench.{names.pop()}, which opens the test split: a "
                "model may see only the `data` that build is given"
            )
