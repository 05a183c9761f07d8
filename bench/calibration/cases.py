"""What is run: every cheat on every base and truth it suits, every honest model on its truths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from bench.calibration import bases, calls, densities, honest, levels, planted, samplers
from bench.calibration.gaussianization import gaussianization_model
from bench.calibration.planted import Wrong
from bench.calibration.small_flows import planar_model, planar_sampler, spline_model
from bench.calibration.truths import (
    Build,
    cheating_subject,
    honest_subject,
    peeking_subject,
)
from bench.models import categorical, histogram
from bench.subject import Subject

VECTORS = ("audit-continuous-2", "audit-continuous-64")
LEVELS = ("audit-discrete-6", "audit-discrete-64", "audit-binary-12", "audit-binary-64")
DEQUANTIZED = "audit-discrete-6 dequantized"


@dataclass(frozen=True)
class Case:
    """One model on one truth; `make(seed)` builds it.

    `wrong` makes it cheat; None leaves it honest, unless it `peeks`. `named`: one of the cheats
    that the battery promises to see.
    """

    name: str
    base: str
    truth: str
    build: Build
    wrong: Wrong | None = None
    likelihood: str | None = None
    named: bool = False
    peeks: bool = False  #: trained on the test split

    @property
    def key(self) -> str:
        """Unique over all cases."""
        return ", ".join(part for part in (self.name, self.base, self.truth) if part)

    @property
    def honest(self) -> bool:
        """Nothing is planted."""
        return self.wrong is None and not self.peeks

    def make(self, seed: int) -> Subject:
        """The subject of one seed."""
        if self.peeks:
            return peeking_subject(self.build, self.truth, seed)
        if self.wrong is None:
            return honest_subject(self.build, self.truth, seed, self.likelihood)
        return cheating_subject(self.build, self.wrong, self.truth, seed, self.likelihood)


BASES: dict[str, Build] = {
    "gaussian": bases.gaussian_model,
    "mixture": bases.mixture_model,
    "kde": bases.kernel_model,
    "flow": bases.flow_model,
    "tree": bases.tree_model,
    "made": bases.network_model,
    "vae": bases.auto_encoder_model,
}
NAMED_BASES = ("gaussian", "kde", "flow")
HONEST_VECTORS: dict[str, Build] = {
    "normal": honest.multivariate,
    "normal, misfit": honest.misfit,
    "student t3": honest.student,
    "mixture": bases.mixture_model,
    "narrow mixture": honest.narrow_mixture,
    "kernel estimate": bases.kernel_model,
    "histogram": histogram.build,
    "bounded histogram": honest.bounded_histogram,
    "flow": bases.flow_model,
    "deep flow": honest.deep_flow,
    "spline flow": honest.spline_flow,
    "spline of free heights": spline_model,
    "planar flow": planar_model,
    "gaussianization": gaussianization_model,
}
HONEST_LEVELS: dict[str, Build] = {
    "tables": categorical.build,
    "table mixture": honest.TableMixture,
    "chow-liu tree": bases.tree_model,
    "made": bases.network_model,
    "made, logistics": honest.logistic_network,
}


def _honest() -> Iterator[Case]:
    for truth in VECTORS:
        yield from (Case(name, "", truth, build) for name, build in HONEST_VECTORS.items())
        yield Case("stochastic normal", "", truth, honest.stochastic, likelihood="stochastic")
        yield Case("planar sampler", "", truth, planar_sampler, likelihood="none")
    yield Case("cauchy", "", VECTORS[0], honest.cauchy)
    for name in ("normal", "flow", "histogram"):
        yield Case(name, "", DEQUANTIZED, HONEST_VECTORS[name])
    for truth in LEVELS:
        yield from (Case(name, "", truth, build) for name, build in HONEST_LEVELS.items())
        yield Case("auto-encoder", "", truth, BASES["vae"], likelihood="lower-bound")
    yield Case("evidence bound", "", LEVELS[0], honest.evidence_bound, likelihood="lower-bound")


def _cheats() -> Iterator[Case]:
    yield from _on_vectors()
    for truth, base in ((LEVELS[0], "tree"), (LEVELS[3], "made")):
        yield from _planted(levels.EVERY_BASE, base, truth)
    for truth in (LEVELS[0], LEVELS[3]):
        yield from _planted(levels.NETWORKS, "made", truth)
    for truth in (LEVELS[0], LEVELS[2]):
        yield from _planted(levels.BOUNDS, "vae", truth, likelihood="lower-bound")


def _on_vectors() -> Iterator[Case]:
    for truth in VECTORS:
        for base in NAMED_BASES:
            yield from _planted(planted.NAMED, base, truth, named=True)
        for family in (densities.EVERY_BASE, samplers.EVERY_BASE, calls.EVERY_BASE):
            yield from _planted(family, "mixture" if truth == VECTORS[0] else "gaussian", truth)
        for family in (densities.FLOWS, samplers.FLOWS):
            yield from _planted(family, "flow", truth)
        yield from _planted(densities.MIXTURES, "mixture", truth)
        yield from _planted(densities.NORMALS, "gaussian", truth)
        yield Case("trained on the test split", "kde", truth, bases.kernel_model, peeks=True)
    yield from _planted(levels.DEQUANTIZED, "flow", DEQUANTIZED)


def _planted(
    cheats: Mapping[str, Wrong],
    base: str,
    truth: str,
    named: bool = False,
    likelihood: str | None = None,
) -> Iterator[Case]:
    for name, wrong in cheats.items():
        yield Case(name, base, truth, BASES[base], wrong, likelihood, named)


@cache
def cases() -> dict[str, Case]:
    """All cases by key, those that share a fitted model next to each other."""
    found = sorted([*_honest(), *_cheats()], key=lambda c: (c.truth, c.build.__qualname__))
    return {case.key: case for case in found}
