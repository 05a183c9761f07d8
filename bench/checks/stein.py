"""Are the model's draws as wide as its density? Stein's identity for fields x - c.

E_q[(x - c) . grad log q] = -D in D dimensions (Stein 1972) is what E_q[a+ - a-] = 0 becomes for
small h, a+ and a- being Barker's acceptances q' / (q + q') of the moves from x to
c + e^h (x - c) and to c + e^-h (x - c), with their Jacobians e^(+-D h). This form needs no
gradient, holds for densities with edges and jumps, and its terms are bounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bench import check
from bench.checks._base import (
    EXACT,
    UNRESOLVED,
    Finding,
    NotApplicable,
    draws,
    flat,
    log_prob,
    mean_error,
    refined,
    resolved,
    spread,
    usable,
)
from bench.records import Check
from bench.subject import Subject

DELTA = 0.015  #: of the logarithm of the width
PILOT = 200  #: draws that choose centres and length, and are then left out
LENGTHS = tuple(2.0**-k for k in range(7))  #: h, over sqrt(D)
SIZES = (1, 4)  #: times the usual number of draws
CENTRES, FEW = 8, 8  #: of the local field, and the largest dimension in which it is used
UNEASY = 2.0  #: standard errors from which on it is looked at twice
LARGEST = 10.0  #: nats, at which ratios are cut where they are averaged
LEAST = 0.1  #: of the mean product, to which its centred part counts
LONGEST = 1.0  #: root mean square of the ratios, up to which their first order is enough


@check(
    "stein",
    question="Are the model's draws as wide as its density?",
    remedy=(
        "A temperature in the sampler, bits for nats in log_prob, a scale that sampler and density "
        "do not share. Compare the width with the temperature, and with sqrt(1 / ln 2) = 1.20."
    ),
)
def stein(subject: Subject) -> Check:
    """Logarithm of the width of the model's own draws over that of its density.

    About one centre, and in few dimensions about the nearest of eight, which tells the width of
    modes.
    """
    if subject.space.discrete:
        raise NotApplicable("the model is discrete: levels have no width")
    if subject.likelihood not in EXACT:
        raise NotApplicable(f"a likelihood of kind {subject.likelihood} is too noisy for ratios")
    whole = refined(lambda times: _width(subject, times, 1), SIZES).check()
    if whole.verdict == "fail" or subject.spec.dim > FEW:
        return whole
    local = _width(subject, SIZES[0], CENTRES)
    if local.known and local.beyond(UNEASY):
        local = _width(subject, SIZES[-1], CENTRES)
    outcome = local.check()
    return outcome if outcome.verdict == "fail" else whole


@dataclass(frozen=True)
class Field:
    """x - c with c the nearest of some centres [K, D], in units of each coordinate's spread [D]."""

    centres: Tensor
    scale: Tensor

    def nearest(self, x: Tensor) -> Tensor:
        """Index of each row's centre, [n]."""
        return torch.cdist(x / self.scale, self.centres / self.scale).argmin(1)

    def move(self, x: Tensor, h: float) -> tuple[Tensor, Tensor]:
        """c + e^h (x - c) for rows x [n, D], and whether the way back has the same centre, [n]."""
        index = self.nearest(x)
        y = self.centres[index] + math.exp(h) * (x - self.centres[index])
        return y, self.nearest(y) == index


