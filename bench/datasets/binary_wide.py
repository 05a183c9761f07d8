"""Binary data, read from files that `bench data get` fetches: DEBD from 294 variables on."""

from __future__ import annotations

from bench import dataset
from bench.contract import Splits
from bench.datasets.binary import debd_splits


@dataset(
    "debd-msweb",
    kind="binary",
    shape=[294],
    levels=2,
    source="DEBD: msweb",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 29441 / 3270 / 5000",
    faults=[
        "71 % of the test rows occur verbatim in train.",
        "11 columns are constant in train: a model without smoothing can give -inf.",
    ],
)
def msweb() -> Splits:
    """Areas of microsoft.com that visitors saw."""
    return debd_splits("debd-msweb", 294)


@dataset(
    "debd-book",
    kind="binary",
    shape=[500],
    levels=2,
    source="DEBD: book",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 8700 / 1159 / 1739",
    faults=[
        "6 % of the test rows occur verbatim in train.",
    ],
)
def book() -> Splits:
    """Books that readers rated."""
    return debd_splits("debd-book", 500)


@dataset(
    "debd-tmovie",
    kind="binary",
    shape=[500],
    levels=2,
    source="DEBD: tmovie",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 4524 / 1002 / 591",
    faults=[
        "15 % of the test rows occur verbatim in train.",
        "3 columns are constant in train: a model without smoothing can give -inf.",
        "The repository's README says 4525 train rows: the file has 4524.",
        "Valid and test differ by nature: a Chow-Liu tree scores -69.498 and -64.791 nats.",
    ],
)
def tmovie() -> Splits:
    """EachMovie: films that viewers rated."""
    return debd_splits("debd-tmovie", 500)


@dataset(
    "debd-cwebkb",
    kind="binary",
    shape=[839],
    levels=2,
    source="DEBD: cwebkb",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 2803 / 558 / 838",
)
def cwebkb() -> Splits:
    """WebKB: words of university web pages."""
    return debd_splits("debd-cwebkb", 839)


@dataset(
    "debd-cr52",
    kind="binary",
    shape=[889],
    levels=2,
    source="DEBD: cr52",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 6532 / 1028 / 1540",
)
def cr52() -> Splits:
    """Reuters-52: words of news."""
    return debd_splits("debd-cr52", 889)


@dataset(
    "debd-c20ng",
    kind="binary",
    shape=[910],
    levels=2,
    source="DEBD: c20ng",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 11293 / 3764 / 3764",
    faults=[
        "Valid and test differ by nature: a Chow-Liu tree scores -129.383 and -164.117 nats.",
    ],
)
def c20ng() -> Splits:
    """20 Newsgroups: words of postings; valid and test differ by nature."""
    return debd_splits("debd-c20ng", 910)


@dataset(
    "debd-bbc",
    kind="binary",
    shape=[1058],
    levels=2,
    source="DEBD: bbc",
    licence="none stated",
    citation="Van Haaren, Davis 2012, Markov network structure learning (AAAI)",
    split="the files' own 1670 / 225 / 330",
    faults=[
        "10 % of the test rows occur verbatim in train.",
    ],
)
def bbc() -> Splits:
    """Words of news of the BBC."""
    return debd_splits("debd-bbc", 1058)


@dataset(
    "debd-ad",
    kind="binary",
    shape=[1556],
    levels=2,
    source="DEBD: ad",
    licence="none stated",
    citation="Van Haaren, Davis 2012, Markov network structure learning (AAAI)",
    split="the files' own 2461 / 327 / 491",
    faults=[
        "49 % of the test rows occur verbatim in train.",
        "Smoothing moves scores: a Chow-Liu tree gets -16.918 nats where each cell of a "
        "pair is given 1, -16.399 where it is given 0.25.",
    ],
)
def ad() -> Splits:
    """Features of images on web pages, advertisements or not."""
    return debd_splits("debd-ad", 1556)
