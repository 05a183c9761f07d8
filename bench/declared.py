"""Plugins as their source declares them: read with `ast`, never imported.

What can be wrong with a declaration is said here, with file and line, before anything runs.
"""

from __future__ import annotations

import ast
import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import contract
from bench.errors import PluginError, did_you_mean

NAME = r"[a-z0-9]+(-[a-z0-9]+)*"  # no dots: `<name>.cost.json` stands beside `<name>.json`
MARKS = {"bench.model": "model", "bench.contract.model": "model"}
MARKS |= {"bench.dataset": "dataset", "bench.contract.dataset": "dataset"}
MARKS |= {"bench.check": "check", "bench.contract.check": "check"}
MARKS |= {"bench.kernel": "kernel", "bench.contract.kernel": "kernel"}
MARKS |= {
    "bench.implementation": "implementation",
    "bench.contract.implementation": "implementation",
}
OPENS_TEST = (
    "bench.load",
    "bench.evaluate",
    "bench.api",
    "bench.datasets",
    "bench.leaks",
    "bench.cell",
)

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


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
    labelled: bool = False
    images: bool = False
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
    classes: int = 0
    requires: tuple[str, ...] = ()
    source: str | None = None
    licence: str | None = None
    citation: str | None = None
    split: str | None = None
    space: str | None = None
    faults: tuple[str, ...] = ()
    about: str = ""  #: the function's docstring
    data: tuple[Path, ...] = ()  #: local files that an entry file names

    @property
    def integral(self) -> bool:
        """Points are integers; sequences are where they state their levels."""
        return self.kind in ("discrete", "binary") or (
            self.kind == "sequence" and self.levels is not None
        )

    @property
    def dim(self) -> int:
        """Number of coordinates of a point."""
        n = 1
        for s in self.shape:
            n *= s
        return n


@dataclass(frozen=True)
class CheckEntry:
    """A check of the battery as its source declares it."""

    name: str
    file: Path
    function: str
    question: str  #: one sentence
    remedy: str  #: what to look at when it fails
    fast: bool = True
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class KernelEntry:
    """A log-det kernel as its source declares it."""

    name: str
    file: Path
    function: str
    logdet: str  #: the formula, as text
    baseline: str = contract.TEXTBOOK  #: the implementation that ratios refer to
    structured: bool = True
    dims: tuple[int, ...] = contract.DIMS
    batch: int = contract.BATCH
    paper: str | None = None
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImplementationEntry:
    """One way to compute a kernel as its source declares it."""

    name: str
    file: Path
    function: str
    kernel: str
    modes: tuple[str, ...] = ("eager",)
    requires: tuple[str, ...] = ()


Entry = ModelEntry | DatasetEntry | CheckEntry | KernelEntry | ImplementationEntry
ENTRIES: dict[str, Callable[..., Entry]] = {
    "dataset": DatasetEntry,
    "check": CheckEntry,
    "kernel": KernelEntry,
    "implementation": ImplementationEntry,
}
#: what a mark cannot do without, beside the name
NEEDED = {
    "check": ("question", "remedy"),
    "kernel": ("logdet",),
    "implementation": ("kernel",),
}


def key(entry: Entry) -> str:
    """What must be unique among the entries of its sort."""
    if isinstance(entry, ImplementationEntry):
        return f"{entry.kernel}:{entry.name}"
    return entry.name


def shown(file: Path) -> str:
    """A path as a person would type it: relative to the current folder where it lies below it."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def read(file: Path) -> Iterator[Entry]:
    """The plugins declared in one file. Raises PluginError naming the line it cannot read."""
    tree = _parsed(file)
    names = _imports(tree)
    for node in tree.body:
        if isinstance(node, FunctionNode):
            for decorator in node.decorator_list:
                entry = _entry(file, node, decorator, names)
                if isinstance(entry, ModelEntry):
                    _refuse_test_data(file, tree, names)
                if entry is not None:
                    yield entry


def _parsed(file: Path) -> ast.Module:
    try:
        with warnings.catch_warnings():  # an invalid escape is the author's affair, at import
            warnings.simplefilter("ignore")
            return ast.parse(file.read_bytes(), filename=str(file))
    except OSError as error:
        raise PluginError(f"{shown(file)} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        message = getattr(error, "msg", None) or str(error)
        raise PluginError(f"{shown(file)}:{line} does not parse: {message}") from error


def _imports(tree: ast.Module) -> dict[str, str]:
    """Local name -> dotted origin of everything imported anywhere in the file."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """`b.api.load` -> "bench.api.load" where `b` is bench; None for anything but plain names."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and (head := _dotted(node.value, names)):
        return f"{head}.{node.attr}"
    return None


def _entry(
    file: Path, node: FunctionNode, decorator: ast.expr, names: dict[str, str]
) -> Entry | None:
    call = decorator if isinstance(decorator, ast.Call) else None
    target = _dotted(call.func if call else decorator, names) or ""
    # a bare `model` that nothing defines is taken for ours: a forgotten import shows at import
    bare = f"bench.{target}" in MARKS
    mark = MARKS.get(f"bench.{target}" if bare else target)
    if mark is None:
        return None
    where = f"{shown(file)}:{decorator.lineno}"
    if call is None:
        raise PluginError(f'{where} @{mark} needs a name: @{mark}("{node.name.lower()}")')
    if not isinstance(node, ast.FunctionDef):
        raise PluginError(f"{where} @{mark} marks a function, and '{node.name}' is none")
    values = _literals(where, call, getattr(contract, mark))
    _validate(where, mark, values)
    if mark == "model":
        settings = _settings(where, node)
        return ModelEntry(file=file, function=node.name, settings=settings, **values)
    if mark == "dataset":
        values["about"] = ast.get_docstring(node) or ""
    return ENTRIES[mark](file=file, function=node.name, **values)


