"""Binary data, read from files that `bench data get` fetches: DEBD up to 190 variables.

DEBD is the 20 data sets of Lowd and Davis 2010 and Van Haaren and Davis 2012 as
github.com/UCLA-StarAI/Density-Estimation-Datasets has them; splits are the files' own. Half of the
test rows and more occur in train in the small ones: that is their nature.
"""

from __future__ import annotations

import torch

from bench import dataset
from bench.contract import Splits
from bench.datasets.fetch import local, readers


def debd_splits(name: str, columns: int) -> Splits:
    """The files' own train, valid and test rows [N, columns]."""
    return Splits(*(torch.from_numpy(readers.debd(file, columns)) for file in local(name)))


@dataset(
    "debd-nltcs",
    kind="binary",
    shape=[16],
    levels=2,
    source="DEBD: nltcs",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 16181 / 2157 / 3236",
    faults=[
        "90 % of the test rows occur verbatim in train.",
    ],
)
def nltcs() -> Splits:
    """National Long Term Care Survey: disabilities of elderly people."""
    return debd_splits("debd-nltcs", 16)


@dataset(
    "debd-msnbc",
    kind="binary",
    shape=[17],
    levels=2,
    source="DEBD: msnbc",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 291326 / 38843 / 58265",
    faults=[
        "99 % of the test rows occur verbatim in train.",
    ],
)
def msnbc() -> Splits:
    """Categories of pages that visitors of msnbc.com saw on one day."""
    return debd_splits("debd-msnbc", 17)


@dataset(
    "debd-kdd",
    kind="binary",
    shape=[64],
    levels=2,
    source="DEBD: kdd",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 180092 / 19907 / 34955",
    faults=[
        "96 % of the test rows occur verbatim in train.",
        "The repository's README says 65 variables: the files have 64.",
    ],
)
def kdd() -> Splits:
    """KDD Cup 2000: click streams of a shop."""
    return debd_splits("debd-kdd", 64)


@dataset(
    "debd-plants",
    kind="binary",
    shape=[69],
    levels=2,
    source="DEBD: plants",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 17412 / 2321 / 3482",
    faults=[
        "60 % of the test rows occur verbatim in train.",
        "1 column is constant in train: a model without smoothing can give -inf.",
    ],
)
def plants() -> Splits:
    """US states and Canadian provinces where plants grow."""
    return debd_splits("debd-plants", 69)


@dataset(
    "debd-baudio",
    kind="binary",
    shape=[100],
    levels=2,
    source="DEBD: baudio",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 15000 / 2000 / 3000",
)
def baudio() -> Splits:
    """Audio: artists that listeners of a radio site like."""
    return debd_splits("debd-baudio", 100)


@dataset(
    "debd-jester",
    kind="binary",
    shape=[100],
    levels=2,
    source="DEBD: jester",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 9000 / 1000 / 4116",
)
def jester() -> Splits:
    """Jokes that readers rated as funny."""
    return debd_splits("debd-jester", 100)


@dataset(
    "debd-bnetflix",
    kind="binary",
    shape=[100],
    levels=2,
    source="DEBD: bnetflix",
    licence="none stated",
    citation="Lowd, Davis 2010, Learning Markov network structure with decision trees (ICDM)",
    split="the files' own 15000 / 2000 / 3000",
)
def bnetflix() -> Splits:
    """Netflix: films that viewers rated as good."""
    return debd_splits("debd-bnetflix", 100)


@dataset(
    "debd-accidents",
    kind="binary",
    shape=[111],
    levels=2,
    source="DEBD: accidents",
    licence="none stated",
    citation="Van Haaren, Davis 2012, Markov network structure learning (AAAI)",
    split="the files' own 12758 / 1700 / 2551",
    faults=[
        "1 column is constant in train: a model without smoothing can give -inf.",
    ],
)
def accidents() -> Splits:
    """Circumstances of traffic accidents in Flanders."""
    return debd_splits("debd-accidents", 111)


@dataset(
    "debd-tretail",
    kind="binary",
    shape=[135],
    levels=2,
    source="DEBD: tretail",
    licence="none stated",
    citation="Van Haaren, Davis 2012, Markov network structure learning (AAAI)",
    split="the files' own 22041 / 2938 / 4408",
    faults=[
        "57 % of the test rows occur verbatim in train.",
    ],
)
def tretail() -> Splits:
    """Retail: baskets of a Belgian supermarket."""
    return debd_splits("debd-tretail", 135)


@dataset(
    "debd-pumsb-star",
    kind="binary",
    shape=[163],
    levels=2,
    source="DEBD: pumsb_star",
    licence="none stated",
    citation="Van Haaren, Davis 2012, Markov network structure learning (AAAI)",
    split="the files' own 12262 / 1635 / 2452",
)
def pumsb_star() -> Splits:
    """Pumsb-star: answers to a census of population and housing."""
    return debd_splits("debd-pumsb-star", 163)


@dataset(
    "debd-dna",
    kind="binary",
    shape=[180],
    levels=2,
    source="DEBD: dna",
    licence="none stated",
    citation="Van Haaren, Davis 2012, Markov network structure learning (AAAI)",
    split="the files' own 1600 / 400 / 1186",
    faults=[
        "6 % of the test rows occur verbatim in train.",
    ],
)
def dna() -> Splits:
    """Splice junctions of primate genes, three bits a nucleotide."""
    return debd_splits("debd-dna", 180)


@dataset(
    "debd-kosarek",
    kind="binary",
    shape=[190],
    levels=2,
    source="DEBD: kosarek",
    licence="none stated",
    citation="Van Haaren, Davis 2012, Markov network structure learning (AAAI)",
    split="the files' own 33375 / 4450 / 6675",
    faults=[
        "70 % of the test rows occur verbatim in train.",
    ],
)
def kosarek() -> Splits:
    """Click streams of a Hungarian news site."""
    return debd_splits("debd-kosarek", 190)
