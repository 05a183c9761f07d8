"""Normalizing flows in plain PyTorch, usable alone: `from bench.flows import maf`.

`forward` of a bijection and `transform` of a flow run from data to noise. docs/flows.md is the
guide; `from_nflows` converts a trained nflows flow into the same function.
"""

from bench.flows.architectures import maf, nice, nsf_autoregressive, nsf_coupling, realnvp
from bench.flows.autoregressive.affine import MaskedAffine
from bench.flows.autoregressive.inverted import InverseAutoregressive, iaf
from bench.flows.autoregressive.made import MADE
from bench.flows.bijection import Bijection
from bench.flows.compose import Composite, Inverse
from bench.flows.continuous.flow import Continuous, ffjord
from bench.flows.continuous.velocity import Velocity
from bench.flows.convert.flows import from_nflows
from bench.flows.couplings.additive import AdditiveCoupling
from bench.flows.couplings.affine import AffineCoupling, SplineCoupling
from bench.flows.couplings.conditioners import ResidualNet
from bench.flows.flow import Flow, StandardNormal
from bench.flows.gaussianization import gaussianization_flow
from bench.flows.images import ImageFlow, glow, realnvp_image
from bench.flows.improved import autoregressive_flow, coupling_flow
from bench.flows.linear.lu import LULinear, Permutation, reverse
from bench.flows.linear.orthogonal import Householder, QRLinear, SVDLinear
from bench.flows.linear.triangular import Triangular
from bench.flows.masks import alternating
from bench.flows.monotone.affine import Affine
from bench.flows.monotone.fixed import LeakyReLU, PointwiseAffine
from bench.flows.monotone.knots import CubicSpline, LinearSpline, QuadraticSpline
from bench.flows.monotone.marginals import Marginals
from bench.flows.monotone.mixture import DeepSigmoid, LogisticMixture
from bench.flows.monotone.normal_scores import NormalScores
from bench.flows.monotone.rational_quadratic import RationalQuadratic, UnitRationalQuadratic
from bench.flows.monotone.spline import ElementwiseSpline
from bench.flows.monotone.squash import Logit, Sigmoid, Tanh
from bench.flows.monotone.univariate import (
    Elementwise,
    MaskedUnivariate,
    Univariate,
    UnivariateCoupling,
)
from bench.flows.normalisation import ActNorm, BatchNorm
from bench.flows.residual.block import InvertibleResidual, residual_flow
from bench.flows.residual.planar import Planar, Radial
from bench.flows.residual.sylvester import Sylvester

__all__ = [
    "MADE",
    "ActNorm",
    "AdditiveCoupling",
    "Affine",
    "AffineCoupling",
    "BatchNorm",
    "Bijection",
    "Composite",
    "Continuous",
    "CubicSpline",
    "DeepSigmoid",
    "Elementwise",
    "ElementwiseSpline",
    "Flow",
    "Householder",
    "ImageFlow",
    "Inverse",
    "InverseAutoregressive",
    "InvertibleResidual",
    "LULinear",
    "LeakyReLU",
    "LinearSpline",
    "LogisticMixture",
    "Logit",
    "Marginals",
    "MaskedAffine",
    "MaskedUnivariate",
    "NormalScores",
    "Permutation",
    "Planar",
    "PointwiseAffine",
    "QRLinear",
    "QuadraticSpline",
    "Radial",
    "RationalQuadratic",
    "ResidualNet",
    "SVDLinear",
    "Sigmoid",
    "SplineCoupling",
    "StandardNormal",
    "Sylvester",
    "Tanh",
    "Triangular",
    "UnitRationalQuadratic",
    "Univariate",
    "UnivariateCoupling",
    "Velocity",
    "alternating",
    "autoregressive_flow",
    "coupling_flow",
    "ffjord",
    "from_nflows",
    "gaussianization_flow",
    "glow",
    "iaf",
    "maf",
    "nice",
    "nsf_autoregressive",
    "nsf_coupling",
    "realnvp",
    "realnvp_image",
    "residual_flow",
    "reverse",
]