def _literals(where: str, call: ast.Call, decorator: Callable[..., Any]) -> dict[str, Any]:
    """The call's arguments by name, each a literal known to the decorator's signature."""
    known = list(inspect.signature(decorator).parameters)
    if len(call.args) > 1:
        raise PluginError(f"{where} takes one positional argument, the name; write key=value")
    pairs = [*zip(known, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key is None:
            raise PluginError(f"{where} arguments must be literals, not **, to be read from source")
        if key not in known:
            hint = did_you_mean(key, known)
            raise PluginError(f"{where} unknown argument '{key}'.{hint} Known: {', '.join(known)}")
        values[key] = _tupled(key, _literal(value, f"{where} argument '{key}'"))
    return values


def _literal(node: ast.expr, what: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        raise PluginError(
            f"{what} must be a literal, because plugins are read without being imported"
        ) from error


def _tupled(key: str, value: Any) -> Any:
    if key in ("accepts", "requires", "modes", "faults") and isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= least


def _all(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, tuple) and all(map(test, v))


def _among(choices: tuple[str, ...]) -> tuple[Callable[[Any], bool], str]:
    return lambda v: v in choices, f"one of {', '.join(choices)}"


#: argument -> (what it must satisfy, the same in words)
EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (
        lambda v: isinstance(v, str) and bool(re.fullmatch(NAME, v)),
        "lower-case letters, digits and single hyphens",
    ),
    "accepts": (
        lambda v: bool(v) and _all(lambda k: k in contract.KINDS)(v),
        f"a list of one or more of {', '.join(contract.KINDS)}",
    ),
    "kind": _among(contract.KINDS),
    "likelihood": _among(contract.LIKELIHOODS),
    "layout": _among(contract.LAYOUTS),
    "shape": (_all(_whole(1)), "a list of positive integers, such as [2] or [1, 8, 8]"),
    "requires": (_all(lambda v: isinstance(v, str) and v != ""), "a list of package names"),
    "faults": (_all(lambda v: isinstance(v, str) and v.endswith(".")), "a list of sentences"),
    "levels": (lambda v: v is None or _whole(2)(v), "an integer of at least 2"),
    "min_dim": (_whole(1), "an integer of at least 1"),
    "max_dim": (lambda v: v is None or _whole(1)(v), "an integer of at least 1"),
    "context_dim": (_whole(0), "an integer of at least 0"),
    "classes": (_whole(0), "the number of classes; 0 for none"),
    "dims": (lambda v: bool(v) and _all(_whole(1))(v), "a list of positive integers"),
    "batch": (_whole(1), "an integer of at least 1"),
    "modes": (
        lambda v: bool(v) and _all(lambda m: m in contract.MODES)(v),
        f"a list of one or more of {', '.join(contract.MODES)}",
    ),
    "question": (lambda v: isinstance(v, str) and v.endswith("?"), "a question, in one sentence"),
    "remedy": (lambda v: isinstance(v, str) and v.endswith("."), "a sentence"),
}
for _key in ("implementation", "kernel", "baseline", "logdet", "twin", "family", "paper"):
    EXPECTED[_key] = (_text, "a string")
for _key in ("source", "licence", "citation", "split", "space"):
    EXPECTED[_key] = (_text, "a string")
for _key in ("conditional", "labelled", "images", "truth", "fast", "structured"):
    EXPECTED[_key] = (lambda v: isinstance(v, bool), "True or False")


def _validate(where: str, mark: str, values: dict[str, Any]) -> None:
    if "name" not in values:
        raise PluginError(f'{where} @{mark} needs a name: @{mark}("my-{mark}")')
    for key, value in values.items():
        test, words = EXPECTED[key]
        if not test(value):
            raise PluginError(f"{where} {key}={value!r}: expected {words}")
    if mark == "dataset":
        for key in ("kind", "shape", *(["levels"] if values.get("kind") == "discrete" else [])):
            if not values.get(key):
                raise PluginError(f"{where} data set '{values['name']}' does not state its {key}")
    for needed in NEEDED.get(mark, ()):
        if needed not in values:
            raise PluginError(f"{where} {mark} '{values['name']}' does not state its {needed}")


def _settings(where: str, node: ast.FunctionDef) -> dict[str, Any]:
    """Parameters of build after `data`, each with a literal default: the model's settings."""
    args = node.args
    named = [*args.posonlyargs, *args.args]
    if not named:
        raise PluginError(f"{where} '{node.name}' takes no argument: write def {node.name}(data)")
    required: list[ast.expr | None] = [None] * (len(named) - len(args.defaults))
    pairs = [
        *zip(named, [*required, *args.defaults], strict=True),
        *zip(args.kwonlyargs, args.kw_defaults, strict=True),
    ]
    settings = {}
    for arg, default in pairs[1:]:
        if default is None:
            raise PluginError(f"{where} setting '{arg.arg}' of '{node.name}' has no default")
        settings[arg.arg] = _literal(default, f"{where} the default of setting '{arg.arg}'")
    return settings


def _refuse_test_data(file: Path, tree: ast.Module, names: dict[str, str]) -> None:
    """A model that reaches for what opens the test split is refused with the reason."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            used = [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            used = [a.name for a in node.names]
        elif isinstance(node, ast.Attribute):
            used = [_dotted(node, names) or ""]
        else:
            continue
        for name in used:
            if any(name == o or name.startswith(f"{o}.") for o in OPENS_TEST):
                raise PluginError(
                    f"{shown(file)}:{node.lineno} uses {name}, which opens the test split: a model "
                    "may see only the `data` that build is given"
                )
