"""Shims with nflows 0.14's names and signatures that run the bijections of `bench.flows`.

`install()` puts them in place of nflows' classes. Transforms that have no counterpart stay
nflows' own; our `Composite` and `Inverse` take them through `Theirs`.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import sys
from functools import cache
from types import FunctionType, ModuleType

import nflows
import nflows_elementwise_shims
import nflows_linear_shims
import nflows_net_shims
import nflows_spline_shims
import torch
from nflows.distributions import normal
from nflows.transforms import base
from torch import Tensor, nn
from torch.nn import functional as F

from bench import flows
from bench.flows import images
from bench.flows.autoregressive import made


class Theirs(flows.Bijection):
    """A transform of nflows' that has no counterpart, inside a composition of ours."""

    def __init__(self, transform: nn.Module) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.transform(x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.transform.inverse(z, context)


def bijection(transform: nn.Module) -> flows.Bijection:
    return transform if isinstance(transform, flows.Bijection) else Theirs(transform)


class CompositeTransform(flows.Composite):
    def __init__(self, transforms):
        super().__init__([bijection(t) for t in transforms])


class InverseTransform(flows.Inverse):
    def __init__(self, transform):
        super().__init__(bijection(transform))


class CompositeCDFTransform(flows.Composite):
    def __init__(self, squashing_transform, cdf_transform):
        squash = bijection(squashing_transform)
        super().__init__([squash, bijection(cdf_transform), flows.Inverse(squash)])


_Builder = base.MultiscaleCompositeTransform


class MultiscaleCompositeTransform(flows.Bijection):
    """The list of transforms is kept by nflows' builder, which refuses bad shapes; ours runs it."""

    def __init__(self, num_transforms, split_dim=1):
        super().__init__()
        self.builder = _Builder(num_transforms, split_dim)

    def add_transform(self, transform, transform_output_shape):
        return self.builder.add_transform(bijection(transform), transform_output_shape)

    @property
    def part(self) -> images.Multiscale:
        assert self.builder._split_dim == 1, "ours splits the first dimension"
        return images.Multiscale(self.builder._transforms, self.builder._output_shapes)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.part(x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.part.inverse(z, context)


class IdentityTransform(flows.Composite):
    """The composition of nothing."""

    def __init__(self):
        super().__init__([])


class AffineTransform(flows.Bijection):
    """One scale and shift for every coordinate: an ActNorm with these for all its channels."""

    def __init__(self, shift=0.0, scale=1.0):
        super().__init__()
        self.shift, self.scale = shift or 0.0, 1.0 if scale is None else scale

    def _part(self, x: Tensor) -> flows.ActNorm:
        kind = images.ImageActNorm if x.dim() == 4 else flows.ActNorm
        part = kind(x.shape[1], initialized=True)
        nn.init.constant_(part.log_scale, math.log(self.scale))
        nn.init.constant_(part.shift, self.shift)
        return part

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._part(x)(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._part(z).inverse(z)


class StandardNormal(normal.StandardNormal):
    """nflows' base class keeps the shapes and the mean; density and draws are ours."""

    def __init__(self, shape):
        super().__init__(shape)
        self.part = flows.StandardNormal(math.prod(shape))

    def _log_prob(self, inputs: Tensor, context: Tensor | None) -> Tensor:
        return self.part.log_prob(inputs.flatten(1))

    def _sample(self, num_samples: int, context: Tensor | None) -> Tensor:
        lead = (num_samples,) if context is None else (len(context), num_samples)
        draws = self.part.sample(math.prod(lead), torch.empty(0))
        return draws.view(*lead, *self._shape)


class Flow(images.ImageFlow):
    """A flow over points of any shape; what a flow without a context gets as one, it ignores."""

    def __init__(self, transform, distribution, embedding_net=None):
        assert embedding_net is None, "ours has no embedding net"
        shape = tuple(distribution._shape)
        parts = [bijection(transform), images.Reshape(shape, (math.prod(shape),))]
        super().__init__(flows.Composite(parts), shape, layout="shaped")

    def log_prob(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_prob(inputs)

    def sample(self, num_samples: int, context: Tensor | None = None) -> Tensor:
        lead = (num_samples,) if context is None else (len(context), num_samples)
        return super().sample(math.prod(lead)).view(*lead, *self.shape)

    def sample_and_log_prob(
        self, num_samples: int, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        lead = (num_samples,) if context is None else (len(context), num_samples)
        x, log_prob = super().sample_and_log_prob(math.prod(lead))
        return x.view(*lead, *self.shape), log_prob.view(lead)

    def transform_to_noise(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        return self.map_only(inputs).view(-1, *self.shape)


PLAIN = (F.relu, 0.0, False, False)  #: activation, dropout, batch norm within and between


class MaskedAutoregressiveFlow(flows.Flow):
    def __init__(
        self,
        features,
        hidden_features,
        num_layers,
        num_blocks_per_layer,
        use_residual_blocks=True,
        use_random_masks=False,
        use_random_permutations=False,
        activation=F.relu,
        dropout_probability=0.0,
        batch_norm_within_layers=False,
        batch_norm_between_layers=False,
    ):
        options = (activation, dropout_probability, batch_norm_within_layers)
        assert (*options, batch_norm_between_layers) == PLAIN, "maf() has no such options"
        assert use_residual_blocks, "maf() has residual blocks"
        assert not use_random_masks, "maf() has regular masks"
        assert not use_random_permutations, "maf() turns the coordinates round"
        ours = flows.maf(features, hidden_features, num_layers, num_blocks_per_layer)
        super().__init__(ours.bijection, ours.dim)


class SimpleRealNVP(flows.Flow):
    def __init__(
        self,
        features,
        hidden_features,
        num_layers,
        num_blocks_per_layer,
        use_volume_preserving=False,
        activation=F.relu,
        dropout_probability=0.0,
        batch_norm_within_layers=False,
        batch_norm_between_layers=False,
    ):
        options = (activation, dropout_probability, batch_norm_within_layers)
        assert (*options, batch_norm_between_layers) == PLAIN, "realnvp() has no such options"
        build = flows.nice if use_volume_preserving else flows.realnvp
        ours = build(features, hidden_features, num_layers, num_blocks_per_layer)
        super().__init__(ours.bijection, ours.dim)


PACKAGES = ("nflows.transforms", "nflows.flows", "nflows.distributions", "nflows.nn.nets")
HELPERS = (
    nflows_elementwise_shims,
    nflows_linear_shims,
    nflows_net_shims,
    nflows_spline_shims,
)


@cache
def originals() -> dict[str, object]:
    """What nflows defines, by name, as long as nothing is installed."""
    for info in pkgutil.walk_packages(nflows.__path__, "nflows."):
        if info.name.startswith(PACKAGES):
            importlib.import_module(info.name)
    return {
        name: value
        for module in _modules()
        for name, value in vars(module).items()
        if str(getattr(value, "__module__", "")).startswith(PACKAGES)
    }


def _modules() -> list[ModuleType]:
    return [module for name, module in sys.modules.items() if name.startswith(PACKAGES)]


def shims() -> dict[str, type | FunctionType]:
    """The shims by the name of what they replace."""
    found = {
        name: value
        for module in (*HELPERS, sys.modules[__name__])
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
    }
    return {name: shim for name, shim in found.items() if name in originals()}


def install() -> None:
    """Replace nflows' classes and functions by the shims, wherever nflows names them."""
    found = {id(originals()[name]): shim for name, shim in shims().items()}
    found[id(originals()["MaskedResidualBlock"])] = made.MaskedResidualBlock
    found[id(originals()["MaskedFeedforwardBlock"])] = made.MaskedFeedForwardBlock
    for module in _modules():
        for name, value in list(vars(module).items()):
            if id(value) in found:
                setattr(module, name, found[id(value)])
