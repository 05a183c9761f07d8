"""A density's mass from log-ratios to a density of mass one, at draws of either."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.checks._base import CALL, EXACT, mean_error
from bench.checks._noise import Noise
from bench.checks._weights import LARGEST_SHARE

ALPHA = 1e-9  #: chance that `certain` errs on independent weights: six standard errors, one-sided
BETS = tuple(2.0**-k for k in range(13))  #: shares of the stake
RESOLUTION = 1e-3  #: of `certain`, nats
STRAY_SHARE = 0.01  #: of own draws without a usable log_prob


def certain(log_w: Tensor, largest: float) -> float:
    """Log of the largest M such that a mean weight of at most M is refuted; 0 if that is below 1.

    No tail can spoil it: bets on weights >= 0 of mean <= M multiply a stake that by Ville's
    inequality reaches 1 / ALPHA with probability ALPHA at most (Waudby-Smith and Ramdas, arXiv
    2010.09686, section 4; bets averaged over BETS).

    Args:
        log_w: log-weights of independent draws [n]; NaN counts as weight zero.
        largest: log-weights are cut here, which only makes the test milder.
    """
    log_w = log_w.double().nan_to_num(nan=-math.inf, posinf=largest).clamp(max=largest)
    low, high = 0.0, largest
    if not _refuted(log_w, low):
        return 0.0
    while high - low > RESOLUTION:
        middle = (low + high) / 2
        low, high = (middle, high) if _refuted(log_w, middle) else (low, middle)
    return low


def _refuted(log_w: Tensor, log_mean: float) -> bool:
    """The stake reaches 1 / ALPHA if the mean weight is at most exp(log_mean)."""
    gains = []
    for bet in BETS:
        kept = math.log1p(-bet) if bet < 1 else -math.inf
        gain = torch.logaddexp(torch.full_like(log_w, kept), log_w - log_mean + math.log(bet))
        gains.append(gain.sum())
    stake = torch.logsumexp(torch.stack(gains), 0) - math.log(len(BETS))
    return bool(stake > -math.log(ALPHA))


def bridge(
    noise: Noise, log_w: Tensor, own_log_w: Tensor, tolerance: float
) -> tuple[float, float, str]:
    """Mass of q, the logarithm's standard error, and why neither is to be believed (or "").

    Both sides of E_p[q / m] = E_q[p / m], with m the mixture of p and q in the proportion of the
    draws: bounded, so that no tail can spoil them, and the best that draws from both can do
    (Bennett, 1976; Meng and Wong, Statistica Sinica 6, 1996). The first side rises and the second
    falls with q, so that a lower bound of q gives a lower bound of the mass.

    Args:
        noise: how the values were evaluated.
        log_w: log q - log p at draws of p, [draws, n].
        own_log_w: the same at draws of q, [draws, k]; NaN where q could not be evaluated.
        tolerance: error of the mass that such draws may cause.
    """
    n, k = log_w.shape[1], own_log_w.shape[1]
    lost = own_log_w.isnan().any(0)
    stray = float(lost.double().mean())
    if log_w.isnan().any() or stray > STRAY_SHARE:
        return math.nan, math.nan, "log_prob is NaN at draws of the truth or of the model"
    share = math.log(k / n)
    ours = noise.settled(lambda w: torch.sigmoid(w + share), log_w)
    theirs = noise.settled(lambda w: torch.sigmoid(-w - share), own_log_w).where(~lost, 0.0)
    for terms, whose in ((ours, "truth's"), (theirs, "model's")):
        total = float(terms.sum())
        if total <= 0 or float(terms.max()) > LARGEST_SHARE * total:
            return math.nan, math.nan, f"hardly any of the {whose} draws lie where both have mass"
    call = None if noise.kind in EXACT else CALL
    (a, a_error), (b, b_error) = mean_error(ours, call), mean_error(theirs, call)
    doubt = "too many of the model's draws have no log_prob" if stray > tolerance * b else ""
    return a / b * n / k, math.hypot(a_error / a, b_error / b), doubt
