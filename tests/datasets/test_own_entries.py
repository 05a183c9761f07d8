"""Entry files: what is wrong is said with its place, and what changes is noticed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from own_cases import BYTES, CASES, REALS, TEXT, add, entry, loaded, npz, pictures, table

from bench import registry
from bench.datasets import digest, load_splits
from bench.datasets.own import entries, files
from bench.datasets.own.schema import DataFile, OwnEntry, Read, Split
from bench.errors import BenchError, MissingError
from bench.settings import Sizes

GOOD = f"""
kind = "continuous"
shape = [3]
format = "csv"

[files.all]
path = "../x.csv"
bytes = 10
sha256 = "{"0" * 64}"

[read]
delimiter = ","
header = true
columns = ["a", "b", "c"]

[split]
rule = "random"
seed = 0
fractions = [0.8, 0.1, 0.1]
"""
SECOND = f'\n[files.test]\npath = "y"\nbytes = 1\nsha256 = "{"1" * 64}"\n'
WRONG: dict[str, tuple[str, str, str]] = {
    "does not parse": ("shape = [3]", "shape = [3", "mine.toml does not parse: "),
    "misspelt key": ("kind =", "kinds =", "kind: missing; kinds: unknown key. Did you mean 'kind'"),
    "misspelt key of a table": ("header =", "heading =", "read.heading: unknown key. Did you mean"),
    "misspelt key of a file": (
        "bytes =",
        "byte =",
        "files.all.byte: unknown key. Did you mean 'by",
    ),
    "kind": ('"continuous"', '"real"', "kind: input should be 'continuous', 'discrete'"),
    "shape": ("shape = [3]", "shape = [0]", "shape.0: input should be greater than or equal to 1"),
    "no shape": ("shape = [3]", "shape = []", "shape: list should have at least 1 item"),
    "levels": ('"continuous"', '"discrete"', "discrete data state their levels"),
    "levels of reals": ("shape = [3]", "shape = [3]\nlevels = 3", "continuous data have no levels"),
    "binary": ('"continuous"', '"binary"', "binary data have levels = 2"),
    "digest": ("0" * 64, "123", "files.all.sha256: string should match pattern"),
    "two places": ("bytes =", 'url = "https://x"\nbytes =', "states either a path or a url"),
    "no place": ('path = "../x.csv"', "", "states either a path or a url"),
    "part": ("files.all", "files.dev", "files.dev"),
    "all and test": (
        "[read]",
        SECOND + "[read]",
        "either [files.all], or [files.train] and others",
    ),
    "key of a csv": (
        "bytes =",
        'key = "x"\nbytes =',
        "a key names the array of an npz, HDF5 or MA",
    ),
    "no key": ('"csv"', '"npz"', "a key names the array of an npz, HDF5 or MAT file"),
    "option of another format": (
        "header",
        "rows = 'last'\nheader",
        "read.rows is not for format c",
    ),
    "no columns": ('columns = ["a", "b", "c"]', "", "a table states read.columns"),
    "no delimiter": ('delimiter = ","', "", "states read.delimiter and read.header"),
    "classes without labels": (
        "header",
        "classes = [1]\nheader",
        "read.classes lists the values of",
    ),
    "context": ("header", 'context = ["d"]\nheader', "context_dim is 0, and read.context has 1"),
    "window and missing": (
        "header",
        'window = 3\nmissing = "drop-rows"\nheader',
        "windows take every row",
    ),
    "rule": ('"random"', '"shuffle"', "split.rule: input should be 'random', 'order'"),
    "seed": ("seed = 0", "", "a seed belongs to rule random"),
    "fractions": ("[0.8, 0.1, 0.1]", "[0.8, 0.1, 0.2]", "do not add up to 1"),
    "two fractions": ("[0.8, 0.1, 0.1]", "[0.8, 0.2]", "one each for train, valid, test"),
    "rule files": ('"random"\nseed = 0', '"files"', "rule files takes no fractions"),
    "faults": ("shape = [3]", 'shape = [3]\nfaults = ["no stop"]', "faults.0: string should match"),
}


def write(clone: Path, text: str, name: str = "mine.toml") -> Path:
    file = clone / "datasets" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_entry_is_reported_with_its_place_and_hides_no_other(
    case: str, clone: Path
) -> None:
    old, new, words = WRONG[case]
    assert GOOD.count(old) >= 1
    write(clone, GOOD.replace(old, new, 1))
    write(clone, GOOD, "good.toml")
    found = registry.discover()
    assert "good" in found.datasets
    assert "mine" not in found.datasets
    (problem,) = found.problems
    assert problem.reason.startswith("datasets/mine.toml ")
    assert words in problem.reason
    assert "\n" not in problem.reason


def test_a_good_entry_is_listed_as_declared(clone: Path) -> None:
    file = write(clone, 'licence = "CC0"\nfaults = ["It is made up."]\n' + GOOD)
    found = entry()
    assert (found.kind, found.shape, found.levels, found.truth) == ("continuous", (3,), None, False)
    assert (found.licence, found.faults) == ("CC0", ("It is made up.",))
    assert (found.file, found.data) == (file, (clone / "x.csv",))
    assert found.split == "at random with seed 0, 0.8/0.1/0.1"


def test_other_toml_files_of_a_plugin_folder_are_no_entries(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / "mine").mkdir()
    (clone / "mine" / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (clone / "mine" / "points.toml").write_text(GOOD)
    monkeypatch.setenv("BENCH_PLUGINS", "mine")
    assert entry("points").file == clone / "mine" / "points.toml"


def test_listing_an_entry_loads_nothing_heavy(clone: Path) -> None:
    write(clone, GOOD)
    code = (
        "import sys\nfrom bench import cli\n"
        "assert cli.main(['list', 'datasets', '-d', 'mine']) == 0\n"
        "heavy = {'torch', 'numpy', 'pandas', 'PIL'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(entries.__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60
    )
    assert (done.returncode, done.stdout[:4]) == (0, "mine"), done.stderr


def test_two_data_sets_of_one_name_are_an_error(clone: Path) -> None:
    from bench.errors import UsageError

    write(clone, GOOD, "rings.toml")
    with pytest.raises(UsageError, match="two plugins are called 'rings'"):
        registry.discover()


def test_the_name_of_the_file_is_the_name_of_the_data_set(clone: Path) -> None:
    write(clone, GOOD, "My Points.toml")
    (problem,) = registry.discover().problems
    assert "Rename the file" in problem.reason


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    odd = 'quote " \\ back\tslash \x7f \n newline \r é 世 \U0001f600 \x85 \u2028'
    own = OwnEntry(
        kind="sequence",
        shape=[5],
        levels=3,
        format="text",
        source=odd,
        faults=[f"{odd}."],
        files={"all": DataFile(path=odd, bytes=1, sha256="0" * 64)},
        read=Read(window=5, alphabet=odd),
        split=Split(rule="random", seed=2**32 - 1, fractions=[0.7, 1e-3, 0.299]),
    )
    text = entries.written(own, "bench data add x")
    (tmp_path / "x.toml").write_text(text, encoding="utf-8", newline="")
    assert entries.parse(tmp_path / "x.toml") == own
    assert tomllib.loads(text)["read"]["alphabet"] == odd


@pytest.mark.parametrize("name", ["csv", "npz, channels last", "grey images", "text"])
def test_an_entry_alone_determines_the_data(
    name: str, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved with its file, and read without the command that wrote it."""
    assert add("mine", CASES[name].write(clone), CASES[name].options.split()) == 0
    before = digest(loaded())
    (clone / "elsewhere").mkdir()
    for each in list(clone.iterdir()):
        if each.name in ("x.csv", "x.npz", "pictures", "x.txt", "datasets"):
            each.rename(clone / "elsewhere" / each.name)
    for other in ("params.yaml", "dvc.yaml"):
        (clone / "elsewhere" / other).write_text((clone / other).read_text())
    monkeypatch.chdir(clone / "elsewhere")
    assert digest(loaded()) == before


