"""nflows' networks, autoregressive transforms and couplings, run by ours."""

from __future__ import annotations

import math

import torch
from nflows_spline_shims import family, one_least
from torch import Tensor, nn
from torch.nn import functional as F

from bench import flows
from bench.flows import images

NO_BATCH_NORM = "ours has no batch norm inside its networks"


class ResidualNet(flows.ResidualNet):
    def __init__(
        self,
        in_features,
        out_features,
        hidden_features,
        context_features=None,
        num_blocks=2,
        activation=F.relu,
        dropout_probability=0.0,
        use_batch_norm=False,
    ):
        assert not use_batch_norm, NO_BATCH_NORM
        super().__init__(
            in_features,
            out_features,
            hidden_features,
            blocks=num_blocks,
            context_dim=context_features or 0,
            activation=activation,
            dropout=dropout_probability,
        )


class ConvResidualNet(images.ConvResidualNet):
    def __init__(
        self,
        in_channels,
        out_channels,
        hidden_channels,
        context_channels=None,
        num_blocks=2,
        activation=F.relu,
        dropout_probability=0.0,
        use_batch_norm=False,
    ):
        assert not use_batch_norm, NO_BATCH_NORM
        super().__init__(
            in_channels,
            out_channels,
            hidden_channels,
            blocks=num_blocks,
            context_dim=context_channels or 0,
            activation=activation,
            dropout=dropout_probability,
        )


class MADE(flows.MADE):
    def __init__(
        self,
        features,
        hidden_features,
        context_features=None,
        num_blocks=2,
        output_multiplier=1,
        use_residual_blocks=True,
        random_mask=False,
        activation=F.relu,
        dropout_probability=0.0,
        use_batch_norm=False,
    ):
        assert not use_batch_norm, NO_BATCH_NORM
        degrees, low = [], 1
        for _ in range((1 + num_blocks) * random_mask):
            degrees.append(torch.randint(min(low, features - 1), features, (hidden_features,)))
            low = int(degrees[-1].min())
        super().__init__(
            features,
            hidden_features,
            blocks=num_blocks,
            outputs=output_multiplier,
            context_dim=context_features or 0,
            residual=use_residual_blocks,
            activation=activation,
            dropout=dropout_probability,
            degrees=degrees,
        )


class MaskedAffineAutoregressiveTransform(flows.MaskedAffine):
    def __init__(
        self,
        features,
        hidden_features,
        context_features=None,
        num_blocks=2,
        use_residual_blocks=True,
        random_mask=False,
        activation=F.relu,
        dropout_probability=0.0,
        use_batch_norm=False,
    ):
        net = (features, hidden_features, context_features, num_blocks, 2, use_residual_blocks)
        super().__init__(MADE(*net, random_mask, activation, dropout_probability, use_batch_norm))


class _MaskedSpline(flows.MaskedUnivariate):
    kind = "Linear"

    def __init__(
        self,
        num_bins,
        features,
        hidden_features,
        context_features=None,
        num_blocks=2,
        use_residual_blocks=True,
        random_mask=False,
        activation=F.relu,
        dropout_probability=0.0,
        use_batch_norm=False,
    ):
        self._build(
            family(self.kind, num_bins, None, 1.0),
            (features, hidden_features, context_features, num_blocks),
            (use_residual_blocks, random_mask, activation, dropout_probability, use_batch_norm),
        )

    def _build(self, spline: flows.Univariate, sizes: tuple, options: tuple) -> None:
        super().__init__(MADE(*sizes, spline.parameters, *options), spline)


class MaskedPiecewiseLinearAutoregressiveTransform(_MaskedSpline):
    pass


class MaskedPiecewiseCubicAutoregressiveTransform(_MaskedSpline):
    kind = "Cubic"


class MaskedPiecewiseQuadraticAutoregressiveTransform(_MaskedSpline):
    def __init__(
        self,
        features,
        hidden_features,
        context_features=None,
        num_bins=10,
        num_blocks=2,
        tails=None,
        tail_bound=1.0,
        use_residual_blocks=True,
        random_mask=False,
        activation=F.relu,
        dropout_probability=0.0,
        use_batch_norm=False,
        min_bin_width=1e-3,
        min_bin_height=1e-3,
        min_derivative=1e-3,
    ):
        least = one_least(min_bin_width, min_bin_height)
        self._build(
            family("Quadratic", num_bins, tails, tail_bound, min_bin=least),
            (features, hidden_features, context_features, num_blocks),
            (use_residual_blocks, random_mask, activation, dropout_probability, use_batch_norm),
        )


