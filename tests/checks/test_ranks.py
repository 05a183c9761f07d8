"""The rank test against scipy's, ties and infinities included."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy.stats import mannwhitneyu, norm
from torch import Tensor

from bench.checks._ranks import rank_test

TIES = {
    "none": lambda g, n: torch.randn(n, generator=g, dtype=torch.float64),
    "many": lambda g, n: torch.randint(5, (n,), generator=g).double(),
    "infinite": lambda g, n: (
        torch.randn(n, generator=g).double().where(torch.rand(n, generator=g) < 0.7, -torch.inf)
    ),
}


@pytest.mark.parametrize("draw", TIES.values(), ids=TIES.keys())
@pytest.mark.parametrize("sizes", [(2, 3), (50, 30), (400, 1000)])
def test_the_rank_test_is_scipys(draw: Callable[..., Tensor], sizes: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(sum(sizes))
    x, y = (draw(generator, n) for n in sizes)
    found = rank_test(x, y)
    theirs = mannwhitneyu(x, y, use_continuity=False, method="asymptotic")
    assert found.probability == pytest.approx(theirs.statistic / (sizes[0] * sizes[1]), abs=1e-12)
    if found.error > 0:
        assert 2 * norm.sf(abs(found.z)) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_equal_values_say_nothing() -> None:
    found = rank_test(torch.ones(5), torch.ones(9))
    assert (found.probability, found.z) == (0.5, 0.0)
