"""What a model, a data set and a check are: the decorators, and what `build` is given.

A plugin is one file with one decorated function. The registry reads the decorator's literals from
the source without importing the file, so the decorators only mark; they check nothing at run time
that the registry has not checked before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from torch import Generator, Tensor

KINDS = ("continuous", "discrete", "binary", "sequence")
LIKELIHOODS = (
    "exact",
    "exact-discrete",
    "lower-bound",
    "unbiased",
    "stochastic",
    "upper-bound",
    "none",
)
LAYOUTS = ("flat", "shaped")
#: how an implementation of a kernel may run: PyTorch's operations, the library of bench.kernels
#: on a CPU, Triton on a GPU
MODES = ("eager", "fused", "triton")
TEXTBOOK = "textbook"  #: the kernel's own definition, as an implementation
DIMS = (4, 8, 16, 32, 64, 128)
BATCH = 256

F = TypeVar("F", bound=Callable[..., Any])


def model(
    name: str,
    *,
    accepts: tuple[str, ...] | list[str] = ("continuous",),
    likelihood: str = "exact",
    implementation: str = "in-house",
    twin: str | None = None,
    family: str | None = None,
    paper: str | None = None,
    requires: tuple[str, ...] | list[str] = (),
    conditional: bool = False,
    labelled: bool = False,
    images: bool = False,
    layout: str = "flat",
    min_dim: int = 1,
    max_dim: int | None = None,
) -> Callable[[F], F]:
    """Mark `build(data, **settings)` as a model. All arguments must be literals.

    Args:
        name: lower-case id with hyphens, unique over all plugins.
        accepts: kinds of data the model takes as they are: continuous, discrete, binary, sequence.
            A continuous model also meets discrete data, dequantized by the harness.
        likelihood: what `log_prob` returns: exact, exact-discrete, lower-bound, unbiased (E[p]),
            stochastic (E[log p]), upper-bound, or none.
        implementation: in-house, or the library that computes it.
        twin: name of the row of the same architecture elsewhere.
        family: the literature's family (flow, autoregressive, ...), for grouping.
        paper: arXiv id or citation.
        requires: distributions that must be importable, e.g. ["nflows"].
        conditional: a density of x given a context, for data sets with `context_dim` alone:
            `log_prob(x, context)`, and `sample(n, context)`, `transform(x, context)` and so on,
            with context [n, context_dim], one row per point.
        labelled: a density of x that is trained with class labels, for data sets with `classes`
            alone: `loss(x, labels)` with labels int64 [B]. It is scored without them.
        images: for points with rows and columns alone: a shape of two axes or more.
        layout: "flat" (tensors [N, dim], the default) or "shaped" ([N, *shape], for images).
        min_dim, max_dim: dimensions for which the architecture exists (couplings need 2).
    """

    def mark(build: F) -> F:
        build.__bench_model__ = name  # type: ignore[attr-defined]
        return build

    return mark


def dataset(
    name: str,
    *,
    kind: str,
    shape: list[int] | tuple[int, ...],
    levels: int | None = None,
    truth: bool = False,
    context_dim: int = 0,
    classes: int = 0,
    requires: tuple[str, ...] | list[str] = (),
    source: str | None = None,
    licence: str | None = None,
    citation: str | None = None,
    split: str | None = None,
    space: str | None = None,
    faults: tuple[str, ...] | list[str] = (),
) -> Callable[[F], F]:
    """Mark a function of no arguments as a data set. All arguments must be literals.

    The function returns `Splits`, or (with `truth=True`) a `Density` that the harness draws from:
    with `context_dim` a `ConditionalDensity`.

    Args:
        name: lower-case id with hyphens.
        kind: continuous, discrete (integers 0..levels-1), binary (0/1) or sequence (coordinates
            in the order of time: symbols 0..levels-1 where levels are stated, else real values).
        shape: shape of one point, e.g. [2] or [1, 8, 8].
        levels: number of values of a discrete coordinate (2 for binary).
        truth: the density is known.
        context_dim: dimensions of the conditioning context; 0 for none.
        classes: number of classes of the points' labels; 0 for data without labels.
        source, licence: for the card, which also shows the function's docstring.
        citation: the paper to cite, e.g. "arXiv 1705.07057".
        split: the rule that made the splits, in words.
        space: in which models of continuous data meet these where nothing else is asked for:
            such as "logit:1e-6" (docs/spaces.md); by default "marginals", of continuous data
            "standard".
        faults: what is known to be wrong with the data or their preprocessing, in sentences.
    """

    def mark(make: F) -> F:
        make.__bench_dataset__ = name  # type: ignore[attr-defined]
        return make

    return mark


def check(
    name: str,
    *,
    question: str,
    remedy: str,
    fast: bool = True,
    requires: tuple[str, ...] | list[str] = (),
) -> Callable[[F], F]:
    """Mark `function(subject)` as a check of a trained model. All arguments must be literals.

    The function returns a `bench.records.Check`, or the `Finding` of an estimate; it raises
    `NotApplicable` where it has nothing to say (docs/checks.md).

    Args:
        name: lower-case id with hyphens.
        question: what it asks, in one sentence.
        remedy: what to look at when it fails.
        fast: part of `bench check --fast`.
        requires: distributions that must be importable.
    """

    def mark(function: F) -> F:
        function.__bench_check__ = name  # type: ignore[attr-defined]
        return function

    return mark


def kernel(
    name: str,
    *,
    logdet: str,
    baseline: str = TEXTBOOK,
    structured: bool = True,
    dims: tuple[int, ...] | list[int] = DIMS,
    batch: int = BATCH,
    paper: str | None = None,
    requires: tuple[str, ...] | list[str] = (),
) -> Callable[[F], F]:
    """Mark `make(size)` as a log-det kernel to profile. All arguments must be literals.

    The function returns a `bench.profile.Case`: inputs, parameters, and the definition that every
    implementation is compared with (docs/profiling.md).

    Args:
        name: lower-case id with hyphens.
        logdet: the formula of the log-determinant, as text.
        baseline: the implementation that ratios refer to.
        structured: the determinant costs less than D^3.
        dims: dimensions D of the default sweep.
        batch: points per call there.
        paper: arXiv id or citation.
        requires: distributions that must be importable.
    """

    def mark(make: F) -> F:
        make.__bench_kernel__ = name  # type: ignore[attr-defined]
        return make

    return mark


def implementation(
    name: str,
    *,
    kernel: str,
    modes: tuple[str, ...] | list[str] = ("eager",),
    requires: tuple[str, ...] | list[str] = (),
) -> Callable[[F], F]:
    """Mark `build(**parameters)` as a way to compute a kernel. All arguments must be literals.

    The function takes the parameters of the kernel's case, as its definition does, and returns
    `bench.profile.Maps`.

    Args:
        name: such as in-house, nflows, zuko; unique within the kernel.
        kernel: the kernel's name.
        modes: eager, fused (the library of `bench.kernels`), triton; each is a row of its own.
        requires: distributions that must be importable.
    """

    def mark(build: F) -> F:
        build.__bench_implementation__ = name  # type: ignore[attr-defined]
        return build

    return mark


@dataclass(frozen=True)
class Splits:
    """Train, validation and test points in the data's own units, each a tensor [N, *shape].

    Continuous data are float64; levels are integers, once loaded uint8 where there are at most 256
    of them (mind that their differences wrap around) and else int64. Conditional data
    have a context, float64 [N, context_dim], for each point, and labelled data a class,
    int64 [N]. Models are scored on the points alone: labels serve training, and classification.
    """

    train: Tensor
    valid: Tensor
    test: Tensor
    train_context: Tensor | None = None
    valid_context: Tensor | None = None
    test_context: Tensor | None = None
    train_labels: Tensor | None = None
    valid_labels: Tensor | None = None
    test_labels: Tensor | None = None


@runtime_checkable
class Density(Protocol):
    """A known truth, in the data's own units and float64.

    Where the data set states its classes, also `labels(x, generator)`: one per point, int64 [N].
    """

    entropy: float  #: differential entropy, nats

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n independent draws, [n, *shape]."""
        ...

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of x [N, *shape] in nats, [N]."""
        ...


@runtime_checkable
class ConditionalDensity(Protocol):
    """A known law of x given a context, in the data's own units and float64."""

    entropy: float  #: of x given the context, averaged over the contexts' own law, nats

    def draw_context(self, n: int, generator: Generator) -> Tensor:
        """n independent contexts, [n, context_dim]."""
        ...

    def sample(self, context: Tensor, generator: Generator) -> Tensor:
        """One draw for each context [n, context_dim]: [n, *shape]."""
        ...

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """Log-density of x [N, *shape] given context [N, context_dim] in nats, [N]."""
        ...

    def given(self, context: Tensor) -> Density:
        """The law of x at one context [context_dim]."""
        ...


