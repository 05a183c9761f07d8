"""Binary data, read from files that `bench data get` fetches: static binarized MNIST, and DEBD.

DEBD is the 20 data sets of Lowd and Davis 2010 and Van Haaren and Davis 2012 as
github.com/UCLA-StarAI/Density-Estimation-Datasets has them, and two of Larochelle's; splits are the
files' own. Half of the test rows and more occur in train in the small ones: that is their nature.
"""

from __future__ import annotations

import torch

from bench import dataset
from bench.contract import Splits
from bench.datasets.fetch import local, readers


@dataset(
    "binarized-mnist",
    kind="binary",
    shape=[1, 28, 28],
    levels=2,
    source="Salakhutdinov and Murray 2008, the fixed draw of Larochelle and Murray 2011",
    licence="none stated",
)
def binarized_mnist() -> Splits:
    """One draw of each pixel with probability level / 255: the files' 50000 / 10000 / 10000.

    Train and valid are a random mix of all 60000 train images of MNIST, so valid is not its last
    10000. Test is sorted by class: its first rows are zeros only, so take a stride, not a prefix.
    """
    return Splits(
        *(
            torch.from_numpy(readers.amat(file, 784)).reshape(-1, 1, 28, 28)
            for file in local("binarized-mnist")
        )
    )


def _debd(name: str, columns: int) -> Splits:
    return Splits(*(torch.from_numpy(readers.debd(file, columns)) for file in local(name)))


@dataset(
    "debd-nltcs", kind="binary", shape=[16], levels=2, source="DEBD: nltcs", licence="none stated"
)
def nltcs() -> Splits:
    """National Long Term Care Survey: disabilities of elderly people."""
    return _debd("debd-nltcs", 16)


@dataset(
    "debd-msnbc", kind="binary", shape=[17], levels=2, source="DEBD: msnbc", licence="none stated"
)
def msnbc() -> Splits:
    """Categories of pages that visitors of msnbc.com saw on one day."""
    return _debd("debd-msnbc", 17)


@dataset("debd-kdd", kind="binary", shape=[64], levels=2, source="DEBD: kdd", licence="none stated")
def kdd() -> Splits:
    """KDD Cup 2000: click streams of a shop."""
    return _debd("debd-kdd", 64)


@dataset(
    "debd-plants", kind="binary", shape=[69], levels=2, source="DEBD: plants", licence="none stated"
)
def plants() -> Splits:
    """US states and Canadian provinces where plants grow."""
    return _debd("debd-plants", 69)


@dataset(
    "debd-baudio",
    kind="binary",
    shape=[100],
    levels=2,
    source="DEBD: baudio",
    licence="none stated",
)
def baudio() -> Splits:
    """Audio: artists that listeners of a radio site like."""
    return _debd("debd-baudio", 100)


@dataset(
    "debd-jester",
    kind="binary",
    shape=[100],
    levels=2,
    source="DEBD: jester",
    licence="none stated",
)
def jester() -> Splits:
    """Jokes that readers rated as funny."""
    return _debd("debd-jester", 100)


@dataset(
    "debd-bnetflix",
    kind="binary",
    shape=[100],
    levels=2,
    source="DEBD: bnetflix",
    licence="none stated",
)
def bnetflix() -> Splits:
    """Netflix: films that viewers rated as good."""
    return _debd("debd-bnetflix", 100)


@dataset(
    "debd-accidents",
    kind="binary",
    shape=[111],
    levels=2,
    source="DEBD: accidents",
    licence="none stated",
)
def accidents() -> Splits:
    """Circumstances of traffic accidents in Flanders."""
    return _debd("debd-accidents", 111)


@dataset(
    "debd-mushrooms",
    kind="binary",
    shape=[112],
    levels=2,
    source="DEBD: mushrooms",
    licence="none stated",
)
def mushrooms() -> Splits:
    """Features of mushrooms, one-hot; of Larochelle's sets."""
    return _debd("debd-mushrooms", 112)


@dataset(
    "debd-tretail",
    kind="binary",
    shape=[135],
    levels=2,
    source="DEBD: tretail",
    licence="none stated",
)
def tretail() -> Splits:
    """Retail: baskets of a Belgian supermarket."""
    return _debd("debd-tretail", 135)


@dataset(
    "debd-pumsb-star",
    kind="binary",
    shape=[163],
    levels=2,
    source="DEBD: pumsb_star",
    licence="none stated",
)
def pumsb_star() -> Splits:
    """Pumsb-star: answers to a census of population and housing."""
    return _debd("debd-pumsb-star", 163)


@dataset(
    "debd-dna", kind="binary", shape=[180], levels=2, source="DEBD: dna", licence="none stated"
)
def dna() -> Splits:
    """Splice junctions of primate genes, three bits a nucleotide."""
    return _debd("debd-dna", 180)


@dataset(
    "debd-kosarek",
    kind="binary",
    shape=[190],
    levels=2,
    source="DEBD: kosarek",
    licence="none stated",
)
def kosarek() -> Splits:
    """Click streams of a Hungarian news site."""
    return _debd("debd-kosarek", 190)


@dataset(
    "debd-msweb", kind="binary", shape=[294], levels=2, source="DEBD: msweb", licence="none stated"
)
def msweb() -> Splits:
    """Areas of microsoft.com that visitors saw."""
    return _debd("debd-msweb", 294)


@dataset(
    "debd-nips", kind="binary", shape=[500], levels=2, source="DEBD: nips", licence="none stated"
)
def nips() -> Splits:
    """Words in papers of the NIPS conference; of Larochelle's sets."""
    return _debd("debd-nips", 500)


@dataset(
    "debd-book", kind="binary", shape=[500], levels=2, source="DEBD: book", licence="none stated"
)
def book() -> Splits:
    """Books that readers rated."""
    return _debd("debd-book", 500)


@dataset(
    "debd-tmovie",
    kind="binary",
    shape=[500],
    levels=2,
    source="DEBD: tmovie",
    licence="none stated",
)
def tmovie() -> Splits:
    """EachMovie: films that viewers rated."""
    return _debd("debd-tmovie", 500)


@dataset(
    "debd-cwebkb",
    kind="binary",
    shape=[839],
    levels=2,
    source="DEBD: cwebkb",
    licence="none stated",
)
def cwebkb() -> Splits:
    """WebKB: words of university web pages."""
    return _debd("debd-cwebkb", 839)


@dataset(
    "debd-cr52", kind="binary", shape=[889], levels=2, source="DEBD: cr52", licence="none stated"
)
def cr52() -> Splits:
    """Reuters-52: words of news."""
    return _debd("debd-cr52", 889)


@dataset(
    "debd-c20ng", kind="binary", shape=[910], levels=2, source="DEBD: c20ng", licence="none stated"
)
def c20ng() -> Splits:
    """20 Newsgroups: words of postings; valid and test differ by nature."""
    return _debd("debd-c20ng", 910)


@dataset(
    "debd-bbc", kind="binary", shape=[1058], levels=2, source="DEBD: bbc", licence="none stated"
)
def bbc() -> Splits:
    """Words of news of the BBC."""
    return _debd("debd-bbc", 1058)


@dataset("debd-ad", kind="binary", shape=[1556], levels=2, source="DEBD: ad", licence="none stated")
def ad() -> Splits:
    """Features of images on web pages, advertisements or not."""
    return _debd("debd-ad", 1556)
