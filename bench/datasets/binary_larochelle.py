"""Larochelle's binary data, read from files that `bench data get` fetches.

As Germain et al. 2015 (MADE, arXiv 1502.03509) compare models on them; `web` is not in the
repository that the others come from. Their dna is debd-dna.
"""

from __future__ import annotations

from bench import dataset
from bench.contract import Splits
from bench.datasets.binary import debd_splits


@dataset(
    "adult",
    kind="binary",
    shape=[123],
    levels=2,
    source="DEBD: adult",
    licence="none stated",
    citation="Larochelle, Murray 2011, The neural autoregressive distribution estimator (AISTATS)",
    split="the files' own, 5000 / 1414 / 26147 by the repository's README",
    faults=["The files are known by their git blob ids alone."],
)
def adult() -> Splits:
    """Features of people in a census, one-hot."""
    return debd_splits("adult", 123)


@dataset(
    "connect4",
    kind="binary",
    shape=[126],
    levels=2,
    source="DEBD: connect4",
    licence="none stated",
    citation="Larochelle, Murray 2011, The neural autoregressive distribution estimator (AISTATS)",
    split="the files' own, 16000 / 4000 / 47557 by the repository's README",
    faults=["The files are known by their git blob ids alone."],
)
def connect4() -> Splits:
    """Positions of the game Connect Four, three bits a field."""
    return debd_splits("connect4", 126)


@dataset(
    "debd-mushrooms",
    kind="binary",
    shape=[112],
    levels=2,
    source="DEBD: mushrooms",
    licence="none stated",
    citation="Larochelle, Murray 2011, The neural autoregressive distribution estimator (AISTATS)",
    split="the files' own 2000 / 500 / 5624",
)
def mushrooms() -> Splits:
    """Features of mushrooms, one-hot; of Larochelle's sets."""
    return debd_splits("debd-mushrooms", 112)


@dataset(
    "debd-nips",
    kind="binary",
    shape=[500],
    levels=2,
    source="DEBD: nips",
    licence="none stated",
    citation="Larochelle, Murray 2011, The neural autoregressive distribution estimator (AISTATS)",
    split="the files' own 400 / 100 / 1240",
)
def nips() -> Splits:
    """Words in papers of the NIPS conference; of Larochelle's sets."""
    return debd_splits("debd-nips", 500)


@dataset(
    "ocr-letters",
    kind="binary",
    shape=[128],
    levels=2,
    source="DEBD: ocr_letters",
    licence="none stated",
    citation="Larochelle, Murray 2011, The neural autoregressive distribution estimator (AISTATS)",
    split="the files' own, 32152 / 10000 / 10000 by the repository's README",
    faults=["The files are known by their git blob ids alone."],
)
def ocr_letters() -> Splits:
    """Handwritten letters of 16 x 8 pixels."""
    return debd_splits("ocr-letters", 128)


@dataset(
    "rcv1",
    kind="binary",
    shape=[150],
    levels=2,
    source="DEBD: rcv1",
    licence="none stated",
    citation="Larochelle, Murray 2011, The neural autoregressive distribution estimator (AISTATS)",
    split="the files' own, 40000 / 10000 / 150000 by the repository's README",
    faults=["The files are known by their git blob ids alone."],
)
def rcv1() -> Splits:
    """Words of news of Reuters."""
    return debd_splits("rcv1", 150)