CHANGED = {
    "csv": (table("x.csv", REALS), "x.csv changed since datasets/mine.toml was written: it has"),
    "npz": (npz(x=BYTES), "x.npz changed since datasets/mine.toml was written: it has"),
    "images": (
        pictures(BYTES),
        "pictures changed since datasets/mine.toml was written: its images",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_changed_bytes_are_refused_and_absent_ones_missing(case: str, clone: Path) -> None:
    make, words = CHANGED[case]
    path = make(clone)
    assert add("mine", path) == 0
    ((file, held),) = files.entries([entry()])["mine"]
    assert (held, files.state(file, held)) == (path, "ok")
    victim = path / "003.png" if path.is_dir() else path
    victim.write_bytes(victim.read_bytes() + b"\n")
    with pytest.raises(BenchError, match=words) as error:
        loaded()
    assert error.value.exit_code == 1
    assert words.rpartition(": ")[2] in files.state(file, held)
    path.rename(clone / "gone")
    with pytest.raises(MissingError, match=f"'mine' needs {path.name}, which is not on this mach"):
        loaded()
    assert files.state(file, held) == "missing"
    assert victim.exists() is False


def test_images_beside_others_are_pinned_by_name_and_bytes(clone: Path) -> None:
    path = pictures(BYTES)(clone)
    before = files.fingerprint(path)
    (path / "notes.txt").write_text("no image")
    (path / ".hidden.png").write_bytes(b"")
    assert files.fingerprint(path) == before
    (path / "000.png").rename(path / "zzz.png")
    assert files.fingerprint(path) != before


def test_an_entry_that_does_not_fit_its_file_is_one_sentence(clone: Path) -> None:
    assert add("mine", npz(x=BYTES)(clone)) == 0
    file = clone / "datasets" / "mine.toml"
    for old, new, words in (
        ("levels = 256", "levels = 9", "values 0..255, not levels 0..8"),
        ("shape = [1, 6, 5]", "shape = [1, 6, 6]", "do not make the shape [1, 6, 6]"),
        ('key = "x"', 'key = "y"', "it has x"),
    ):
        text = file.read_text()
        file.write_text(text.replace(old, new))
        with pytest.raises(BenchError) as error:
            load_splits(entry(), Sizes())
        assert words in str(error.value)
        assert str(error.value).startswith("data set 'mine' (datasets/mine.toml): ")
        file.write_text(text)


def test_the_alphabet_and_the_classes_are_those_of_the_entry(clone: Path) -> None:
    (clone / "x.txt").write_text(TEXT, encoding="utf-8", newline="")
    assert add("mine", "x.txt", ["--window", "7"]) == 0
    file = clone / "datasets" / "mine.toml"
    file.write_text(file.read_text().replace("世", "視"), encoding="utf-8")
    with pytest.raises(BenchError, match="holds '世', which read.alphabet lacks"):
        loaded()
    np.savez(clone / "y.npz", x=BYTES, y=np.arange(40) % 4)
    assert add("labelled", "y.npz", ["--key", "x", "--labels", "y"]) == 0
    file = clone / "datasets" / "labelled.toml"
    file.write_text(file.read_text().replace("classes = [0, 1, 2, 3]", "classes = [0, 1, 2, 4]"))
    with pytest.raises(BenchError, match="the label 3, which read.classes lacks"):
        loaded("labelled")