@dataclass(frozen=True)
class Moves:
    """Log-ratios log q(y) |dy/dx| - log q(x) of the moves outwards and inwards, [n] each.

    Minus infinity stands for moves to zero density and for those left out. A move and its reverse
    are left out alike, which keeps an honest mean at zero.
    """

    outwards: Tensor
    inwards: Tensor
    lost: int  #: draws without a usable log_prob at or beside them

    @property
    def surplus(self) -> Tensor:
        """a+ - a-, [n]."""
        return torch.sigmoid(self.outwards) - torch.sigmoid(self.inwards)

    @property
    def growth(self) -> Tensor:
        """h (D + (x - c) . grad log q) but for terms of higher order; of the surplus's sign. [n]"""
        outwards, inwards = (w.clamp(-LARGEST, LARGEST) for w in (self.outwards, self.inwards))
        return 0.5 * (outwards - inwards)

    def slope(self, h: float) -> float:
        """How fast the mean surplus falls with the logarithm of the draws' width; positive.

        Wider draws change log q by -(D + (x - c) . grad log q), to first order. About the means,
        which are zero for honest draws, but not where these vary next to nothing.
        """
        product = float((self.surplus * self.growth).mean())
        centred = product - float(self.surplus.mean()) * float(self.growth.mean())
        return max(centred, LEAST * product) / h


def _width(subject: Subject, times: int, centres: int) -> Finding:
    """The statistic on `times` the usual number of draws."""
    x = draws(subject, times)
    pilot, rest = x[:PILOT], x[PILOT:]
    field = _field(flat(pilot).double().cpu(), centres)
    h = _best(subject, pilot, field)
    moves = _moves(subject, rest, field, h)
    mean, error = mean_error(moves.surplus)
    error = max(error, float(moves.surplus.abs().max()) / len(rest))  # one draw's share
    slope = moves.slope(h) or math.nan
    effect = -mean / slope
    width = math.exp(min(max(effect, -1.0), 1.0))
    about = "" if centres == 1 else f", about the nearest of {centres} centres"
    found = Finding(
        effect=effect,
        error=error / slope,
        threshold=DELTA,
        n=len(rest),
        what=f"the model's own draws are {width:.3f} times as wide as its density{about}",
    )
    bias = moves.lost / len(rest) / slope  # a term is at most one
    if bias > (DELTA if found.check().verdict == "pass" else abs(effect)):
        told = f"no usable log_prob at or beside {moves.lost} of {len(rest)} draws"
        return replace(found, doubt=told)
    return found


def _field(pilot: Tensor, centres: int) -> Field:
    """The median, or the means of clusters, of pilot draws [n, D]."""
    pilot = pilot[pilot.isfinite().all(1)]
    if len(pilot) < PILOT // 2:
        raise NotApplicable("most draws of the sampler are not finite: see balance")
    median, scale = spread(pilot)
    if centres == 1:
        return Field(median[None], scale)
    from sklearn.cluster import KMeans

    clusters = KMeans(centres, n_init=1, random_state=0).fit((pilot / scale).numpy())
    return Field(torch.as_tensor(clusters.cluster_centers_) * scale, scale)


def _moves(subject: Subject, x: Tensor, field: Field, h: float) -> Moves:
    """The moves from draws x [n, ...] by +h and -h."""
    rows = flat(x).double().cpu().nan_to_num(posinf=0.0, neginf=0.0)
    here, found = log_prob(subject, x), []
    starts = resolved(here)
    lost = ~starts
    for signed in (h, -h):
        y, returns = field.move(rows, signed)
        there = log_prob(subject, y.to(x).reshape(x.shape))
        sound = starts & returns & usable(there)
        ratio = there - here + signed * rows.shape[1]
        found.append(torch.where(sound, ratio, -math.inf))
        lost = lost | ~(there <= UNRESOLVED)  # NaN is lost, next to no density is not
    return Moves(found[0], found[1], int(lost.sum()))


def _best(subject: Subject, pilot: Tensor, field: Field) -> float:
    """The length that sees a wrong width best: largest slope per standard deviation, on a pilot.

    Of those short enough that the slope holds; the shortest if none is.
    """
    scores: dict[float, float] = {}
    for length in sorted(LENGTHS):
        h = length / math.sqrt(flat(pilot).shape[1])
        moves = _moves(subject, pilot, field, h)
        if scores and float(moves.growth.square().mean()) > LONGEST**2:
            break
        deviation = float(moves.surplus.square().mean().sqrt())
        scores[h] = moves.slope(h) / deviation if deviation > 0 else 0.0
    return max(scores, key=lambda h: scores[h])
