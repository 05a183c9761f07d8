"""Finds plugins by reading their source, never by importing it.

Places, in order: bench/models, bench/datasets, bench/checks and bench/profile/catalogue, the
clone's baselines/ and datasets/, the folders named in BENCH_PLUGINS, and the entry points
`bench.models`, `bench.datasets`, `bench.checks` and `bench.kernels` (each naming a module). In the
clone's folders and in those of BENCH_PLUGINS a .toml file may be the entry of a data set.
A file that does not parse is reported with its line and hides no other; two plugins of one name
are an error that names both files.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from types import ModuleType
from typing import Any

from bench import paths
from bench.declared import NAME as NAME
from bench.declared import CheckEntry as CheckEntry
from bench.declared import DatasetEntry as DatasetEntry
from bench.declared import Entry as Entry
from bench.declared import ImplementationEntry as ImplementationEntry
from bench.declared import KernelEntry as KernelEntry
from bench.declared import ModelEntry as ModelEntry
from bench.declared import key
from bench.declared import read as read
from bench.declared import shown as shown
from bench.errors import MissingError, PluginError, UsageError, unknown

PACKAGE = Path(__file__).resolve().parent
ENTRY = ".toml"  #: of files that describe a data set of a user's own files


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
    checks: dict[str, CheckEntry] = field(default_factory=dict)
    kernels: dict[str, KernelEntry] = field(default_factory=dict)
    #: by "<kernel>:<name>"
    implementations: dict[str, ImplementationEntry] = field(default_factory=dict)

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

    def kernel(self, name: str) -> KernelEntry:
        """The kernel called `name`, or a UsageError with the nearest names."""
        if name not in self.kernels:
            raise unknown("kernel", name, self.kernels, "bench list kernels")
        return self.kernels[name]

    def table(self, entry: Entry) -> dict[str, Any]:
        """The entries of the same sort."""
        tables: dict[type[Entry], dict[str, Any]] = {
            ModelEntry: self.models,
            DatasetEntry: self.datasets,
            CheckEntry: self.checks,
            KernelEntry: self.kernels,
            ImplementationEntry: self.implementations,
        }
        return tables[type(entry)]


def discover() -> Registry:
    """Read every plugin file. Raises UsageError where two plugins share a name."""
    registry = Registry({}, {}, [])
    for file in dict.fromkeys(plugin_files()):
        try:
            entries = _entries(file, *_stamp(file))
        except PluginError as error:
            registry.problems.append(Problem(file, str(error)))
            continue
        for entry in entries:
            table, name = registry.table(entry), key(entry)
            if name in table:
                raise UsageError(
                    f"two plugins are called '{name}': {shown(table[name].file)} and "
                    f"{shown(file)}. Rename one of them"
                )
            table[name] = entry
    return registry


@lru_cache(maxsize=1024)
def _entries(file: Path, changed: int, size: int) -> tuple[Entry, ...]:
    """The plugins of one file; parsed again when its stamp changes."""
    return tuple(_own("entries").read(file) if file.suffix == ENTRY else read(file))


def _own(module: str) -> ModuleType:
    """What reads entry files; by name, so that cells of other data sets do not depend on it."""
    return importlib.import_module(f"bench.datasets.own.{module}")


def _stamp(file: Path) -> tuple[int, int]:
    """Time of the last change in nanoseconds, and bytes; zeros for a file that is not there."""
    try:
        status = file.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def plugin_files() -> Iterator[Path]:
    """Every file that may hold a plugin, in the order of the module's docstring."""
    places = ("models", "datasets", "checks", "profile/catalogue")
    for folder in (PACKAGE / place for place in places):
        yield from _visible(folder, "*.py")
    root = paths.find_root()
    own = [] if root is None else [root / "baselines", root / "datasets"]
    extra = [f for f in os.environ.get("BENCH_PLUGINS", "").split(os.pathsep) if f]
    for name in extra:
        if not Path(name).is_dir():
            raise MissingError(
                f"BENCH_PLUGINS names '{name}', which is no folder. Correct or unset the variable"
            )
    for folder in [*own, *map(Path, extra)]:
        yield from _visible(folder, "*.py")
        yield from _visible(folder, f"*{ENTRY}")
    yield from _entry_point_files()


