"""A model rebuilt on a few coordinates, where it can be summed or integrated exactly.

That audits the code, not the trained weights.
"""

from __future__ import annotations

from dataclasses import replace

from bench.checks._base import NotApplicable, flat
from bench.contract import DataSpec, Splits
from bench.spaces import Space
from bench.subject import Subject


def cropped(spec: DataSpec, dim: int) -> DataSpec:
    """The data on their `dim` most variable coordinates, in the model's space.

    Images stay images, of one row: [1, 1, dim].
    """
    train, valid = flat(spec.train), flat(spec.valid)
    columns = train.double().var(0).argsort(descending=True, stable=True)[:dim].sort().values
    shape = (*(1,) * (len(spec.shape) - 1), dim)
    layout = shape if spec.train.dim() > 2 else (dim,)
    return DataSpec(
        name=spec.name,
        kind=spec.kind,
        shape=shape,
        levels=spec.levels,
        n_train=len(train),
        make_train=lambda: train[:, columns].reshape(-1, *layout),
        make_valid=lambda: valid[:, columns].reshape(-1, *layout),
        classes=spec.classes,
        train_labels=spec.train_labels,
        valid_labels=spec.valid_labels,
    )


def on_the_plane(subject: Subject) -> Subject:
    """A continuous model rebuilt, and briefly trained, on two coordinates of its own space.

    Raises NotApplicable where nothing can rebuild it.
    """
    if subject.rebuild is None:
        raise NotApplicable(
            f"grids do not reach {subject.spec.dim} dimensions, and nothing here can rebuild the "
            "model on two"
        )
    if subject.entry.min_dim > 2:
        raise NotApplicable("the model does not exist on two coordinates")
    spec = cropped(subject.spec, 2)
    return replace(
        subject,
        model=subject.rebuild(spec),
        spec=spec,
        space=Space("given", spec.shape, []),
        splits=Splits(spec.train, spec.valid, spec.valid),
        truth=None,
        rebuild=None,
        scored=None,
    )
