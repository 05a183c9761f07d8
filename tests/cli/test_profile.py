"""`bench profile` as a person meets it: plugins, files, verdicts, exit codes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import cli

Run = Callable[..., tuple[int, str, str]]

PLUGIN = '''
"""A kernel of one's own with a right and a wrong implementation, and one more of planar's."""
import torch
from bench import implementation, kernel
from bench.profile import Case, Maps

@kernel("twice", logdet="D log 2", dims=[2, 3])
def case(size):
    """2 x."""
    return Case(
        x=size.normal(size.batch, size.dim), parameters={"two": size.uniform(2.0, 2.0, 1)},
        reference=textbook, numbers=2 * size.batch * size.dim, flops=size.batch * size.dim,
    )

def textbook(two):
    return Maps(lambda x: (two * x, x.shape[1] * two.log().expand(len(x))), lambda z: (
        z / two, -z.shape[1] * two.log().expand(len(z))))

@implementation("in-house", kernel="twice")
def added(two):
    return Maps(lambda x: (x * two, (x.shape[1] * two.log()).expand(len(x))))

@implementation("forgetful", kernel="twice")
def forgetful(two):
    return Maps(lambda x: (two * x, two.log().expand(len(x))))

@implementation("elsewhere", kernel="twice", requires=["no-such-package"])
def elsewhere(two): ...

@implementation("careless", kernel="planar")
def careless(weight, direction, bias):
    return Maps(lambda x: (x, torch.zeros(len(x), dtype=x.dtype)))
'''


@pytest.fixture
def bench(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Run `bench profile` with the plugin above: exit code, stdout, stderr."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "kernels.py").write_text(PLUGIN)
    monkeypatch.setenv("BENCH_PLUGINS", str(tmp_path / "plugins"))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["profile", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_plugins_kernel_is_profiled_and_its_wrong_implementation_named(
    bench: Run, tmp_path: Path
) -> None:
    file, table = tmp_path / "p.json", tmp_path / "p.csv"
    code, out, err = bench("twice", "--seconds", "1", "--json", str(file), "--csv", str(table))
    assert code == 1
    assert "wrong: twice, forgetful eager" in err
    assert "log-determinant is off" in err
    assert "missing: twice, elsewhere eager" in err
    assert "pip install no-such-package" in err
    assert "A/A:" in err
    lines = {line.split("\t")[1]: line for line in out.splitlines()}
    assert {"textbook*", "in-house", "forgetful", "elsewhere", "brute-force"} == set(lines)
    rows = json.loads(file.read_text())["rows"]
    timed = {r["implementation"] for r in rows if "device_us" in r}
    assert timed == {"textbook", "in-house", "brute-force"}
    assert any(r.get("control") for r in rows)
    assert len(list(csv.DictReader(table.read_text().splitlines()))) == len(rows)


def test_an_implementation_from_a_plugin_joins_a_kernel_of_the_catalogue(bench: Run) -> None:
    code, out, err = bench(
        "planar", "--seconds", "1", "--dim", "3", "--batch", "8", "--pass", "forward", "-i",
        "careless", "--rows",
    )  # fmt: skip
    assert code == 1
    assert "wrong: planar, careless eager, forward, D=3: the value is off" in err
    names = {line.split("\t")[1] for line in out.splitlines()}
    assert names == {"textbook*", "textbook", "careless", "brute-force"}  # with the A/A control


def test_a_profile_is_the_same_as_itself_and_a_slower_one_is_found(
    bench: Run, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    bench("twice", "--seconds", "2", "--dim", "64", "--json", str(old))
    code, _, err = bench("--compare", str(old), "--with", str(old))
    assert code == 0
    assert "slower" not in err
    profile = json.loads(old.read_text())
    for row in profile["rows"]:
        if row.get("ratio") and not row.get("control"):
            row["ratio"] |= {"value": 1.0, "low": 0.99, "high": 1.01}
    old.write_text(json.dumps(profile))
    for row in profile["rows"]:
        if row["implementation"] == "in-house" and row.get("ratio"):
            row["ratio"] |= {"value": 0.9, "low": 0.89, "high": 0.91}
    new.write_text(json.dumps(profile))
    code, out, err = bench("--compare", str(old), "--with", str(new))
    assert code == 1
    assert out.startswith("slower\ttwice\tin-house")
    assert "slower" in err


MISTAKES = {
    "a kernel nobody has": (("planr",), 2, "Did you mean 'planar'?"),
    "an implementation nobody has": (("planar", "-i", "nflow"), 2, "Did you mean 'nflows'"),
    "no such device": (("--device", "tpu"), 2, "Use cpu, cuda"),
    "nothing to compare": (("--with", "x.json"), 2, "--compare"),
    "no file": (("--compare", "nowhere.json"), 2, "bench profile --json nowhere.json"),
}


@pytest.mark.parametrize(("arguments", "code", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_one_sentence(
    bench: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    found, out, err = bench(*arguments)
    assert found == code
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
