"""Flows of images [B, C, H, W]: Glow, RealNVP and their parts, usable alone.

`glow` and `realnvp_image` take points flat or shaped; the parts take images.
"""

from bench.flows.images.actnorm import ImageActNorm
from bench.flows.images.architectures import glow, realnvp_image
from bench.flows.images.conditioners import ConvResidualNet
from bench.flows.images.conv1x1 import Conv1x1
from bench.flows.images.coupling import ChannelCoupling, CheckerboardCoupling, start_at_identity
from bench.flows.images.families import Shift, SigmoidAffine
from bench.flows.images.flow import ImageFlow
from bench.flows.images.masks import checkerboard, first_half
from bench.flows.images.multiscale import Multiscale, learned_prior
from bench.flows.images.permutation import ChannelPermutation
from bench.flows.images.shapes import Reshape, image_shape
from bench.flows.images.squeeze import Squeeze

__all__ = [
    "ChannelCoupling",
    "ChannelPermutation",
    "CheckerboardCoupling",
    "Conv1x1",
    "ConvResidualNet",
    "ImageActNorm",
    "ImageFlow",
    "Multiscale",
    "Reshape",
    "Shift",
    "SigmoidAffine",
    "Squeeze",
    "checkerboard",
    "first_half",
    "glow",
    "image_shape",
    "learned_prior",
    "realnvp_image",
    "start_at_identity",
]