class _Coupling(flows.Bijection):
    """One class for vectors and images, as in nflows; ours are two, told apart by the network."""

    def _build(self, mask, make_net, parameters: int, vector, image) -> None:
        super().__init__()
        mask = torch.as_tensor(mask)
        moved = int((mask > 0).sum())
        net = make_net(len(mask) - moved, moved * parameters)
        convolves = any(isinstance(m, nn.Conv2d) for m in net.modules())
        self.part = (image if convolves else vector)(mask, lambda inputs, outputs: net)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.part(x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.part.inverse(z, context)


class AffineCouplingTransform(_Coupling):
    def __init__(self, mask, transform_net_create_fn, unconditional_transform=None):
        assert unconditional_transform is None, "ours moves or keeps"
        self._build(mask, transform_net_create_fn, 2, flows.AffineCoupling, _blocked)


def _blocked(mask: Tensor, make_net) -> images.ChannelCoupling:
    return images.ChannelCoupling(mask, make_net, images.SigmoidAffine(), blocked=True)


class AdditiveCouplingTransform(_Coupling):
    def __init__(self, mask, transform_net_create_fn, unconditional_transform=None):
        assert unconditional_transform is None, "ours moves or keeps"
        image = lambda mask, make: images.ChannelCoupling(mask, make, images.Shift())  # noqa: E731
        self._build(mask, transform_net_create_fn, 1, flows.AdditiveCoupling, image)


class _SplineCoupling(_Coupling):
    kind = "Quadratic"

    def __init__(
        self,
        mask,
        transform_net_create_fn,
        num_bins=10,
        tails=None,
        tail_bound=1.0,
        apply_unconditional_transform=False,
        img_shape=None,
        min_bin_width=1e-3,
        min_bin_height=1e-3,
    ):
        least = one_least(min_bin_width, min_bin_height)
        spline = family(self.kind, num_bins, tails, tail_bound, min_bin=least)
        kept = apply_unconditional_transform, img_shape
        self._build_spline(mask, transform_net_create_fn, spline, *kept)

    def _build_spline(self, mask, make_net, spline, unconditional: bool, sides) -> None:
        count = int((torch.as_tensor(mask) <= 0).sum())
        kept = _kept((count, *(sides or [])), spline) if unconditional else None
        self._build(
            mask,
            make_net,
            spline.parameters,
            lambda mask, make: flows.UnivariateCoupling(mask, make, spline, kept),
            lambda mask, make: images.ChannelCoupling(mask, make, spline, kept=kept),
        )


def _kept(shape: tuple[int, ...], spline: flows.Univariate) -> flows.Bijection:
    """A spline for each coordinate that a coupling keeps, in vectors or images."""
    flat = (math.prod(shape),)
    splines = flows.Elementwise(*flat, spline)
    nn.init.uniform_(splines.raw)  # as nflows; ours start at the identity
    if len(shape) == 1:
        return splines
    return flows.Composite([images.Reshape(shape, flat), splines, images.Reshape(flat, shape)])


class PiecewiseLinearCouplingTransform(_SplineCoupling):
    def __init__(
        self,
        mask,
        transform_net_create_fn,
        num_bins=10,
        tails=None,
        tail_bound=1.0,
        apply_unconditional_transform=False,
        img_shape=None,
    ):
        spline = family("Linear", num_bins, tails, tail_bound)
        kept = apply_unconditional_transform, img_shape
        self._build_spline(mask, transform_net_create_fn, spline, *kept)


class PiecewiseQuadraticCouplingTransform(_SplineCoupling):
    pass


class PiecewiseCubicCouplingTransform(_SplineCoupling):
    kind = "Cubic"


class PiecewiseRationalQuadraticCouplingTransform(_SplineCoupling):
    def __init__(
        self,
        mask,
        transform_net_create_fn,
        num_bins=10,
        tails=None,
        tail_bound=1.0,
        apply_unconditional_transform=False,
        img_shape=None,
        min_bin_width=1e-3,
        min_bin_height=1e-3,
        min_derivative=1e-3,
    ):
        least = one_least(min_bin_width, min_bin_height)
        spline = family(
            "RationalQuadratic", num_bins, tails, tail_bound, 1.0, least, min_derivative
        )
        kept = apply_unconditional_transform, img_shape
        self._build_spline(mask, transform_net_create_fn, spline, *kept)
