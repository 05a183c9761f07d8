"""`bench new`: what it writes works as it is, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import cli, datasets, registry
from bench.contract import DataSpec
from bench.settings import Sizes


def new(*arguments: str) -> int:
    return cli.main(["new", *arguments])


def test_a_new_model_is_found_built_and_a_density(clone: Path) -> None:
    import torch

    assert new("model", "my-flow") == 0
    entry = registry.discover().model("my-flow")
    assert entry.file == clone / "baselines" / "my_flow.py"
    assert entry.settings == {"components": 8}
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(500, 1, generator=generator)
    spec = DataSpec("x", "continuous", (1,), None, 0, 500, lambda: points, lambda: points)
    model = registry.load_function(entry)(spec, components=3)
    grid = torch.linspace(-15, 15, 3001)[:, None]
    mass = model.log_prob(grid).exp().sum() * 0.01
    assert model.log_prob(grid).shape == (3001,)
    assert mass.item() == pytest.approx(1, abs=1e-3)
    assert model.sample(7).shape == (7, 1)
    model.log_prob(points).mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_a_new_data_set_is_found_and_loads(clone: Path) -> None:
    assert new("dataset", "my-data") == 0
    splits, truth = datasets.load_splits(registry.discover().dataset("my-data"), Sizes())
    assert truth is None
    assert [len(splits.train), len(splits.valid), len(splits.test)] == [106, 36, 36]
    rows = {tuple(r) for part in (splits.train, splits.valid, splits.test) for r in part.tolist()}
    assert len(rows) > 170  # the parts share no rows but for repeated measurements


def test_outside_a_clone_it_goes_to_the_first_plugin_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert new("model", "mine") == 3
    assert "--into FOLDER" in capsys.readouterr().err
    (tmp_path / "plugins").mkdir()
    assert new("model", "mine", "--into", "plugins") == 0
    assert "export BENCH_PLUGINS=plugins" in capsys.readouterr().err
    monkeypatch.setenv("BENCH_PLUGINS", "plugins")
    assert new("model", "other") == 0
    assert {"mine", "other"} <= set(registry.discover().models)


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "upper case": (["model", "Mine"], 2, "no plugin name"),
    "underscore": (["model", "my_flow"], 2, "no plugin name"),
    "path": (["model", "../x"], 2, "no plugin name"),
    "taken": (["model", "gaussian"], 2, "bench/models/gaussian.py"),
    "file exists": (["model", "there"], 2, "there.py exists and is left as it is"),
    "no folder": (["model", "mine", "--into", "nowhere"], 3, "nowhere is no folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, code, words = REFUSED[case]
    there = clone / "baselines" / "there.py"
    there.write_text("# mine\n")
    assert new(*arguments) == code
    assert words in capsys.readouterr().err
    assert [f.name for f in (clone / "baselines").iterdir()] == ["there.py"]
    assert there.read_text() == "# mine\n"


def test_a_data_set_may_have_the_name_of_a_model(clone: Path) -> None:
    assert new("dataset", "gaussian") == 0
    assert "gaussian" in registry.discover().datasets
