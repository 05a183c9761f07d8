"""Plugins as the registry finds them: what is right, what is wrong, and in which words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import registry
from bench.errors import MissingError, PluginError, UsageError

Write = Callable[[str, str], Path]

HEAD = "from bench import dataset, model\n"
GOOD: dict[str, tuple[str, dict[str, object]]] = {
    "six lines of the documentation": (
        HEAD + '@model("m")\ndef build(data):\n    return None\n',
        {"accepts": ("continuous",), "likelihood": "exact", "settings": {}},
    ),
    "all literals": (
        HEAD + '@model("m", accepts=["binary", "discrete"], likelihood="lower-bound", twin="x",\n'
        '       requires=["nflows"], min_dim=2)\ndef build(data, width=64, rate=-1e-3): ...\n',
        {
            "accepts": ("binary", "discrete"),
            "requires": ("nflows",),
            "min_dim": 2,
            "settings": {"width": 64, "rate": -1e-3},
        },
    ),
    "one word where a list is meant": (
        HEAD + '@model("m", accepts="binary", requires="zuko")\ndef build(data): ...\n',
        {"accepts": ("binary",), "requires": ("zuko",)},
    ),
    "keyword-only settings": (
        HEAD + '@model("m")\ndef build(data, *, layers=(1, 2)): ...\n',
        {"settings": {"layers": (1, 2)}},
    ),
    "under another name": (
        "import bench as b\nfrom bench import model as density\n"
        '@density("m")\ndef build(data): ...\n@b.model("n")\ndef other(data): ...\n',
        {"function": "build"},
    ),
    "with a byte order mark and an odd escape": (
        "\ufeff" + HEAD + '@model("m")\ndef build(data, text="\\d"): ...\n',
        {"settings": {"text": "\\d"}},
    ),
    "beside a decorator of another package": (
        HEAD + 'import flask\n@flask.model(3)\ndef x(): ...\n@model("m")\ndef build(data): ...\n',
        {"function": "build"},
    ),
}

BAD: dict[str, tuple[str, list[str]]] = {
    "does not parse": ("x = 1\ndef build(:\n", ["baselines/bad.py:2", "does not parse"]),
    "null byte": ("x = '\0'\n", ["does not parse"]),
    "no literal": (
        HEAD + 'NAME = "m"\n@model(NAME)\ndef build(data): ...\n',
        [":3", "'name' must be a literal"],
    ),
    "unknown argument": (
        HEAD + '@model("m", accept=["binary"])\ndef build(data): ...\n',
        [":2", "unknown argument 'accept'", "Did you mean 'accepts'?"],
    ),
    "two positional": (
        HEAD + '@model("m", "binary")\ndef build(data): ...\n',
        ["one positional argument"],
    ),
    "double star": (HEAD + '@model("m", **{})\ndef build(data): ...\n', ["not **"]),
    "no name": (HEAD + "@model()\ndef build(data): ...\n", ["needs a name"]),
    "no call": (HEAD + "@model\ndef build(data): ...\n", ['@model("build")']),
    "on a class": (HEAD + '@model("m")\nclass M: ...\n', ["marks a function", "'M'"]),
    "upper case": (HEAD + '@model("MAF")\ndef build(data): ...\n', ["lower-case", "'MAF'"]),
    "a dot": (HEAD + '@model("maf.cost")\ndef build(data): ...\n', ["lower-case letters"]),
    "leading hyphen": (HEAD + '@model("-m")\ndef build(data): ...\n', ["lower-case letters"]),
    "unknown kind": (
        HEAD + '@model("m", accepts=["real"])\ndef build(data): ...\n',
        ["accepts=('real',)", "continuous, discrete"],
    ),
    "accepts nothing": (HEAD + '@model("m", accepts=[])\ndef build(data): ...\n', ["one or more"]),
    "accepts a number": (HEAD + '@model("m", accepts=3)\ndef build(data): ...\n', ["accepts=3"]),
    "unknown likelihood": (
        HEAD + '@model("m", likelihood="elbo")\ndef build(data): ...\n',
        ["'elbo'", "lower-bound"],
    ),
    "text as a number": (HEAD + '@model("m", min_dim="2")\ndef build(data): ...\n', ["min_dim"]),
    "no argument": (HEAD + '@model("m")\ndef build(): ...\n', ["def build(data)"]),
    "setting without default": (
        HEAD + '@model("m")\ndef build(data, width): ...\n',
        ["setting 'width'", "no default"],
    ),
    "computed default": (
        HEAD + '@model("m")\ndef build(data, width=2**3): ...\n',
        ["default of setting 'width' must be a literal"],
    ),
    "data set without kind": (HEAD + '@dataset("d", shape=[2])\ndef f(): ...\n', ["its kind"]),
    "data set without levels": (
        HEAD + '@dataset("d", kind="discrete", shape=[2])\ndef f(): ...\n',
        ["its levels"],
    ),
    "shape of a number": (
        HEAD + '@dataset("d", kind="continuous", shape=2)\ndef f(): ...\n',
        ["shape=2", "list of positive integers"],
    ),
    "loads the test split": (
        'from bench import load, model\n@model("m")\ndef build(data):\n    return load("rings")\n',
        [":1", "bench.load", "opens the test split"],
    ),
    "loads it through the package": (
        'import bench as b\n@b.model("m")\ndef build(data):\n    return b.api.load("rings")\n',
        [":4", "bench.api.load", "opens the test split"],
    ),
    "opens a data set's file": (
        'from bench import model\nfrom bench.datasets import digits\n@model("m")\n'
        "def build(data): ...\n",
        [":2", "opens the test split"],
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_good_plugin_is_read_as_declared(case: str, plugin: Write) -> None:
    source, expected = GOOD[case]
    plugin("good.py", source)
    found = registry.discover()
    assert found.problems == []
    entry = found.model("m")
    assert {k: getattr(entry, k) for k in expected} == expected


@pytest.mark.parametrize("case", BAD)
def test_a_bad_plugin_is_reported_with_its_place_and_hides_no_other(
    case: str, plugin: Write
) -> None:
    source, words = BAD[case]
    plugin("bad.py", source)
    plugin("good.py", HEAD + '@model("good")\ndef build(data): ...\n')
    found = registry.discover()
    assert "good" in found.models
    assert [p.file.name for p in found.problems] == ["bad.py"]
    reason = found.problems[0].reason
    assert reason.startswith("baselines/bad.py:")
    assert "\n" not in reason
    for word in words:
        assert word in reason


def test_a_file_that_cannot_be_read_is_reported(plugin: Write, clone: Path) -> None:
    (clone / "baselines" / "gone.py").symlink_to(clone / "nowhere.py")
    reasons = [p.reason for p in registry.discover().problems]
    assert len(reasons) == 1
    assert "cannot be read" in reasons[0]


def test_reading_runs_nothing(plugin: Write) -> None:
    plugin("loud.py", HEAD + 'raise SystemExit("ran")\n@model("loud")\ndef build(data): ...\n')
    assert "loud" in registry.discover().models


def test_two_plugins_of_one_name_are_an_error_that_names_both(plugin: Write) -> None:
    for name in ("one.py", "two.py"):
        plugin(name, HEAD + '@model("same")\ndef build(data): ...\n')
    with pytest.raises(UsageError, match=r"'same'.*baselines/one\.py.*baselines/two\.py"):
        registry.discover()


def test_a_near_miss_is_answered_with_the_nearest_name(plugin: Write) -> None:
    plugin("m.py", HEAD + '@model("my-flow")\ndef build(data): ...\n')
    found = registry.discover()
    with pytest.raises(UsageError, match=r"no model 'myflow'. Did you mean 'my-flow'.*list models"):
        found.model("myflow")
    with pytest.raises(UsageError, match=r"no data set 'ring'. Did you mean 'rings'"):
        found.dataset("ring")


def test_folders_of_bench_plugins_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        source = HEAD + f'@model("in-{folder.name}")\ndef build(data): return "{folder.name}"\n'
        (folder / "plugin.py").write_text(source)
        (folder / "_not_one.py").write_text("this is no Python")
    monkeypatch.setenv("BENCH_PLUGINS", ":".join(map(str, folders)))
    monkeypatch.chdir(tmp_path)
    found = registry.discover()
    assert {"in-a", "in-b"} <= set(found.models)
    # two files of one name, each with its own module
    assert [registry.load_function(found.model(f"in-{x}"))(None) for x in "ab"] == ["a", "b"]


def test_a_missing_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_PLUGINS", "/no/such/folder")
    with pytest.raises(MissingError, match="'/no/such/folder', which is no folder"):
        registry.discover()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution with entry points on sys.path: one module, one in a package, one missing."""
    site = tmp_path / "site"
    info = site / "someones_flows-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: someones-flows\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[bench.models]\na = someones_module\nb = someones_package.inner:build\n"
        "c = someones_package.gone\n[bench.datasets]\nd = someones_module\n"
    )
    (site / "someones_module.py").write_text(
        HEAD + '@model("from-module")\ndef build(data): ...\n'
        '@dataset("from-module", kind="binary", shape=[2])\ndef make(): ...\n'
    )
    package = site / "someones_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported by the registry')\n")
    (package / "inner.py").write_text(HEAD + '@model("from-package")\ndef build(data): ...\n')
    monkeypatch.syspath_prepend(str(site))
    return site


