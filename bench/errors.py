"""Errors a person can act on: one sentence that says what is wrong, where, and the remedy.

The command line prints the sentence and exits with the class's code (DESIGN 9:
1 a check or cell failed, 2 wrong use, 3 something missing); a cell records it as its reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """Base class; `str(error)` is one sentence with its remedy."""

    exit_code = 1


class UsageError(BenchError):
    """The request itself is wrong: a misspelt name, an invalid setting, two plugins of one name."""

    exit_code = 2


class MissingError(BenchError):
    """Something is not on this machine: a package, a data file, a GPU, a clone of the project."""

    exit_code = 3


class PluginError(BenchError):
    """A plugin broke the contract: it raised, or returned the wrong type, shape or a NaN."""


class DivergedError(BenchError):
    """Training ended in NaN or infinity."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'maf'?` for the names nearest to `name`, or the empty string."""
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""


def unknown(what: str, name: str, known: Iterable[str], listing: str) -> UsageError:
    """The error for a name nobody has: the nearest names and the command that lists them all."""
    return UsageError(f"no {what} '{name}'.{did_you_mean(name, known)} All: {listing}")
