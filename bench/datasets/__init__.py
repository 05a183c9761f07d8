"""From a data set's entry to its splits: drawn or read, validated, cast, and their digest.

Importing this package loads no torch; a data set's own file is imported when its splits are loaded.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.contract import ConditionalDensity, Density, Splits
from bench.errors import BenchError, PluginError
from bench.registry import DatasetEntry, load_function, shown

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench.settings import Sizes

PARTS = ("train", "valid", "test")
BLOCK = 1000  #: points per draw, each block with a generator of its own


def load_splits(
    entry: DatasetEntry, sizes: Sizes
) -> tuple[Splits, Density | ConditionalDensity | None]:
    """The splits in the data's own units, [N, *shape], and the density where it is known.

    Continuous data are float64, levels uint8 (int64 beyond 256 of them), contexts float64, labels
    int64. A known truth is
    drawn with fixed seeds, block by block, so that a smaller size is a prefix of a bigger one;
    other data sets bring their own splits and `sizes` says nothing to them.

    Raises PluginError for a data set that raises or returns the wrong type, shape or values, and
    MissingError for a package that it requires.
    """
    function = load_function(entry)
    with _blamed(entry, "its function"):
        made = function()
    if entry.truth:
        density = _checked_density(entry, made)
        drawn: dict[str, Tensor] = {}
        for part in PARTS:
            tensors = _draw(entry, density, part, getattr(sizes, part))
            drawn |= {f"{part}{of}": t for of, t in zip(_members(entry), tensors, strict=True)}
        return Splits(**drawn), density
    if not isinstance(made, Splits):
        hint = ", or be marked truth=True" if isinstance(made, Density) else ""
        raise _broken(entry, f"return bench.contract.Splits{hint}", f"returns {_kind(made)}")
    read = {part: _checked_points(entry, f"{part} split", getattr(made, part)) for part in PARTS}
    for part, points in list(read.items()):
        context = getattr(made, f"{part}_context")
        if entry.context_dim:
            what = f"{part} split's context"
            read[f"{part}_context"] = _checked_context(entry, what, context, len(points))
        elif context is not None:
            raise _broken(entry, "state its context_dim", f"has a context in its {part} split")
        labels = getattr(made, f"{part}_labels")
        if entry.classes:
            what = f"{part} split's labels"
            read[f"{part}_labels"] = _checked_labels(entry, what, labels, len(points))
        elif labels is not None:
            raise _broken(entry, "state its classes", f"has labels in its {part} split")
    return Splits(**read), None


def digest(splits: Splits) -> str:
    """sha256 (hex) over name, dtype, shape and bytes of train, valid and test, in that order.

    Then those of the contexts and of the labels, where there are some. Reads a few thousand rows
    at a time: no second copy of the data is made.
    """
    sha = hashlib.sha256()
    for part in (f"{part}{of}" for of in ("", "_context", "_labels") for part in PARTS):
        x = getattr(splits, part)
        if x is None:
            continue
        sha.update(f"{part} {x.dtype} {tuple(x.shape)}\n".encode())
        for rows in x.split(4096):
            sha.update(rows.contiguous().numpy())
    return sha.hexdigest()


def _draw(
    entry: DatasetEntry, density: Density | ConditionalDensity, part: str, n: int
) -> tuple[Tensor, ...]:
    """n points of one split, and their contexts where there are some.

    The first block is a look at what the density says of its own draws.
    """
    import torch

    def block(index: int) -> tuple[Tensor, ...]:
        seed = zlib.crc32(entry.name.encode()) + 10**9 * PARTS.index(part) + index
        return _block(entry, density, torch.Generator().manual_seed(seed % 2**32))

    first = block(0)
    if part == "train" and not all(map(torch.equal, first, block(0))):
        raise _broken(
            entry, "draw from the generator that sample is given", "draws differently each time"
        )
    _check_log_prob(entry, density, *first[: 1 + (entry.context_dim > 0)])
    blocks = [first, *(block(i) for i in range(1, math.ceil(n / BLOCK)))]
    return tuple(torch.cat(tensors)[:n] for tensors in zip(*blocks, strict=True))


def _members(entry: DatasetEntry) -> list[str]:
    """Endings of the fields of `Splits` that a block has, in its order."""
    return ["", *["_context"] * (entry.context_dim > 0), *["_labels"] * (entry.classes > 0)]


def _block(
    entry: DatasetEntry, density: Density | ConditionalDensity, generator: Generator
) -> tuple[Tensor, ...]:
    """BLOCK points; of a conditional density also their contexts, drawn first, or their labels."""
    if not entry.context_dim:
        with _blamed(entry, "its density's sample"):
            drawn = density.sample(BLOCK, generator)  # type: ignore[arg-type]
        x = _checked_points(entry, f"sample({BLOCK}, generator)", drawn, BLOCK)
        if not entry.classes:
            return (x,)
        with _blamed(entry, "its density's labels"):
            labels = density.labels(x, generator)  # type: ignore[union-attr]
        return x, _checked_labels(entry, "labels(x, generator)", labels, BLOCK)
    assert isinstance(density, ConditionalDensity)
    with _blamed(entry, "its density's draw_context"):
        context = density.draw_context(BLOCK, generator)
    context = _checked_context(entry, f"draw_context({BLOCK}, generator)", context, BLOCK)
    with _blamed(entry, "its density's sample"):
        drawn = density.sample(context, generator)
    return _checked_points(entry, "sample(context, generator)", drawn, BLOCK), context


def _checked_density(entry: DatasetEntry, made: Any) -> Density | ConditionalDensity:
    if not isinstance(made, ConditionalDensity if entry.context_dim else Density):
        members = "entropy, sample and log_prob"
        if entry.context_dim:
            members = "entropy, draw_context, sample, log_prob and given"
        expected = f"return an object with {members} (it is marked truth=True)"
        raise _broken(entry, expected, f"returns {_kind(made)}")
    entropy = made.entropy
    if not isinstance(entropy, float | int) or not math.isfinite(entropy):
        raise _broken(entry, "state its entropy as a finite float, in nats", f"states {entropy!r}")
    return made


def _check_log_prob(
    entry: DatasetEntry, density: Density | ConditionalDensity, *drawn: Tensor
) -> None:
    """A density's own draws must have a finite log-density, one value per point.

    Drawn are the points, and of a conditional density their contexts: the law that it gives at the
    first one must agree.
    """
    import torch

    x = drawn[0]
    with _blamed(entry, "its density's log_prob"):
        log_prob = density.log_prob(*drawn)
    if not isinstance(log_prob, torch.Tensor) or log_prob.shape != (len(x),):
        got = tuple(log_prob.shape) if isinstance(log_prob, torch.Tensor) else _kind(log_prob)
        raise _broken(entry, f"return a tensor [{len(x)}] from log_prob", f"returns {got}")
    if bad := int((~log_prob.isfinite()).sum()):
        raise _broken(
            entry,
            "give its own draws a finite log_prob",
            f"gives {bad} of {len(x)} a NaN or an infinity",
        )
    if entry.context_dim:
        assert isinstance(density, ConditionalDensity)
        with _blamed(entry, "its density's given"):
            alone = density.given(drawn[1][0]).log_prob(x[:1])
        if not torch.allclose(alone, log_prob[:1], rtol=1e-6, atol=1e-6):
            nats = f"they give one point {float(alone[0]):.6g} and {float(log_prob[0]):.6g} nats"
            raise _broken(entry, "have one law in given(context) and log_prob(x, context)", nats)


def _checked_points(entry: DatasetEntry, what: str, x: Any, n: int | None = None) -> Tensor:
    """The points as float64 or int64 on the CPU, or a PluginError that says what is wrong."""
    import torch

    if not isinstance(x, torch.Tensor):
        raise _broken(entry, f"give its {what} as a torch tensor", f"gives {_kind(x)}")
    rows = "N" if n is None else n
    if x.dim() == 0 or tuple(x.shape[1:]) != entry.shape or len(x) != (len(x) if n is None else n):
        expected = ", ".join(map(str, (rows, *entry.shape)))
        raise _broken(entry, f"give its {what} the shape [{expected}]", f"has {list(x.shape)}")
    if len(x) < 2:
        raise _broken(entry, f"have at least 2 points in its {what}", f"has {len(x)}")
    x = x.detach().cpu()
    if not entry.integral:
        return _reals(entry, what, x)
    return _integers(entry, what, x, entry.levels or 2)


def _checked_context(entry: DatasetEntry, what: str, context: Any, n: int) -> Tensor:
    """Contexts as float64 [n, context_dim] on the CPU, or a PluginError that says what is wrong."""
    import torch

    if not isinstance(context, torch.Tensor):
        raise _broken(entry, f"give its {what} as a torch tensor", f"gives {_kind(context)}")
    if (got := list(context.shape)) != (expected := [n, entry.context_dim]):
        raise _broken(entry, f"give its {what} the shape {expected}", f"has {got}")
    return _reals(entry, what, context.detach().cpu())


def _checked_labels(entry: DatasetEntry, what: str, labels: Any, n: int) -> Tensor:
    """Classes as int64 [n] on the CPU, or a PluginError that says what is wrong."""
    import torch

    if not isinstance(labels, torch.Tensor):
        raise _broken(entry, f"give its {what} as a torch tensor", f"gives {_kind(labels)}")
    if (got := list(labels.shape)) != [n]:
        raise _broken(entry, f"give its {what} the shape [{n}]", f"has {got}")
    return _integers(entry, what, labels.detach().cpu(), entry.classes).long()


def _reals(entry: DatasetEntry, what: str, x: Tensor) -> Tensor:
    if not x.is_floating_point():
        raise _broken(entry, f"give its {what} as floats (float64)", f"gives {x.dtype}")
    if bad := int((~x.isfinite()).sum()):
        raise _broken(entry, f"have only finite values in its {what}", f"has {bad} NaN or infinite")
    return x.double().contiguous()


def _integers(entry: DatasetEntry, what: str, x: Tensor, levels: int) -> Tensor:
    import torch

    if x.is_floating_point() or x.is_complex():
        raise _broken(entry, f"give its {what} as integers (x.long())", f"gives {x.dtype}")
    low, high = (int(v) for v in x.aminmax())
    if low < 0 or high >= levels:
        raise _broken(entry, f"have levels 0..{levels - 1} in its {what}", f"has {low}..{high}")
    return x.to(torch.uint8 if levels <= 256 else torch.int64).contiguous()


@contextmanager
def _blamed(entry: DatasetEntry, what: str) -> Iterator[None]:
    """Whatever the plugin raises becomes one sentence that names it."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        message = " ".join(str(error).split())
        raise PluginError(
            f"data set '{entry.name}' ({shown(entry.file)}): {what} raised "
            f"{type(error).__name__}: {message}"
        ) from error


def _broken(entry: DatasetEntry, expected: str, got: str) -> PluginError:
    return PluginError(
        f"data set '{entry.name}' ({shown(entry.file)}) should {expected}, but {got}"
    )


def _kind(value: Any) -> str:
    return f"a {type(value).__module__}.{type(value).__qualname__}"
