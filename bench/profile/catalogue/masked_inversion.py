"""The inverse of a masked affine layer: sampling of a MAF, the density of an IAF (1606.04934)."""

from __future__ import annotations

from torch import Tensor

from bench import implementation, kernel
from bench.flows import MADE, InverseAutoregressive, MaskedAffine
from bench.profile import Case, Maps, Size, of_module
from bench.profile.catalogue import _made, masked_affine


@kernel(
    "masked-inversion",
    logdet="-sum_i log s_i(x_<i), s = softplus(a) + 1e-3",
    baseline="nflows",
    paper="1606.04934",
    dims=[4, 8, 16, 32, 64],
    batch=32,
)
def case(size: Size) -> Case:
    """From z to the x whose masked affine map is z; it costs one pass, or D of a plain network."""
    return Case(
        x=size.normal(size.batch, size.dim),
        parameters=_made.draw(size),
        reference=textbook,
        numbers=_made.numbers(size),
        flops=_made.flops(size),
    )


def textbook(**weights: Tensor) -> Maps:
    """x_i = (z_i - b_i) / s_i in turn: D passes over the network."""
    onward = masked_affine.textbook(**weights)
    assert onward.inverse is not None
    return Maps(onward.inverse, onward.forward)


@implementation("in-house", kernel="masked-inversion", modes=["eager", "fused", "triton"])
def in_house(**weights: Tensor) -> Maps:
    """The layer of `bench.flows`: each hidden unit once."""
    hidden, dim = weights["w0"].shape
    layer = InverseAutoregressive(MaskedAffine(MADE(dim, hidden)))
    return of_module(layer, weights, **_made.names("part.autoregressive_net."))


@implementation("nflows", kernel="masked-inversion", requires=["nflows"])
def nflows(**weights: Tensor) -> Maps:
    """Its layer run backwards: D passes.

    The other libraries' layers are other functions, see `masked-affine`.
    """
    from nflows.transforms import InverseTransform, MaskedAffineAutoregressiveTransform

    hidden, dim = weights["w0"].shape
    layer = InverseTransform(MaskedAffineAutoregressiveTransform(dim, hidden))
    return of_module(layer, weights, **_made.names("_transform.autoregressive_net."))