@dataclass
class DataSpec:
    """What `build` sees of a data set: its card, and the train and validation points.

    Tensors are in the model's space: float32 [N, dim] for continuous models (standardised, or
    dequantized and transformed by the harness), int64 for models of discrete or binary data; with
    `layout="shaped"` [N, *shape]. Contexts, of conditional data alone, are float32
    [N, context_dim], standardised. There is no way from here to the test split.
    """

    name: str
    kind: str  #: kind the model meets: a continuous model on discrete data sees "continuous"
    shape: tuple[int, ...]
    levels: int | None
    context_dim: int = 0
    n_train: int = 0
    make_train: Callable[[], Tensor] = field(repr=False, default=None)  # type: ignore[assignment]
    make_valid: Callable[[], Tensor] = field(repr=False, default=None)  # type: ignore[assignment]
    make_train_context: Callable[[], Tensor] | None = field(repr=False, default=None)
    make_valid_context: Callable[[], Tensor] | None = field(repr=False, default=None)
    classes: int = 0  #: of the labels; 0 for data without
    train_labels: Tensor | None = field(repr=False, default=None)  #: classes, int64 [n_train]
    valid_labels: Tensor | None = field(repr=False, default=None)

    @property
    def dim(self) -> int:
        """Number of coordinates of a point: the product of `shape`."""
        n = 1
        for s in self.shape:
            n *= s
        return n

    @cached_property
    def train(self) -> Tensor:
        """Train points, [n_train, dim] (or [n_train, *shape])."""
        return self.make_train()

    @cached_property
    def valid(self) -> Tensor:
        """Validation points, for choosing steps, bandwidths, regularisation."""
        return self.make_valid()

    @cached_property
    def train_valid(self) -> Tensor:
        """Train then validation points: for closed-form fits that have nothing left to choose."""
        import torch

        return torch.cat([self.train, self.valid])

    @cached_property
    def train_context(self) -> Tensor | None:
        """Contexts of the train points, [n_train, context_dim]; None for data without any."""
        return None if self.make_train_context is None else self.make_train_context()

    @cached_property
    def valid_context(self) -> Tensor | None:
        """Contexts of the validation points."""
        return None if self.make_valid_context is None else self.make_valid_context()

    @cached_property
    def train_valid_context(self) -> Tensor | None:
        """Contexts of `train_valid`."""
        if self.train_context is None or self.valid_context is None:
            return None
        import torch

        return torch.cat([self.train_context, self.valid_context])