def _visible(folder: Path, pattern: str) -> Iterator[Path]:
    return (f.resolve() for f in sorted(folder.glob(pattern)) if f.name[0] not in "_.")


def _entry_point_files() -> dict[Path, str]:
    """File -> module of each installed entry point, found without importing a package.

    A module that its distribution lacks keeps its would-be path, so that it is reported.
    """
    files = {}
    installed = entry_points()  # reads every installed package's metadata: once
    for group in ("bench.models", "bench.datasets", "bench.checks", "bench.kernels"):
        for point in installed.select(group=group):
            top, *rest = point.module.split(".")
            spec = importlib.util.find_spec(top)
            origin = Path(spec.origin) if spec is not None and spec.origin else Path(f"{top}.py")
            if rest:
                file = origin.parent.joinpath(*rest).with_suffix(".py")
                origin = file if file.is_file() else file.with_suffix("") / "__init__.py"
            files[origin.resolve()] = point.module
    return files


def load_function(entry: Entry) -> Callable[..., Any]:
    """Import the plugin's file and return its decorated function; of an entry file, its loader.

    Raises MissingError for a package in `requires` (or imported) that is not installed and for a
    file of data that is not there, PluginError for a file that raises on import.
    """
    check_requires(entry)
    if isinstance(entry, DatasetEntry) and entry.file.suffix == ENTRY:
        return partial(_own("loading").load, entry)
    try:
        module = _import(entry.file)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "bench"):
            raise _raised(entry, error) from error
        raise _lacks(entry, package) from error
    except (Exception, SystemExit) as error:
        raise _raised(entry, error) from error
    function: Callable[..., Any] = getattr(module, entry.function)
    return function


def check_requires(entry: Entry) -> None:
    """Raise MissingError for a package in `requires`, or a local file of data, that is not there.

    Imports no package.
    """
    for package in entry.requires:
        if not _installed(package):
            raise _lacks(entry, package)
    for file in entry.data if isinstance(entry, DatasetEntry) else ():
        if not file.exists():
            raise MissingError(
                f"'{entry.name}' needs {shown(file)}, which is not on this machine. Put it there, "
                f"or correct the path in {shown(entry.file)}"
            )


def _lacks(entry: Entry, package: str) -> MissingError:
    return MissingError(
        f"'{entry.name}' needs the package {package}. Install it: pip install {package}"
    )


def _raised(entry: Entry, error: BaseException) -> PluginError:
    text = " ".join(str(error).split())
    return PluginError(f"{shown(entry.file)} raised on import: {type(error).__name__}: {text}")


def _import(file: Path) -> ModuleType:
    """The file's module: under its own name where it has one, so that its classes exist once."""
    name = _module_name(file)
    if name in sys.modules or not name.startswith("bench_plugin_"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before execution, so that its classes can be pickled
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_name(file: Path) -> str:
    if file.is_relative_to(PACKAGE):
        return ".".join(("bench", *file.relative_to(PACKAGE).with_suffix("").parts))
    if module := _entry_point_files().get(file):
        return module
    root = paths.find_root(file.parent)
    # relative where it can be: pickled classes then do not depend on where the clone lies
    place = file.relative_to(root) if root else file
    return "bench_plugin_" + "".join(c if c.isalnum() else "_" for c in str(place))


def _installed(package: str) -> bool:
    """Whether a distribution (scikit-learn) or a module of that name (sklearn) is at hand."""
    try:
        version(package)
    except PackageNotFoundError:
        return importlib.util.find_spec(package.partition(".")[0].replace("-", "_")) is not None
    return True
