"""The pinwheel of the usual sampler, whose twist folds the plane: the sum over all its sheets."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor

from bench.datasets._densities import LOG_2PI

FAR = 6.0  #: |f| beyond which a mean over the angle stands for the sum over the sheets
HALVINGS = 54  #: of an interval of at most 2 pi


class FoldedPinwheel:
    """scale f turned by -(2 pi k / arms + rate e^(f_1)), f ~ N((1, 0), diag(radial, tangential)^2).

    The twist keeps r = |f|, and takes the angle a of f to g(a) = a - rate e^(r cos a), so

        p(x) = sum over a with g(a) = angle of x, modulo 2 pi / arms, of N(f) / |g'(a)|,

    divided by arms scale^2. Where r is above 1.6955, g decreases between two turning points: three
    and more points f meet in one x, and p has an integrable pole along each fold. Beyond r = 6,
    where p is below e^-140, the mean of p over the angle is given instead.
    """

    entropy = 2.317788035788  #: nats, by quadrature over r and a
    arms, rate, scale = 5, 0.25, 2.0
    radial, tangential = 0.3, 0.1

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, 2]."""
        arm = torch.randint(self.arms, (n,), generator=generator)
        first, second = torch.randn(2, n, generator=generator, dtype=torch.float64)
        first, second = 1 + self.radial * first, self.tangential * second
        r, angle = torch.hypot(first, second), torch.atan2(second, first)
        turned = angle - self.rate * first.exp() - 2 * math.pi / self.arms * arm
        return self.scale * torch.stack([r * turned.cos(), r * turned.sin()], 1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, 2] in nats, [N]."""
        r, angle = x.norm(dim=1) / self.scale, torch.atan2(x[:, 1], x[:, 0])
        log_p = torch.empty(len(x), dtype=torch.float64)
        far = r > FAR
        log_p[far] = self._mean_over_angles(r[far])
        log_p[~far] = self._sum_over_sheets(r[~far], angle[~far])
        return log_p - math.log(self.arms) - 2 * math.log(self.scale)

    def _sum_over_sheets(self, r: Tensor, angle: Tensor) -> Tensor:
        """log of the sum of N(f) / |g'(a)|, [N]."""
        turn = 2 * math.pi / self.arms
        total = torch.full_like(r, -math.inf)
        down, up = self.turning_points(r)
        # one period: g falls from `down` to `up`, and rises from there to `down` a period later
        for below, above in ((up, down + 2 * math.pi), (up, down)):
            low, high = self._twist(r, below)[0], self._twist(r, above)[0]
            sheet = ((low - angle) / turn).ceil()
            while (left := (angle + turn * sheet < high).nonzero()[:, 0]).numel():
                s, goal = r[left], (angle + turn * sheet)[left]
                a = _bisect(below[left], above[left], partial(self._short_of, goal, s))
                term = self._log_normal(s, a) - self._twist(s, a)[1].abs().log()
                total[left] = torch.logaddexp(total[left], term)
                sheet[left] += 1
        return total

    def turning_points(self, r: Tensor) -> tuple[Tensor, Tensor]:
        """The angles in (-pi, 0) between which g decreases; twice the flattest where it does not.

        1 - g' = -rate r sin a e^(r cos a) has one peak: there cos a = (sqrt(1 + 4 r^2) - 1) / 2r.
        """
        flattest = -(2 * r / ((1 + 4 * r.square()).sqrt() + 1)).acos()
        down, up = flattest.clone(), flattest.clone()
        folds = self._twist(r, flattest)[1] < 0
        s, middle = r[folds], flattest[folds]
        low, high = torch.full_like(s, -math.pi), torch.zeros_like(s)
        down[folds] = _bisect(low, middle, lambda a: self._twist(s, a)[1] > 0)
        up[folds] = _bisect(middle, high, lambda a: self._twist(s, a)[1] < 0)
        return down, up

    def _short_of(self, goal: Tensor, r: Tensor, a: Tensor) -> Tensor:
        return self._twist(r, a)[0] < goal

    def _twist(self, r: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """g(a) and its slope."""
        factor = self.rate * (r * a.cos()).exp()
        return a - factor, 1 + r * a.sin() * factor

    def _log_normal(self, r: Tensor, a: Tensor) -> Tensor:
        """Log-density of f."""
        first = (r * a.cos() - 1) / self.radial
        square = first.square() + (r * a.sin() / self.tangential).square()
        return -square / 2 - LOG_2PI - math.log(self.radial * self.tangential)

    def _mean_over_angles(self, r: Tensor) -> Tensor:
        """log of arms times the mean of N(f) over the angle, [N]: the sum of very many sheets.

        A trapezoid sum over angles of 15 standard deviations either side of a = 0.
        """
        step = self.tangential / 10
        across = step * torch.arange(-160, 161, dtype=torch.float64)
        log_p = torch.logsumexp(self._log_normal(r[:, None], across / r[:, None]), 1)
        return log_p + (step / r).log() + math.log(self.arms / (2 * math.pi))


def _bisect(low: Tensor, high: Tensor, before: Callable[[Tensor], Tensor]) -> Tensor:
    """Where `before` changes from true at `low` to false at `high`, elementwise."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        left = before(middle)
        low, high = torch.where(left, middle, low), torch.where(left, high, middle)
    return (low + high) / 2
