"""The registered anchors: scores that need no random number, to the digits once printed.

Each is closed-form, so that a wrong byte, split or order of rows shows in it. The name of a model
holds its smoothing, and its space where that is not the data's own (docs/data-sets.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Anchor:
    """One registered figure. `split` and `model` are names in `splits` and `models`."""

    dataset: str
    split: str
    model: str
    unit: str
    printed: str

    @property
    def value(self) -> float:
        """The registered number."""
        return float(self.printed)

    @property
    def tolerance(self) -> float:
        """Half a unit of the last printed digit, and what binary fractions make of it."""
        return 0.501 * 10.0 ** -len(self.printed.partition(".")[2])


def _of(dataset: str, split: str, figures: dict[str, str]) -> list[Anchor]:
    """Anchors by model; a figure is 'number unit', several are parted by semicolons."""
    return [
        Anchor(dataset, split, model, unit, printed)
        for model, each in figures.items()
        for printed, _, unit in (figure.partition(" ") for figure in each.split("; "))
    ]


def _debd(name: str, bernoulli: str, tree: str) -> list[Anchor]:
    figures = {"Bernoulli(1)": f"{bernoulli} nats", "Chow-Liu(1)": f"{tree} nats"}
    return _of(f"debd-{name}", "train -> test", figures)


ALL, SMALL = "train+valid -> test", "(train+valid)[::30] -> test[::20]"
FIRST, FIFTH, TENTH = "train -> test", "all, i % 5 == 4 test", "all, i % 10 == 9 test"
BINARY, BINARY_ALL = "level >= 128, train -> test", "level >= 128, train+valid -> test"

ANCHORS: tuple[Anchor, ...] = (
    *_of("mnist", ALL, {
        "categorical(1)": "1.689728 bits/dim",
        "E-Gauss diagonal": "-3325.773 nats; 6.119995 bits/dim",
        "E-Gauss full": "-2871.456 nats; 5.283973 bits/dim",
    }),
    *_of("mnist", FIRST, {
        "categorical(1)": "1.690455 bits/dim",
        "E-Gauss full, logit 1e-6": "-1363.708495 nats; 2.007955 bits/dim",
        "E-Gauss diagonal, logit 1e-6": "-1690.792287 nats; 2.609845 bits/dim",
        "Gaussian, logit 1e-6, seed 42":
            "-1366.903203 nats; 1.437272 2 s.e.; 2.013113 bits/dim",
        "Bernoulli(1) of random bits": "-205.808784 nats",
    }),
    *_of("mnist", BINARY, {
        "Bernoulli(1)": "-205.849912 nats",
        "Chow-Liu(1)": "-120.515354 nats",
    }),
    *_of("mnist", BINARY_ALL, {
        "Bernoulli(1)": "-205.847124 nats",
        "Chow-Liu(1)": "-120.493973 nats",
    }),
    *_of("mnist", SMALL, {
        "categorical(1)": "1.790418 bits/dim",
        "E-Gauss diagonal, logit 1e-6": "2.618017 bits/dim",
        "E-Gauss full, logit 1e-6": "2.032387 bits/dim",
    }),
    *_of("binarized-mnist", FIRST, {
        "Bernoulli(1)": "-205.793278 nats",
        "Chow-Liu(1)": "-134.987126 nats",
    }),
    *_of("binarized-mnist", "train[::25] -> test[::20]", {
        "Bernoulli(1)": "-205.683104 nats",
        "Chow-Liu(1)": "-134.903983 nats",
    }),
    *_of("kmnist-test", "all -> all", {"independent pixels, at best": "3.070388 bits/dim"}),
    *_of("kmnist-test", ALL, {"categorical(1)": "3.120685 bits/dim"}),
    *_of("frey-faces", TENTH, {
        "categorical(1)": "6.262866 bits/dim",
        "E-Gauss full": "4.850982 bits/dim",
    }),
    *_of("frey-faces", FIRST, {"categorical(1)": "6.641123 bits/dim"}),
    *_of("cifar10-sample", ALL, {
        "categorical(1) per channel": "7.918642 bits/dim",
        "categorical(1)": "7.947968 bits/dim",
        "E-Gauss diagonal": "8.059145 bits/dim",
    }),
    *_of("digits", ALL, {
        "uniform": "4.087463 bits/dim",
        "categorical(1)": "2.391317 bits/dim",
        "E-Gauss diagonal": "3.353424 bits/dim",
        "E-Gauss full": "2.942816 bits/dim",
        "E-Gauss shrunk .05": "2.944019 bits/dim",
        "E-Gauss shrunk .1": "2.957203 bits/dim",
        "Chow-Liu(1/289)": "2.290011 bits/dim",
        "Chow-Liu(1/17)": "2.193859 bits/dim",
        "Chow-Liu(1)": "2.155902 bits/dim",
    }),
    *_of("digits", FIFTH, {
        "categorical(1)": "2.406735 bits/dim",
        "E-Gauss diagonal": "3.337513 bits/dim",
        "E-Gauss full": "2.910024 bits/dim",
        "E-Gauss shrunk .05": "2.916621 bits/dim",
        "E-Gauss shrunk .1": "2.933415 bits/dim",
        "Chow-Liu(1/289)": "2.285704 bits/dim",
        "Chow-Liu(1/17)": "2.195306 bits/dim",
        "Chow-Liu(1)": "2.170723 bits/dim",
    }),
    *_of("digits", "all[:1000] -> all[-500:]", {"categorical(1)": "2.402474 bits/dim"}),
    *_of("iris", ALL, {
        "Gaussian diagonal": "-5.476775 nats",
        "Gaussian full": "-3.315220 nats",
    }),
    *_of("wine", ALL, {
        "Gaussian diagonal": "-18.700744 nats",
        "Gaussian full": "-16.179118 nats",
    }),
    *_of("breast-cancer", ALL, {
        "Gaussian diagonal": "-39.605848 nats",
        "Gaussian full": "-5.910041 nats",
    }),
    *_of("diabetes", ALL, {
        "Gaussian diagonal": "-12.082853 nats",
        "Gaussian full": "-8.759257 nats",
    }),
    *_of("diabetes", "all with sex, i % 5 == 4 test", {
        "Gaussian diagonal": "-13.497662 nats",
        "Gaussian full": "-10.126942 nats",
    }),
    *_of("sunspots", "series, last 61 years test", {
        "AR(0)": "-5.934347 nats/value",
        "AR(1)": "-5.092486 nats/value",
        "AR(2)": "-4.769698 nats/value",
        "AR(9)": "-4.506287 nats/value",
    }),
    *_of("spoken-digits", "train+valid -> test, whole", {
        "categorical(1) per sample": "7.186114 bits/sample",
        "bigram(1)": "5.452384 bits/sample",
    }),
    *_debd("nltcs", "-9.233611", "-6.759045"),
    *_debd("msnbc", "-6.770145", "-6.540127"),
    *_debd("kdd", "-2.445737", "-2.294894"),
    *_debd("plants", "-31.26622", "-16.52402"),
    *_debd("baudio", "-49.33691", "-44.37490"),
    *_debd("jester", "-63.88315", "-58.22653"),
    *_debd("bnetflix", "-64.56141", "-60.25035"),
    *_debd("accidents", "-45.55971", "-33.18811"),
    *_debd("tretail", "-11.42205", "-10.94654"),
    *_debd("pumsb-star", "-75.86244", "-30.80705"),
    *_debd("dna", "-100.3859", "-87.73478"),
    *_debd("kosarek", "-13.32863", "-11.49008"),
    *_debd("msweb", "-11.35854", "-10.19254"),
    *_debd("book", "-41.12138", "-37.84281"),
    *_debd("tmovie", "-83.60653", "-64.79130"),
    *_debd("cwebkb", "-179.9816", "-163.4707"),
    *_debd("cr52", "-108.1161", "-94.43461"),
    *_debd("c20ng", "-172.3894", "-164.1167"),
    *_debd("bbc", "-277.1012", "-261.8563"),
    *_debd("ad", "-63.81681", "-16.91799"),
    *_debd("mushrooms", "-34.231508", "-21.022364"),
    *_debd("nips", "-294.802167", "-280.90380"),
)  # fmt: skip


def anchors_of(dataset: str) -> tuple[Anchor, ...]:
    """A data set's registered anchors, in the table's order."""
    return tuple(a for a in ANCHORS if a.dataset == dataset)
