"""A text as symbols: one for each character, by an alphabet."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.datasets.own.raw import BLOCK, Array, Raw, unreadable
from bench.declared import shown
from bench.errors import BenchError


def points(file: Path, alphabet: str) -> Raw:
    """The characters of a UTF-8 file as their places in the alphabet, [N]; read in pieces.

    Line ends are characters as they stand. Raises BenchError for one that the alphabet lacks.
    """
    known = np.frombuffer(alphabet.encode("utf-32-le"), np.uint32)
    place = np.full(int(known.max()) + 2, len(known), np.min_scalar_type(len(known)))
    place[known] = np.arange(len(known))
    pieces = []
    for piece in _pieces(file):
        codes = np.frombuffer(piece.encode("utf-32-le"), np.uint32)
        symbols = place[np.minimum(codes, len(place) - 1)]
        if (symbols == len(known)).any():
            stranger = piece[int((symbols == len(known)).argmax())]
            raise BenchError(f"{shown(file)} holds {stranger!r}, which read.alphabet lacks")
        pieces.append(symbols)
    made: Array = np.concatenate([np.empty(0, place.dtype), *pieces])
    return Raw(made)


def characters(file: Path) -> set[str]:
    """The characters that occur. Raises BenchError for a file that is not UTF-8."""
    return set().union(*map(set, _pieces(file)))


def _pieces(file: Path) -> Iterator[str]:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
            while piece := text.read(BLOCK):
                yield piece
    except (OSError, EOFError) as error:
        raise unreadable(file, "text", error) from error
    except UnicodeDecodeError as error:
        raise unreadable(file, "UTF-8 text", f"{error}: convert it first") from error
