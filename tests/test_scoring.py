"""Scores against closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from bench import scoring
from bench.adapters import adapt
from bench.contract import DataSpec, Splits
from bench.registry import DatasetEntry, ModelEntry
from bench.settings import Evaluation
from bench.spaces import Space, dequantized, native, standard
from bench.subject import Subject


class Uniform:
    """Uniform over K levels of D coordinates, in the levels' own space."""

    def __init__(self, levels: int, dim: int) -> None:
        self.value = -dim * math.log(levels)

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return torch.full((len(x),), self.value)


def subject(model: object, space: Space, raw: torch.Tensor, kind: str, levels: int | None = None):
    shape = tuple(raw.shape[1:])
    return Subject(
        model=adapt(model),
        entry=ModelEntry("m", Path("m.py"), "build"),
        dataset=DatasetEntry("d", Path("d.py"), "make", kind, shape, levels),
        spec=DataSpec("d", kind, shape, levels),
        space=space,
        splits=Splits(raw, raw, raw),
        evaluation=Evaluation(batch=7, noise_draws=3),
    )


@pytest.mark.parametrize(("levels", "dim"), [(2, 5), (17, 64), (256, 3)])
def test_uniform_scores_log2_levels(levels: int, dim: int) -> None:
    raw = torch.randint(0, levels, (20, dim))
    s = subject(Uniform(levels, dim), native((dim,)), raw, "discrete", levels)
    points = scoring.point_scores(s, raw)[None]
    score = scoring.summarize(points, s.dataset, s, None)
    assert score.bits_per_dim.mean == pytest.approx(math.log2(levels), abs=1e-6)
    assert score.nats.se_seeds is None


def test_dequantized_uniform_density_scores_log2_levels() -> None:
    """A density uniform on [0, 17)^D, reached through a scaled space, is the discrete uniform."""
    raw = torch.randint(0, 17, (30, 4))
    space = dequantized("uniform", raw, 17, (4,))
    affine = space.steps[0].scale * space.steps[1].scale

    class Box:
        def log_prob(self, y: torch.Tensor) -> torch.Tensor:
            return torch.full((len(y),), float(affine.log().sum() - 4 * math.log(17)))

    s = subject(Box(), space, raw, "discrete", 17)
    nats = scoring.point_scores(s, raw)
    assert scoring.bits_per_dim(float(nats.mean()), 4) == pytest.approx(math.log2(17), abs=1e-6)


def test_standardisation_is_undone_by_the_ledger() -> None:
    torch.manual_seed(0)
    raw = 3.0 * torch.randn(2000, 2, dtype=torch.float64) - 40
    base = torch.distributions.Independent(torch.distributions.Normal(torch.zeros(2), 1.0), 1)
    s = subject(base, standard(raw, (2,)), raw, "continuous")
    direct = torch.distributions.Normal(raw.mean(0), raw.std(0, correction=0)).log_prob(raw).sum(1)
    assert torch.allclose(scoring.point_scores(s, raw), direct, atol=1e-4)


def test_errors_over_points_and_seeds() -> None:
    points = torch.tensor([[1.0, 2.0, 3.0, 6.0], [3.0, 4.0, 5.0, 8.0]], dtype=torch.float64)
    result = scoring.estimate(points)
    assert result.mean == 4.0
    assert result.se_seeds == pytest.approx(1.0)  # seeds' means 3 and 5: sd sqrt 2, over sqrt 2
    assert result.se_test == pytest.approx(torch.tensor([2.0, 3, 4, 7]).std().item() / 2)


def test_a_dequantized_exact_density_is_a_lower_bound() -> None:
    assert scoring.row_kind("exact", dequantized=True) == "lower-bound"
    assert scoring.row_kind("exact", dequantized=False) == "exact"
    assert scoring.row_kind("none", dequantized=True) == "none"