def test_entry_points_are_found_without_importing_their_package(installed: Path) -> None:
    found = registry.discover()
    assert {"from-module", "from-package"} <= set(found.models)
    assert "from-module" in found.datasets
    assert "someones_package" not in sys.modules
    assert ["gone" in p.reason and "cannot be read" in p.reason for p in found.problems] == [True]
    function = registry.load_function(found.model("from-module"))
    assert function.__module__ == "someones_module"
    sys.modules.pop("someones_module")


LOAD_ERRORS: dict[str, tuple[str, type[Exception], str]] = {
    "required package": (
        HEAD + '@model("m", requires=["no-such-package"])\ndef build(data): ...\n',
        MissingError,
        "'m' needs the package no-such-package. Install it: pip install no-such-package",
    ),
    "imported package": (
        HEAD + 'import no_such_package.part\n@model("m")\ndef build(data): ...\n',
        MissingError,
        "'m' needs the package no_such_package",
    ),
    "raises": (
        HEAD + 'raise ValueError("two\\nlines")\n@model("m")\ndef build(data): ...\n',
        PluginError,
        "baselines/m.py raised on import: ValueError: two lines",
    ),
    "exits": (
        HEAD + 'raise SystemExit(3)\n@model("m")\ndef build(data): ...\n',
        PluginError,
        "baselines/m.py raised on import: SystemExit: 3",
    ),
}


@pytest.mark.parametrize("case", LOAD_ERRORS)
def test_a_plugin_that_cannot_be_imported_says_why(case: str, plugin: Write) -> None:
    source, kind, words = LOAD_ERRORS[case]
    plugin("m.py", source)
    entry = registry.discover().model("m")
    for _ in range(2):  # a failed import leaves nothing half-made behind
        with pytest.raises(kind) as caught:
            registry.load_function(entry)
        assert words in str(caught.value)


def test_requires_takes_the_distribution_or_the_module(plugin: Write) -> None:
    source = HEAD + '@model("m", requires=["scikit-learn", "sklearn"])\ndef build(data): return 7\n'
    plugin("m.py", source)
    assert registry.load_function(registry.discover().model("m"))(None) == 7


def test_in_house_plugins_are_imported_under_their_own_name() -> None:
    function = registry.load_function(registry.discover().model("gaussian"))
    assert function.__module__ == "bench.models.gaussian"
