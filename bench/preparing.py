"""A data set as a model meets it: splits, the space between, and what `build` may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.cellspec import CellSpec
from bench.contract import ConditionalDensity, DataSpec, Density, Splits
from bench.datasets import digest, load_splits
from bench.errors import MissingError
from bench.settings import VARIATIONAL
from bench.spaces import Space, dequantized, native, standard, stretched


@dataclass
class Prepared:
    """A data set in a model's space."""

    splits: Splits
    truth: Density | ConditionalDensity | None
    space: Space
    spec: DataSpec
    digest: str
    device: str = "cpu"
    context_space: Space | None = None  #: of conditional data: contexts standardised


def prepare(spec: CellSpec) -> Prepared:
    """Splits by digest, the spaces fitted on the training points, and the DataSpec."""
    device = _device(spec.suite.device)
    splits, truth = load_splits(spec.dataset, spec.suite.sizes)
    shape, layout = spec.dataset.shape, spec.model.layout
    if spec.space == "standard":
        space = standard(splits.train, shape, layout)
    elif spec.space == "stretched":
        space = stretched(splits.train, shape, layout)
    elif spec.space == "levels":
        space = native(shape, layout)
    elif spec.space == VARIATIONAL:
        space = native(shape, layout, VARIATIONAL)
    else:
        assert spec.dataset.levels is not None
        space = dequantized(spec.space, splits.train, spec.dataset.levels, shape, layout)
    contexts = None
    if splits.train_context is not None:
        contexts = standard(splits.train_context, (spec.dataset.context_dim,))
    seen = view(spec, splits, space, contexts)
    return Prepared(splits, truth, space, seen, digest(splits), device, contexts)


def view(
    spec: CellSpec, splits: Splits, space: Space, context_space: Space | None = None
) -> DataSpec:
    """What `build` may see: train and validation points in the model's space, and contexts."""
    # the draws of `train` and `valid` belong to the data, not to the seed: a model without
    # randomness of its own must come out the same for every seed
    return DataSpec(
        name=spec.dataset.name,
        kind=spec.kind,
        shape=spec.dataset.shape,
        levels=2 if spec.kind == "binary" else spec.dataset.levels,
        context_dim=spec.dataset.context_dim,
        n_train=len(splits.train),
        make_train=lambda: space.forward(splits.train, torch.Generator().manual_seed(17))[0],
        make_valid=lambda: space.forward(splits.valid, torch.Generator().manual_seed(18))[0],
        make_train_context=_contexts(context_space, splits.train_context),
        make_valid_context=_contexts(context_space, splits.valid_context),
        classes=spec.dataset.classes,
        train_labels=splits.train_labels,
        valid_labels=splits.valid_labels,
    )


def _contexts(space: Space | None, raw: Tensor | None) -> Callable[[], Tensor] | None:
    if space is None or raw is None:
        return None
    return lambda: space.forward(raw, None)[0]


def _device(name: str) -> str:
    if name == "cuda" and not torch.cuda.is_available():
        raise MissingError(
            "this suite asks for a GPU and torch finds none. Choose a CPU suite, or --device cpu; "
            "see: bench doctor"
        )
    return name
